/*
 * From a destination to its hops: SMTP route, else MX with fall-back to the address records (RFC 5321 5.1, RFC 7505).
 *
 * Called by destination.c when it needs hops; ends with destination_resolved(). One resolve at a time and destination, with
 * an arena of its own; questions go to lookup through bus/ask. A temporary or bogus answer for every host is a temporary
 * failure; no such domain is a permanent one.
 */
#include "deliver/resolve.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>

void resolve_ask(struct resolve *r, const struct dns_question *q, size_t n, dns_answers_fn *fn)
{
    uint64_t number;

    r->ask = 0;
    number = dns_ask(r->to->d->o.ask, q, n, RESOLVE_TIMEOUT_MS, fn, r);
    if (number)
        r->ask = number; /* 0: fn has run and r may be gone */
}

void resolve_cancel(struct destination *to)
{
    struct resolve *r = to->resolve;

    if (!r)
        return;
    if (r->ask)
        dns_ask_cancel(to->d->o.ask, r->ask);
    if (r->call)
        bus_cancel(to->d->o.bus, r->call);
    to->resolve = NULL;
    arena_done(&r->arena);
    free(r);
}

void resolve_fail(struct resolve *r, bool permanent, const char *enhanced, struct str text)
{
    struct destination *to = r->to;
    struct no_hop none = {permanent, enhanced, text};
    struct resolve keep = *r; /* the text may lie in its arena */

    to->resolve = NULL;
    free(r);
    destination_resolved(to, &none);
    arena_done(&keep.arena);
}

/* ---- hops ------------------------------------------------------------------------------------------------------- */

/* A name of `delivery.local_names`, our host name, or an address of one of our interfaces. */
static bool is_us(const struct conf *c, struct str name)
{
    if (str_eqi(name, c->system.hostname))
        return true;
    for (size_t i = 0; i < c->delivery.local_names.n; i++)
        if (str_eqi(name, c->delivery.local_names.items[i]))
            return true;
    return false;
}

static void hop_add(struct resolve *r, const struct host *h, const struct address_ip *ip, bool validated)
{
    struct hop *hop = &r->hops[r->n_hops];

    if (r->n_hops == HOPS_MAX)
        return;
    *hop = (struct hop){.ip = *ip,
                        .host = h->name,
                        .secure_host = h->secure,
                        .preference = h->preference,
                        .validated = validated && h->secure,
                        .sts = r->sts};
    hop->ip.port = h->port;
    r->n_hops++;
}

static const struct tls_record *records_copy(struct arena *a, const struct hop *h)
{
    struct tls_record *to = h->n_records ? arena_must_alloc(a, h->n_records * sizeof *to) : NULL;

    for (size_t i = 0; i < h->n_records; i++) {
        to[i] = h->records[i];
        to[i].data = arena_str(a, h->records[i].data);
    }
    return to;
}

/* Takes over what was found: hops and their strings move to the destination's arena. */
void resolve_done(struct resolve *r)
{
    struct destination *to = r->to;
    uint64_t keep_ms = (r->ttl < 1 ? 1 : r->ttl) * 1000, most_ms = deliver_conf(to->d)->delivery.route_ms;
    struct arena old = to->arena;

    arena_init(&to->arena, 1024, RESOLVE_ARENA);
    to->hops = arena_must_alloc(&to->arena, r->n_hops * sizeof *to->hops);
    for (size_t i = 0; i < r->n_hops; i++) {
        to->hops[i] = r->hops[i];
        to->hops[i].host = arena_str(&to->arena, r->hops[i].host);
        to->hops[i].records = records_copy(&to->arena, &r->hops[i]);
    }
    to->n_hops = r->n_hops;
    to->auth_profile = arena_str(&to->arena, to->auth_profile);
    to->auth_user = arena_str(&to->arena, to->auth_user);
    to->auth_password = arena_str(&to->arena, to->auth_password);
    arena_done(&old);
    to->hops_life++;
    to->hops_until_ms = loop_now_ms(to->d->o.loop) + (keep_ms < most_ms ? keep_ms : most_ms);
    facts_resolved(to, r->mx);
    resolve_cancel(to);
    destination_resolved(to, NULL);
}

/* ---- addresses -------------------------------------------------------------------------------------------------- */

static bool family_wanted(uint64_t preference, uint64_t type)
{
    return !(preference == IP_4_REQUIRED && type == DNS_AAAA) && !(preference == IP_6_REQUIRED && type == DNS_A);
}

static void address_add(struct resolve *r, const struct host *h, const struct dns_answer *a)
{
    size_t start = a->n ? random_u64() % a->n : 0;

    for (size_t i = 0; i < a->n; i++) {
        const struct dns_record *rec = &a->records[(start + i) % a->n];
        struct address_ip ip = {.family = a->question.type == DNS_A ? AF_INET : AF_INET6};

        if (rec->data.n != (a->question.type == DNS_A ? 4u : 16u))
            continue;
        memcpy(ip.octets, rec->data.p, rec->data.n);
        hop_add(r, h, &ip, a->secure);
    }
}

static void host_answers(struct resolve *r, const struct host *h, const struct dns_answer pair[2], uint64_t preference)
{
    size_t first = preference == IP_6_PREFERRED || preference == IP_6_REQUIRED;

    for (size_t k = 0; k < 2; k++) {
        const struct dns_answer *a = &pair[first ^ k];

        if (a->result == DNS_OK) {
            if (a->ttl < r->ttl)
                r->ttl = a->ttl;
            if (family_wanted(preference, a->question.type))
                address_add(r, h, a);
        } else if (a->result >= DNS_TEMPORARY && !r->temporary) {
            r->temporary = true;
            r->temporary_why = arena_str(&r->arena, a->why.n ? a->why : str_lit("no answer"));
            event(r->to->d->o.events, dns_temporary_failure, .domain = h->name,
                  .type = str_c(dns_type_name(a->question.type)), .why = r->temporary_why);
        }
    }
}

static void no_addresses(struct resolve *r)
{
    struct str domain = r->to->name;

    if (r->temporary) {
        resolve_fail(r, false, "4.4.3",
                     arena_printf(&r->arena, "DNS temporary failure for %.*s: %.*s", STR(domain), STR(r->temporary_why)));
        return;
    }
    event(r->to->d->o.events, dns_error, .domain = domain, .why = str_lit("no address of a next hop"));
    resolve_fail(r, true, "5.1.2",
                 arena_printf(&r->arena,
                              r->implicit ? "Domain %.*s has no mail host" : "The mail hosts of %.*s have no address",
                              STR(domain)));
}

static void on_addresses(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct resolve *r = ctx;
    const struct conf_destination *row = destination_settings(deliver_conf(r->to->d), r->to->name);
    size_t pair = 0;

    r->ask = 0;
    for (size_t i = 0; i < r->n_hosts; i++) {
        const struct host *h = &r->hosts[i];

        if (h->ip.family)
            hop_add(r, h, &h->ip, false);
        else if (pair + 2 <= n) {
            host_answers(r, h, &answers[pair], row ? row->ip_preference : IP_4_PREFERRED);
            pair += 2;
        }
    }
    if (r->n_hops && r->to->quarantine)
        resolve_done(r);
    else if (r->n_hops)
        resolve_dane(r);
    else
        no_addresses(r);
}

void resolve_addresses(struct resolve *r)
{
    struct dns_question q[2 * HOSTS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < r->n_hosts; i++) {
        if (r->hosts[i].ip.family)
            continue;
        q[n++] = (struct dns_question){DNS_A, r->hosts[i].name};
        q[n++] = (struct dns_question){DNS_AAAA, r->hosts[i].name};
    }
    if (n)
        resolve_ask(r, q, n, on_addresses);
    else
        on_addresses(r, NULL, 0);
}

/* ---- MX --------------------------------------------------------------------------------------------------------- */

/* Lowest preference first, equal ones in random order (RFC 5321 5.1). Returns how many were taken, HOSTS_MAX at most. */
static size_t mx_order(const struct dns_answer *a, size_t order[HOSTS_MAX])
{
    uint64_t lot[HOSTS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++) {
        uint64_t preference = a->records[i].preference, mine = random_u64();
        size_t at = n < HOSTS_MAX ? n++ : HOSTS_MAX;

        while (at > 0 && (a->records[order[at - 1]].preference > preference ||
                          (a->records[order[at - 1]].preference == preference && lot[at - 1] > mine))) {
            if (at < HOSTS_MAX) {
                order[at] = order[at - 1];
                lot[at] = lot[at - 1];
            }
            at--;
        }
        if (at < HOSTS_MAX) {
            order[at] = i;
            lot[at] = mine;
        }
    }
    return n;
}

static struct str mx_text(struct resolve *r, const struct dns_answer *a, const size_t *order, size_t n)
{
    struct buf b = BUF(RESOLVE_ARENA / 4);
    struct str out;

    for (size_t i = 0; i < n; i++)
        buf_addf(&b, "%llu %.*s\n", (unsigned long long)a->records[order[i]].preference, STR(a->records[order[i]].data));
    out = arena_str(&r->arena, buf_str(&b));
    buf_done(&b);
    return out;
}

static void mx_take(struct resolve *r, const struct dns_answer *a)
{
    uint16_t port = (uint16_t)deliver_conf(r->to->d)->delivery.port;
    size_t order[HOSTS_MAX];

    r->n_hosts = mx_order(a, order);
    r->mx = mx_text(r, a, order, r->n_hosts);
    for (size_t i = 0; i < r->n_hosts; i++)
        r->hosts[i] = (struct host){.name = arena_str(&r->arena, a->records[order[i]].data),
                                    .port = port,
                                    .preference = a->records[order[i]].preference,
                                    .secure = a->secure};
}

/* Hosts at and behind ourselves would send it in a circle (RFC 5321 5.1). False when none is left. */
static bool cut_loop(struct resolve *r)
{
    const struct conf *c = deliver_conf(r->to->d);

    for (size_t i = 0; i < r->n_hosts; i++) {
        if (!is_us(c, r->hosts[i].name))
            continue;
        while (i > 0 && r->hosts[i - 1].preference == r->hosts[i].preference)
            i--;
        r->n_hosts = i;
    }
    return r->n_hosts > 0;
}

static void on_mx(void *ctx, const struct dns_answer *a, size_t n)
{
    struct resolve *r = ctx;
    struct str domain = r->to->name;

    (void)n;
    r->ask = 0;
    if (a->ttl && a->ttl < r->ttl)
        r->ttl = a->ttl;
    if (a->result == DNS_OK && a->n == 1 && a->records[0].data.n == 0) {
        resolve_fail(r, true, "5.1.10", arena_printf(&r->arena, "Domain %.*s accepts no mail (null MX)", STR(domain)));
    } else if (a->result == DNS_OK) {
        mx_take(r, a);
        if (cut_loop(r))
            resolve_sts(r);
        else
            resolve_fail(r, true, "5.4.6", arena_printf(&r->arena, "Mail for %.*s loops back to this system", STR(domain)));
    } else if (a->result == DNS_NODATA) {
        r->implicit = true;
        r->hosts[0] =
            (struct host){.name = domain, .port = (uint16_t)deliver_conf(r->to->d)->delivery.port, .secure = a->secure};
        r->n_hosts = 1;
        resolve_sts(r);
    } else if (a->result == DNS_NXDOMAIN) {
        event(r->to->d->o.events, dns_error, .domain = domain, .why = str_lit("NXDomain"));
        resolve_fail(r, true, "5.1.2", arena_printf(&r->arena, "Domain %.*s does not exist", STR(domain)));
    } else {
        event(r->to->d->o.events, dns_temporary_failure, .domain = domain, .type = str_lit("MX"), .why = a->why);
        resolve_fail(r, false, "4.4.3",
                     arena_printf(&r->arena, "DNS temporary failure for %.*s: %.*s", STR(domain), STR(a->why)));
    }
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

static void take_route(struct resolve *r, const struct route *route)
{
    struct destination *to = r->to;

    to->auth_profile = route->row ? route->row->auth_profile : STR_NONE;
    to->auth_user = route->row ? route->row->auth_user : STR_NONE;
    to->auth_password = route->row ? route->row->auth_password : STR_NONE;
    to->auth_plain_text = route->row && route->row->auth_plain_text;
    if (route->row && to->auth_user.n && !to->auth_profile.n)
        to->auth_profile = route->row->name;
    for (size_t i = 0; i < route->n; i++)
        r->hosts[r->n_hosts++] = (struct host){.name = route->hosts[i].host,
                                               .ip = route->hosts[i].ip,
                                               .port = route->hosts[i].port,
                                               .preference = route->hosts[i].priority,
                                               .secure = true};
}

void resolve_start(struct destination *to)
{
    struct resolve *r = calloc(1, sizeof *r);
    const struct conf *c = deliver_conf(to->d);
    struct route route;
    struct str why = STR_NONE;
    struct dns_question q = {DNS_MX, to->name};

    must(r && !to->resolve);
    arena_init(&r->arena, 2048, RESOLVE_ARENA);
    r->to = to;
    r->ttl = LITERAL_KEEP_S;
    to->resolve = r;
    to->conf_version = c->version;
    if (to->quarantine)
        holder_route(&r->arena, to, &route, &why);
    else
        route_find(&r->arena, c, to->name, &route);
    take_route(r, &route);
    if (route.kind == ROUTE_DROP) {
        to->state = DESTINATION_DROP;
        resolve_done(r);
    } else if (route.kind == ROUTE_MX) {
        resolve_ask(r, &q, 1, on_mx);
    } else if (r->n_hosts) {
        resolve_addresses(r);
    } else {
        resolve_fail(r, true, "5.4.4",
                     why.n ? why : arena_printf(&r->arena, "The SMTP route of %.*s names no usable host", STR(to->name)));
    }
}
