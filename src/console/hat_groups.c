/*
 * Sender groups of one listener. See hat_text.h.
 *
 * Called by the dialogues of listenerconfig and by the reader of a host access table. Owns nothing. A group may serve
 * several listeners: what one listener gives up stays with the others.
 */
#include "console/hat_text.h"

#include "base/must.h"

bool hat_group_of(const struct conf_sender_group *g, struct str listener)
{
    for (size_t i = 0; i < g->listener.n; i++)
        if (str_eqi(g->listener.items[i], listener) || str_eqi(g->listener.items[i], str_lit("all")))
            return true;
    return g->listener.n == 0;
}

struct str hat_group_shown(struct str name)
{
    size_t slash = str_find_last(name, '/');

    return slash < name.n ? str_from(name, slash + 1) : name;
}

size_t hat_group_find(const struct conf *c, struct str listener, struct str group)
{
    for (size_t i = 0; i < c->sender_group.n; i++) {
        const struct conf_sender_group *g = &c->sender_group.items[i];

        if (hat_group_of(g, listener) && (str_eqi(g->name, group) || str_eqi(hat_group_shown(g->name), group)))
            return i;
    }
    return SIZE_MAX;
}

static struct conf_sender_group *own(struct conf_draft *d, size_t i)
{
    return (struct conf_sender_group *)(uintptr_t)&d->conf.sender_group.items[i]; /* of the draft's arena */
}

enum rc hat_group_new(struct conf_draft *d, struct str listener, struct str group, const struct conf_sender_group **out,
                      struct err *e)
{
    struct str name = group, *only = arena_must_alloc(&d->arena, sizeof *only);
    struct conf_sender_group *g;
    const struct conf_section *section = conf_section_find(str_lit("sender_group"));
    void *item;

    must(section);
    if (group.n == 0 || str_find(group, '/') < group.n)
        return err_set(e, RC_INVALID, "the name of a sender group has no /");
    if (hat_group_find(&d->conf, listener, group) != SIZE_MAX)
        return err_set(e, RC_EXISTS, "A sender group named %.*s exists already", STR(str_first(group, 100)));
    if (conf_item_index(&d->conf, section, name) != SIZE_MAX)
        name = arena_printf(&d->arena, "%.*s/%.*s", STR(listener), STR(group));
    if (conf_item_index(&d->conf, section, name) != SIZE_MAX)
        return err_set(e, RC_EXISTS, "%.*s exists already", STR(str_first(name, 100)));
    TRY(conf_draft_item(d, section, name, &item, e));
    g = item;
    *only = arena_str(&d->arena, listener);
    g->listener = (struct strs){only, 1};
    *out = g;
    return RC_OK;
}

/* The listeners that keep the group; 0 = none. */
static struct strs others(struct conf_draft *d, const struct conf_sender_group *g, struct str listener)
{
    bool all = g->listener.n == 0;
    struct str *left;
    size_t n = 0;

    for (size_t i = 0; i < g->listener.n; i++)
        all = all || str_eqi(g->listener.items[i], str_lit("all"));
    left = arena_must_alloc(&d->arena, (d->conf.listener.n + g->listener.n + 1) * sizeof *left);
    for (size_t i = 0; all && i < d->conf.listener.n; i++)
        if (!str_eqi(d->conf.listener.items[i].name, listener))
            left[n++] = d->conf.listener.items[i].name;
    for (size_t i = 0; !all && i < g->listener.n; i++)
        if (!str_eqi(g->listener.items[i], listener))
            left[n++] = g->listener.items[i];
    return (struct strs){left, n};
}

enum rc hat_groups_drop(struct conf_draft *d, struct str listener, struct err *e)
{
    struct buf path = BUF(4096);
    enum rc rc = RC_OK;

    for (size_t i = d->conf.sender_group.n; i-- > 0 && rc == RC_OK;) {
        struct conf_sender_group *g = own(d, i);
        struct strs left;

        if (!hat_group_of(g, listener))
            continue;
        left = others(d, g, listener);
        if (left.n) {
            g->listener = left;
            continue;
        }
        buf_clear(&path);
        conf_path_format(conf_section_find(str_lit("sender_group")), g->name, NULL, &path);
        rc = conf_draft_remove(d, buf_str(&path), e);
    }
    buf_done(&path);
    return rc;
}
