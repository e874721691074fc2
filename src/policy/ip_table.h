/*
 * Sets of IP addresses and networks, each with a rank: which member fits an address first, in time that grows with the
 * number of different prefix lengths and not with the number of members.
 */
#ifndef POLICY_IP_TABLE_H
#define POLICY_IP_TABLE_H

#include "base/arena.h"
#include "base/err.h"
#include "net/ip.h"

enum { IP_TABLE_NONE = UINT32_MAX };

struct ip_prefix;
struct ip_group;

struct ip_table {
    struct arena *arena;     /* owner of everything here */
    struct ip_prefix *items; /* a list while building, an array afterwards */
    size_t n;
    const struct ip_group *groups; /* one per family and prefix length */
    size_t n_groups;
};

void ip_table_begin(struct ip_table *t, struct arena *a);
/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32", "192.0.2.1-192.0.2.9", "192.0.2." (leading octets). RC_SYNTAX when the text
 * is none of these; RC_NO_MEMORY. */
enum rc ip_table_add(struct ip_table *t, struct str text, uint32_t rank, struct err *e);
enum rc ip_table_build(struct ip_table *t, struct err *e);
/* Least rank of the members that hold the address, or IP_TABLE_NONE. */
uint32_t ip_table_find(const struct ip_table *t, const struct address_ip *ip);
/* Table of a list of lines; lines that are no addresses are left out. */
enum rc ip_table_of(struct arena *a, struct strs lines, struct ip_table *out, struct err *e);

#endif
