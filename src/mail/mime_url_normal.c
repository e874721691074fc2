/*
 * The normal form of an address. See mime_url.h.
 *
 * Called by mime_url.c, policy and scan with octets of strangers. Scratch memory is a buffer of its own; the result lies in
 * the caller's arena.
 */
#include "mail/mime_url.h"

#include "base/buf.h"

#include <idn2.h>
#include <stdlib.h>

enum { URL_MOST = 8192, HOST_MOST = 1024 };

static const struct scheme {
    const char *name;
    const char *port;
} schemes[] = {{"https", ":443"}, {"http", ":80"}, {"ftp", ":21"}};

static int hex(char c)
{
    return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int percent(struct str s)
{
    if (s.n < 3 || s.p[0] != '%' || hex(s.p[1]) < 0 || hex(s.p[2]) < 0)
        return -1;
    return hex(s.p[1]) << 4 | hex(s.p[2]);
}

/* Browsers drop tabs and line ends anywhere, controls and spaces at the ends, and take "\" for "/". */
static void clean(struct str url, struct buf *out)
{
    while (url.n && (unsigned char)url.p[0] <= 0x20)
        url = str_from(url, 1);
    while (url.n && (unsigned char)url.p[url.n - 1] <= 0x20)
        url.n--;
    for (size_t i = 0, query = 0; i < url.n; i++) {
        char c = url.p[i];

        query |= c == '?' || c == '#';
        if (c == '\t' || c == '\r' || c == '\n' || c == '\0')
            continue;
        buf_addc(out, c == '\\' && !query ? '/' : c);
    }
}

static const struct scheme *cut_scheme(struct str *url)
{
    size_t colon = str_find(*url, ':');

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!str_eqi(str_first(*url, colon), str_c(schemes[i].name)) || colon == url->n)
            continue;
        *url = str_from(*url, colon + 1);
        while (url->n && url->p[0] == '/')
            *url = str_from(*url, 1);
        return &schemes[i];
    }
    return NULL;
}

/* 1 to 4 numbers in decimal, octal or hexadecimal, as inet_aton takes them. */
static bool as_number(struct str host, uint32_t *out)
{
    struct str part;
    uint64_t v[4] = {0};
    unsigned n = 0;

    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    while (str_split(&host, '.', &part)) {
        int base = 10;

        if (n == 4 || !part.n || part.n > 20)
            return false;
        if (part.n > 1 && part.p[0] == '0') {
            base = part.p[1] == 'x' || part.p[1] == 'X' ? 16 : 8;
            part = str_from(part, base == 16 ? 2 : 1);
        }
        for (size_t i = 0; i < part.n; i++) {
            int digit = hex(part.p[i]);

            if (digit < 0 || digit >= base || v[n] > UINT32_MAX)
                return false;
            v[n] = v[n] * (uint64_t)base + (uint64_t)digit;
        }
        n++;
    }
    for (unsigned i = 0; i + 1 < n; i++)
        if (v[i] > 255)
            return false;
    if (!n || v[n - 1] >= 1ULL << (8 * (5 - n)))
        return false;
    *out = (uint32_t)v[n - 1];
    for (unsigned i = 0; i + 1 < n; i++)
        *out |= (uint32_t)v[i] << (24 - 8 * i);
    return true;
}

static void add_ascii(struct str host, struct buf *out)
{
    bool ascii = true;
    char text[HOST_MOST + 1], *made = NULL;

    for (size_t i = 0; i < host.n; i++)
        ascii &= !(host.p[i] & (char)0x80);
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (!ascii && idn2_to_ascii_8z(text, &made, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT | IDN2_ALLOW_UNASSIGNED) == IDN2_OK)
        host = str_c(made);
    for (size_t i = 0; i < host.n; i++)
        buf_addc(out, ascii_lower(host.p[i]));
    idn2_free(made);
}

/* Host, decoded; false when there is none. */
static bool add_host(struct str host, struct buf *out)
{
    struct buf plain = BUF(HOST_MOST);
    struct str h;
    uint32_t ip;
    bool good;

    for (size_t i = 0; i < host.n; i++) {
        int c = percent(str_from(host, i));

        if (c > 0)
            i += 2;
        buf_addc(&plain, c > 0 ? (char)c : host.p[i]);
    }
    h = buf_str(&plain);
    while (h.n && h.p[h.n - 1] == '.')
        h.n--;
    good = h.n && !plain.failed && !memchr(h.p, '\0', h.n);
    if (good && as_number(h, &ip))
        buf_addf(out, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
    else if (good)
        add_ascii(h, out);
    buf_done(&plain);
    return good;
}

static size_t until(struct str s, const char *stops)
{
    size_t n = 0;

    while (n < s.n && (!s.p[n] || !strchr(stops, s.p[n])))
        n++;
    return n;
}

static bool add_authority(struct str *url, const struct scheme *scheme, struct buf *out)
{
    size_t n = until(*url, "/?#"), at, colon;
    struct str authority = str_first(*url, n), port = STR_NONE;

    *url = str_from(*url, n);
    at = str_find_last(authority, '@');
    if (at < authority.n)
        authority = str_from(authority, at + 1);
    colon = str_find_last(authority, ':');
    if (colon < authority.n && str_find(authority, ']') < authority.n && str_find_last(authority, ']') > colon)
        colon = authority.n;
    port = str_from(authority, colon);
    if (!add_host(str_first(authority, colon), out))
        return false;
    while (port.n > 2 && port.p[1] == '0')
        port = str_from(port, 1);
    if (port.n > 1 && !str_eq(str_from(port, 1), str_from(str_c(scheme->port), 1))) {
        buf_addc(out, ':');
        buf_add(out, str_from(port, 1));
    }
    return true;
}

static bool is_plain(int c)
{
    return c > 0 && (ascii_alpha((char)c) || ascii_digit((char)c) || strchr("-._~", c));
}

static void add_coded(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        int c = percent(str_from(s, i));
        unsigned char raw = (unsigned char)s.p[i];

        if (is_plain(c))
            buf_addc(out, (char)c);
        else if (c >= 0)
            buf_addf(out, "%%%02X", (unsigned)c);
        else if (raw <= 0x20 || raw >= 0x7f || raw == '"' || raw == '<' || raw == '>')
            buf_addf(out, "%%%02X", (unsigned)raw);
        else
            buf_addc(out, s.p[i]);
        if (c >= 0)
            i += 2;
    }
}

/* The path without "." and ".." (RFC 3986 5.2.4), begun at out->n = from. */
static void add_path(struct str path, struct buf *out)
{
    size_t from = out->n;
    struct str rest = path.n ? str_from(path, 1) : path, segment;

    while (str_split(&rest, '/', &segment)) {
        struct buf one = BUF(URL_MOST * 3);
        struct str s;

        add_coded(segment, &one);
        s = buf_str(&one);
        if (str_eq(s, str_lit(".."))) {
            while (out->n > from && out->p[--out->n] != '/')
                ;
            if (!rest.p)
                buf_addc(out, '/');
        } else if (!str_eq(s, str_lit("."))) {
            buf_addc(out, '/');
            buf_add(out, s);
        } else if (!rest.p) {
            buf_addc(out, '/');
        }
        buf_done(&one);
    }
}

struct str mime_url_normal(struct arena *a, struct str url)
{
    struct buf plain = BUF(URL_MOST), out = BUF(URL_MOST * 4);
    const struct scheme *scheme;
    struct str rest, done = STR_NONE;

    clean(str_first(url, URL_MOST), &plain);
    rest = buf_str(&plain);
    scheme = cut_scheme(&rest);
    if (scheme) {
        buf_addf(&out, "%s://", scheme->name);
        if (add_authority(&rest, scheme, &out)) {
            size_t path = until(rest, "?#"), query;

            add_path(str_first(rest, path), &out);
            rest = str_from(rest, path);
            query = until(rest, "#");
            add_coded(str_first(rest, query), &out);
            if (query < rest.n) {
                buf_addc(&out, '#');
                add_coded(str_from(rest, query + 1), &out);
            }
            done = out.failed ? STR_NONE : arena_str(a, buf_str(&out));
        }
    }
    buf_done(&plain);
    buf_done(&out);
    return done;
}
