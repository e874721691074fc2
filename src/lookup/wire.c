/*
 * Resource record data of DNS answers into the form other roles get (mail/dns.h).
 *
 * Called by resolver.c for each record. libunbound gives names uncompressed (RFC 1035 3.1). Names that are no host names
 * (octets other than printable ASCII, a dot inside a label) are refused: nobody here could use them. Lives in the caller's
 * arena.
 */
#include "lookup/resolver.h"

enum rc wire_name(struct arena *a, struct str *in, struct str *out)
{
    char text[256];
    size_t n = 0;
    struct str rest = *in;

    for (;;) {
        size_t label;

        if (rest.n == 0)
            return RC_SYNTAX;
        label = (unsigned char)rest.p[0];
        rest = str_from(rest, 1);
        if (label == 0)
            break;
        if (label > 63 || label > rest.n || n + label + 1 > sizeof text)
            return RC_SYNTAX;
        if (n)
            text[n++] = '.';
        for (size_t i = 0; i < label; i++) {
            unsigned char c = (unsigned char)rest.p[i];

            if (c <= 32 || c >= 127 || c == '.' || c == '\\')
                return RC_SYNTAX;
            text[n++] = (char)c;
        }
        rest = str_from(rest, label);
    }
    *in = rest;
    *out = arena_str(a, str_of(text, n));
    return out->p ? RC_OK : RC_NO_MEMORY;
}

/* Character strings joined without separator (RFC 7208 3.3, RFC 6376 3.6.2.2). */
static enum rc text(struct arena *a, struct str in, struct str *out)
{
    char *p = arena_alloc(a, in.n + 1);
    size_t n = 0;

    if (!p)
        return RC_NO_MEMORY;
    while (in.n) {
        size_t part = (unsigned char)in.p[0];

        if (part + 1 > in.n)
            return RC_SYNTAX;
        memcpy(p + n, in.p + 1, part);
        n += part;
        in = str_from(in, part + 1);
    }
    *out = str_of(p, n);
    return RC_OK;
}

static enum rc octets(struct arena *a, struct str in, size_t least, size_t most, struct str *out)
{
    if (in.n < least || in.n > most)
        return RC_SYNTAX;
    *out = arena_str(a, in);
    return out->p ? RC_OK : RC_NO_MEMORY;
}

enum rc wire_record(struct arena *a, uint64_t type, struct str in, struct dns_record *out)
{
    struct dns_record r = {0};

    switch (type) {
    case DNS_A:
        TRY(octets(a, in, 4, 4, &r.data));
        break;
    case DNS_AAAA:
        TRY(octets(a, in, 16, 16, &r.data));
        break;
    case DNS_TLSA:
        TRY(octets(a, in, 4, 65535, &r.data));
        break;
    case DNS_TXT:
        TRY(text(a, in, &r.data));
        break;
    case DNS_MX:
        if (in.n < 3)
            return RC_SYNTAX;
        r.preference = (uint64_t)(unsigned char)in.p[0] << 8 | (unsigned char)in.p[1];
        in = str_from(in, 2);
        TRY(wire_name(a, &in, &r.data));
        break;
    case DNS_PTR:
        TRY(wire_name(a, &in, &r.data));
        break;
    default:
        return RC_SYNTAX;
    }
    *out = r;
    return RC_OK;
}
