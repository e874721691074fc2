/* Addresses of scan engines as text. See engine_address.h. Called by lookup, which connects, and by checks and lists of the
 * configuration. Owns nothing. */
#include "net/engine_address.h"

static bool path(struct str text, struct engine_address *out)
{
    if (text.n == 0 || text.n >= sizeof out->path || text.p[0] != '/' || memchr(text.p, 0, text.n))
        return false;
    memcpy(out->path, text.p, text.n);
    return true;
}

bool engine_address_parse(struct str text, struct engine_address *out)
{
    struct engine_address a = {0};
    size_t colon = str_find_last(text, ':');
    struct str host = str_first(text, colon);
    uint64_t port;

    *out = a;
    if (str_starts(text, str_lit("unix:")))
        return path(str_from(text, 5), out);
    if (colon == text.n || !str_u64(str_from(text, colon + 1), &port) || port == 0 || port > 65535)
        return false;
    if (str_find(host, ':') < host.n && host.p[0] != '[')
        return false; /* an IPv6 address needs its brackets: where it ends is not clear else */
    if (!ip_parse(str_eqi(host, str_lit("localhost")) ? str_lit("127.0.0.1") : host, &a.ip))
        return false;
    a.ip.port = (uint16_t)port;
    *out = a;
    return true;
}

bool engine_address_local(const struct engine_address *a)
{
    static const unsigned char loopback6[16] = {[15] = 1};

    if (!a->ip.family)
        return true;
    return a->ip.family == AF_INET ? a->ip.octets[0] == 127 : memcmp(a->ip.octets, loopback6, 16) == 0;
}
