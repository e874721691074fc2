/*
 * Tag lists. See dkim_tags.h.
 *
 * Called by the readers of signatures, seals and key records. Owns nothing; all of it is one pass over the input, the check
 * for double names is bounded by DKIM_TAGS_MAX.
 */
#include "mail/dkim_tags.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ALPHA *(ALPHA / DIGIT / "_") */
static bool is_name(struct str s)
{
    if (!s.n || !ascii_alpha(s.p[0]))
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '_')
            return false;
    return true;
}

/* Printable octets and folds; octets above 127 belong to internationalized names (RFC 8616). */
static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == 0x7f || (c < 0x21 && !is_space((char)c)))
            return false;
    }
    return true;
}

const struct dkim_tag *dkim_tag(const struct dkim_tags *tags, const char *name)
{
    struct str wanted = str_c(name);

    for (size_t i = 0; i < tags->n; i++)
        if (str_eq(tags->items[i].name, wanted))
            return &tags->items[i];
    return NULL;
}

struct str dkim_tag_value(const struct dkim_tags *tags, const char *name)
{
    const struct dkim_tag *t = dkim_tag(tags, name);

    return t ? t->value : STR_NONE;
}

static bool has_name(const struct dkim_tags *tags, struct str name)
{
    for (size_t i = 0; i < tags->n; i++)
        if (str_eq(tags->items[i].name, name))
            return true;
    return false;
}

static enum rc parse_one(struct str part, struct dkim_tags *out, struct err *e)
{
    size_t equals = str_find(part, '=');
    struct str name = str_trim(str_first(part, equals));
    struct dkim_tag *t = &out->items[out->n];

    if (equals == part.n || !is_name(name))
        return err_set(e, RC_SYNTAX, "\"%.*s\" is no tag", STR(str_first(str_trim(part), 40)));
    if (has_name(out, name))
        return err_set(e, RC_SYNTAX, "tag \"%.*s\" stands twice", STR(str_first(name, 40)));
    t->name = name;
    t->place = str_from(part, equals + 1);
    t->value = str_trim(t->place);
    if (!is_value(t->value))
        return err_set(e, RC_SYNTAX, "tag \"%.*s\" holds a control character", STR(str_first(name, 40)));
    out->n++;
    return RC_OK;
}

enum rc dkim_tags_parse(struct str in, struct dkim_tags *out, struct err *e)
{
    struct str rest = in, part;

    out->n = 0;
    while (str_split(&rest, ';', &part)) {
        if (!rest.p && out->n && !str_trim(part).n)
            break; /* behind a last semicolon */
        if (out->n == DKIM_TAGS_MAX)
            return err_set(e, RC_SYNTAX, "more than %d tags", DKIM_TAGS_MAX);
        TRY(parse_one(part, out, e));
    }
    return RC_OK;
}

bool dkim_list_next(struct str *rest, struct str *item_out)
{
    if (!str_split(rest, ':', item_out))
        return false;
    *item_out = str_trim(*item_out);
    return true;
}

bool dkim_list_has(struct str list, struct str word)
{
    struct str item;

    while (dkim_list_next(&list, &item))
        if (str_eqi(item, word))
            return true;
    return false;
}

struct str dkim_unspaced(struct arena *a, struct str s)
{
    size_t n = 0, i = 0;
    char *to;

    while (i < s.n && !is_space(s.p[i]))
        i++;
    if (i == s.n)
        return s;
    to = arena_alloc(a, s.n);
    if (!to)
        return STR_NONE;
    for (i = 0; i < s.n; i++)
        if (!is_space(s.p[i]))
            to[n++] = s.p[i];
    return str_of(to, n);
}

/* ---- base64 (RFC 4648 4) ------------------------------------------------------------------------------------------ */

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum rc dkim_base64_decode(struct arena *a, struct str in, struct str *out)
{
    char *to = arena_alloc(a, in.n / 4 * 3 + 3);
    size_t n = 0, digits = 0, pads = 0;
    uint32_t bits = 0;

    if (!to)
        return RC_NO_MEMORY;
    for (size_t i = 0; i < in.n; i++) {
        int d = digit_of(in.p[i]);

        if (is_space(in.p[i]))
            continue;
        if (in.p[i] == '=') {
            pads++;
            continue;
        }
        if (d < 0 || pads)
            return RC_SYNTAX;
        bits = bits << 6 | (uint32_t)d;
        if (digits++ % 4)
            to[n++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)) & 0xff);
    }
    if (digits % 4 == 1 || pads != (digits % 4 ? 4 - digits % 4 : 0))
        return RC_SYNTAX;
    *out = str_of(to, n);
    return RC_OK;
}

void dkim_base64_encode(struct str in, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)in.p;

    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);

        buf_addc(out, ALPHABET[v >> 18]);
        buf_addc(out, ALPHABET[v >> 12 & 63]);
        buf_addc(out, left > 1 ? ALPHABET[v >> 6 & 63] : '=');
        buf_addc(out, left > 2 ? ALPHABET[v & 63] : '=');
    }
}
