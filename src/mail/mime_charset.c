/*
 * Character sets to UTF-8. See mime.h.
 *
 * Called by the MIME reader. UTF-8 and the western sets are converted here; others by iconv(3), but only those of the list
 * below: a message may not choose which converter of the system is loaded. Results lie in the caller's arena; what does not
 * fit becomes U+FFFD.
 */
#include "mail/mime_inside.h"

#include <iconv.h>
#include <stdlib.h>

/* Octets 0x80 to 0x9f of windows-1252, which is what mail in "iso-8859-1" means by them. */
static const uint16_t WESTERN[32] = {0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
                                     0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
                                     0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178};

enum how { HOW_UTF8, HOW_WESTERN, HOW_ICONV };

static const struct charset {
    const char *name, *iconv;
    enum how how;
} charsets[] = {
#define CHARSET(name, converter, how) {name, converter, HOW_##how},
#include "spec/charsets.def"
#undef CHARSET
};

/* Length of the well formed character at s (RFC 3629); 0 = none. */
static size_t utf8_length(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    if (!n || n > s.n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* Octets from the start of s that are ASCII. */
static size_t ascii_length(struct str s)
{
    size_t i = 0;
    uint64_t word;

    for (; i + 8 <= s.n; i += 8) {
        memcpy(&word, s.p + i, 8);
        if (word & 0x8080808080808080ULL)
            break;
    }
    while (i < s.n && !(s.p[i] & (char)0x80))
        i++;
    return i;
}

static bool is_utf8(struct str s)
{
    while (s.n) {
        size_t n = ascii_length(s);

        s = str_from(s, n);
        if (!s.n)
            break;
        n = utf8_length(s);
        if (!n)
            return false;
        s = str_from(s, n);
    }
    return true;
}

static size_t put_char(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

static struct str repair_utf8(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.n * 3 + 1);
    size_t at = 0;

    if (!out)
        return STR_NONE;
    while (s.n) {
        size_t n = utf8_length(s);

        if (n)
            memcpy(out + at, s.p, n);
        at += n ? n : put_char(0xfffd, out + at);
        s = str_from(s, n ? n : 1);
    }
    return str_of(out, at);
}

static struct str from_western(struct arena *a, struct str s)
{
    char *out;
    size_t at = ascii_length(s);

    if (at == s.n)
        return s;
    out = arena_alloc(a, s.n * 3 + 1);
    if (!out)
        return STR_NONE;
    memcpy(out, s.p, at);
    for (size_t i = at; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        at += put_char(c >= 0x80 && c < 0xa0 ? WESTERN[c - 0x80] : c, out + at);
    }
    return str_of(out, at);
}

static struct str by_iconv(struct arena *a, struct str s, const char *name, bool *bad)
{
    iconv_t cd = iconv_open("UTF-8", name);
    size_t room = s.n * 4 + 16, left = room, in_left = s.n;
    char *out = cd == (iconv_t)-1 ? NULL : arena_alloc(a, room), *to = out, *in = (char *)(uintptr_t)s.p;

    if (cd == (iconv_t)-1) {
        *bad = true;
        return from_western(a, s);
    }
    while (out && in_left && left > 3 && iconv(cd, &in, &in_left, &to, &left) == (size_t)-1) {
        size_t n;

        if (!in_left || left <= 3)
            break;
        *bad = true;
        n = put_char(0xfffd, to);
        to += n;
        left -= n;
        in++;
        in_left--;
    }
    iconv_close(cd);
    return out ? str_of(out, (size_t)(to - out)) : STR_NONE;
}

static const struct charset *find(struct str name)
{
    for (size_t i = 0; i < sizeof charsets / sizeof *charsets; i++)
        if (str_eqi(str_c(charsets[i].name), name))
            return &charsets[i];
    return NULL;
}

struct str mime_to_utf8(struct arena *a, struct str s, struct str charset, bool *bad)
{
    const struct charset *c = find(charset);
    bool said = charset.n > 0;

    if (said && !c)
        *bad = true;
    if (c && c->how == HOW_ICONV)
        return by_iconv(a, s, c->iconv, bad);
    if (c && c->how == HOW_WESTERN)
        return from_western(a, s);
    if (is_utf8(s))
        return s;
    *bad |= said;
    return c && str_startsi(charset, str_lit("utf")) ? repair_utf8(a, s) : from_western(a, s);
}
