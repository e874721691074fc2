/*
 * Names of this machine, and whom a proxy speaks for. See names.h.
 *
 * Called by gate.c for each request. Owns nothing, reads the settings given.
 */
#include "web/names.h"

/* Each proxy adds the address it saw at the end; what stands before the first stranger may be invented. */
bool names_client(const struct access *a, struct str origin, struct address_ip *client_out)
{
    struct address_ip ip;

    while (origin.n) {
        size_t comma = str_find_last(origin, ',');
        struct str one = str_trim(comma < origin.n ? str_from(origin, comma + 1) : origin);

        if (!ip_parse(one, &ip))
            return false;
        if (!access_is_proxy(a, &ip)) {
            *client_out = ip;
            return true;
        }
        origin = comma < origin.n ? str_first(origin, comma) : STR_NONE;
    }
    return false;
}

bool names_loopback(const struct address_ip *ip)
{
    static const unsigned char six[16] = {[15] = 1};

    return ip->family == AF_INET ? ip->octets[0] == 127 : memcmp(ip->octets, six, sizeof six) == 0;
}

static struct str our_address(const struct conf *c, struct str host, const struct address_ip *local, char text[46])
{
    static const unsigned char any[16] = {0}; /* an interface's 0.0.0.0 is no name for anybody */
    struct address_ip ip, ours;

    if (!ip_parse(host, &ip) || memcmp(ip.octets, any, sizeof any) == 0)
        return STR_NONE;
    if (ip_equal(&ip, local))
        return ip_text(&ip, text);
    for (size_t i = 0; i < c->interface.n; i++)
        if ((ip_parse(c->interface.items[i].address, &ours) && ip_equal(&ip, &ours)) ||
            (ip_parse(c->interface.items[i].address6, &ours) && ip_equal(&ip, &ours)))
            return ip_text(&ip, text);
    return STR_NONE;
}

struct str names_ours(const struct conf *c, struct str host, const struct address_ip *local, char text[46])
{
    if (str_eqi(host, c->system.hostname))
        return c->system.hostname;
    for (size_t i = 0; i < c->interface.n; i++)
        if (c->interface.items[i].hostname.n && str_eqi(host, c->interface.items[i].hostname))
            return c->interface.items[i].hostname;
    for (size_t i = 0; i < c->access.host_names.n; i++)
        if (str_eqi(host, c->access.host_names.items[i]))
            return c->access.host_names.items[i];
    if (str_eqi(host, str_lit("localhost")) && names_loopback(local))
        return str_lit("localhost");
    return our_address(c, host, local, text);
}
