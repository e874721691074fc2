/*
 * Content-Type, read strictly. See mime_type.h.
 *
 * Called by downgrade.c with octets of strangers. Owns nothing. What two readers could take differently is refused.
 */
#include "mail/mime_type.h"

enum { BOUNDARY_MAX = 70 };

static bool is_token(char c)
{
    return c > 32 && c < 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static void skip_space(struct str *s)
{
    while (s->n && strchr(" \t\r\n", s->p[0]) && s->p[0])
        *s = str_from(*s, 1);
}

static bool take_token(struct str *s, struct str *out)
{
    size_t n = 0;

    while (n < s->n && is_token(s->p[n]))
        n++;
    *out = str_first(*s, n);
    *s = str_from(*s, n);
    return n > 0;
}

static bool take(struct str *s, char c)
{
    skip_space(s);
    if (!s->n || s->p[0] != c)
        return false;
    *s = str_from(*s, 1);
    skip_space(s);
    return true;
}

/* token or quoted string without escapes and line ends */
static bool take_value(struct str *s, struct str *out)
{
    size_t n;

    if (!s->n || s->p[0] != '"')
        return take_token(s, out);
    *s = str_from(*s, 1);
    n = str_find(*s, '"');
    *out = str_first(*s, n);
    if (n == s->n || str_find(*out, '\\') < n || str_find(*out, '\r') < n)
        return false;
    *s = str_from(*s, n + 1);
    return true;
}

static bool is_boundary(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && (!s.p[i] || !strchr("'()+_,-./:=? ", s.p[i])))
            return false;
    return s.n && s.n <= BOUNDARY_MAX && s.p[s.n - 1] != ' ';
}

bool mime_type_read(struct str value, struct mime_type *out)
{
    struct mime_type t = {0};
    struct str name, v;

    skip_space(&value);
    if (!take_token(&value, &t.type) || !take(&value, '/') || !take_token(&value, &t.subtype))
        return false;
    while (take(&value, ';')) {
        if (!value.n)
            break; /* a last semicolon says nothing */
        if (!take_token(&value, &name) || !take(&value, '=') || !take_value(&value, &v))
            return false;
        if (str_startsi(name, str_lit("boundary*")))
            return false;
        if (!str_eqi(name, str_lit("boundary")))
            continue;
        if (t.boundary.n || !is_boundary(v))
            return false;
        t.boundary = v;
    }
    skip_space(&value);
    if (value.n)
        return false;
    *out = t;
    return true;
}
