/*
 * Finds mailboxes in address lists. See mailbox.h.
 *
 * Called by scan (masquerading). Owns nothing. One pass: quoted strings and comments are stepped over, a comma or semicolon
 * outside them ends a mailbox, a colon before any < ends the name of a group.
 */
#include "mail/mailbox.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the quoted string or (nested) comment that begins at `at`; at least one octet further. */
static size_t step_over(struct str s, size_t at)
{
    char open = s.p[at];
    size_t depth = 0;

    if (open != '"' && open != '(')
        return at + 1;
    for (; at < s.n; at++) {
        if (s.p[at] == '\\')
            at++;
        else if (open == '(' && s.p[at] == '(')
            depth++;
        else if (open == '(' ? s.p[at] == ')' && --depth == 0 : s.p[at] == '"' && depth++ > 0)
            return at + 1;
    }
    return s.n;
}

/* Without white space and comments at both ends. */
static struct str bare(struct str s)
{
    while (s.n) {
        size_t from = 0;

        if (is_space(s.p[0]))
            from = 1;
        else if (s.p[0] == '(')
            from = step_over(s, 0);
        if (!from)
            break;
        s = str_from(s, from);
    }
    for (size_t at = 0, end = 0;; end = at) { /* where the last thing that is neither ends */
        while (at < s.n && (is_space(s.p[at]) || s.p[at] == '('))
            at = step_over(s, at);
        if (at >= s.n)
            return str_first(s, end);
        at = step_over(s, at);
    }
}

static bool is_address(struct str s)
{
    size_t at = str_find_last(s, '@');

    if (at == 0 || at + 1 >= s.n)
        return false;
    for (size_t i = at + 1; i < s.n; i++)
        if (is_space(s.p[i]) || strchr("<>,;:\"(\\", s.p[i]))
            return false;
    return true;
}

/* One element of the list, up to its comma. */
static bool read(struct str one, struct mailbox *out)
{
    size_t open = one.n, from = 0;
    struct str address;

    for (size_t at = 0; at < one.n && open == one.n; at = step_over(one, at)) {
        if (one.p[at] == '<')
            open = at;
        else if (one.p[at] == ':')
            from = at + 1; /* a group's name */
    }
    *out = (struct mailbox){0};
    if (open < one.n) {
        address = str_from(one, open + 1);
        out->bracket = str_of(one.p + open, str_find_last(address, '>') + 1);
        address = bare(str_first(address, str_find_last(address, '>')));
        out->name = bare(str_of(one.p + from, open - from));
    } else {
        address = bare(str_from(one, from));
    }
    out->address = address;
    return is_address(address);
}

bool mailbox_next(struct str *rest, struct mailbox *out)
{
    while (rest->n) {
        size_t at = 0;
        struct str one;

        while (at < rest->n && rest->p[at] != ',' && rest->p[at] != ';')
            at = step_over(*rest, at);
        one = str_first(*rest, at);
        *rest = str_from(*rest, at + 1);
        if (read(one, out))
            return true;
    }
    return false;
}
