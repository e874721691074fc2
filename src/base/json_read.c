/*
 * Reads JSON. See json_read.h.
 *
 * Called by whoever gets JSON from outside without a library. Owns nothing: nodes and decoded strings lie in the arena. A
 * text that is no JSON gives RC_SYNTAX with the octet where it stops to be.
 */
#include "base/json_read.h"

struct reader {
    struct arena *a;
    struct str in;
    size_t at;
    unsigned depth;
    struct err *e;
};

static enum rc value(struct reader *r, struct json *out);

static enum rc bad(struct reader *r, const char *what)
{
    return err_set(r->e, RC_SYNTAX, "JSON at octet %zu: %s", r->at, what);
}

static enum rc no_room(struct reader *r)
{
    return err_set(r->e, RC_NO_MEMORY, "JSON: out of memory");
}

static int peek(struct reader *r)
{
    while (r->at < r->in.n &&
           (r->in.p[r->at] == ' ' || r->in.p[r->at] == '\t' || r->in.p[r->at] == '\n' || r->in.p[r->at] == '\r'))
        r->at++;
    return r->at < r->in.n ? (unsigned char)r->in.p[r->at] : -1;
}

static size_t utf8_length(struct str s)
{
    unsigned char c = (unsigned char)s.p[0], d = s.n > 1 ? (unsigned char)s.p[1] : 0;
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

    if (n > s.n || (c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f))
        return 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

static bool hex4(struct reader *r, uint32_t *out)
{
    uint64_t v;

    if (r->in.n - r->at < 4 || !str_hex(str_of(r->in.p + r->at, 4), &v))
        return false;
    r->at += 4;
    *out = (uint32_t)v;
    return true;
}

/* Behind "\u". */
static enum rc escape_unicode(struct reader *r, char *to, size_t *n)
{
    uint32_t c, low;

    if (!hex4(r, &c))
        return bad(r, "four hexadecimal digits expected");
    if (c >= 0xdc00 && c < 0xe000)
        return bad(r, "half of a surrogate pair");
    if (c >= 0xd800 && c < 0xdc00) {
        if (r->in.n - r->at < 6 || r->in.p[r->at] != '\\' || r->in.p[r->at + 1] != 'u')
            return bad(r, "half of a surrogate pair");
        r->at += 2;
        if (!hex4(r, &low) || low < 0xdc00 || low > 0xdfff)
            return bad(r, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *n += put_utf8(to + *n, c);
    return RC_OK;
}

static enum rc escape(struct reader *r, char *to, size_t *n)
{
    static const char from[] = "\"\\/bfnrt", is[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->in.n ? r->in.p[r->at++] : '\0';
    const char *found = c ? strchr(from, c) : NULL;

    if (c == 'u')
        return escape_unicode(r, to, n);
    if (!found)
        return bad(r, "unknown escape");
    to[(*n)++] = is[found - from];
    return RC_OK;
}

/* The decoded form is never longer than the written one. */
static enum rc string(struct reader *r, struct str *out)
{
    size_t begin = ++r->at, end = begin, n = 0;
    char *to;

    while (end < r->in.n && r->in.p[end] != '"')
        end += r->in.p[end] == '\\' ? 2 : 1;
    if (end >= r->in.n)
        return bad(r, "string without end");
    to = arena_alloc(r->a, end - begin + 1);
    if (!to)
        return no_room(r);
    while (r->at < end) {
        size_t length;

        if ((unsigned char)r->in.p[r->at] < 32)
            return bad(r, "control character in a string");
        if (r->in.p[r->at] == '\\') {
            r->at++;
            TRY(escape(r, to, &n));
            continue;
        }
        length = utf8_length(str_from(str_first(r->in, end), r->at));
        if (!length)
            return bad(r, "not UTF-8");
        memcpy(to + n, r->in.p + r->at, length);
        n += length;
        r->at += length;
    }
    if (r->at != end)
        return bad(r, "string without end");
    r->at++;
    *out = str_of(to, n);
    return RC_OK;
}

static size_t digits(struct reader *r)
{
    size_t n = 0;

    while (r->at < r->in.n && ascii_digit(r->in.p[r->at])) {
        r->at++;
        n++;
    }
    return n;
}

static bool take(struct reader *r, const char *any)
{
    if (r->at >= r->in.n || !strchr(any, r->in.p[r->at]) || !r->in.p[r->at])
        return false;
    r->at++;
    return true;
}

static enum rc number(struct reader *r, struct json *out)
{
    size_t begin = r->at, first;

    take(r, "-");
    first = r->at;
    if (!digits(r) || (r->in.p[first] == '0' && r->at - first > 1))
        return bad(r, "no number");
    if (take(r, ".") && !digits(r))
        return bad(r, "digits expected");
    if (take(r, "eE")) {
        take(r, "+-");
        if (!digits(r))
            return bad(r, "digits expected");
    }
    out->type = JSON_NUMBER;
    out->text = str_of(r->in.p + begin, r->at - begin);
    return RC_OK;
}

static bool has_key(const struct json *o, struct str key)
{
    for (const struct json *m = o->first; m; m = m->next)
        if (str_eq(m->key, key))
            return true;
    return false;
}

/* One element of an array or member of an object; appended behind *last. */
static enum rc element(struct reader *r, struct json *o, struct json **last)
{
    struct json *v = arena_new(r->a, struct json);

    if (!v)
        return no_room(r);
    if (o->type == JSON_OBJECT) {
        if (peek(r) != '"')
            return bad(r, "a key expected");
        TRY(string(r, &v->key));
        if (o->n >= JSON_KEYS || has_key(o, v->key))
            return bad(r, o->n >= JSON_KEYS ? "too many keys" : "a key twice");
        if (peek(r) != ':')
            return bad(r, "a colon expected");
        r->at++;
    }
    TRY(value(r, v));
    if (*last)
        (*last)->next = v;
    else
        o->first = v;
    *last = v;
    o->n++;
    return RC_OK;
}

static enum rc elements(struct reader *r, struct json *out, char close)
{
    struct json *last = NULL;

    if (++r->depth > JSON_DEPTH)
        return bad(r, "nested too deep");
    r->at++;
    if (peek(r) != close) {
        for (;;) {
            int c;

            TRY(element(r, out, &last));
            c = peek(r);
            if (c == close)
                break;
            if (c != ',')
                return bad(r, "a comma or the end expected");
            r->at++;
        }
    }
    r->at++;
    r->depth--;
    return RC_OK;
}

static enum rc word(struct reader *r, struct json *out)
{
    static const struct {
        struct str text;
        enum json_type type;
    } words[] = {{{"null", 4}, JSON_NULL}, {{"false", 5}, JSON_FALSE}, {{"true", 4}, JSON_TRUE}};

    for (size_t i = 0; i < 3; i++)
        if (str_starts(str_from(r->in, r->at), words[i].text)) {
            out->type = words[i].type;
            r->at += words[i].text.n;
            return RC_OK;
        }
    return bad(r, "a value expected");
}

static enum rc value(struct reader *r, struct json *out)
{
    int c = peek(r);
    size_t begin = r->at;

    if (c == '"') {
        out->type = JSON_STRING;
        TRY(string(r, &out->text));
    } else if (c == '{' || c == '[') {
        out->type = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        TRY(elements(r, out, c == '{' ? '}' : ']'));
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        TRY(number(r, out));
    } else {
        TRY(word(r, out));
    }
    out->raw = str_of(r->in.p + begin, r->at - begin);
    return RC_OK;
}

enum rc json_read(struct arena *a, struct str in, const struct json **out, struct err *e)
{
    struct reader r = {.a = a, .in = in, .e = e};
    struct json *v = arena_new(a, struct json);

    if (!v)
        return no_room(&r);
    TRY(value(&r, v));
    if (peek(&r) != -1)
        return bad(&r, "text behind the value");
    *out = v;
    return RC_OK;
}

const struct json *json_get(const struct json *v, const char *key)
{
    if (!v || v->type != JSON_OBJECT)
        return NULL;
    for (const struct json *m = v->first; m; m = m->next)
        if (str_eq(m->key, str_c(key)))
            return m;
    return NULL;
}

bool json_u64(const struct json *v, uint64_t *out)
{
    uint64_t n;

    if (!v || v->type != JSON_NUMBER || !str_u64(v->text, &n) || n >= 1ULL << 53)
        return false;
    *out = n;
    return true;
}

struct str json_str_of(const struct json *v)
{
    return v && v->type == JSON_STRING ? v->text : STR_NONE;
}

bool json_is(const struct json *v, enum json_type type)
{
    return v && v->type == type;
}
