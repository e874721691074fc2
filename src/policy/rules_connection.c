/*
 * Rules about how a message came: time, listener, peer, its reputation and place, log-in, load. See rules.h.
 *
 * Called through the table of filter_eval.c. What only a service outside knows is asked through the message's world; not
 * known is false.
 */
#include "policy/filter_ip.h"
#include "policy/rules.h"

#include "base/clock.h"
#include "mail/address.h"

#include <stdlib.h>

bool rule_true(struct message *m, const struct filter_rule *r)
{
    (void)m;
    (void)r;
    return true;
}

/* A number from 0 to N-1; alone: is it other than 0? */
bool rule_random(struct message *m, const struct filter_rule *r)
{
    uint64_t below = filter_number(r->args, r->n_args, 0, 0), n;

    if (!below)
        return false;
    n = m->world && m->world->random ? m->world->random(m->world->ctx, below) : random_u64() % below;
    return rule_compare(r, (double)n);
}

bool rule_date(struct message *m, const struct filter_rule *r)
{
    return rule_compare(r, (double)(message_now_ms(m) / 1000 * 1000));
}

bool rule_recv_listener(struct message *m, const struct filter_rule *r)
{
    return rule_finds(m, r->operand.regex, m->env->listener);
}

bool rule_recv_int(struct message *m, const struct filter_rule *r)
{
    const struct conf_listener *l = conf_find(&m->conf->listener, m->env->listener);

    return rule_finds(m, r->operand.regex, l ? l->interface : STR_NONE);
}

bool rule_remote_ip(struct message *m, const struct filter_rule *r)
{
    return filter_ip_in(r->operand.ips, m->env->client_ip);
}

bool rule_sendergroup(struct message *m, const struct filter_rule *r)
{
    return rule_finds(m, r->operand.regex, m->env->sender_group);
}

/* "-3.4"; words ("None", "not enabled", "unable to retrieve") are no score. */
static bool score_of(struct str text, double *out)
{
    char copy[16];
    char *end;

    if (!text.n || text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = 0;
    *out = strtod(copy, &end);
    return !*end && (ascii_digit(copy[0]) || copy[0] == '-');
}

bool rule_reputation(struct message *m, const struct filter_rule *r)
{
    double score;

    return score_of(m->env->reputation, &score) && rule_compare(r, score);
}

bool rule_no_reputation(struct message *m, const struct filter_rule *r)
{
    double score;

    (void)r;
    return !score_of(m->env->reputation, &score);
}

bool rule_tls(struct message *m, const struct filter_rule *r)
{
    return m->env->tls.n && (r->op == FILTER_ALONE || rule_finds(m, r->operand.regex, m->env->tls));
}

bool rule_workqueue_count(struct message *m, const struct filter_rule *r)
{
    return m->world && m->world->work_queue && rule_compare(r, (double)m->world->work_queue(m->world->ctx));
}

/* --- log-in -------------------------------------------------------------------------------------------------------- */

/* Without what follows the sieve character: user+folder@domain -> user@domain. */
static struct str without_sieve(struct arena *a, struct str address, struct str sieve)
{
    struct str local, domain;

    if (!sieve.n || !address_cut(address, &local, &domain) || str_find(local, sieve.p[0]) == local.n)
        return address;
    return arena_printf(a, "%.*s@%.*s", STR(str_first(local, str_find(local, sieve.p[0]))), STR(domain));
}

/* Is the address that of the user? A user without domain is compared with the local part. */
static bool is_user(struct message *m, struct str address, struct str sieve)
{
    struct str user = without_sieve(m->arena, m->env->auth_user, sieve), local, domain;

    address = without_sieve(m->arena, address, sieve);
    if (!address.n || str_eqi(user, address))
        return address.n > 0;
    return str_find(user, '@') == user.n && address_cut(address, &local, &domain) && str_eqi(user, local);
}

static bool header_is_user(struct message *m, struct str header, struct str sieve)
{
    struct strs values = rule_header_raw(m, header);
    bool all = values.n > 0;

    for (size_t i = 0; i < values.n; i++)
        all = all && is_user(m, rule_address(m, values.items[i], NULL), sieve);
    return all;
}

bool rule_smtp_auth_id_matches(struct message *m, const struct filter_rule *r)
{
    struct str target = filter_text(r->args, r->n_args, 0), sieve = filter_text(r->args, r->n_args, 1);

    if (str_eqi(target, str_lit("*None")))
        return !m->env->auth_user.n;
    if (!m->env->auth_user.n)
        return false;
    if (str_eqi(target, str_lit("*EnvelopeFrom")))
        return is_user(m, m->env->sender, sieve);
    if (str_eqi(target, str_lit("*FromAddress")))
        return header_is_user(m, str_lit("From"), sieve);
    if (str_eqi(target, str_lit("*Sender")))
        return header_is_user(m, str_lit("Sender"), sieve);
    if (str_eqi(target, str_lit("*Any")))
        return is_user(m, m->env->sender, sieve) || header_is_user(m, str_lit("From"), sieve) ||
               header_is_user(m, str_lit("Sender"), sieve);
    return header_is_user(m, target, sieve);
}

/* --- answers from outside ------------------------------------------------------------------------------------------ */

/* The name to ask a DNS list for (RFC 5782 2.1, 2.4); empty when the peer has no address. */
static struct str list_name(struct message *m, struct str zone)
{
    struct str octets = filter_ip_octets(m->arena, m->env->client_ip), reverse;

    if (!octets.n)
        return STR_NONE;
    reverse = dns_reverse_name(m->arena, octets);
    reverse = str_first(reverse, reverse.n - strlen(octets.n == 4 ? "in-addr.arpa" : "ip6.arpa"));
    return arena_printf(m->arena, "%.*s%.*s", STR(reverse), STR(zone));
}

bool rule_dnslist(struct message *m, const struct filter_rule *r)
{
    struct dns_question q = {DNS_A, list_name(m, filter_text(r->args, r->n_args, 0))};
    const struct dns_answer *answer;

    if (!q.name.n || !m->world || !m->world->dns.ask ||
        m->world->dns.ask(m->world->dns.ctx, m->arena, &q, 1, &answer) != RC_OK || answer->result != DNS_OK)
        return false;
    for (size_t i = 0; i < answer->n; i++) {
        const unsigned char *ip = (const unsigned char *)answer->records[i].data.p;
        struct str text;

        if (answer->records[i].data.n != 4 || ip[0] != 127)
            continue; /* RFC 5782 2.1: anything else is no answer of a list */
        text = arena_printf(m->arena, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
        if (r->op == FILTER_ALONE || str_eq(r->operand.text, text))
            return true;
    }
    return false;
}

bool rule_geolocation(struct message *m, const struct filter_rule *r)
{
    struct opinion o;

    return !rule_excepted(m, filter_text(r->args, r->n_args, 1)) &&
           rule_opinion(m, OPINION_COUNTRY, m->env->client_ip, STR_NONE, &o) &&
           rule_listed(filter_list(r->args, r->n_args, 0), o.text);
}

/* The service's opinion of the domain that sent it. */
static bool domain_opinion(struct message *m, struct str exceptions, struct opinion *o)
{
    struct str local, domain;

    return !rule_excepted(m, exceptions) && address_cut(m->env->sender, &local, &domain) &&
           rule_opinion(m, OPINION_DOMAIN, domain, STR_NONE, o);
}

bool rule_sdr_reputation(struct message *m, const struct filter_rule *r)
{
    struct opinion o;

    return domain_opinion(m, filter_text(r->args, r->n_args, 1), &o) &&
           rule_listed(filter_list(r->args, r->n_args, 0), o.text);
}

bool rule_sdr_age(struct message *m, const struct filter_rule *r)
{
    static const char *const marks[] = {"", "==", "!=", "<", ">", "<=", ">="};
    static const struct {
        const char *name;
        uint64_t days;
    } units[] = {{"days", 1}, {"weeks", 7}, {"months", 30}, {"years", 365}};
    struct filter_rule compare = {.operand = {.type = 'n'}};
    struct opinion o;

    for (size_t i = 1; i < sizeof marks / sizeof *marks; i++)
        if (str_eq(filter_text(r->args, r->n_args, 1), str_c(marks[i])))
            compare.op = (enum filter_operator)i;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (str_eqi(filter_text(r->args, r->n_args, 0), str_c(units[i].name)))
            compare.operand.decimal = filter_decimal(r->args, r->n_args, 2, 0) * (double)units[i].days;
    return domain_opinion(m, filter_text(r->args, r->n_args, 3), &o) && rule_compare(&compare, (double)o.number);
}

/* Nobody knows the domain. */
bool rule_sdr_unscannable(struct message *m, const struct filter_rule *r)
{
    struct opinion o;

    return m->world && m->world->opinion && !rule_excepted(m, filter_text(r->args, r->n_args, 0)) &&
           !domain_opinion(m, STR_NONE, &o);
}
