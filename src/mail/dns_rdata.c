/*
 * What DNS records say, as text (RFC 1035 5, RFC 3596, 2782, 6698, 8659, 3597). See dns_rdata.h.
 *
 * Called by dns_message.c. Owns nothing. A layout is a string: one letter a field, so a type costs a row. Data that do not
 * fit their layout are shown as unknown ones, never read beyond their end.
 */
#include "mail/dns_rdata.h"

#include <arpa/inet.h>

enum { NAME_MAX_OCTETS = 255, HOPS_MAX = 128 };

bool dns_wire_u16(struct dns_wire *w, uint16_t *out)
{
    const unsigned char *p = (const unsigned char *)w->all.p + w->at;

    if (w->all.n - w->at < 2)
        return false;
    *out = (uint16_t)(p[0] << 8 | p[1]);
    w->at += 2;
    return true;
}

bool dns_wire_u32(struct dns_wire *w, uint32_t *out)
{
    uint16_t high = 0, low = 0;

    if (w->all.n - w->at < 4)
        return false;
    dns_wire_u16(w, &high);
    dns_wire_u16(w, &low);
    *out = (uint32_t)high << 16 | low;
    return true;
}

static void put_octet(struct buf *b, unsigned char c, const char *special)
{
    if (c < 33 || c > 126)
        buf_addf(b, c == ' ' && *special == '"' ? " " : "\\%03u", c);
    else if (strchr(special, c) || c == '\\')
        buf_addf(b, "\\%c", c);
    else
        buf_addc(b, (char)c);
}

/* The labels at *at; *at ends behind the name as it lies there, pointers not followed. */
static bool labels(struct str all, size_t *at, struct buf *out)
{
    size_t p = *at, total = 1, before = all.n;
    bool jumped = false;

    for (unsigned hops = 0; hops < HOPS_MAX; hops++) {
        size_t n;

        if (p >= all.n)
            return false;
        n = (unsigned char)all.p[p];
        if (n >= 0xC0) {
            size_t to;

            if (p + 2 > all.n)
                return false;
            to = (n & 0x3F) << 8 | (unsigned char)all.p[p + 1];
            if (!jumped)
                *at = p + 2;
            if (to >= p || to >= before)
                return false; /* backwards only: it ends */
            jumped = true;
            before = p = to;
            continue;
        }
        if (n > 63 || p + 1 + n > all.n || (total += n + 1) > NAME_MAX_OCTETS)
            return false;
        if (n == 0) {
            if (!jumped)
                *at = p + 1;
            return true;
        }
        for (size_t i = 0; i < n; i++)
            put_octet(out, (unsigned char)all.p[p + 1 + i], ".;\"()@$");
        buf_addc(out, '.');
        p += n + 1;
    }
    return false;
}

bool dns_wire_name(struct arena *a, struct dns_wire *w, struct str *out)
{
    struct buf b = BUF(2048);
    bool ok = labels(w->all, &w->at, &b) && !b.failed;

    if (ok)
        *out = b.n ? arena_str(a, buf_str(&b)) : arena_str(a, str_lit("."));
    buf_done(&b);
    return ok && out->p;
}

/* --- layouts ------------------------------------------------------------------------------------------------------------
 * 1 2 4  number of so many octets    p  2 octets: the preference    T  2 octets: a type
 * n name    t name that is the target    i 6  address    s character string    k  the same without quotes    * strings to
 * the end v  the rest in quotes (CAA)    x  the rest in hexadecimal    b  the rest in base 64
 */
static const struct {
    uint16_t type;
    const char *fields;
} LAYOUTS[] = {
    {1, "i"},    {2, "t"},          {5, "t"},     {6, "nn44444"}, {12, "t"}, {13, "ss"},
    {15, "pt"},  {16, "*"},         {28, "6"},    {33, "222t"},   {39, "t"}, {43, "211x"},
    {44, "11x"}, {46, "T114442nb"}, {48, "211b"}, {52, "111x"},   {99, "*"}, {257, "1kv"},
};

static void put_text(struct buf *b, struct str text)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < text.n; i++)
        put_octet(b, (unsigned char)text.p[i], "\"");
    buf_addc(b, '"');
}

static void put_hex(struct buf *b, struct str data)
{
    for (size_t i = 0; i < data.n; i++)
        buf_addf(b, "%02X", (unsigned char)data.p[i]);
}

static void put_base64(struct buf *b, struct str d)
{
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < d.n; i += 3) {
        unsigned v = (unsigned)(unsigned char)d.p[i] << 16 | (i + 1 < d.n ? (unsigned)(unsigned char)d.p[i + 1] << 8 : 0) |
                     (i + 2 < d.n ? (unsigned char)d.p[i + 2] : 0);

        for (unsigned k = 0; k < 4; k++)
            buf_addc(b, i + k > d.n ? '=' : ALPHABET[v >> (18 - 6 * k) & 63]);
    }
}

struct reading {
    struct arena *arena;
    struct dns_wire w; /* all ends at the end of the record */
    struct dns_entry *x;
    struct buf *out;
};

static struct str rest(struct reading *r)
{
    struct str d = str_from(r->w.all, r->w.at);

    r->w.at = r->w.all.n;
    return d;
}

static bool number(struct reading *r, char kind)
{
    uint16_t v2 = 0;
    uint32_t v = 0;

    if (kind == '1') {
        if (r->w.at >= r->w.all.n)
            return false;
        v = (unsigned char)r->w.all.p[r->w.at++];
    } else if (kind == '4') {
        if (!dns_wire_u32(&r->w, &v))
            return false;
    } else {
        if (!dns_wire_u16(&r->w, &v2))
            return false;
        v = v2;
    }
    if (kind == 'p')
        r->x->preference = v2;
    if (kind == 'T')
        buf_add(r->out, dns_message_type(r->arena, v2));
    else
        buf_add_u64(r->out, v);
    return true;
}

static bool address(struct reading *r, int family, size_t n)
{
    char text[INET6_ADDRSTRLEN];

    if (r->w.all.n - r->w.at != n || !inet_ntop(family, r->w.all.p + r->w.at, text, sizeof text))
        return false;
    r->w.at += n;
    buf_add(r->out, str_c(text));
    return true;
}

static bool string(struct reading *r, bool quotes)
{
    size_t n = r->w.at < r->w.all.n ? (unsigned char)r->w.all.p[r->w.at] : SIZE_MAX;

    if (n == SIZE_MAX || n > r->w.all.n - r->w.at - 1)
        return false;
    if (quotes)
        put_text(r->out, str_of(r->w.all.p + r->w.at + 1, n));
    for (size_t i = 0; i < n && !quotes; i++)
        put_octet(r->out, (unsigned char)r->w.all.p[r->w.at + 1 + i], " ");
    r->w.at += n + 1;
    return true;
}

static bool name(struct reading *r, bool target)
{
    struct str s;

    if (!dns_wire_name(r->arena, &r->w, &s))
        return false;
    if (target)
        r->x->target = s;
    buf_add(r->out, s);
    return true;
}

static bool field(struct reading *r, char kind)
{
    switch (kind) {
    case 'i':
        return address(r, AF_INET, 4);
    case '6':
        return address(r, AF_INET6, 16);
    case 'n':
    case 't':
        return name(r, kind == 't');
    case 's':
    case 'k':
        return string(r, kind == 's');
    case 'v':
        put_text(r->out, rest(r));
        return true;
    case 'x':
        put_hex(r->out, rest(r));
        return true;
    case 'b':
        put_base64(r->out, rest(r));
        return true;
    default:
        return number(r, kind);
    }
}

static bool render(struct reading *r, const char *fields)
{
    if (*fields == '*') {
        bool ok = string(r, true);

        while (ok && r->w.at < r->w.all.n) {
            buf_addc(r->out, ' ');
            ok = string(r, true);
        }
        return ok;
    }
    for (const char *f = fields; *f; f++) {
        if (f > fields)
            buf_addc(r->out, ' ');
        if (!field(r, *f))
            return false;
    }
    return r->w.at == r->w.all.n;
}

void dns_rdata_render(struct arena *a, struct str all, size_t at, size_t n, struct dns_entry *x)
{
    struct buf b = BUF(1 << 19);
    struct reading r = {a, {str_first(all, at + n), at}, x, &b};
    const char *fields = NULL;

    for (size_t i = 0; i < sizeof LAYOUTS / sizeof *LAYOUTS; i++)
        if (LAYOUTS[i].type == x->type)
            fields = LAYOUTS[i].fields;
    if (!fields || !render(&r, fields)) {
        buf_clear(&b);
        x->target = STR_NONE;
        buf_addf(&b, "\\# %zu ", n);
        put_hex(&b, str_first(str_from(all, at), n));
    }
    x->text = arena_str(a, buf_str(&b));
    buf_done(&b);
}
