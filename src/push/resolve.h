/*
 * The address of a log server: an address in text, or asked of lookup. One question at a time.
 */
#ifndef PUSH_RESOLVE_H
#define PUSH_RESOLVE_H

#include "bus/ask.h"
#include "net/socket.h"

struct resolve {
    struct dns_asker *ask;
    uint64_t number; /* of the question under way, 0 = none */
    uint64_t turn;   /* rises: a server with several addresses is tried at each in turn */
    uint16_t port;
    bool asking;
    /* `at` NULL: why not. May run inside resolve_begin(). */
    void (*fn)(void *ctx, const struct address_ip *at, const char *why);
    void *ctx;
};

void resolve_begin(struct resolve *r, struct str host, uint16_t port);
void resolve_cancel(struct resolve *r);

#endif
