/*
 * Which word a regular expression cannot do without. See filter_gate.h.
 *
 * Called by filter_gate.c. Errs on the safe side: whatever it does not know for sure ends a run, or gives none. Letters of
 * either case count as one; what lies in groups is not looked at.
 */
#include "policy/filter_gate.h"

struct reading {
    struct str rest; /* of the pattern */
    char *run;
    size_t n; /* octets of the present run */
    struct str best;
    bool unsure; /* no word can be given */
    struct arena *arena;
};

static void end_run(struct reading *r)
{
    if (r->n > r->best.n)
        r->best = arena_str(r->arena, str_of(r->run, r->n));
    r->n = 0;
}

static void skip(struct reading *r, size_t n)
{
    r->rest = str_from(r->rest, n < r->rest.n ? n : r->rest.n);
}

/* Octets of a class, from its bracket on; all of the rest when it does not end. */
static size_t class_length(struct str s)
{
    size_t i = 1;

    if (i < s.n && s.p[i] == '^')
        i++;
    if (i < s.n && s.p[i] == ']')
        i++;
    while (i < s.n && s.p[i] != ']') {
        if (s.p[i] == '\\')
            i++;
        else if (str_starts(str_from(s, i), str_lit("[:")) && str_find_str(str_from(s, i), str_lit(":]")) < s.n - i)
            i += str_find_str(str_from(s, i), str_lit(":]")) + 1;
        i++;
    }
    return i + 1;
}

/* "(?i)", "(?-is:": letters of options; x changes what white space means, and J, n, U are nothing for us to know. */
static bool bad_options(struct str group)
{
    for (size_t i = 2; i < group.n && (ascii_alpha(group.p[i]) || group.p[i] == '-' || group.p[i] == '^'); i++)
        if (strchr("xJnU^", group.p[i]))
            return true;
    return false;
}

/* Octets of a group, from its parenthesis on. False: something in it may mean more than it seems. */
static bool group_length(struct str s, size_t *out)
{
    size_t depth = 0, i = 0;

    while (i < s.n) {
        if (s.p[i] == '\\') {
            if (i + 1 < s.n && (s.p[i + 1] == 'Q' || s.p[i + 1] == 'E'))
                return false;
            i += 2;
            continue;
        }
        if (s.p[i] == '[') {
            i += class_length(str_from(s, i));
            continue;
        }
        if (s.p[i] == '(' && i + 1 < s.n && (s.p[i + 1] == '*' || str_starts(str_from(s, i + 1), str_lit("?#"))))
            return false;
        if (str_starts(str_from(s, i), str_lit("(?")) && bad_options(str_from(s, i)))
            return false;
        depth += s.p[i] == '(';
        depth -= s.p[i] == ')';
        i++;
        if (depth == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static void read_group(struct reading *r)
{
    size_t n;

    end_run(r);
    r->unsure = !group_length(r->rest, &n);
    if (!r->unsure)
        skip(r, n);
}

static void read_escape(struct reading *r)
{
    char c = r->rest.n > 1 ? r->rest.p[1] : 0;

    if (ascii_alpha(c) || ascii_digit(c)) {
        end_run(r);
        r->unsure = !strchr("dDwWsSbBAzZnrtfhHvV", c);
    } else if (c > ' ' && c < 127) {
        r->run[r->n++] = c;
    } else {
        r->unsure = true;
    }
    skip(r, 2);
}

/* "{3}", "{3,}", "{3,5}", "{,5}"; 0 = the brace stands for itself. */
static size_t repeat_length(struct str s)
{
    size_t i = 1;

    while (i < s.n && (ascii_digit(s.p[i]) || s.p[i] == ',' || s.p[i] == ' '))
        i++;
    return i > 1 && i < s.n && s.p[i] == '}' ? i + 1 : 0;
}

/* What stands before it may be missing. */
static void read_optional(struct reading *r)
{
    size_t n = r->rest.p[0] == '{' ? repeat_length(r->rest) : 1;

    r->n -= r->n > 0;
    end_run(r);
    skip(r, n ? n : 1);
}

static void read_one(struct reading *r)
{
    char c = r->rest.p[0];

    if (c == '\\') {
        read_escape(r);
    } else if (c == '(') {
        read_group(r);
    } else if (c == '[') {
        end_run(r);
        skip(r, class_length(r->rest));
    } else if (c == '|' || c == ')') {
        r->unsure = true;
    } else if (c == '*' || c == '?' || c == '{') {
        read_optional(r);
    } else {
        if (strchr(".^$+", c) || (unsigned char)c >= 127 || (unsigned char)c < ' ')
            end_run(r);
        else
            r->run[r->n++] = ascii_lower(c);
        skip(r, 1);
    }
}

struct str filter_regex_word(struct arena *a, struct str pattern)
{
    struct reading r = {.rest = pattern, .arena = a, .run = arena_alloc(a, pattern.n + 1)};

    if (!r.run)
        return STR_NONE;
    while (r.rest.n && !r.unsure)
        read_one(&r);
    end_run(&r);
    return r.unsure || r.best.n < FILTER_WORD_LEAST ? STR_NONE : r.best;
}
