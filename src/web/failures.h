/*
 * Failed logins by address: ten in a minute shut the address out for a minute, each further time for twice as long, at most
 * 15 minutes (spec/api.md 12). IPv6 counts by /64. Bounded: the oldest of 256 addresses gives way.
 */
#ifndef WEB_FAILURES_H
#define WEB_FAILURES_H

#include "net/socket.h"

struct failures;

struct failures *failures_new(void);
void failures_free(struct failures *f);
/* Seconds until this address may try again; 0 = now. */
uint64_t failures_wait_s(const struct failures *f, const struct address_ip *from, uint64_t now_ms);
void failures_add(struct failures *f, const struct address_ip *from, uint64_t now_ms);

#endif
