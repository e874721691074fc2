/*
 * Checks of settings that need the rooms which use them: members of sender groups, recipient access tables, aliases, address
 * lists.
 *
 * Called by store.c before a commit and by `postern init`, after conf's own rules. Owns a scratch arena for one call. The
 * rooms leave out what they cannot read; here it is refused, so nothing is left out in silence.
 */
#include "admin/admin.h"
#include "admin/check_signing.h"

#include "conf/rules.h"
#include "mail/address.h"
#include "policy/alias.h"
#include "policy/check.h"
#include "policy/filters.h"
#include "policy/hat.h"
#include "policy/ip_table.h"
#include "policy/masquerade.h"
#include "policy/rat.h"

enum { SCRATCH_MAX = 1 << 28 };

static enum rc check_members(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->sender_group.n; i++) {
        const struct conf_sender_group *g = &c->sender_group.items[i];

        for (size_t j = 0; j < g->members.n; j++) {
            if (!hat_member_fits(g->members.items[j]))
                return err_set(e, RC_INVALID, "sender_group.%.*s.members: \"%.*s\" is no member of a sender group",
                               STR(g->name), STR(str_first(g->members.items[j], 100)));
        }
    }
    return RC_OK;
}

static enum rc check_list(struct arena *a, struct str path, struct strs lines, struct err *e)
{
    struct ip_table t;

    ip_table_begin(&t, a);
    for (size_t i = 0; i < lines.n; i++) {
        if (ip_table_add(&t, lines.items[i], 0, e) != RC_OK)
            return err_wrap(e, RC_INVALID, "%.*s", STR(path));
    }
    return RC_OK;
}

static enum rc check_addresses(struct arena *a, const struct conf_listener *l, const char *field, struct strs lines,
                               struct err *e)
{
    return check_list(a, arena_printf(a, "listener.%.*s.%s", STR(l->name), field), lines, e);
}

/* A line that is left out here would shut somebody out. */
static enum rc check_access(struct arena *a, const struct conf_access *c, struct err *e)
{
    TRY(check_list(a, str_lit("access.allowed"), c->allowed, e));
    return check_list(a, str_lit("access.proxies"), c->proxies, e);
}

/* "PATTERN [accept [bypass] | reject [reply text]]" */
static bool is_rat_line(struct str line)
{
    struct str pattern, word, more;

    if (!str_word(&line, &pattern))
        return false;
    if (!str_word(&line, &word) || str_eqi(word, str_lit("reject")))
        return true;
    if (!str_eqi(word, str_lit("accept")))
        return false;
    while (str_word(&line, &more))
        if (!str_eqi(more, str_lit("bypass")) && !str_eqi(more, str_lit("bypass-ldap")))
            return false;
    return true;
}

static enum rc check_listener(struct arena *a, const struct conf_listener *l, struct err *e)
{
    struct address_ip ip;
    struct rat *rat;

    for (size_t i = 0; i < l->address.n; i++) {
        if (!ip_parse(l->address.items[i], &ip))
            return err_set(e, RC_INVALID, "listener.%.*s.address: \"%.*s\" is not an IP address", STR(l->name),
                           STR(str_first(l->address.items[i], 64)));
    }
    TRY(check_addresses(a, l, "xclient_from", l->xclient_from, e));
    TRY(check_addresses(a, l, "proxy_from", l->proxy_from, e));
    for (size_t i = 0; i < l->rat.n; i++) {
        if (!is_rat_line(l->rat.items[i]))
            return err_set(e, RC_INVALID, "listener.%.*s.rat: \"%.*s\" is not PATTERN [accept|reject [text]]", STR(l->name),
                           STR(str_first(l->rat.items[i], 100)));
    }
    if (rat_compile(a, l->rat, &rat, e) != RC_OK)
        return err_wrap(e, RC_INVALID, "listener.%.*s.rat", STR(l->name));
    for (size_t i = 0; i < l->masquerade.n; i++)
        if (!masquerade_line_fits(l->masquerade.items[i]))
            return err_set(e, RC_INVALID, "listener.%.*s.masquerade: \"%.*s\" is not PATTERN NEW", STR(l->name),
                           STR(str_first(l->masquerade.items[i], 100)));
    return RC_OK;
}

enum rc admin_check(const struct conf *c, const struct conf *old, bool force, struct err *e)
{
    struct arena a;
    enum rc rc;

    TRY(conf_check(c, old, force, e));
    TRY(check_members(c, e));
    TRY(alias_check(c, e));
    TRY(filters_check(c, e));
    TRY(check_signing(c, e));
    if (c->reputation.zone.n && !address_is_domain(c->reputation.zone, false))
        return err_set(e, RC_INVALID, "reputation.zone: is no domain name");
    TRY(policies_check(c, e));
    TRY(contents_check(c, e));
    TRY(dictionaries_check(c, e));
    TRY(dlp_check(c, e));
    arena_init(&a, 65536, SCRATCH_MAX);
    rc = check_access(&a, &c->access, e);
    for (size_t i = 0; i < c->listener.n && rc == RC_OK; i++)
        rc = check_listener(&a, &c->listener.items[i], e);
    arena_done(&a);
    return rc;
}
