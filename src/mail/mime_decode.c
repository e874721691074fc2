/*
 * Transfer encodings (RFC 2045 6), read as tolerantly as clients do. See mime_inside.h and mime.h.
 *
 * Called by mime_part.c and through mime_body() by whoever looks at contents. Decoded octets lie in the message's arena,
 * bounded by MIME_DECODED; octets without encoding stay where they are. Broken input is decoded as far as it goes and said.
 */
#include "mail/mime_inside.h"

enum { SPACE = 64, PAD = 65, WRONG = 66 };

/* The value of each octet in base64 (RFC 2045 6.8), or one of the above. */
static const unsigned char BASE64[256] = {
    66, 66, 66, 66, 66, 66, 66, 66, 66, 64, 64, 64, 64, 64, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 64, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 62, 66, 66, 66, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61,
    66, 66, 66, 65, 66, 66, 66, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 66, 66, 66, 66, 66, 66, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44,
    45, 46, 47, 48, 49, 50, 51, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66,
    66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66, 66};

/* The encoding a word names: comments, quotes, parameters and white space around it do not matter to clients. */
enum mime_encoding mime_encoding_of(struct str word)
{
    static const struct {
        const char *name;
        enum mime_encoding e;
    } rows[] = {{"", MIME_IDENTITY},         {"7bit", MIME_IDENTITY},
                {"8bit", MIME_IDENTITY},     {"binary", MIME_IDENTITY},
                {"base64", MIME_BASE64},     {"quoted-printable", MIME_QP},
                {"uuencode", MIME_UU},       {"x-uuencode", MIME_UU},
                {"x-uue", MIME_UU},          {"uue", MIME_UU},
                {"7-bit", MIME_IDENTITY},    {"8-bit", MIME_IDENTITY},
                {"unencoded", MIME_IDENTITY}};
    char plain[32];
    size_t n = 0;

    for (size_t i = 0, deep = 0; i < word.n && word.p[i] != ';'; i++) {
        char c = word.p[i];

        deep += c == '(';
        if (!deep && !mime_space(c) && c != '"') {
            if (n == sizeof plain)
                return MIME_UNKNOWN;
            plain[n++] = c;
        }
        deep -= c == ')' && deep;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eqi(str_c(rows[i].name), str_of(plain, n)))
            return rows[i].e;
    return MIME_UNKNOWN;
}

/* Padding ends a group; what follows is decoded as a further one, so nothing behind it is hidden. */
bool mime_base64(struct str in, char *out, size_t *n)
{
    const unsigned char *t = BASE64, *p = (const unsigned char *)in.p, *end = p + in.n;
    uint32_t bits = 0;
    unsigned have = 0;
    bool good = true, padded = false;
    size_t at = 0;

    while (p < end) {
        unsigned v;

        if (!have && end - p >= 4 && (t[p[0]] | t[p[1]] | t[p[2]] | t[p[3]]) < 64) {
            bits = (uint32_t)t[p[0]] << 18 | (uint32_t)t[p[1]] << 12 | (uint32_t)t[p[2]] << 6 | t[p[3]];
            out[at++] = (char)(bits >> 16);
            out[at++] = (char)(bits >> 8);
            out[at++] = (char)bits;
            good &= !padded;
            p += 4;
            continue;
        }
        v = t[*p++];
        if (v == SPACE)
            continue;
        if (v == PAD) {
            padded = true;
            good &= have != 1;
            have = 0; /* the octets of a short group are out already */
            continue;
        }
        if (v == WRONG) {
            good = false;
            continue;
        }
        good &= !padded;
        bits = bits << 6 | v;
        have = (have + 1) & 3;
        if (have == 2)
            out[at++] = (char)(bits >> 4);
        else if (have == 3)
            out[at++] = (char)(bits >> 2);
        else if (have == 0)
            out[at++] = (char)bits;
    }
    *n = at;
    return good && have == 0;
}

static int hex(char c)
{
    return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Octets of a soft line break at s, which begins with '='; 0 = none. */
static size_t soft_break(struct str s)
{
    size_t i = 1;

    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
        i++;
    if (i == s.n)
        return s.n;
    if (s.p[i] == '\n')
        return i + 1;
    if (s.p[i] == '\r')
        return i + 1 < s.n && s.p[i + 1] == '\n' ? i + 2 : i + 1;
    return 0;
}

bool mime_quoted_printable(struct str in, char *out, size_t *n)
{
    bool good = true;
    size_t at = 0;

    while (in.n) {
        size_t plain = str_find(in, '='), soft;

        memcpy(out + at, in.p, plain);
        at += plain;
        in = str_from(in, plain);
        if (!in.n)
            break;
        soft = soft_break(in);
        if (soft) {
            in = str_from(in, soft);
        } else if (in.n >= 3 && hex(in.p[1]) >= 0 && hex(in.p[2]) >= 0) {
            out[at++] = (char)(hex(in.p[1]) << 4 | hex(in.p[2]));
            in = str_from(in, 3);
        } else {
            good = false;
            out[at++] = '=';
            in = str_from(in, 1);
        }
    }
    *n = at;
    return good;
}

bool mime_looks_base64(struct str in)
{
    size_t wrong = 0, right = 0;

    for (size_t i = 0; i < in.n && i < 65536; i++) {
        unsigned v = BASE64[(unsigned char)in.p[i]];

        wrong += v == WRONG;
        right += v < 64 || v == PAD;
        if ((in.p[i] == ' ' && i + 1 < in.n && ascii_alpha(in.p[i + 1])) || (wrong > 16 && wrong * 20 > right))
            return false; /* words */
    }
    return right >= 16 && wrong * 20 <= right;
}

/* --- bodies --------------------------------------------------------------------------------------------------------- */

static struct str decode(struct mime *m, struct mime_part *p, enum mime_encoding e)
{
    char *out = mime_room(m, p->raw.n);
    size_t n = 0;
    bool good;

    if (!out) {
        p->unscannable = str_lit("too large");
        return STR_NONE;
    }
    good = e == MIME_BASE64 ? mime_base64(p->raw, out, &n)
           : e == MIME_QP   ? mime_quoted_printable(p->raw, out, &n)
                            : mime_uu_decode(p->raw, out, &n);
    if (!good)
        mime_flaw(m, p, MIME_FLAW_BAD_ENCODING);
    return str_of(out, n);
}

struct str mime_body(struct mime *m, struct mime_part *p)
{
    enum mime_encoding e;

    if (p->decoded)
        return p->body;
    e = mime_encoding_of(p->encoding);
    p->decoded = true;
    p->body = p->raw;
    if (e != MIME_IDENTITY && e != MIME_UNKNOWN && (!p->first || p->inside))
        p->body = decode(m, p, e);
    p->size = p->body.n;
    if (e != MIME_IDENTITY && e != MIME_UNKNOWN && str_starts(p->type, str_lit("text/")))
        mime_uu_find(m, p, p->body);
    return p->body;
}
