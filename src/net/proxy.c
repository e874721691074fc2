/*
 * Parser of PROXY headers. See proxy.h.
 *
 * Called by receive for listed peers before the first octet of SMTP. Owns nothing. Anything that is not exactly a header is
 * RC_SYNTAX as soon as that is certain.
 */
#include "net/proxy.h"

#include <arpa/inet.h>

#define V2_SIGNATURE str_lit("\r\n\r\n\0\r\nQUIT\n")

enum { V1_MOST = 107, V2_FIXED = 16, V2_INET = 12, V2_INET6 = 36 };

static bool port(struct str text, uint16_t *out)
{
    uint64_t v;

    if (!str_u64(text, &v) || v > 65535 || text.n > 5 || (text.n > 1 && text.p[0] == '0'))
        return false;
    *out = (uint16_t)v;
    return true;
}

/* "TCP4 192.0.2.1 192.0.2.2 1234 25", exactly one space between. */
static bool v1_addresses(struct str rest, struct proxy_header *h)
{
    struct str part[5];
    size_t n = 0;
    struct address_ip source, destination;
    bool v6;

    while (n < 5 && str_split(&rest, ' ', &part[n]))
        n++;
    if (n != 5 || rest.p)
        return false;
    v6 = str_eq(part[0], str_lit("TCP6"));
    if (!v6 && !str_eq(part[0], str_lit("TCP4")))
        return false;
    for (size_t i = 1; i < 3; i++)
        if ((str_find(part[i], ':') < part[i].n) != v6 || str_find(part[i], '[') < part[i].n)
            return false;
    if (!ip_parse(part[1], &source) || !ip_parse(part[2], &destination))
        return false;
    if (!port(part[3], &source.port) || !port(part[4], &destination.port))
        return false;
    h->source = source;
    h->destination = destination;
    return true;
}

static enum rc parse_v1(struct str in, struct proxy_header *out, size_t *used_out)
{
    struct proxy_header h = {.version = 1};
    struct str line = str_first(in, V1_MOST);
    size_t end = str_find_str(line, str_lit("\r\n"));

    if (end == line.n)
        return in.n < V1_MOST ? RC_UNAVAILABLE : RC_SYNTAX;
    line = str_from(str_first(line, end), 6);
    if (str_eq(line, str_lit("UNKNOWN")) || str_starts(line, str_lit("UNKNOWN ")))
        h.local = true;
    else if (!v1_addresses(line, &h))
        return RC_SYNTAX;
    *out = h;
    *used_out = end + 2;
    return RC_OK;
}

static void v2_address(struct address_ip *ip, sa_family_t family, const char *octets, const char *port_octets)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (family == AF_INET) {
        memcpy(&in.sin_addr, octets, 4);
        memcpy(&in.sin_port, port_octets, 2);
        ip_from_sockaddr((struct sockaddr *)&in, ip);
    } else {
        memcpy(&in6.sin6_addr, octets, 16);
        memcpy(&in6.sin6_port, port_octets, 2);
        ip_from_sockaddr((struct sockaddr *)&in6, ip);
    }
}

static enum rc parse_v2(struct str in, struct proxy_header *out, size_t *used_out)
{
    struct proxy_header h = {.version = 2};
    const unsigned char *fixed = (const unsigned char *)in.p;
    const char *body = in.p + V2_FIXED;
    size_t length;

    if (in.n < V2_FIXED)
        return RC_UNAVAILABLE;
    length = (size_t)fixed[14] << 8 | fixed[15];
    if (fixed[12] >> 4 != 2 || (fixed[12] & 15) > 1 || length > PROXY_MOST - V2_FIXED)
        return RC_SYNTAX;
    if (in.n < V2_FIXED + length)
        return RC_UNAVAILABLE;
    h.local = (fixed[12] & 15) == 0;
    if (!h.local && fixed[13] == 0x11) {
        if (length < V2_INET)
            return RC_SYNTAX;
        v2_address(&h.source, AF_INET, body, body + 8);
        v2_address(&h.destination, AF_INET, body + 4, body + 10);
    } else if (!h.local && fixed[13] == 0x21) {
        if (length < V2_INET6)
            return RC_SYNTAX;
        v2_address(&h.source, AF_INET6, body, body + 32);
        v2_address(&h.destination, AF_INET6, body + 16, body + 34);
    }
    *out = h;
    *used_out = V2_FIXED + length;
    return RC_OK;
}

enum rc proxy_parse(struct str in, struct proxy_header *out, size_t *used_out)
{
    struct str v1 = str_lit("PROXY "), v2 = V2_SIGNATURE;

    if (str_starts(in, v1))
        return parse_v1(in, out, used_out);
    if (str_starts(in, v2))
        return parse_v2(in, out, used_out);
    return str_starts(v1, in) || str_starts(v2, in) ? RC_UNAVAILABLE : RC_SYNTAX;
}
