/*
 * The message filters of a snapshot: read, and checked for what they name. See filters.h.
 *
 * Called by compiled.c and the checks of control. The trees lie in the arena of the snapshot. Running them is filters_run.c,
 * apart so that who only checks needs no evaluator.
 */
#include "policy/filters.h"

static enum rc read_one(struct arena *a, const struct conf_message_filter *item, const struct filter **out, struct err *e)
{
    struct filters f = {0};

    TRY(filter_parse(a, item->text, &f, e));
    if (f.n != 1)
        return err_set(e, RC_SYNTAX, "expected one filter, found %zu", f.n);
    if (!str_eqi(f.items[0].name, item->name))
        return err_set(e, RC_SYNTAX, "the filter's name is '%.*s'", STR(f.items[0].name));
    *out = &f.items[0];
    return RC_OK;
}

enum rc filters_compile(struct arena *a, const struct conf *conf, struct compiled_filters **out, struct err *e)
{
    struct compiled_filters *c = arena_new(a, struct compiled_filters);
    enum rc worst = RC_OK;

    if (c)
        c->items = arena_array(a, const struct filter *, conf->message_filter.n + 1);
    if (!c || !c->items)
        return err_set(e, RC_NO_MEMORY, "message filters");
    for (size_t i = 0; i < conf->message_filter.n; i++) {
        const struct conf_message_filter *item = &conf->message_filter.items[i];
        const struct filter *f = NULL;
        struct str missing = STR_NONE;
        struct err why = ERR_NONE;

        if (!item->active)
            continue;
        if (read_one(a, item, &f, &why) == RC_OK && filter_valid(conf, a, f, &missing))
            c->items[c->n++] = f;
        else if (worst == RC_OK)
            worst = err_set(e, RC_INVALID, "message filter %.*s: %s%.*s", STR(item->name),
                            f ? "there is no " : err_text(&why), STR(missing));
    }
    *out = c;
    return worst;
}

enum rc filters_check(const struct conf *conf, struct err *e)
{
    struct arena a;
    enum rc rc = RC_OK;

    for (size_t i = 0; i < conf->message_filter.n && rc == RC_OK; i++) {
        const struct conf_message_filter *item = &conf->message_filter.items[i];
        const struct filter *f = NULL;

        arena_init(&a, 16384, 64 << 20);
        if (read_one(&a, item, &f, e) != RC_OK)
            rc = err_wrap(e, RC_INVALID, "message_filter[%.*s].text", STR(item->name));
        arena_done(&a);
    }
    return rc;
}
