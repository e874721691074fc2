/*
 * What directories and tables make of recipients and senders before any filter: LDAP accept (when not done at RCPT),
 * routing, masquerading.
 *
 * Called by the pipeline. Owns nothing: memory is the message's. Recipients with different fates become messages of their
 * own, which come here again; the message that is left has one fate. When no server can say, the message waits: nobody is
 * bounced because a directory is away.
 */
#include "bus/ldap_ask.h"
#include "mail/address.h"
#include "policy/rat.h"
#include "scan/masquerade.h"
#include "scan/stage.h"

enum { IN_WORK_QUEUE = 0, DROP = 1 }; /* choices of listener.ldap_accept_when and ldap_accept_unknown */
enum { TOGETHER = 256, HOST_MAX = 255 };

struct fate {
    bool asked; /* whether it exists */
    bool unknown;
    struct strs addresses; /* it goes there instead */
    struct str host;
};

struct run {
    struct scan_world *w;
    struct message *m;
    const struct conf_listener *l;
    struct rat *rat;
    struct fate *fates; /* one a recipient */
    struct ldap_question *questions;
};

/* --- asking ---------------------------------------------------------------------------------------------------------- */

/* The RAT has taken it for this listener and wants it asked: not a target of an alias elsewhere, not one that bypasses. */
static bool accept_asks(const struct run *r, struct str address)
{
    struct str local, domain;
    struct rat_result found;

    if (!r->rat || !address_cut(address, &local, &domain))
        return false;
    found = rat_match(r->rat, local, domain);
    return found.accept && !found.bypass_directory;
}

static bool is_address(struct str s)
{
    struct str local, domain;

    if (s.n > ADDRESS_MAX || !address_cut(s, &local, &domain) || !local.n || !address_is_domain(domain, true))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("<>,", s.p[i]))
            return false;
    return true;
}

/* host, host:port, [address]: what carried.route takes; nothing else gets there. */
static bool is_host(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && !strchr(".-_:[]", s.p[i]))
            return false;
    return s.n > 0 && s.n <= HOST_MAX;
}

static void take_routing(struct run *r, struct fate *f, const struct ldap_answer *a)
{
    struct str *list = arena_array(r->m->arena, struct str, a->n + 1), host = ldap_answer_value(a, "host");

    for (size_t i = 0; list && i < a->n; i++)
        if (str_eq(a->values[i].name, str_lit("recipient")) && is_address(a->values[i].value))
            list[f->addresses.n++] = a->values[i].value;
    f->addresses.items = list;
    if (is_host(host))
        f->host = host;
}

/* Recipients from `from` on, TOGETHER at most. False: a directory is away. */
static bool ask_some(struct run *r, size_t from, size_t n)
{
    struct message *m = r->m;
    const struct ldap_answer *a;
    size_t asked = 0;

    for (size_t i = from; i < from + n; i++) {
        struct ldap_question q = {.address = message_recipient(m, i), .from = m->env->sender};

        q.query = r->l->ldap_accept;
        r->fates[i].asked = accept_asks(r, q.address);
        if (r->fates[i].asked)
            r->questions[asked++] = q;
        q.query = r->l->ldap_routing;
        if (q.query.n)
            r->questions[asked++] = q;
    }
    if (!asked)
        return true;
    a = ldap_ask_wait(r->w->bus, m->arena, r->questions, asked, LDAP_ASK_MS);
    for (size_t i = 0; i < asked; i++)
        if (a[i].result == LDAP_TEMPORARY) {
            message_later(m, arena_printf(m->arena, "LDAP query %.*s: %.*s", STR(r->questions[i].query),
                                          STR(str_first(a[i].why, 200))));
            return false;
        }
    for (size_t i = from; i < from + n; i++) {
        if (r->fates[i].asked)
            r->fates[i].unknown = a++->result == LDAP_NOT_FOUND;
        if (r->l->ldap_routing.n)
            take_routing(r, &r->fates[i], a++);
    }
    return true;
}

/* --- one fate a message ---------------------------------------------------------------------------------------------- */

static bool same(const struct fate *a, const struct fate *b)
{
    if (a->unknown || b->unknown)
        return a->unknown == b->unknown;
    return (a->addresses.n > 0) == (b->addresses.n > 0) && str_eqi(a->host, b->host);
}

static struct str as_came(struct message *m)
{
    struct buf b = BUF(CARRIED_MAX);
    struct str s;

    carried_encode(&m->carried, &b);
    s = b.failed ? STR_NONE : arena_str(m->arena, buf_str(&b));
    buf_done(&b);
    return s;
}

/* Those whose fate is that of recipient `like` leave for a message of their own. */
static void split_off(struct run *r, size_t like, bool *gone)
{
    struct message *m = r->m;
    struct buf indices = BUF(1 << 20);

    for (size_t i = like; i < m->n_recipients; i++)
        if (!gone[i] && same(&r->fates[i], &r->fates[like])) {
            gone[i] = true;
            buf_put_varint(&indices, m->recipients[i]);
        }
    message_copy(m, &(struct verdict_copy){.kind = COPY_SPLIT,
                                           .by = str_lit("LDAP"),
                                           .same_sender = 1,
                                           .indices = arena_str(m->arena, buf_str(&indices)),
                                           .carried = as_came(m)});
    buf_done(&indices);
}

/* Leaves the recipients whose fate is that of the first known one. */
static void divide(struct run *r)
{
    struct message *m = r->m;
    size_t first = 0, left = 0;
    uint32_t *kept = arena_array(m->arena, uint32_t, m->n_recipients + 1);
    bool *gone = arena_array(m->arena, bool, m->n_recipients + 1);

    if (!kept || !gone) {
        m->outcome.overflow = true;
        return;
    }
    while (first < m->n_recipients && r->fates[first].unknown)
        first++;
    if (first == m->n_recipients)
        first = 0;
    for (size_t i = 0; i < m->n_recipients; i++)
        if (!gone[i] && !same(&r->fates[i], &r->fates[first]))
            split_off(r, i, gone);
    for (size_t i = 0; i < m->n_recipients; i++)
        if (!gone[i]) {
            kept[left] = m->recipients[i];
            r->fates[left++] = r->fates[i];
        }
    m->recipients = kept;
    m->n_recipients = left;
}

/* --- what becomes of it ---------------------------------------------------------------------------------------------- */

static void tell(const struct run *r, const char *outcome, struct str query, size_t i, struct str to)
{
    if (r->m->events)
        event(r->m->events, ldap_query, .outcome = str_c(outcome), .query = query, .mid = r->m->mid,
              .rid = r->m->recipients[i], .address = message_recipient(r->m, i), .to = to);
}

static void refuse(struct run *r)
{
    bool drop = r->l->ldap_accept_unknown == DROP;

    for (size_t i = 0; i < r->m->n_recipients; i++)
        tell(r, drop ? "Drop" : "Bounce", r->l->ldap_accept, i, STR_NONE);
    message_final(r->m, drop ? FINAL_DROP : FINAL_BOUNCE, str_lit("LDAP"),
                  drop ? STR_NONE : str_lit("5.1.1 unknown recipient"));
}

static void route(struct run *r)
{
    struct message *m = r->m;
    struct str *list = arena_array(m->arena, struct str, ENVELOPE_RECIPIENTS);
    size_t n = 0;

    for (size_t i = 0; i < m->n_recipients; i++) {
        const struct fate *f = &r->fates[i];

        if (f->asked)
            tell(r, "Accepted", r->l->ldap_accept, i, STR_NONE);
        if (!r->l->ldap_routing.n)
            continue;
        if (!f->addresses.n && !f->host.n)
            tell(r, "No Match", r->l->ldap_routing, i, STR_NONE);
        else if (!f->addresses.n)
            tell(r, "Mailhost", r->l->ldap_routing, i, f->host);
        for (size_t k = 0; k < f->addresses.n; k++) {
            tell(r, "Reroute", r->l->ldap_routing, i,
                 arena_printf(m->arena, "[('%.*s', '%.*s')]", STR(f->addresses.items[k]), STR(f->host)));
            if (list && n < ENVELOPE_RECIPIENTS)
                list[n++] = f->addresses.items[k];
            else
                m->outcome.overflow = true;
        }
    }
    if (m->n_recipients && r->fates[0].host.n)
        m->carried.route = r->fates[0].host;
    if (n) {
        m->outcome.new_recipients = (struct strs){list, n};
        m->outcome.new_recipients_by = str_lit("LDAP");
    }
}

void stage_ldap(struct scan_world *w, struct message *m)
{
    const struct conf_listener *l = conf_find(&m->conf->listener, m->env->listener);
    struct run r = {.w = w, .m = m, .l = l};
    bool accept = l && l->ldap_accept.n && l->ldap_accept_when == IN_WORK_QUEUE && !m->env->outgoing;

    if (!l || m->n_recipients == 0)
        return;
    r.fates = arena_array(m->arena, struct fate, m->n_recipients + 1);
    r.questions = arena_array(m->arena, struct ldap_question, 2 * TOGETHER);
    if (!r.fates || !r.questions || (accept && rat_compile(m->arena, l->rat, &r.rat, NULL) != RC_OK)) {
        m->outcome.overflow = true;
        return;
    }
    for (size_t i = 0; i < m->n_recipients && (accept || l->ldap_routing.n); i += TOGETHER)
        if (!ask_some(&r, i, m->n_recipients - i < TOGETHER ? m->n_recipients - i : TOGETHER)) {
            if (m->events)
                event(m->events, ldap_failed, .mid = m->mid);
            return;
        }
    divide(&r);
    if (r.fates[0].unknown) {
        refuse(&r);
        return;
    }
    if (!masquerade_message(w, m, l)) {
        if (m->events)
            event(m->events, ldap_failed, .mid = m->mid);
        return;
    }
    route(&r);
    m->carried.skip |= SKIP_DIRECTORY;
}
