/*
 * A peer connects: its name, its sender group, the limits of its policy, the greeting.
 *
 * Called once the peer is known, and again after XCLIENT. Names and DNS lists are parked look-ups; the HAT needs them before
 * it can say more. TCPREFUSE peers get no ICID and no word, REJECT peers a reply and the end.
 */
#include "receive/inside.h"

static struct str octets_of(const struct address_ip *ip)
{
    return str_of(ip->octets, ip->family == AF_INET ? 4 : 16);
}

static void connection_events(struct session *se)
{
    struct smtp_server *s = &se->s;
    struct events *ev = se->receive->o.events;
    char local[46], peer[46];
    struct str peer_ip = ip_text(&s->peer.ip, peer);
    bool refused = se->match.policy->behavior == FLOW_TCPREFUSE;

    if (!refused) {
        se->icid = board_next(se->receive->o.board, NUMBER_ICID);
        event(ev, connection_incoming, .icid = se->icid, .interface = se->terms->interface,
              .local_ip = ip_text(&s->peer.local, local), .peer_ip = peer_ip, .ptr = se->ptr, .verified = se->verified,
              .listener = se->terms->conf->name);
    }
    event(ev, connection_verdict, .icid = se->icid, .action = se->match.policy->behavior, .group = se->match.group,
          .match = se->match.what, .peer_ip = peer_ip, .sbrs = se->origin.reputation);
}

static void fail(struct session *se, const char *reason)
{
    event(se->receive->o.events, receiving_failed, .icid = se->icid, .reason = str_c(reason));
}

static enum smtp_next reject(struct session *se)
{
    const struct conf_mail_flow_policy *p = se->match.policy;
    unsigned code = p->reject_code ? (unsigned)p->reject_code : 554;

    smtp_refuse_as(&se->s, code, code < 500 ? str_lit("4.7.1") : str_lit("5.7.1"),
                   p->reject_text.n ? p->reject_text : str_lit("your access to this mail system has been refused"));
    return SMTP_CLOSE;
}

static void count(struct session *se)
{
    if (se->counted)
        rate_connected(se->receive, se->rate_key, -1);
    se->rate_key = rate_key(&se->s.peer.ip, se->match.policy->significant_bits);
    rate_connected(se->receive, se->rate_key, 1);
    se->counted = true;
}

/* What the policy gives to this conversation. */
static void apply(struct session *se)
{
    struct smtp_server *s = &se->s;
    const struct conf_mail_flow_policy *p = se->match.policy;

    s->max_bytes = p->max_message_bytes;
    if (s->max_bytes > se->tables->conf->spool.max_message_bytes)
        s->max_bytes = se->tables->conf->spool.max_message_bytes;
    if (p->host_name.n)
        s->host_name = p->host_name;
    s->offers &= ~(unsigned)(SMTP_OFFER_TLS | SMTP_OFFER_AUTH);
    if (se->terms->tls && p->tls != FLOW_OFF)
        s->offers |= SMTP_OFFER_TLS;
    if (p->auth != FLOW_OFF)
        s->offers |= SMTP_OFFER_AUTH;
    s->tls_required = p->tls == FLOW_REQUIRED;
    s->auth_required = p->auth == FLOW_REQUIRED;
    se->origin.flow = p;
    se->origin.group = se->match.group;
    se->origin.icid = se->icid;
    se->origin.ip = s->peer.ip;
    se->origin.ptr = se->ptr;
    se->origin.hello = s->hello;
    se->origin.tls = s->c.tls;
    if (s->peer.login.n)
        s->user = s->peer.login;
    se->origin.user = s->user;
}

static enum smtp_next decided(struct session *se)
{
    const struct conf_mail_flow_policy *p = se->match.policy;
    char text[8];

    se->origin.reputation = arena_str(&se->s.c.arena, reputation_text(&se->reputation, text));
    connection_events(se);
    apply(se);
    if (p->behavior == FLOW_TCPREFUSE)
        return SMTP_CLOSE;
    if (p->behavior == FLOW_REJECT)
        return reject(se);
    count(se);
    if (p->max_connections && rate_connections(se->receive, se->rate_key) > p->max_connections) {
        fail(se, "Connection limit exceeded");
        smtp_refuse(&se->s, RC_TOO_MANY_CONNECTIONS, NULL);
        return SMTP_CLOSE;
    }
    smtp_greet(&se->s, p->banner);
    return SMTP_DONE;
}

/* ---- HAT -------------------------------------------------------------------------------------------------------------- */

/* A listed answer lies in 127.0.0.0/8 (RFC 5782 2.1); a member may want one of them. */
static bool is_listed(const struct hat_list *list, const struct dns_answer *a)
{
    for (size_t i = 0; i < a->n && a->result == DNS_OK; i++) {
        const unsigned char *ip = (const unsigned char *)a->records[i].data.p;

        if (a->records[i].data.n == 4 && ip[0] == 127 && (!list->code[0] || memcmp(ip, list->code, 4) == 0))
            return true;
    }
    return false;
}

static enum smtp_next match(struct session *se);

static enum smtp_next lists_answered(struct smtp_server *s)
{
    struct session *se = session_of(s);
    const struct hat_list *lists;
    size_t n;

    lists = hat_lists(se->terms->hat, &n);
    for (size_t i = 0; i < n; i++)
        se->lists[i] = i < se->asking->n && is_listed(&lists[i], &se->asking->answers[i]) ? 2 : 1;
    return match(se);
}

static enum smtp_next ask_lists(struct session *se)
{
    struct arena *a = &se->s.c.arena;
    struct asking *ask = session_asking(se);
    const struct hat_list *lists;
    size_t n;

    lists = hat_lists(se->terms->hat, &n);
    se->lists = arena_alloc(a, n);
    if (!ask || !se->lists) {
        smtp_refuse(&se->s, RC_NO_MEMORY, NULL);
        return SMTP_CLOSE;
    }
    for (size_t i = 0; i < n; i++)
        names_question(ask, DNS_A, hat_list_name(a, &lists[i], &se->s.peer.ip));
    if (!names_ask(ask, se->tables->conf->receiving.dns_deadline_ms))
        return smtp_wait(&se->s, lists_answered);
    return lists_answered(&se->s);
}

static enum smtp_next match(struct session *se)
{
    struct hat_peer peer = {.ip = se->s.peer.ip, .no_name = se->no_name, .lists = se->lists, .reputation = se->reputation};

    if (se->verified)
        peer.host = se->ptr;
    if (hat_match(se->terms->hat, &peer, &se->match) == RC_OK)
        return decided(se);
    return ask_lists(se);
}

/* ---- reputation (FW-07a) ------------------------------------------------------------------------------------------------
 */

static enum smtp_next reputation_known(struct smtp_server *s)
{
    struct session *se = session_of(s);

    se->reputation = reputation_of(&se->asking->answers[0], se->tables->conf->reputation.answer == 1);
    return match(se);
}

/* Its score, then the HAT. */
static enum smtp_next judge(struct session *se)
{
    const struct conf_reputation *r = &se->tables->conf->reputation;
    struct hat_list zone = {.zone = r->zone};
    struct asking *ask;

    se->reputation = (struct reputation){REPUTATION_OFF, 0};
    if (!r->zone.n)
        return match(se);
    if (reputation_private(&se->s.peer.ip)) {
        se->reputation.state = REPUTATION_PRIVATE;
        return match(se);
    }
    ask = session_asking(se);
    se->reputation.state = REPUTATION_FAILED;
    if (!ask)
        return match(se);
    names_question(ask, r->answer == 1 ? DNS_A : DNS_TXT, hat_list_name(&se->s.c.arena, &zone, &se->s.peer.ip));
    if (!names_ask(ask, se->tables->conf->receiving.dns_deadline_ms))
        return smtp_wait(&se->s, reputation_known);
    return reputation_known(&se->s);
}

/* ---- the peer's name: PTR, then its addresses (RFC 1912 2.1) ------------------------------------------------------------
 */

static enum smtp_next addresses_known(struct smtp_server *s)
{
    struct session *se = session_of(s);
    const struct dns_answer *a = &se->asking->answers[0];
    struct str ip = octets_of(&s->peer.ip);

    for (size_t i = 0; i < a->n && a->result == DNS_OK; i++)
        se->verified |= str_eq(a->records[i].data, ip);
    return judge(se);
}

static enum smtp_next name_known(struct smtp_server *s)
{
    struct session *se = session_of(s);
    const struct dns_answer *a = &se->asking->answers[0];
    uint64_t type = s->peer.ip.family == AF_INET ? DNS_A : DNS_AAAA;
    struct asking *ask;

    se->no_name = a->result == DNS_NXDOMAIN || a->result == DNS_NODATA;
    if (a->result != DNS_OK || !a->n || !address_is_domain(a->records[0].data, false))
        return judge(se);
    se->ptr = address_lower(&s->c.arena, a->records[0].data);
    ask = session_asking(se);
    names_question(ask, type, se->ptr);
    if (!names_ask(ask, se->tables->conf->receiving.dns_deadline_ms))
        return smtp_wait(s, addresses_known);
    return addresses_known(s);
}

static enum smtp_next ask_name(struct session *se)
{
    struct smtp_server *s = &se->s;
    struct asking *ask = session_asking(se);

    if (!ask)
        return judge(se);
    names_question(ask, DNS_PTR, dns_reverse_name(&s->c.arena, octets_of(&s->peer.ip)));
    if (!names_ask(ask, se->tables->conf->receiving.dns_deadline_ms))
        return smtp_wait(s, name_known);
    return name_known(s);
}

/* After XCLIENT this is another connection in every respect but the socket. */
static void start_over(struct session *se)
{
    if (se->icid)
        event(se->receive->o.events, connection_closed, .icid = se->icid);
    se->icid = 0;
    se->messages = 0;
    se->ptr = STR_NONE;
    se->verified = se->no_name = false;
    se->lists = NULL;
    se->s.host_name = se->terms->host_name;
}

enum smtp_next session_connect(struct smtp_server *s)
{
    struct session *se = session_of(s);

    start_over(se);
    if (s->peer.name_given) {
        se->ptr = s->peer.name;
        se->verified = se->ptr.n != 0;
        se->no_name = !se->ptr.n && !s->peer.name_temporary;
        return judge(se);
    }
    if (!se->tables->conf->receiving.reverse_dns)
        return judge(se);
    return ask_name(se);
}
