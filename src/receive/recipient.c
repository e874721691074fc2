/*
 * RCPT: whether mail for this recipient is taken from this peer.
 *
 * Called by the SMTP server with a parsed path. Order: limits, who may relay, RAT, LDAP accept,
 * directory harvest, aliases. Peers of
 * RELAY policies, those who logged in and those of private listeners may send to anybody; others only to recipients of the
 * RAT.
 */
#include "receive/inside.h"

static enum smtp_next refuse(struct session *se, const struct smtp_rcpt *r, enum rc rc, struct str text, const char *by)
{
    const struct rc_info *info = rc_info(rc);

    event(se->receive->o.events, recipient_rejected, .mid = se->message.mid, .icid = se->icid, .recipient = r->to.address,
          .by = str_c(by));
    smtp_refuse_as(&se->s, (unsigned)info->smtp, str_c(info->enhanced), text.n ? text : str_c(info->text));
    return SMTP_DONE;
}

/* Many unknown recipients look like somebody trying names (Directory Harvest Attack). */
static enum smtp_next harvest(struct session *se, enum smtp_next next)
{
    const struct conf_mail_flow_policy *p = se->match.policy;
    char ip[46];

    if (!p->harvest_limit)
        return next;
    rate_bad_recipient(se->receive, se->rate_key);
    if (rate_bad(se->receive, se->rate_key) <= p->harvest_limit)
        return next;
    event(se->receive->o.events, connection_harvest, .icid = se->icid, .peer_ip = ip_text(&se->s.peer.ip, ip),
          .host = se->ptr, .limit = p->harvest_limit, .group = se->match.group, .listener = se->terms->conf->name,
          .ptr = se->ptr, .sender = se->s.sender.from.address);
    if (!p->harvest_drop)
        return next;
    smtp_refuse_as(&se->s, 421, str_lit("4.7.1"), str_lit("too many unknown recipients"));
    return SMTP_CLOSE;
}

static bool may_relay(const struct session *se)
{
    return se->match.policy->behavior == FLOW_RELAY || se->s.user.n || se->terms->conf->type == 1;
}

static bool over_rate(struct session *se, uint64_t *sender_key_out)
{
    const struct conf_mail_flow_policy *p = se->match.policy;
    const struct path *from = &se->s.sender.from;

    *sender_key_out = 0;
    if (p->recipients_per_hour && rate_recipients(se->receive, se->rate_key) >= p->recipients_per_hour)
        return true;
    if (!p->recipients_per_hour_sender || address_listed(p->sender_rate_exceptions, from->local, from->domain))
        return false;
    *sender_key_out = rate_key_of(from->address);
    return rate_recipients(se->receive, *sender_key_out) >= p->recipients_per_hour_sender;
}

/* A recipient without domain (RFC 5321 4.1.1.3: postmaster) gets the default one. */
static enum rc complete(struct session *se, const struct smtp_rcpt *r, struct recipient *out, struct err *e)
{
    struct str domain = se->terms->conf->default_domain;

    *out = (struct recipient){.address = r->to.address, .notify = r->notify, .orcpt = r->orcpt};
    if (r->to.domain.n)
        return RC_OK;
    if (!domain.n && str_eqi(r->to.local, str_lit("postmaster")))
        domain = se->s.host_name;
    if (!domain.n)
        return err_set(e, RC_SYNTAX, "recipient address needs a domain");
    out->address = arena_printf(&se->s.message, "%.*s@%.*s", STR(r->to.local), STR(domain));
    return out->address.p ? RC_OK : err_set(e, RC_NO_MEMORY, "%s", rc_info(RC_NO_MEMORY)->text);
}

static enum smtp_next take(struct session *se, const struct smtp_rcpt *r, const struct recipient *to, uint64_t sender_key)
{
    const struct conf_mail_flow_policy *p = se->match.policy;
    struct err e = ERR_NONE;
    enum rc rc = message_to(&se->origin, &se->message, &se->s.message, to,
                            p->max_recipients ? p->max_recipients : ENVELOPE_RECIPIENTS, &e);

    if (rc == RC_TOO_MANY_RECIPIENTS)
        return refuse(se, r, rc, STR_NONE, "Injection Control");
    if (rc != RC_OK) {
        smtp_refuse(&se->s, rc, &e);
        return SMTP_DONE;
    }
    if (p->recipients_per_hour)
        rate_recipient(se->receive, se->rate_key);
    if (sender_key)
        rate_recipient(se->receive, sender_key);
    smtp_reply_text(&se->s, SMTP_RECIPIENT_OK, "recipient <%.*s> ok", STR(to->address));
    return SMTP_DONE;
}

/* --- a directory that knows the recipients (LDAP accept) --------------------------------------------------------------- */

static enum smtp_next directory_spoke(struct smtp_server *s)
{
    struct session *se = session_of(s);
    const struct conf_listener *l = se->terms->conf;
    const struct smtp_rcpt *r = &se->directory.rcpt;
    const struct rc_info *away = rc_info(RC_DNS_TEMPORARY);

    if (se->directory.result == LDAP_FOUND || (se->directory.result == LDAP_TEMPORARY && l->ldap_accept_unreachable == 1))
        return take(se, r, &se->directory.to, se->directory.sender_key);
    event(se->receive->o.events, recipient_rejected, .mid = se->message.mid, .icid = se->icid, .recipient = r->to.address,
          .by = str_lit("LDAPACCEPT"));
    if (se->directory.result == LDAP_TEMPORARY) { /* nobody is called unknown because a directory is away */
        smtp_refuse_as(s, (unsigned)away->smtp, str_c(away->enhanced), str_c(away->text));
        return SMTP_DONE;
    }
    smtp_refuse_as(s, (unsigned)l->ldap_accept_code, l->ldap_accept_code < 500 ? str_lit("4.1.1") : str_lit("5.1.1"),
                   l->ldap_accept_text.n ? l->ldap_accept_text : str_c(rc_info(RC_UNKNOWN_RECIPIENT)->text));
    return harvest(se, SMTP_DONE);
}

/* The RAT takes it; so must the directory where one is asked at RCPT. */
static enum smtp_next ask_directory(struct session *se, const struct smtp_rcpt *r, const struct recipient *to,
                                    uint64_t sender_key)
{
    enum { CONVERSATION = 1 };
    const struct conf_listener *l = se->terms->conf;
    struct ldap_question q = {.query = l->ldap_accept, .address = to->address, .from = se->s.sender.from.address};

    if (!l->ldap_accept.n || l->ldap_accept_when != CONVERSATION)
        return take(se, r, to, sender_key);
    se->directory.rcpt = *r;
    se->directory.to = *to;
    se->directory.sender_key = sender_key;
    return directory_ask(se, &q, directory_spoke);
}

enum smtp_next session_rcpt(struct smtp_server *s, const struct smtp_rcpt *r)
{
    struct session *se = session_of(s);
    const struct conf_mail_flow_policy *p = se->match.policy;
    struct recipient to;
    struct rat_result found;
    struct err e = ERR_NONE;
    uint64_t sender_key;
    enum rc rc;

    if (p->max_recipients && (se->message.n >= p->max_recipients || se->message.given >= p->max_recipients))
        return refuse(se, r, RC_TOO_MANY_RECIPIENTS, STR_NONE, "Injection Control");
    rc = complete(se, r, &to, &e);
    if (rc != RC_OK)
        return refuse(se, r, rc, str_c(e.text), "Injection Control");
    if (over_rate(se, &sender_key))
        return refuse(se, r, RC_RATE_LIMITED, p->recipients_per_hour_text, "RCPT throttling");
    if (may_relay(se)) {
        se->message.outgoing = true;
        return take(se, r, &to, sender_key);
    }
    if (se->terms->conf->type == 2 || (!r->to.domain.n && str_eqi(r->to.local, str_lit("postmaster"))))
        return take(se, r, &to, sender_key); /* a blackhole takes mail for everybody: it goes nowhere */
    found = rat_match(se->terms->rat, r->to.local, r->to.domain);
    if (found.accept && found.bypass_directory)
        return take(se, r, &to, sender_key);
    if (found.accept)
        return ask_directory(se, r, &to, sender_key);
    return harvest(se, refuse(se, r, found.ours ? RC_UNKNOWN_RECIPIENT : RC_NO_RELAY, found.text, "RAT"));
}
