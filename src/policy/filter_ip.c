/*
 * Addresses of peers for rules. See filter_ip.h. Pure.
 */
#include "policy/filter_ip.h"
#include "policy/ip_table.h"

bool filter_ip_in(const struct ip_table *t, struct str text)
{
    struct address_ip ip;

    return ip_parse(text, &ip) && ip_table_find(t, &ip) != IP_TABLE_NONE;
}

struct str filter_ip_octets(struct arena *a, struct str text)
{
    struct address_ip ip;

    return ip_parse(text, &ip) ? arena_str(a, str_of(ip.octets, ip.family == AF_INET ? 4 : 16)) : STR_NONE;
}
