/*
 * Reads path, query, Basic credentials and Host out of what a client sent. See target.h.
 *
 * Called by request.c and login.c for each request. Owns nothing. Length limits are the caller's (request line and headers
 * are bounded before); the number of parameters is bounded here.
 */
#include "web/target.h"

enum { BASIC_MOST = 1000 };

static int hex_digit(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %xx, and '+' for a space when asked. NUL and broken escapes are refused. */
static bool decode(struct arena *a, struct str in, bool plus, struct str *out)
{
    char *p = arena_alloc(a, in.n + 1);
    size_t n = 0;

    if (!p)
        return false;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '%') {
            int high = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1, low = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0')
            return false;
        p[n++] = c;
    }
    *out = str_of(p, n);
    return true;
}

/* Segments are cut before they are decoded, so an escaped slash never makes a new one: it is refused. */
static bool path_parse(struct arena *a, struct str raw, struct str *out)
{
    char *p = arena_alloc(a, raw.n + 1);
    struct str rest = str_from(raw, 1), segment, clean;
    size_t n = 0;

    if (!p || raw.n == 0 || raw.p[0] != '/')
        return false;
    p[n++] = '/';
    while (str_split(&rest, '/', &segment)) {
        if (segment.n == 0)
            continue;
        if (!decode(a, segment, false, &clean) || str_find(clean, '/') < clean.n || str_eq(clean, str_lit(".")) ||
            str_eq(clean, str_lit("..")))
            return false;
        if (n > 1)
            p[n++] = '/';
        memcpy(p + n, clean.p, clean.n);
        n += clean.n;
    }
    *out = str_of(p, n);
    return true;
}

/* Parameters whose value is a mail address: a literal '+' in them stays (spec/api.md 2). */
static bool holds_address(struct str name)
{
    return str_find_str(name, str_lit("envelopeSender")) < name.n ||
           str_find_str(name, str_lit("envelopeRecipient")) < name.n || str_eq(name, str_lit("search")) ||
           str_eq(name, str_lit("entity"));
}

static bool query_parse(struct arena *a, struct str query, struct target *t)
{
    struct str rest = query, part;
    struct parameter *list;
    size_t room = 1;

    for (size_t i = 0; i < query.n; i++)
        room += query.p[i] == '&';
    if (room > TARGET_PARAMETERS)
        return false;
    list = arena_array(a, struct parameter, room);
    if (!list)
        return false;
    while (str_split(&rest, '&', &part)) {
        size_t equals = str_find(part, '=');
        struct parameter *p = &list[t->n_parameters];

        if (part.n == 0)
            continue;
        if (!decode(a, str_first(part, equals), true, &p->name) ||
            !decode(a, str_from(part, equals + 1), !holds_address(p->name), &p->value))
            return false;
        t->n_parameters++;
    }
    t->parameters = list;
    return true;
}

bool target_parse(struct arena *a, struct str raw, struct target *out)
{
    struct target t = {.raw = raw};
    size_t mark = str_find(raw, '?');

    for (size_t i = 0; i < raw.n; i++)
        if ((unsigned char)raw.p[i] <= ' ' || raw.p[i] == 0x7f || raw.p[i] == '#')
            return false;
    if (!path_parse(a, str_first(raw, mark), &t.path) || !query_parse(a, str_from(raw, mark + 1), &t))
        return false;
    *out = t;
    return true;
}

const struct parameter *target_find(const struct target *t, struct str name)
{
    for (size_t i = 0; i < t->n_parameters; i++)
        if (str_eq(t->parameters[i].name, name))
            return &t->parameters[i];
    return NULL;
}

bool target_has_markup(const struct target *t)
{
    for (size_t i = 0; i < t->n_parameters; i++) {
        const struct parameter *p = &t->parameters[i];

        if (str_find(p->value, '<') < p->value.n || str_find(p->value, '>') < p->value.n ||
            str_find(p->name, '<') < p->name.n)
            return true;
    }
    return false;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool base64(struct str in, char *out, size_t *n_out)
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    while (in.n && in.p[in.n - 1] == '=')
        in.n--;
    for (size_t i = 0; i < in.n; i++) {
        int d = base64_digit(in.p[i]);

        if (d < 0)
            return false;
        bits = bits << 6 | (uint32_t)d;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have & 0xff);
        }
    }
    *n_out = n;
    return true;
}

bool basic_parse(struct arena *a, struct str header, struct str *user_out, struct str *password_out)
{
    struct str rest = str_trim(header), both;
    char *out;
    size_t n, colon;

    if (!str_startsi(rest, str_lit("Basic ")) || rest.n > BASIC_MOST)
        return false;
    rest = str_trim(str_from(rest, 6));
    out = arena_alloc(a, rest.n + 1);
    if (!out || !base64(rest, out, &n) || memchr(out, '\0', n))
        return false;
    both = str_of(out, n);
    colon = str_find(both, ':');
    if (colon == n)
        return false;
    *user_out = str_first(both, colon);
    *password_out = str_from(both, colon + 1);
    return true;
}

static bool is_port(struct str s)
{
    uint64_t port;

    return s.n == 0 || (s.n <= 5 && str_u64(s, &port) && port <= UINT16_MAX);
}

/* What stands in brackets; ip_parse() judges it in the end. */
static bool is_address6(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (hex_digit(s.p[i]) < 0 && s.p[i] != ':' && s.p[i] != '.')
            return false;
    return s.n > 0;
}

bool host_parse(struct str header, struct str *name_out)
{
    struct str h = str_trim(header);
    size_t end, colon;

    if (h.n == 0 || h.n > 300)
        return false;
    if (h.p[0] == '[') {
        end = str_find(h, ']');
        if (end == h.n || !is_address6(str_of(h.p + 1, end - 1)) || (end + 1 < h.n && h.p[end + 1] != ':') ||
            !is_port(str_from(h, end + 2)))
            return false;
        *name_out = str_of(h.p + 1, end - 1);
        return true;
    }
    colon = str_find(h, ':');
    if (!is_port(str_from(h, colon + 1)))
        return false;
    h = str_first(h, colon);
    for (size_t i = 0; i < h.n; i++)
        if (!ascii_alpha(h.p[i]) && !ascii_digit(h.p[i]) && h.p[i] != '.' && h.p[i] != '-' && h.p[i] != '_')
            return false;
    if (h.n > 1 && h.p[h.n - 1] == '.')
        h.n--;
    *name_out = h;
    return h.n > 0;
}
