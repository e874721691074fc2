/*
 * Facts of a traced message for its report: fields that were added, what a delivery report says. See trace.h.
 *
 * Called by trace_text.c and trace_json.c. Owns nothing beyond the trace's arena.
 */
#include "mail/header.h"
#include "scan/trace_inside.h"

enum { ADDED_MAX = 200, VALUE_MAX = 4000 };

struct str trace_detail(struct trace *t, const struct step *s)
{
    struct str rest = s->detail, one, text = STR_NONE;

    if (str_find(rest, '\t') == rest.n)
        return rest;
    while (str_split(&rest, '\t', &one))
        text = arena_printf(t->arena, "%.*s%s%.*s", STR(text), text.n ? ", " : "", STR(one));
    return text;
}

/* --- added fields ------------------------------------------------------------------------------------------------------ */

static bool has_field(struct str message, struct str whole)
{
    struct header_field f;

    while (header_next(&message, &f))
        if (str_eq(f.whole, whole))
            return true;
    return false;
}

/* As one line: folds were tabs or spaces. */
static struct str shown(struct trace *t, const struct header_field *f)
{
    struct str text = arena_printf(t->arena, "%.*s: %.*s", STR(f->name), STR(header_unfold(t->arena, f->value, VALUE_MAX)));

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\t')
            ((char *)(uintptr_t)text.p)[i] = ' ';
    return text;
}

static bool has_text(const struct str *list, size_t n, struct str text)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i], text))
            return true;
    return false;
}

static bool is_original(const struct trace_message *x)
{
    for (; x; x = x->parent)
        if (x->kind == COPY_GENERATED)
            return false;
    return true;
}

struct strs trace_headers_added(struct trace *t)
{
    struct str *list = arena_must_alloc(t->arena, ADDED_MAX * sizeof *list);
    struct header_field f;
    size_t n = 0;

    for (struct trace_message *x = t->first; x; x = x->next) {
        struct str rest = message_octets(&x->m);

        while (is_original(x) && x->n_fates && n < ADDED_MAX && header_next(&rest, &f)) {
            struct str text;

            if (has_field(t->body, f.whole))
                continue;
            text = shown(t, &f);
            if (!has_text(list, n, text))
                list[n++] = text;
        }
    }
    return (struct strs){list, n};
}

/* --- delivery reports (RFC 3464) --------------------------------------------------------------------------------------- */

static struct str value_of(struct trace *t, struct str value)
{
    return header_unfold(t->arena, value, ADDRESS_MAX);
}

static bool read_status(struct trace *t, struct str rest, struct trace_bounce *out)
{
    struct header_field f;

    while (rest.n) {
        if (!header_next(&rest, &f)) { /* an empty line ends a group of fields */
            struct str line;

            str_split(&rest, '\n', &line);
            continue;
        }
        if (str_eqi(f.name, str_lit("Final-Recipient")) && !out->recipient.n)
            out->recipient = str_trim(str_from(value_of(t, f.value), str_find(value_of(t, f.value), ';') + 1));
        if (str_eqi(f.name, str_lit("Status")) && !out->status.n)
            out->status = str_trim(value_of(t, f.value));
    }
    return out->recipient.n || out->status.n;
}

bool trace_bounce(struct trace *t, struct trace_bounce *out)
{
    struct mime *mime = t->first ? message_mime(&t->first->m) : NULL;

    *out = (struct trace_bounce){.class = "hard"};
    for (struct mime_part *p = mime ? mime->all : NULL; p; p = p->all_next) {
        if (!str_eq(p->type, str_lit("message/delivery-status")) &&
            !str_eq(p->type, str_lit("message/global-delivery-status")))
            continue;
        if (!read_status(t, mime_body(mime, p), out))
            continue;
        if (str_starts(out->status, str_lit("4")))
            out->class = "soft";
        else if (str_starts(out->status, str_lit("2")))
            out->class = "success";
        return true;
    }
    return false;
}
