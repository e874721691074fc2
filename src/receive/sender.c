/*
 * MAIL: whether a message may begin, and whether its sender's domain exists.
 *
 * Called by the SMTP server with a parsed path. Waits for queue when too much is unconfirmed, and for DNS when the policy
 * wants the domain checked. A message that begins has a MID.
 */
#include "receive/inside.h"

static enum smtp_next refuse(struct session *se, enum rc rc, const struct err *e)
{
    smtp_refuse(&se->s, rc, e);
    return rc_info(rc)->smtp == 421 ? SMTP_CLOSE : SMTP_DONE;
}

static enum smtp_next begin(struct session *se)
{
    se->messages++;
    se->origin.user = se->s.user;
    message_begin(&se->origin, &se->message);
    message_from(&se->origin, &se->message, se->s.sender.from.address);
    return SMTP_DONE;
}

static bool any_records(const struct asking *ask)
{
    for (size_t i = 0; i < ask->n; i++)
        if (ask->answers[i].result == DNS_OK && ask->answers[i].n)
            return true;
    return false;
}

static bool any_unknown(const struct asking *ask)
{
    for (size_t i = 0; i < ask->n; i++)
        if (ask->answers[i].result == DNS_TEMPORARY || ask->answers[i].result == DNS_BOGUS)
            return true;
    return false;
}

/* RFC 7505: "MX 0 ." says that the domain takes no mail, so it cannot be a sender either. */
static bool null_mx(const struct asking *ask)
{
    const struct dns_answer *mx = &ask->answers[0];

    return mx->result == DNS_OK && mx->n == 1 && mx->records[0].data.n == 0;
}

static enum smtp_next domain_known(struct smtp_server *s)
{
    struct session *se = session_of(s);
    bool unresolved = any_unknown(se->asking);

    if (any_records(se->asking) && !null_mx(se->asking))
        return begin(se);
    event(se->receive->o.events, sender_rejected, .icid = se->icid, .sender = s->sender.from.address,
          .unresolved = unresolved);
    return refuse(se, unresolved ? RC_SENDER_UNRESOLVED : RC_BAD_SENDER, NULL);
}

static enum smtp_next check_domain(struct session *se)
{
    struct smtp_server *s = &se->s;
    const struct path *from = &s->sender.from;
    struct asking *ask;

    if (!se->match.policy->sender_dns_check || !from->domain.n || from->domain.p[0] == '[')
        return begin(se);
    if (address_listed(se->match.policy->sender_dns_exceptions, from->local, from->domain)) {
        event(se->receive->o.events, sender_allowed, .icid = se->icid, .sender = from->address);
        return begin(se);
    }
    ask = session_asking(se);
    if (!ask)
        return refuse(se, RC_NO_MEMORY, NULL);
    names_question(ask, DNS_MX, from->domain);
    names_question(ask, DNS_A, from->domain);
    names_question(ask, DNS_AAAA, from->domain);
    if (!names_ask(ask, se->tables->conf->receiving.dns_deadline_ms))
        return smtp_wait(s, domain_known);
    return domain_known(s);
}

static enum smtp_next queue_caught_up(struct smtp_server *s)
{
    struct session *se = session_of(s);

    if (announce_full(se->receive->announce))
        return refuse(se, RC_QUEUE_FULL, NULL);
    return check_domain(se);
}

/* A sender without domain gets the default one; without that it is refused. */
static enum rc complete(struct session *se, struct err *e)
{
    struct path *from = &se->s.sender.from;
    struct str domain = se->terms->conf->default_domain;

    if (!from->address.n || from->domain.n)
        return RC_OK;
    if (!domain.n)
        return err_set(e, RC_SYNTAX, "sender address needs a domain");
    from->address = arena_printf(&se->s.message, "%.*s@%.*s", STR(from->local), STR(domain));
    from->domain = domain;
    return from->address.p ? RC_OK : err_set(e, RC_NO_MEMORY, "%s", rc_info(RC_NO_MEMORY)->text);
}

enum smtp_next session_mail(struct smtp_server *s, const struct smtp_mail *m)
{
    struct session *se = session_of(s);
    const struct conf_mail_flow_policy *p = se->match.policy;
    struct err e = ERR_NONE;
    enum rc rc;

    if (se->listener->suspended || se->receive->queue_suspended)
        return refuse(se, RC_SUSPENDED, NULL);
    if (se->tables->conf->receiving.hello_required && !s->hello.n) {
        err_set(&e, RC_WRONG_ORDER, "EHLO or HELO first");
        return refuse(se, RC_WRONG_ORDER, &e);
    }
    if (p->tls_client_certificate && !(s->c.tls && s->c.tls->verified)) {
        err_set(&e, RC_TLS_REQUIRED, "a valid client certificate is required");
        return refuse(se, RC_TLS_REQUIRED, &e);
    }
    if (s->auth_required && !s->user.n) {
        event(se->receive->o.events, smtp_auth_missing, .icid = se->icid);
        return refuse(se, RC_AUTH_REQUIRED, NULL);
    }
    if (p->max_messages && se->messages >= p->max_messages) {
        event(se->receive->o.events, receiving_failed, .icid = se->icid, .reason = str_lit("Too Many Messages"));
        return refuse(se, RC_TOO_MANY_MESSAGES, NULL);
    }
    rc = complete(se, &e);
    if (rc != RC_OK)
        return refuse(se, rc, &e);
    rc = message_allowed(se->receive, m->size, &e);
    if (rc != RC_OK) {
        event(se->receive->o.events, receiving_failed, .icid = se->icid, .reason = str_lit("Queue takes no messages now"));
        return refuse(se, rc, &e);
    }
    if (announce_full(se->receive->announce)) {
        announce_wait(se->receive->announce, se);
        return smtp_wait(s, queue_caught_up);
    }
    return check_domain(se);
}
