/*
 * IP addresses: text, socket addresses, comparison, prefixes. See ip.h.
 *
 * Called by every room that sees a peer. Owns nothing; a text that is no address gives false. IPv4 in IPv6 clothes
 * (::ffff:192.0.2.1) becomes IPv4 wherever it enters, so one address has one form.
 */
#include "net/ip.h"

#include <arpa/inet.h>

static const unsigned char v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void set_v6(struct address_ip *out, const void *octets)
{
    if (memcmp(octets, v4_mapped, sizeof v4_mapped) == 0) {
        out->family = AF_INET;
        memcpy(out->octets, (const char *)octets + sizeof v4_mapped, 4);
        return;
    }
    out->family = AF_INET6;
    memcpy(out->octets, octets, 16);
}

bool ip_parse(struct str text, struct address_ip *out)
{
    char name[INET6_ADDRSTRLEN];
    unsigned char octets[16];
    struct address_ip ip = {0};

    if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_of(text.p + 1, text.n - 2);
    if (text.n == 0 || text.n >= sizeof name || memchr(text.p, 0, text.n))
        return false;
    memcpy(name, text.p, text.n);
    name[text.n] = '\0';
    if (inet_pton(AF_INET, name, ip.octets) == 1)
        ip.family = AF_INET;
    else if (inet_pton(AF_INET6, name, octets) == 1)
        set_v6(&ip, octets);
    else
        return false;
    *out = ip;
    return true;
}

/* Written by hand: this runs for every connection and log line. */
static size_t v4_text(const unsigned char *o, char *out)
{
    char *at = out;

    for (int i = 0; i < 4; i++) {
        if (i)
            *at++ = '.';
        if (o[i] >= 100)
            *at++ = (char)('0' + o[i] / 100);
        if (o[i] >= 10)
            *at++ = (char)('0' + o[i] / 10 % 10);
        *at++ = (char)('0' + o[i] % 10);
    }
    *at = '\0';
    return (size_t)(at - out);
}

struct str ip_text(const struct address_ip *ip, char out[46])
{
    out[0] = '\0';
    if (ip->family == AF_INET)
        return str_of(out, v4_text(ip->octets, out));
    if (ip->family == AF_INET6)
        inet_ntop(AF_INET6, ip->octets, out, 46);
    return str_c(out);
}

void ip_from_sockaddr(const struct sockaddr *sa, struct address_ip *out)
{
    *out = (struct address_ip){0};
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

        out->family = AF_INET;
        out->port = ntohs(in->sin_port);
        memcpy(out->octets, &in->sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)sa;

        out->port = ntohs(in->sin6_port);
        set_v6(out, &in->sin6_addr);
    }
}

socklen_t ip_to_sockaddr(const struct address_ip *ip, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ip->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;

        in->sin_family = AF_INET;
        in->sin_port = htons(ip->port);
        memcpy(&in->sin_addr, ip->octets, 4);
        return sizeof *in;
    }
    if (ip->family == AF_INET6) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)out;

        in->sin6_family = AF_INET6;
        in->sin6_port = htons(ip->port);
        memcpy(&in->sin6_addr, ip->octets, 16);
        return sizeof *in;
    }
    return 0;
}

static size_t octets_of(sa_family_t family)
{
    return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

bool ip_equal(const struct address_ip *a, const struct address_ip *b)
{
    return a->family == b->family && memcmp(a->octets, b->octets, octets_of(a->family)) == 0;
}

bool ip_in(const struct address_ip *a, const struct address_ip *net, unsigned bits)
{
    size_t whole = bits / 8;
    unsigned char mask = (unsigned char)(0xff00u >> bits % 8);

    if (a->family != net->family || bits > octets_of(a->family) * 8 || !a->family)
        return false;
    if (memcmp(a->octets, net->octets, whole) != 0)
        return false;
    return bits % 8 == 0 || ((a->octets[whole] ^ net->octets[whole]) & mask) == 0;
}
