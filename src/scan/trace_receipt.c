/*
 * What receipt would say: the peer's name, reputation and sender group, its sender, its message. See trace.h.
 *
 * Called by trace.c. Owns nothing beyond the trace's arena. Decisions are those of room receive (connect.c, sender.c,
 * data.c) by the same tables of room policy, in the same order; limits that count connections or recipients of an hour are
 * not looked at. DNS is waited for; no answer is what it is there.
 */
#include "base/clock.h"
#include "mail/address.h"
#include "mail/header.h"
#include "mail/received.h"
#include "scan/trace.h"
#include "scan/trace_inside.h"
#include "smtp/body.h"

enum { PUBLIC, PRIVATE, BLACKHOLE }; /* listener.type */
enum { BODY_MORE = 16 << 20, SUBJECT_SHOWN = 512 };

const struct dns_answer *trace_dns(struct trace *t, const struct dns_question *q, size_t n)
{
    const struct dns_source *dns = &t->world.calls.dns;
    const struct dns_answer *out = NULL;
    struct dns_answer *none;

    if (dns->ask && dns->ask(dns->ctx, t->arena, q, n, &out) == RC_OK && out)
        return out;
    none = arena_must_alloc(t->arena, n * sizeof *none);
    for (size_t i = 0; i < n; i++)
        none[i] = (struct dns_answer){.question = q[i], .result = DNS_TEMPORARY};
    return none;
}

void trace_refuse(struct trace *t, unsigned code, const char *enhanced, struct str text)
{
    t->refused = true;
    t->code = code;
    t->text = arena_printf(t->arena, "%s%s%.*s", enhanced, *enhanced ? " " : "", STR(text));
}

void trace_refuse_rc(struct trace *t, enum rc rc, const struct err *e)
{
    const struct rc_info *info = rc_info(rc);

    trace_refuse(t, (unsigned)info->smtp, info->enhanced,
                 arena_str(t->arena, str_c(e && e->text[0] ? e->text : info->text)));
}

/* --- the peer ---------------------------------------------------------------------------------------------------------- */

static struct str octets_of(const struct address_ip *ip)
{
    return str_of(ip->octets, ip->family == AF_INET ? 4 : 16);
}

/* RFC 1912 2.1: the name counts when its addresses lead back. */
static void look_up_name(struct trace *t)
{
    struct str ip = octets_of(&t->o.ip);
    struct dns_question q = {DNS_PTR, dns_reverse_name(t->arena, ip)};
    const struct dns_answer *a = trace_dns(t, &q, 1);

    t->no_name = a->result == DNS_NXDOMAIN || a->result == DNS_NODATA;
    if (a->result != DNS_OK || !a->n || !address_is_domain(a->records[0].data, false))
        return;
    t->name = address_lower(t->arena, a->records[0].data);
    q = (struct dns_question){t->o.ip.family == AF_INET ? DNS_A : DNS_AAAA, t->name};
    a = trace_dns(t, &q, 1);
    for (size_t i = 0; i < a->n && a->result == DNS_OK; i++)
        t->verified |= str_eq(a->records[i].data, ip);
}

static void find_name(struct trace *t)
{
    if (t->o.rdns.n) {
        t->name = t->o.rdns;
        t->verified = true;
    } else if (t->conf->receiving.reverse_dns) {
        look_up_name(t);
    }
    t->helo = t->o.helo;
    if (!t->helo.n)
        t->helo = t->name.n
                      ? t->name
                      : arena_printf(t->arena, t->o.ip.family == AF_INET6 ? "[IPv6:%.*s]" : "[%.*s]", STR(t->o.ip_text));
}

static void find_reputation(struct trace *t)
{
    const struct conf_reputation *r = &t->conf->reputation;
    struct hat_list zone = {.zone = r->zone};
    struct dns_question q;
    char text[8];

    if (t->o.has_reputation) {
        t->reputation = t->o.reputation;
    } else if (!r->zone.n) {
        t->reputation = (struct reputation){REPUTATION_OFF, 0};
    } else if (reputation_private(&t->o.ip)) {
        t->reputation = (struct reputation){REPUTATION_PRIVATE, 0};
    } else {
        q = (struct dns_question){r->answer == 1 ? DNS_A : DNS_TXT, hat_list_name(t->arena, &zone, &t->o.ip)};
        t->reputation = reputation_of(trace_dns(t, &q, 1), r->answer == 1);
    }
    t->reputation_text = arena_str(t->arena, reputation_text(&t->reputation, text));
}

/* RFC 5782 2.1. */
static bool is_listed(const struct hat_list *list, const struct dns_answer *a)
{
    for (size_t i = 0; i < a->n && a->result == DNS_OK; i++) {
        const unsigned char *ip = (const unsigned char *)a->records[i].data.p;

        if (a->records[i].data.n == 4 && ip[0] == 127 && (!list->code[0] || memcmp(ip, list->code, 4) == 0))
            return true;
    }
    return false;
}

static const uint8_t *ask_lists(struct trace *t, const struct hat *hat)
{
    size_t n;
    const struct hat_list *lists = hat_lists(hat, &n);
    uint8_t *answers = arena_must_alloc(t->arena, n + 1);

    for (size_t i = 0; i < n; i++) {
        struct dns_question q = {DNS_A, hat_list_name(t->arena, &lists[i], &t->o.ip)};

        answers[i] = is_listed(&lists[i], trace_dns(t, &q, 1)) ? 2 : 1;
    }
    return answers;
}

static bool find_group(struct trace *t)
{
    struct hat_peer peer = {.ip = t->o.ip, .no_name = t->no_name, .reputation = t->reputation};
    struct err e = ERR_NONE;
    struct hat *hat;

    if (hat_compile(t->arena, t->conf, t->listener, &hat, &e) != RC_OK) {
        trace_refuse_rc(t, e.rc, &e);
        return false;
    }
    if (t->verified)
        peer.host = t->name;
    if (hat_match(hat, &peer, &t->match) == RC_OK)
        return true;
    peer.lists = ask_lists(t, hat);
    hat_match(hat, &peer, &t->match);
    return true;
}

static void meet_peer(struct trace *t)
{
    const struct conf_mail_flow_policy *p;
    unsigned code;

    find_name(t);
    find_reputation(t);
    if (!find_group(t))
        return;
    p = t->match.policy;
    code = p->reject_code ? (unsigned)p->reject_code : 554;
    t->relays = p->behavior == FLOW_RELAY || t->o.user.n || t->listener->type == PRIVATE;
    if (p->behavior == FLOW_TCPREFUSE)
        trace_refuse(t, 0, "", str_lit("the connection is refused without a reply"));
    else if (p->behavior == FLOW_REJECT)
        trace_refuse(t, code, code < 500 ? "4.7.1" : "5.7.1",
                     p->reject_text.n ? p->reject_text : str_lit("your access to this mail system has been refused"));
}

/* --- MAIL -------------------------------------------------------------------------------------------------------------- */

/* The domain has an MX or an address, and no null MX (RFC 7505). */
static void check_domain(struct trace *t, const struct path *from)
{
    const struct conf_mail_flow_policy *p = t->match.policy;
    struct dns_question q[] = {{DNS_MX, from->domain}, {DNS_A, from->domain}, {DNS_AAAA, from->domain}};
    const struct dns_answer *a;
    bool known = false, unknown = false;

    if (!p->sender_dns_check || !from->domain.n || from->domain.p[0] == '[') {
        t->sender_note = str_lit("its domain is not checked");
        return;
    }
    if (address_listed(p->sender_dns_exceptions, from->local, from->domain)) {
        t->sender_note = str_lit("an exception of the policy: its domain is not checked");
        return;
    }
    a = trace_dns(t, q, 3);
    for (size_t i = 0; i < 3; i++) {
        known |= a[i].result == DNS_OK && a[i].n;
        unknown |= a[i].result == DNS_TEMPORARY || a[i].result == DNS_BOGUS;
    }
    t->sender_note = str_lit("its domain exists");
    if (!known || (a[0].result == DNS_OK && a[0].n == 1 && !a[0].records[0].data.n))
        trace_refuse_rc(t, unknown ? RC_SENDER_UNRESOLVED : RC_BAD_SENDER, NULL);
}

enum rc trace_path(struct trace *t, struct str address, struct path *out, struct err *e)
{
    struct str text = arena_printf(t->arena, "<%.*s>", STR(address)), rest;

    TRY(address_parse_path(t->arena, text, t->listener->address_parser ? ADDRESS_LOOSE : ADDRESS_STRICT, out, &rest, e));
    return rest.n ? err_set(e, RC_SYNTAX, "text behind the address") : RC_OK;
}

static void meet_sender(struct trace *t)
{
    const struct conf_mail_flow_policy *p = t->match.policy;
    struct err e = ERR_NONE;
    struct path from;

    if (p->tls == FLOW_REQUIRED && !t->o.tls) {
        trace_refuse_rc(t, RC_TLS_REQUIRED, NULL);
        return;
    }
    if (p->auth == FLOW_REQUIRED && !t->o.user.n) {
        trace_refuse_rc(t, RC_AUTH_REQUIRED, NULL);
        return;
    }
    t->sender = t->o.from;
    if (trace_path(t, t->o.from, &from, &e) != RC_OK) {
        trace_refuse_rc(t, e.rc, &e);
        return;
    }
    if (from.address.n && !from.domain.n && !t->listener->default_domain.n) {
        err_set(&e, RC_SYNTAX, "sender address needs a domain");
        trace_refuse_rc(t, e.rc, &e);
        return;
    }
    if (from.address.n && !from.domain.n) {
        from.domain = t->listener->default_domain;
        from.address = arena_printf(t->arena, "%.*s@%.*s", STR(from.local), STR(from.domain));
    }
    t->sender = from.address;
    t->env.smtputf8 = from.utf8;
    check_domain(t, &from);
}

/* --- DATA -------------------------------------------------------------------------------------------------------------- */

static void keep(void *ctx, struct str octets)
{
    buf_add(ctx, octets);
}

static struct str received_field(struct trace *t, char line[RECEIVED_MAX])
{
    static const char *const protocols[2][2] = {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}};
    struct received r = {.hello = t->helo,
                         .name = t->name,
                         .ip = t->o.ip_text,
                         .ip6 = t->o.ip.family == AF_INET6,
                         .by = conf_listener_host(t->conf, t->listener),
                         .protocol = str_c(protocols[t->o.tls][t->o.user.n > 0]),
                         .id = str_lit("0-trace"),
                         .date = header_date(t->arena, t->now_ms)};

    if (t->o.tls) {
        r.tls_version = str_lit("TLSv1.3");
        r.tls_cipher = str_lit("TLS_AES_256_GCM_SHA384");
    }
    if (t->o.to.n == 1)
        r.recipient = t->recipients[0].address;
    return received_write(&r, line);
}

/* As the spool would keep it. */
static uint64_t take_body(struct trace *t)
{
    struct buf b = BUF(t->octets.n * 2 + BODY_MORE);
    struct smtp_body body;
    char line[RECEIVED_MAX];

    if (t->listener->received_header)
        buf_add(&b, received_field(t, line));
    smtp_body_begin(&body, SMTP_BODY_CHUNK);
    smtp_body_feed(&body, t->octets, keep, &b);
    smtp_body_finish(&body, keep, &b);
    t->body = b.failed ? STR_NONE : arena_str(t->arena, buf_str(&b));
    buf_done(&b);
    return body.flags;
}

static void look_at_header(struct trace *t)
{
    struct str rest = t->body;
    struct header_field f;
    uint64_t received = 0;

    while (header_next(&rest, &f)) {
        received += str_eqi(f.name, str_lit("Received"));
        if (str_eqi(f.name, str_lit("Subject")) && !t->env.subject.p)
            t->env.subject = header_unfold(t->arena, f.value, SUBJECT_SHOWN);
        if (str_eqi(f.name, str_lit("Message-ID")) && !t->env.message_id.p)
            t->env.message_id = header_unfold(t->arena, f.value, SUBJECT_SHOWN);
    }
    if (received > t->conf->receiving.max_received + (t->listener->received_header ? 1 : 0))
        trace_refuse_rc(t, RC_LOOP, NULL);
}

static void take_message(struct trace *t)
{
    uint64_t most = t->match.policy->max_message_bytes, flags;

    if (most > t->conf->spool.max_message_bytes)
        most = t->conf->spool.max_message_bytes;
    flags = take_body(t);
    t->env.body = flags & SMTP_BODY_HAS_8BIT ? BODY_8BITMIME : BODY_7BIT;
    if (!t->body.p)
        trace_refuse_rc(t, RC_NO_MEMORY, NULL);
    else if (t->octets.n > most)
        trace_refuse_rc(t, RC_TOO_LARGE, NULL);
    else if (flags & SMTP_BODY_HAS_BARE && t->listener->line_ends == 1)
        trace_refuse_rc(t, RC_BARE_LINE_END, NULL);
    else
        look_at_header(t);
}

static void fill_envelope(struct trace *t)
{
    struct envelope *env = &t->env;

    env->sender = t->sender;
    env->received_ms = t->now_ms;
    env->icid = 1; /* it came from outside */
    env->uid = str_lit("0-trace");
    env->listener = t->listener->name;
    env->outgoing = t->relays;
    env->client_ip = t->o.ip_text;
    env->client_name = t->name;
    env->helo = t->helo;
    env->auth_user = t->o.user;
    env->sender_group = t->match.group;
    env->flow_policy = t->match.policy->name;
    env->reputation = t->reputation_text;
    if (t->o.tls)
        env->tls = str_lit("TLSv1.3 TLS_AES_256_GCM_SHA384");
}

void trace_receipt(struct trace *t)
{
    t->code = 250;
    t->text = str_lit("ok");
    meet_peer(t);
    if (!t->refused)
        meet_sender(t);
    if (!t->refused)
        trace_recipients(t);
    if (!t->refused)
        take_message(t);
    if (!t->refused)
        fill_envelope(t);
}
