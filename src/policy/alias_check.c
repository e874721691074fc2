/*
 * What is refused about aliases before it is in force: names, targets, loops. See alias.h.
 *
 * Called by admin before a commit and by the dialogue of aliases. Owns a scratch arena for one call. Aliases may hold at
 * some listeners only, so loops are looked for at each listener. Every alias is gone through once: linear in all targets.
 */
#include "policy/alias_table.h"

enum { SCRATCH_BLOCK = 65536, SCRATCH_MAX = 1 << 28, TARGETS_MOST = 10000 };

static enum rc address_fits(struct str text, const char *what, struct err *e)
{
    struct arena a;
    struct path path;
    struct str rest, quoted;
    struct err why = ERR_NONE;
    enum rc rc;

    arena_init(&a, 1024, 65536);
    quoted = arena_printf(&a, "<%.*s>", STR(str_first(text, 1000)));
    rc = quoted.p ? address_parse_path(&a, quoted, ADDRESS_STRICT, &path, &rest, &why) : RC_NO_MEMORY;
    if (rc == RC_OK && (rest.n || !path.domain.n || !path.local.n || path.utf8 || path.address.n != text.n))
        rc = RC_SYNTAX;
    arena_done(&a);
    if (rc == RC_OK)
        return RC_OK;
    return err_set(e, RC_INVALID, "\"%.*s\" is no %s%s%s", STR(str_first(text, 100)), what, why.text[0] ? ": " : "",
                   why.text);
}

enum rc alias_name_fits(struct str name, struct err *e)
{
    struct str local, domain;
    char whole[ADDRESS_MAX + 8];

    if (name.n && name.p[0] == '@') {
        domain = str_from(name, 1);
        if (address_is_domain(domain, false) || address_is_literal(domain))
            return RC_OK;
        return err_set(e, RC_INVALID, "\"%.*s\" is no domain", STR(str_first(domain, 100)));
    }
    if (address_cut(name, &local, &domain))
        return address_fits(name, "address, user or @domain", e);
    if (name.n && name.n <= ADDRESS_LOCAL_MAX) {
        memcpy(whole, name.p, name.n);
        memcpy(whole + name.n, "@x.x", 4);
        if (address_fits(str_of(whole, name.n + 4), "address", NULL) == RC_OK)
            return RC_OK;
    }
    return err_set(e, RC_INVALID, "\"%.*s\" is no address, user or @domain", STR(str_first(name, 100)));
}

enum rc alias_target_fits(struct str target, struct err *e)
{
    return alias_drops(target) ? RC_OK : address_fits(target, "address and not /dev/null", e);
}

struct search {
    const struct aliases *table;
    struct str from; /* the alias whose targets are followed */
    uint8_t *levels; /* 0 = not looked at, UNDER_WAY, else levels below and including it */
};
enum { UNDER_WAY = 255 };

/* Follows the targets; depth is bounded by ALIAS_LEVELS before a stack could be. */
static enum rc follow(struct search *s, uint32_t at, unsigned depth, struct err *e)
{
    const struct alias *alias = &s->table->items[at];
    uint8_t below = 0;

    if (s->levels[at] == UNDER_WAY)
        return err_set(e, RC_INVALID, "alias[%.*s].to: leads back to itself", STR(alias->name));
    if (depth + (s->levels[at] ? s->levels[at] - 1U : 0U) > ALIAS_LEVELS)
        return err_set(e, RC_INVALID, "alias[%.*s].to: leads through more than %d aliases", STR(s->from), ALIAS_LEVELS);
    if (s->levels[at])
        return RC_OK;
    s->levels[at] = UNDER_WAY;
    for (size_t i = 0; i < alias->n; i++) {
        uint32_t next = alias->targets[i].alias;

        if (next == ALIAS_NONE)
            continue;
        TRY(follow(s, next, depth + 1, e));
        if (s->levels[next] > below)
            below = s->levels[next];
    }
    s->levels[at] = (uint8_t)(below + 1);
    return RC_OK;
}

static enum rc check_listener(const struct conf *conf, const struct conf_listener *l, struct arena *a, struct err *e)
{
    struct search s = {0};
    struct aliases *t;

    TRY(alias_compile(a, conf, l, &t, e));
    s.table = t;
    s.levels = arena_array(a, uint8_t, t->n + 1);
    if (!s.levels)
        return err_set(e, RC_NO_MEMORY, "aliases");
    memset(s.levels, 0, t->n + 1);
    for (uint32_t i = 0; i < t->n; i++) {
        s.from = t->items[i].name;
        TRY(follow(&s, i, 1, e));
    }
    return RC_OK;
}

static enum rc check_alias(const struct conf_alias *alias, struct err *e)
{
    if (alias_name_fits(alias->name, e) != RC_OK)
        return err_wrap(e, RC_INVALID, "alias[%.*s]", STR(str_first(alias->name, 200)));
    if (alias->to.n == 0 || alias->to.n > TARGETS_MOST)
        return err_set(e, RC_INVALID, "alias[%.*s].to: %s", STR(alias->name),
                       alias->to.n ? "more than 10000 addresses" : "names no address");
    for (size_t i = 0; i < alias->to.n; i++) {
        if (alias_target_fits(alias->to.items[i], e) != RC_OK)
            return err_wrap(e, RC_INVALID, "alias[%.*s].to", STR(alias->name));
    }
    return RC_OK;
}

enum rc alias_check(const struct conf *conf, struct err *e)
{
    enum rc rc = RC_OK;

    for (size_t i = 0; i < conf->alias.n; i++)
        TRY(check_alias(&conf->alias.items[i], e));
    for (size_t i = 0; i < conf->listener.n && conf->alias.n && rc == RC_OK; i++) {
        struct arena a;

        arena_init(&a, SCRATCH_BLOCK, SCRATCH_MAX);
        rc = check_listener(conf, &conf->listener.items[i], &a, e);
        arena_done(&a);
    }
    return rc;
}
