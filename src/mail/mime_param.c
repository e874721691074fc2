/*
 * Values with parameters (RFC 2045 5.1, 2183, 2231), read as tolerantly as clients do. See mime_inside.h.
 *
 * Called by mime_part.c and mime_name.c with octets of strangers. Results lie in the arena. Never fails: what is not as it
 * should be is read as well as can be and marked bad; what readers would take differently is offered as further values.
 */
#include "mail/mime_inside.h"

struct piece {
    struct str name, value;
    uint64_t index;
    bool numbered, extended;
};

struct pieces {
    struct piece items[MIME_PIECES];
    size_t n;
};

/* White space and comments, nested and unterminated ones too. */
static void skip_space(struct str *s, bool *bad)
{
    size_t i = 0, deep = 0;

    for (; i < s->n; i++) {
        char c = s->p[i];

        if (deep && c == '\\')
            i++;
        else if (c == '(')
            deep++;
        else if (deep && c == ')')
            deep--;
        else if (!deep && !mime_space(c))
            break;
    }
    *bad |= deep > 0;
    *s = str_from(*s, i);
}

/* The value before the first semicolon: type/subtype in lower case. Comments go, and white space in it. */
static struct str take_main(struct arena *a, struct str *s, bool *bad)
{
    struct str copy;
    char *p;
    size_t n = 0;

    skip_space(s, bad);
    copy = arena_str(a, str_first(*s, str_find(*s, ';')));
    p = (char *)(uintptr_t)copy.p;
    while (s->n && s->p[0] != ';') {
        char c = s->p[0];

        if (c == '(' || mime_space(c)) {
            skip_space(s, bad);
            *bad |= s->n && s->p[0] != ';';
            continue;
        }
        *s = str_from(*s, 1);
        if (c == '"')
            *bad = true;
        else if (p && n < copy.n)
            p[n++] = ascii_lower(c);
    }
    return p ? str_of(p, n) : STR_NONE;
}

/* Quoted text; a backslash escapes only what needs it, since some clients put paths between quotes. */
static struct str take_quoted(struct arena *a, struct str *s, struct str *plain, bool *bad)
{
    size_t end = 1, n = 0;
    char *p;

    while (end < s->n && s->p[end] != '"')
        end += s->p[end] == '\\' ? 2 : 1;
    *bad |= end >= s->n;
    end = end < s->n ? end : s->n;
    *plain = str_of(s->p + 1, end - 1);
    p = arena_alloc(a, end + 1);
    for (size_t i = 1; p && i < end; i++) {
        if (s->p[i] == '\\' && i + 1 < end && (s->p[i + 1] == '"' || s->p[i + 1] == '\\'))
            i++;
        else if (s->p[i] == '\r' || s->p[i] == '\n')
            continue;
        p[n++] = s->p[i];
    }
    *s = str_from(*s, end + 1);
    return p ? str_of(p, n) : STR_NONE;
}

static struct str take_value(struct arena *a, struct str *s, struct str *plain, bool *bad)
{
    struct str v;
    size_t end = str_find(*s, ';');

    if (s->n && s->p[0] == '"') {
        v = take_quoted(a, s, plain, bad);
        skip_space(s, bad);
        *bad |= s->n && s->p[0] != ';';
        *s = str_from(*s, str_find(*s, ';'));
        return v;
    }
    v = str_first(*s, end);
    *s = str_from(*s, end);
    for (size_t i = 1; i + 1 < v.n; i++)
        if (v.p[i] == '(' && mime_space(v.p[i - 1]))
            v.n = i;
    v = str_trim(v);
    for (size_t i = 0; i < v.n; i++)
        *bad |= mime_space(v.p[i]);
    *plain = v;
    return v;
}

static void add_param(struct mime_params *out, struct str name, struct str value, struct str plain, bool extended)
{
    if (out->n == out->cap)
        out->bad = true;
    else
        out->items[out->n++] = (struct mime_param){name, value, plain, extended};
}

/* name*, name*0, name*0* (RFC 2231 3, 4) */
static bool marks(struct str *name, struct piece *out)
{
    size_t star = str_find(*name, '*');
    struct str rest = str_from(*name, star + 1);

    if (star == name->n)
        return false;
    out->name = str_first(*name, star);
    out->extended = rest.n == 0 || rest.p[rest.n - 1] == '*';
    if (rest.n && rest.p[rest.n - 1] == '*')
        rest.n--;
    out->numbered = rest.n > 0;
    return rest.n == 0 || (str_u64(rest, &out->index) && out->index < MIME_PIECES);
}

static int hex(char c)
{
    return ascii_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static size_t add_percent(struct str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        int high = s.p[i] == '%' && i + 2 < s.n ? hex(s.p[i + 1]) : -1, low = high >= 0 ? hex(s.p[i + 2]) : -1;

        if (low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = s.p[i];
        }
    }
    return n;
}

static struct piece *piece_at(struct pieces *all, struct str name, uint64_t index)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].index == index && str_eq(all->items[i].name, name))
            return &all->items[i];
    return NULL;
}

/* charset'language'text of the first piece; without the two quotes all is text. */
static struct str cut_charset(struct str *value)
{
    size_t one = str_find(*value, '\''), two = one < value->n ? str_find(str_from(*value, one + 1), '\'') : 0;
    struct str charset = str_first(*value, one);

    if (one == value->n || one + 1 + two >= value->n)
        return STR_NONE;
    *value = str_from(*value, one + two + 2);
    return charset;
}

static void join(struct arena *a, struct pieces *all, struct piece *first, struct mime_params *out)
{
    struct str charset = STR_NONE, whole;
    struct piece *p;
    size_t room = 0, n = 0;
    bool bad = false;
    char *text;

    for (uint64_t i = 0; (p = piece_at(all, first->name, i)) != NULL; i++)
        room += p->value.n;
    text = arena_alloc(a, room + 1);
    if (!text)
        return;
    for (uint64_t i = 0; (p = piece_at(all, first->name, i)) != NULL; i++) {
        struct str v = p->value;

        if (i == 0 && p->extended)
            charset = cut_charset(&v);
        if (p->extended) {
            n += add_percent(v, text + n);
        } else if (v.n) {
            memcpy(text + n, v.p, v.n);
            n += v.n;
        }
    }
    whole = str_of(text, n);
    if (charset.n)
        whole = mime_to_utf8(a, whole, charset, &bad);
    out->bad |= bad;
    add_param(out, first->name, whole, whole, true);
}

static void read_one(struct arena *a, struct str *s, struct pieces *pieces, struct mime_params *out)
{
    size_t end = 0;
    struct str name, value, plain = STR_NONE;
    struct piece piece = {0};

    while (end < s->n && s->p[end] != '=' && s->p[end] != ';')
        end++;
    name = str_first(*s, end);
    name.n = str_find(name, '(');
    name = mime_lower(a, str_trim(name));
    *s = str_from(*s, end);
    if (!s->n || s->p[0] == ';') {
        out->bad |= name.n > 0;
        return;
    }
    *s = str_from(*s, 1);
    skip_space(s, &out->bad);
    value = take_value(a, s, &plain, &out->bad);
    if (!marks(&name, &piece)) {
        add_param(out, name, value, plain, false);
        return;
    }
    piece.value = value;
    out->bad |= piece_at(pieces, piece.name, piece.index) != NULL;
    if (pieces->n < MIME_PIECES)
        pieces->items[pieces->n++] = piece;
    else
        out->bad = true;
}

void mime_params_read(struct arena *a, struct str value, struct mime_params *out)
{
    struct pieces pieces;

    pieces.n = 0;
    *out = (struct mime_params){0};
    for (size_t i = 0; i < value.n && out->cap < MIME_PARAMS; i++)
        out->cap += value.p[i] == ';';
    out->items = out->cap ? arena_array(a, struct mime_param, out->cap) : NULL;
    if (!out->items)
        out->cap = 0;
    out->main = take_main(a, &value, &out->bad);
    while (value.n) {
        value = str_from(value, 1);
        skip_space(&value, &out->bad);
        if (value.n && value.p[0] != ';')
            read_one(a, &value, &pieces, out);
    }
    for (size_t i = 0; i < pieces.n; i++) {
        if (pieces.items[i].index == 0)
            join(a, &pieces, &pieces.items[i], out);
        else
            out->bad |= !piece_at(&pieces, pieces.items[i].name, 0);
    }
}

/* --- other readings ------------------------------------------------------------------------------------------------- */

static size_t add_distinct(struct str v, struct str *out, size_t n, size_t max)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(out[i], v))
            return n;
    if (n < max)
        out[n++] = v;
    return n;
}

/* What a reader finds who just searches for "name=". */
static bool next_by_search(struct str *s, struct str name, struct str *out)
{
    for (size_t i = 0; i + name.n < s->n; i++) {
        struct str rest = str_from(*s, i);
        char before = i ? s->p[i - 1] : ' ';

        if (!str_startsi(rest, name) || ascii_alpha(before) || ascii_digit(before) || before == '-' || before == '_')
            continue;
        rest = str_trim(str_from(rest, name.n));
        if (!rest.n || rest.p[0] != '=')
            continue;
        rest = str_trim(str_from(rest, 1));
        if (rest.n && rest.p[0] == '"') {
            rest = str_from(rest, 1);
            *out = str_first(rest, str_find(rest, '"'));
        } else {
            size_t n = 0;

            while (n < rest.n && !mime_space(rest.p[n]) && rest.p[n] != ';' && rest.p[n] != '"')
                n++;
            *out = str_first(rest, n);
        }
        *s = str_from(*s, i + name.n);
        return true;
    }
    return false;
}

/* Folds in a quoted value are no part of it. */
static struct str unfolded(struct arena *a, struct str v)
{
    return str_find(v, '\n') < v.n || str_find(v, '\r') < v.n ? header_unfold(a, v, v.n) : v;
}

/* With every backslash taken as an escape, as RFC 5322 has it. */
static struct str unescaped(struct arena *a, struct str v)
{
    char *p = str_find(v, '\\') < v.n ? arena_alloc(a, v.n) : NULL;
    size_t n = 0;

    if (!p)
        return v;
    for (size_t i = 0; i < v.n; i++) {
        i += v.p[i] == '\\' && i + 1 < v.n;
        p[n++] = v.p[i];
    }
    return str_of(p, n);
}

size_t mime_params_all(struct arena *a, struct str raw, const struct mime_params *ps, struct str name, struct str *out,
                       size_t max)
{
    struct str v;
    size_t n = 0;

    for (size_t i = 0; i < ps->n; i++)
        if (str_eq(ps->items[i].name, name))
            n = add_distinct(str_trim(ps->items[i].value), out, n, max);
    for (size_t i = 0; i < ps->n; i++) {
        v = str_trim(ps->items[i].plain);
        if (!str_eq(ps->items[i].name, name) || ps->items[i].extended)
            continue;
        for (size_t k = 0; k < v.n; k++)
            if (mime_space(v.p[k]) && str_find(raw, '"') == raw.n)
                v.n = k;
        v = str_trim(unfolded(a, v));
        n = add_distinct(unescaped(a, v), out, n, max);
        n = add_distinct(v, out, n, max);
    }
    for (struct str rest = raw; n < max && next_by_search(&rest, name, &v);)
        n = add_distinct(str_trim(unfolded(a, v)), out, n, max);
    return n;
}
