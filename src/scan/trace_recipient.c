/*
 * What RCPT would say: default domain, who may relay, RAT, directory, aliases. See trace.h.
 *
 * Called by trace_receipt.c. Owns nothing beyond the trace's arena. The order is that of receive/recipient.c. A message
 * without any recipient left is refused.
 */
#include "bus/ldap_ask.h"
#include "policy/alias.h"
#include "scan/trace_inside.h"

enum { PUBLIC, PRIVATE, BLACKHOLE };     /* listener.type */
enum { IN_CONVERSATION = 1, ALLOW = 1 }; /* listener.ldap_accept_when, ldap_accept_unreachable */

struct taking {
    struct trace *t;
    struct rat *rat;
    struct aliases *aliases;
    struct recipient *list;
    size_t n, most;
    struct address_set once;
    bool aliased;
};

static void refuse(struct trace *t, struct trace_recipient *r, unsigned code, const char *enhanced, struct str text,
                   const char *by)
{
    r->taken = false;
    r->code = code;
    r->text = arena_printf(t->arena, "%s %.*s", enhanced, STR(text));
    r->by = by;
}

static void refuse_rc(struct trace *t, struct trace_recipient *r, enum rc rc, struct str text, const char *by)
{
    const struct rc_info *info = rc_info(rc);

    refuse(t, r, (unsigned)info->smtp, info->enhanced, text.n ? text : str_c(info->text), by);
}

/* --- aliases ----------------------------------------------------------------------------------------------------------- */

static enum rc put(struct taking *k, struct str address)
{
    if (k->n == ENVELOPE_RECIPIENTS)
        return RC_TOO_MANY_RECIPIENTS;
    k->list[k->n++] = (struct recipient){.address = address};
    return RC_OK;
}

static enum rc expand(struct taking *k, struct trace_recipient *r, uint32_t alias, struct err *e)
{
    struct alias_targets found = {0};

    if (!k->aliased) {
        address_set_begin(&k->once, k->t->arena);
        for (size_t i = 0; i < k->n; i++)
            address_set_add(&k->once, k->list[i].address);
        k->aliased = true;
    }
    TRY(alias_expand(k->aliases, alias, k->t->arena, &k->once, k->most > k->n ? k->most - k->n : 0, &found, e));
    for (size_t i = 0; i < found.fresh.n; i++)
        TRY(put(k, found.fresh.items[i]));
    r->alias = r->address;
    r->targets = found.fresh;
    r->dropped = found.dropped;
    return RC_OK;
}

static void take(struct taking *k, struct trace_recipient *r, const char *by)
{
    struct str local, domain;
    uint32_t alias = ALIAS_NONE;
    struct err e = ERR_NONE;
    enum rc rc = RC_OK;

    r->by = by;
    if (k->t->listener->type != BLACKHOLE && address_cut(r->address, &local, &domain))
        alias = alias_match(k->aliases, local, domain);
    if (alias != ALIAS_NONE)
        rc = expand(k, r, alias, &e);
    else if (!k->aliased || address_set_add(&k->once, r->address) != RC_EXISTS)
        rc = put(k, r->address);
    if (rc != RC_OK) {
        refuse_rc(k->t, r, rc, STR_NONE, "Injection Control");
        return;
    }
    r->taken = true;
    r->code = 250;
    r->text = arena_printf(k->t->arena, "2.1.5 recipient <%.*s> ok", STR(r->address));
}

/* --- who mail is taken for --------------------------------------------------------------------------------------------- */

static void ask_directory(struct taking *k, struct trace_recipient *r)
{
    struct trace *t = k->t;
    const struct conf_listener *l = t->listener;
    struct ldap_question q = {.query = l->ldap_accept, .address = r->address, .from = t->sender};
    const struct ldap_answer *a;

    if (!l->ldap_accept.n || l->ldap_accept_when != IN_CONVERSATION) {
        take(k, r, "RAT");
        return;
    }
    a = ldap_ask_wait(t->world.bus, t->arena, &q, 1, LDAP_ASK_MS);
    if (a->result == LDAP_FOUND || (a->result == LDAP_TEMPORARY && l->ldap_accept_unreachable == ALLOW))
        take(k, r, "RAT, LDAP accept");
    else if (a->result == LDAP_TEMPORARY)
        refuse_rc(t, r, RC_DNS_TEMPORARY, STR_NONE, "LDAPACCEPT");
    else
        refuse(t, r, (unsigned)l->ldap_accept_code, l->ldap_accept_code < 500 ? "4.1.1" : "5.1.1",
               l->ldap_accept_text.n ? l->ldap_accept_text : str_c(rc_info(RC_UNKNOWN_RECIPIENT)->text), "LDAPACCEPT");
}

static enum rc complete(struct trace *t, struct trace_recipient *r, const struct path *to, struct err *e)
{
    struct str domain = t->listener->default_domain;

    r->address = to->address;
    if (to->domain.n)
        return RC_OK;
    if (!domain.n && str_eqi(to->local, str_lit("postmaster")))
        domain = conf_listener_host(t->conf, t->listener);
    if (!domain.n)
        return err_set(e, RC_SYNTAX, "recipient address needs a domain");
    r->address = arena_printf(t->arena, "%.*s@%.*s", STR(to->local), STR(domain));
    return RC_OK;
}

static void meet(struct taking *k, struct trace_recipient *r)
{
    struct trace *t = k->t;
    struct rat_result found;
    struct err e = ERR_NONE;
    struct path to;

    r->address = r->given;
    if (trace_path(t, r->given, &to, &e) != RC_OK || (k->n < k->most && complete(t, r, &to, &e) != RC_OK)) {
        refuse_rc(t, r, e.rc, arena_str(t->arena, str_c(e.text)), "Injection Control");
        return;
    }
    if (k->n >= k->most) {
        refuse_rc(t, r, RC_TOO_MANY_RECIPIENTS, STR_NONE, "Injection Control");
        return;
    }
    if (to.utf8)
        t->env.smtputf8 = 1;
    if (t->relays) {
        take(k, r, "relaying");
        return;
    }
    if (t->listener->type == BLACKHOLE || (!to.domain.n && str_eqi(to.local, str_lit("postmaster")))) {
        take(k, r, t->listener->type == BLACKHOLE ? "blackhole listener" : "postmaster");
        return;
    }
    found = rat_match(k->rat, to.local, to.domain);
    if (found.accept && found.bypass_directory)
        take(k, r, "RAT, bypass");
    else if (found.accept)
        ask_directory(k, r);
    else
        refuse_rc(t, r, found.ours ? RC_UNKNOWN_RECIPIENT : RC_NO_RELAY, found.text, "RAT");
}

/* The transaction ends with the last refusal when nobody was taken. */
static void settle(struct taking *k)
{
    struct trace *t = k->t;
    bool any = false;

    for (size_t i = 0; i < t->n_recipients; i++)
        any |= t->recipients[i].taken;
    if (!any && t->n_recipients) {
        const struct trace_recipient *last = &t->recipients[t->n_recipients - 1];

        trace_refuse(t, last->code, "", last->text);
    }
    t->env.recipients = k->list;
    t->env.n_recipients = t->listener->type == BLACKHOLE ? 0 : k->n;
}

void trace_recipients(struct trace *t)
{
    struct taking k = {.t = t, .most = t->match.policy->max_recipients};
    struct err e = ERR_NONE;

    if (!k.most)
        k.most = ENVELOPE_RECIPIENTS;
    k.list = arena_must_alloc(t->arena, ENVELOPE_RECIPIENTS * sizeof *k.list);
    t->n_recipients = t->o.to.n;
    t->recipients = arena_must_alloc(t->arena, (t->o.to.n + 1) * sizeof *t->recipients);
    if (rat_compile(t->arena, t->listener->rat, &k.rat, &e) != RC_OK ||
        alias_compile(t->arena, t->conf, t->listener, &k.aliases, &e) != RC_OK) {
        trace_refuse_rc(t, e.rc, &e);
        return;
    }
    for (size_t i = 0; i < t->o.to.n; i++) {
        t->recipients[i].given = t->o.to.items[i];
        meet(&k, &t->recipients[i]);
    }
    settle(&k);
}
