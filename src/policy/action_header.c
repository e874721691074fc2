/*
 * Actions on the header section. See action.h.
 *
 * Called by the runners of filters through action_do(). Owns nothing beyond the message's arena. Only the fields concerned
 * change; a signature over the body stays whole.
 */
#include "policy/action.h"

#include "policy/filter_regex.h"

enum { VALUE_MAX = 65536, FIELDS_MAX = 1000 };

#define ACTION(name) \
    enum rc action_##name(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e)

ACTION(insert_header)
{
    (void)e;
    patch_header_add(&m->patch, filter_text(a->args, a->n_args, 0), action_text(m, a, r, 1), false);
    return RC_OK;
}

ACTION(strip_header)
{
    (void)r;
    (void)e;
    patch_header_remove(&m->patch, filter_text(a->args, a->n_args, 0));
    return RC_OK;
}

/* The n-th field of that name as it is now. */
static bool nth_field(struct message *m, struct str name, size_t n, struct header_field *out)
{
    struct str rest = patch_octets(&m->patch);

    while (header_next(&rest, out))
        if (str_eqi(out->name, name) && n-- == 0)
            return true;
    return false;
}

ACTION(edit_header_text)
{
    struct str name = filter_text(a->args, a->n_args, 0), by = action_text(m, a, r, 2);
    const struct filter_regex *regex = filter_pattern(a->args, a->n_args, 1);
    struct header_field f;

    (void)e;
    for (size_t i = 0; regex && i < FIELDS_MAX && nth_field(m, name, i, &f); i++) {
        struct str value = mime_decode_words(m->arena, header_unfold(m->arena, f.value, VALUE_MAX)), now;
        size_t changed = 0;

        now = filter_regex_replace(regex, m->arena, value, by, &changed);
        if (changed)
            patch_header_set(&m->patch, f, now);
    }
    return RC_OK;
}

/* A forged author is no longer shown: the envelope sender stands in From, what stood there in X-Original-From. */
ACTION(fed)
{
    struct str name = filter_text(a->args, a->n_args, 0), by = action_text(m, a, r, 1), was;
    struct header_field f;

    (void)e;
    if (!name.n)
        name = str_lit("From");
    if (!header_find(patch_octets(&m->patch), name, &f))
        return RC_OK;
    was = header_unfold(m->arena, f.value, VALUE_MAX);
    name = arena_str(m->arena, f.name);
    patch_header_put(&m->patch, name, by.n ? by : arena_printf(m->arena, "<%.*s>", STR(m->env->sender)));
    patch_header_add(&m->patch, arena_printf(m->arena, "X-Original-%.*s", STR(name)), was, false);
    return RC_OK;
}
