/*
 * A strict reader of JSON. See json_read.h.
 *
 * Called by whoever gets JSON from outside: the answers of scan engines. Owns nothing. The check is recursive descent with a
 * depth limit; what passes it can be walked by counting brackets and skipping strings.
 */
#include "base/json_read.h"

#include <math.h>
#include <stdlib.h>

static const struct json NOTHING = {{NULL, 0}};

static struct str skip_space(struct str s)
{
    while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0])
        s = str_from(s, 1);
    return s;
}

/* Octets of the UTF-8 sequence that s begins with, 0 when it is none (RFC 3629). */
static size_t utf8_length(struct str s)
{
    unsigned char c = (unsigned char)s.p[0], next = s.n > 1 ? (unsigned char)s.p[1] : 0;
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;

    if (!n || n > s.n)
        return 0;
    if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) || (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f))
        return 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* Octets of the string that s begins with, quotes included; 0 = none. */
static size_t string_length(struct str s)
{
    size_t i = 1;

    if (s.n < 2 || s.p[0] != '"')
        return 0;
    while (i < s.n && s.p[i] != '"') {
        size_t n = (unsigned char)s.p[i] < 0x20 ? 0 : utf8_length(str_from(s, i));
        uint64_t code;

        if (s.p[i] == '\\') {
            n = i + 1 < s.n && s.p[i + 1] && strchr("\"\\/bfnrtu", s.p[i + 1]) ? 2 : 0;
            if (n && s.p[i + 1] == 'u')
                n = s.n - i >= 6 && str_hex(str_of(s.p + i + 2, 4), &code) ? 6 : 0;
        }
        if (!n)
            return 0;
        i += n;
    }
    return i < s.n ? i + 1 : 0;
}

static size_t digits(struct str s)
{
    size_t n = 0;

    while (n < s.n && ascii_digit(s.p[n]))
        n++;
    return n;
}

static size_t number_length(struct str s)
{
    size_t i = s.n && s.p[0] == '-', n = digits(str_from(s, i));

    if (!n || (n > 1 && s.p[i] == '0'))
        return 0;
    i += n;
    if (i < s.n && s.p[i] == '.') {
        n = digits(str_from(s, i + 1));
        if (!n)
            return 0;
        i += n + 1;
    }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
            i++;
        n = digits(str_from(s, i));
        if (!n)
            return 0;
        i += n;
    }
    return i;
}

static bool check(struct str *s, unsigned depth);

/* Behind the opening bracket. */
static bool check_items(struct str *s, bool object, unsigned depth)
{
    char close = object ? '}' : ']';

    *s = skip_space(str_from(*s, 1));
    if (s->n && s->p[0] == close) {
        *s = str_from(*s, 1);
        return true;
    }
    for (;;) {
        size_t n = object ? string_length(*s) : 0;

        if (object) {
            if (!n)
                return false;
            *s = skip_space(str_from(*s, n));
            if (!s->n || s->p[0] != ':')
                return false;
            *s = skip_space(str_from(*s, 1));
        }
        if (!check(s, depth + 1))
            return false;
        *s = skip_space(*s);
        if (!s->n || (s->p[0] != ',' && s->p[0] != close))
            return false;
        if (s->p[0] == close)
            break;
        *s = skip_space(str_from(*s, 1));
    }
    *s = str_from(*s, 1);
    return true;
}

static size_t word_length(struct str s)
{
    static const char *const words[] = {"null", "true", "false"};

    for (size_t i = 0; i < 3; i++)
        if (str_starts(s, str_c(words[i])))
            return strlen(words[i]);
    return 0;
}

/* One value off the front of *s. */
static bool check(struct str *s, unsigned depth)
{
    size_t n;

    if (!s->n || depth > JSON_DEPTH)
        return false;
    if (s->p[0] == '{' || s->p[0] == '[')
        return check_items(s, s->p[0] == '{', depth);
    n = s->p[0] == '"' ? string_length(*s) : ascii_alpha(s->p[0]) ? word_length(*s) : number_length(*s);
    *s = str_from(*s, n);
    return n > 0;
}

bool json_whole(struct str text, struct json *out)
{
    struct str rest = skip_space(text), value = rest;

    if (!check(&rest, 0) || skip_space(rest).n)
        return false;
    out->text = str_first(value, value.n - rest.n);
    return true;
}

enum json_type json_type(struct json v)
{
    switch (v.text.n ? v.text.p[0] : 0) {
    case 0:
        return JSON_NONE;
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 'n':
        return JSON_NULL;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    default:
        return JSON_NUMBER;
    }
}

/* Length of the checked value that s begins with. */
static size_t value_length(struct str s)
{
    size_t depth = 0, i = 0;

    if (!s.n || !strchr("{[", s.p[0]))
        return s.n && s.p[0] == '"' ? string_length(s) : s.n && ascii_alpha(s.p[0]) ? word_length(s) : number_length(s);
    do {
        if (s.p[i] == '"') {
            i += string_length(str_from(s, i));
            continue;
        }
        if (s.p[i] == '{' || s.p[i] == '[')
            depth++;
        if (s.p[i] == '}' || s.p[i] == ']')
            depth--;
        i++;
    } while (depth && i < s.n);
    return i;
}

bool json_next(struct json *rest, struct str *name_out, struct json *value_out)
{
    struct str s = rest->text;
    size_t n;
    bool object = s.n && (s.p[0] == '{' || (s.p[0] == ',' && s.p[s.n - 1] == '}'));

    if (!s.n || !strchr("{[,", s.p[0]))
        return false;
    s = skip_space(str_from(s, 1));
    *name_out = STR_NONE;
    if (!s.n || s.p[0] == '}' || s.p[0] == ']')
        return false;
    if (object) {
        n = string_length(s);
        *name_out = str_of(s.p + 1, n - 2);
        s = skip_space(str_from(s, n));
        s = skip_space(str_from(s, 1)); /* the colon */
    }
    n = value_length(s);
    value_out->text = str_first(s, n);
    rest->text = skip_space(str_from(s, n));
    return true;
}

struct json json_member(struct json object, const char *name)
{
    struct json rest = object, value;
    struct str found;

    if (json_type(object) != JSON_OBJECT)
        return NOTHING;
    while (json_next(&rest, &found, &value))
        if (str_eq(found, str_c(name)))
            return value;
    return NOTHING;
}

bool json_number(struct json v, double *out)
{
    char text[64];
    double d;

    if (json_type(v) != JSON_NUMBER || v.text.n >= sizeof text)
        return false;
    memcpy(text, v.text.p, v.text.n);
    text[v.text.n] = '\0';
    d = strtod(text, NULL);
    if (!isfinite(d))
        return false;
    *out = d;
    return true;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_addc(out, (char)c);
    } else if (c < 0x800) {
        buf_addc(out, (char)(0xc0 | c >> 6));
        buf_addc(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_addc(out, (char)(0xe0 | c >> 12));
        buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_addc(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_addc(out, (char)(0xf0 | c >> 18));
        buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_addc(out, (char)(0x80 | (c & 0x3f)));
    }
}

static uint32_t unit(struct str s)
{
    uint64_t code = 0;

    str_hex(str_of(s.p + 2, 4), &code);
    return (uint32_t)code;
}

/* \uXXXX at the front of s, with its second half when it is a surrogate; how long that was. */
static size_t put_escape(struct str s, struct buf *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *simple = strchr(from, s.p[1]);
    uint32_t c;

    if (s.p[1] != 'u') {
        buf_addc(out, simple && *simple ? to[simple - from] : s.p[1]);
        return 2;
    }
    c = unit(s);
    if (c >= 0xd800 && c < 0xdc00 && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u') {
        uint32_t low = unit(str_from(s, 6));

        if (low >= 0xdc00 && low < 0xe000) {
            put_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
            return 12;
        }
    }
    put_utf8(out, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    return 6;
}

struct str json_string(struct arena *a, struct json v)
{
    struct str s, copy;
    struct buf out;

    if (json_type(v) != JSON_STRING)
        return STR_NONE;
    s = str_of(v.text.p + 1, v.text.n - 2);
    if (str_find(s, '\\') == s.n)
        return s;
    out = BUF(s.n + 1);
    while (s.n) {
        size_t n = s.p[0] == '\\' ? put_escape(s, &out) : 1;

        if (s.p[0] != '\\')
            buf_addc(&out, s.p[0]);
        s = str_from(s, n);
    }
    copy = arena_str(a, buf_str(&out));
    buf_done(&out);
    return copy.p ? copy : STR_NONE;
}
