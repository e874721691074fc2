/*
 * Compiles and asks aliases. See alias.h.
 *
 * Called by receive: compile at each snapshot, match for each recipient, expand for those that are aliases. Owns nothing
 * (the snapshot's arena does). Targets that are aliases are linked when the table is compiled: expanding looks nothing up.
 */
#include "policy/alias_table.h"

enum { KEY_MAX = ADDRESS_MAX + 80 };

bool alias_drops(struct str target)
{
    return str_eqi(target, str_lit("/dev/null"));
}

static struct str join(char *to, struct str local, struct str domain)
{
    if (local.n + 1 + domain.n > KEY_MAX)
        return STR_NONE;
    if (local.n)
        memcpy(to, local.p, local.n);
    to[local.n] = '@';
    if (domain.n)
        memcpy(to + local.n + 1, domain.p, domain.n);
    return str_of(to, local.n + 1 + domain.n);
}

uint32_t alias_match(const struct aliases *t, struct str local, struct str domain)
{
    char key[KEY_MAX];
    uint32_t at;

    if (!t->n)
        return ALIAS_NONE;
    at = name_table_find(&t->names, join(key, local, domain));
    if (at == NAME_TABLE_NONE && str_eqi(domain, t->own_domain))
        at = name_table_find(&t->names, local);
    if (at == NAME_TABLE_NONE)
        at = name_table_find(&t->names, join(key, STR_NONE, domain));
    return at == NAME_TABLE_NONE ? ALIAS_NONE : at;
}

static bool holds_at(const struct conf_alias *alias, const struct conf_listener *l)
{
    for (size_t i = 0; i < alias->listener.n; i++)
        if (str_eqi(alias->listener.items[i], l->name))
            return true;
    return alias->listener.n == 0;
}

/* The alias with its targets, not yet linked. */
static enum rc read_alias(struct arena *a, const struct conf_alias *from, struct alias *out, struct err *e)
{
    struct str local, domain;

    *out = (struct alias){.name = from->name, .targets = arena_array(a, struct alias_target, from->to.n)};
    if (!out->targets)
        return err_set(e, RC_NO_MEMORY, "aliases");
    for (size_t i = 0; i < from->to.n; i++) {
        struct str address = STR_NONE;

        if (!alias_drops(from->to.items[i])) {
            if (!address_cut(from->to.items[i], &local, &domain))
                continue;
            address = arena_printf(a, "%.*s@%.*s", STR(local), STR(address_lower(a, domain)));
            if (!address.p)
                return err_set(e, RC_NO_MEMORY, "aliases");
        }
        out->targets[out->n++] = (struct alias_target){address, ALIAS_NONE};
    }
    return RC_OK;
}

static void link_targets(struct aliases *t)
{
    struct str local, domain;

    for (size_t i = 0; i < t->n; i++) {
        for (size_t j = 0; j < t->items[i].n; j++) {
            struct alias_target *target = &t->items[i].targets[j];

            if (address_cut(target->address, &local, &domain))
                target->alias = alias_match(t, local, domain);
            t->items[i].nested |= target->alias != ALIAS_NONE;
        }
    }
}

enum rc alias_compile(struct arena *a, const struct conf *conf, const struct conf_listener *listener, struct aliases **out,
                      struct err *e)
{
    struct aliases *t = arena_new(a, struct aliases);

    if (!t)
        return err_set(e, RC_NO_MEMORY, "aliases");
    *t = (struct aliases){.own_domain = listener->default_domain};
    if (!t->own_domain.n)
        t->own_domain = conf_listener_host(conf, listener);
    t->items = arena_array(a, struct alias, conf->alias.n);
    if (!t->items)
        return err_set(e, RC_NO_MEMORY, "aliases");
    name_table_begin(&t->names, a);
    for (size_t i = 0; i < conf->alias.n; i++) {
        if (!holds_at(&conf->alias.items[i], listener))
            continue;
        TRY(read_alias(a, &conf->alias.items[i], &t->items[t->n], e));
        TRY(name_table_add(&t->names, conf->alias.items[i].name, (uint32_t)t->n, e));
        t->n++;
    }
    name_table_build(&t->names);
    link_targets(t);
    *out = t;
    return RC_OK;
}

/* ---- expanding ---------------------------------------------------------------------------------------------------------
 */

struct expanding {
    const struct aliases *table;
    struct address_set *seen;
    unsigned char *entered; /* a bit an alias: what two of them share is gone through once */
    struct str *items;
    size_t n, max, most;
    struct arena *arena;
    bool dropped;
};

static enum rc take(struct expanding *x, struct str address, struct err *e)
{
    enum rc rc = address_set_add(x->seen, address);

    if (rc == RC_EXISTS)
        return RC_OK;
    if (rc == RC_OK && x->n == x->most)
        return err_set(e, RC_TOO_MANY_RECIPIENTS, "%s", rc_info(RC_TOO_MANY_RECIPIENTS)->text);
    if (rc == RC_OK && x->n == x->max) {
        size_t max = x->max ? x->max * 2 : 8;
        struct str *items = arena_array(x->arena, struct str, max);

        if (items && x->n)
            memcpy(items, x->items, x->n * sizeof *items);
        x->items = items;
        x->max = max;
    }
    if (rc != RC_OK || !x->items)
        return err_set(e, RC_NO_MEMORY, "%s", rc_info(RC_NO_MEMORY)->text);
    x->items[x->n++] = address;
    return RC_OK;
}

static enum rc expand(struct expanding *x, uint32_t at, unsigned level, struct err *e)
{
    const struct alias *alias = &x->table->items[at];

    for (size_t i = 0; i < alias->n; i++) {
        const struct alias_target *t = &alias->targets[i];

        if (!t->address.n) {
            x->dropped = true;
        } else if (t->alias == ALIAS_NONE || level >= ALIAS_LEVELS) {
            TRY(take(x, t->address, e));
        } else if (!(x->entered[t->alias / 8] & (1U << t->alias % 8))) {
            x->entered[t->alias / 8] |= (unsigned char)(1U << t->alias % 8);
            TRY(expand(x, t->alias, level + 1, e));
        }
    }
    return RC_OK;
}

enum rc alias_expand(const struct aliases *t, uint32_t alias, struct arena *a, struct address_set *seen, size_t most,
                     struct alias_targets *out, struct err *e)
{
    struct expanding x = {.table = t, .seen = seen, .most = most, .arena = a};

    if (t->items[alias].nested) {
        x.entered = arena_array(a, unsigned char, t->n / 8 + 1);
        if (!x.entered)
            return err_set(e, RC_NO_MEMORY, "%s", rc_info(RC_NO_MEMORY)->text);
        memset(x.entered, 0, t->n / 8 + 1);
        x.entered[alias / 8] |= (unsigned char)(1U << alias % 8);
    }
    TRY(expand(&x, alias, 1, e));
    *out = (struct alias_targets){{x.items, x.n}, x.dropped};
    return RC_OK;
}
