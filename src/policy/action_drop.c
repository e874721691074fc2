/*
 * Actions that take attachments out. See action.h.
 *
 * Called by the runners of filters through action_do(). Owns nothing beyond the message's arena. A part that holds what is
 * not wanted goes as a whole: an archive with one such member, a message with one such attachment inside an encoding; in its
 * place comes a text that says so. What cannot be looked into keeps its place (conditions about protected and unscannable
 * parts are for that).
 */
#include "policy/action.h"

#include "policy/file_kind.h"
#include "policy/filter_regex.h"
#include "policy/macro.h"
#include "policy/part.h"
#include "policy/rules.h"

#define ACTION(name) \
    enum rc action_##name(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e)

static const char standard_text[] = "The attachment \"$dropped_filename\" was removed by a filter of this mail gateway.";

struct drop {
    struct message *m;
    struct mime *mime;
    const struct filter_action *a;
    uint64_t left_ms; /* for all searches */
};
/* Is it one that goes? */
typedef bool unwanted_fn(struct drop *d, struct mime_part *p);

static struct str listed(struct message *m, struct str list, struct str more)
{
    return list.n ? arena_printf(m->arena, "%.*s, %.*s", STR(list), STR(more)) : more;
}

static struct str name_of(const struct mime_part *p)
{
    return p->name.n ? p->name : str_lit("unnamed");
}

static void drop_one(struct message *m, struct filter_run *r, struct part_changes *c, struct mime_part *p, struct str text)
{
    struct filter_run alone = *r;

    r->dropped_names = listed(m, r->dropped_names, name_of(p));
    r->dropped_types = listed(m, r->dropped_types, p->detected.n ? p->detected : p->type);
    alone.dropped_names = name_of(p);
    alone.dropped_types = p->type;
    part_drop(c, p, action_filled(m, &alone, text.n ? text : str_c(standard_text), false));
}

/* Parts that are going, so that each is told once however many of its members are unwanted. */
struct going {
    const struct mime_part **slots;
    size_t mask;
};

static bool going_init(struct going *g, struct mime *mime)
{
    for (g->mask = 15; g->mask < mime->n_parts * 2; g->mask = g->mask * 2 + 1)
        ;
    g->slots = arena_array(mime->arena, const struct mime_part *, g->mask + 1);
    return g->slots;
}

/* The slot of a part: NULL in it = it is not going. */
static const struct mime_part **going_slot(const struct going *g, const struct mime_part *p)
{
    size_t i = ((uintptr_t)p >> 4) * 0x9e3779b1u & g->mask;

    while (g->slots[i] && g->slots[i] != p)
        i = (i + 1) & g->mask;
    return &g->slots[i];
}

static enum rc drop_all(struct drop *d, struct filter_run *r, unwanted_fn *unwanted, size_t text_at, struct err *e)
{
    struct str text = filter_text(d->a->args, d->a->n_args, text_at);
    struct part_changes c;
    struct going going;

    part_changes_begin(&c, d->m);
    d->mime = c.mime;
    d->left_ms = 4 * FILTER_REGEX_MS;
    if (!going_init(&going, c.mime))
        return err_set(e, RC_NO_MEMORY, "attachments");
    for (struct mime_part *p = c.mime->all; p; p = p->all_next) {
        struct mime_part *holder = part_holder(p);
        const struct mime_part **slot = going_slot(&going, holder);

        if ((!p->attachment && !p->member) || *slot || !unwanted(d, p))
            continue;
        drop_one(d->m, r, &c, holder, text);
        *slot = holder;
    }
    part_changes_make(&c);
    return RC_OK;
}

static bool matches(struct drop *d, struct str text)
{
    const struct filter_regex *regex = filter_pattern(d->a->args, d->a->n_args, 0);

    return text.n && regex && filter_regex_find(regex, text, 0, NULL, NULL, &d->left_ms) == FILTER_FOUND;
}

static bool by_name(struct drop *d, struct mime_part *p)
{
    return matches(d, p->name) || matches(d, p->other_name);
}

static bool by_mimetype(struct drop *d, struct mime_part *p)
{
    return matches(d, p->type);
}

static bool by_type(struct drop *d, struct mime_part *p)
{
    return matches(d, p->type) || matches(d, p->detected) || matches(d, file_kind(p));
}

static bool by_filetype(struct drop *d, struct mime_part *p)
{
    struct strs kinds = filter_list(d->a->args, d->a->n_args, 0);

    for (size_t i = 0; i < kinds.n; i++)
        if (file_is(p, kinds.items[i]))
            return true;
    return !kinds.n && file_is(p, filter_text(d->a->args, d->a->n_args, 0));
}

static uint64_t size_of(struct drop *d, struct mime_part *p)
{
    return p->member && p->size ? p->size : mime_body(d->mime, p).n;
}

static bool by_size(struct drop *d, struct mime_part *p)
{
    return size_of(d, p) >= filter_number(d->a->args, d->a->n_args, 0, UINT64_MAX);
}

/* How often the expression is in the text, at most `least`. */
static uint64_t times(struct drop *d, struct str text, uint64_t least)
{
    const struct filter_regex *regex = filter_pattern(d->a->args, d->a->n_args, 0);
    uint64_t n = 0;
    size_t from = 0, start, end;

    while (regex && n < least && from <= text.n &&
           filter_regex_find(regex, text, from, &start, &end, &d->left_ms) == FILTER_FOUND) {
        n++;
        from = end > start ? end : end + 1;
    }
    return n;
}

static bool by_content(struct drop *d, struct mime_part *p)
{
    uint64_t least = filter_number(d->a->args, d->a->n_args, 2, 1);
    struct str text = str_starts(p->type, str_lit("text/")) ? mime_text(d->mime, p) : mime_body(d->mime, p);

    if (str_eq(p->type, str_lit("text/html")) && times(d, mime_html_text(d->m->arena, text), least) >= least)
        return true;
    return times(d, text, least) >= least;
}

static bool by_macros(struct drop *d, struct mime_part *p)
{
    struct strs groups = filter_list(d->a->args, d->a->n_args, 0);
    enum macro_group found = macro_find(p, mime_body(d->mime, p));

    if (found == MACRO_NONE)
        return (p->macros || p->script) && !groups.n;
    return !groups.n || rule_listed(groups, str_c(macro_group_name(found))) ||
           (found == MACRO_OLE && rule_listed(groups, str_c(macro_group_name(MACRO_OFFICE))));
}

static bool by_hash(struct drop *d, struct mime_part *p)
{
    return rule_file_listed(d->m, filter_text(d->a->args, d->a->n_args, 0), mime_body(d->mime, p));
}

static bool by_words(struct drop *d, struct mime_part *p)
{
    uint64_t least = filter_number(d->a->args, d->a->n_args, 1, 1);

    return rule_words(d->m, filter_text(d->a->args, d->a->n_args, 0), rule_part_text(d->m, d->mime, p)) >=
           (least ? least : 1);
}

#define DROPS(name, unwanted, text_at) \
    ACTION(name) \
    { \
        return drop_all(&(struct drop){.m = m, .a = a}, r, unwanted, text_at, e); \
    }
DROPS(drop_attachments_by_name, by_name, 1)
DROPS(drop_attachments_by_mimetype, by_mimetype, 1)
DROPS(drop_attachments_by_type, by_type, 1)
DROPS(drop_attachments_by_filetype, by_filetype, 1)
DROPS(drop_attachments_by_size, by_size, 1)
DROPS(drop_attachments_where_contains, by_content, 1)
DROPS(drop_attachments_by_hash, by_hash, 1)
DROPS(drop_attachments_where_dictionary_match, by_words, 2)
DROPS(drop_macro_enabled_attachments, by_macros, 1)
