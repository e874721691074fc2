/*
 * Where a recipient's mail would go next: alternate host, SMTP route, MX. See trace.h.
 *
 * Called by trace_run.c. Owns nothing beyond the trace's arena. Of several hosts the one with the lowest preference is
 * shown, of equal ones the first: delivery takes any of them.
 */
#include "policy/route.h"
#include "scan/trace_inside.h"

enum { HOP_PORT = 25 };

static struct str shown(struct trace *t, struct str host, uint16_t port)
{
    bool ip6 = str_find(host, ':') < host.n;

    return arena_printf(t->arena, ip6 ? "[%.*s]:%u" : "%.*s:%u", STR(host), port);
}

static uint16_t usual_port(const struct trace *t)
{
    return t->conf->delivery.port ? (uint16_t)t->conf->delivery.port : HOP_PORT;
}

/* RFC 5321 5.1, RFC 7505. */
static void by_dns(struct trace *t, struct str domain, struct trace_fate *f)
{
    struct dns_question q = {DNS_MX, domain};
    const struct dns_answer *a = trace_dns(t, &q, 1);
    const struct dns_record *best = NULL;

    for (size_t i = 0; i < a->n && a->result == DNS_OK; i++)
        if (!best || a->records[i].preference < best->preference)
            best = &a->records[i];
    if (best && a->n == 1 && !best->data.n) {
        f->route = str_lit("the domain accepts no mail (null MX)");
    } else if (best) {
        f->next_hop = shown(t, best->data, usual_port(t));
        f->route = arena_printf(t->arena, "MX %u of %.*s", (unsigned)best->preference, STR(domain));
    } else if (a->result == DNS_NODATA) {
        f->next_hop = shown(t, domain, usual_port(t));
        f->route = str_lit("no MX: the domain itself");
    } else {
        f->route = a->result == DNS_NXDOMAIN ? str_lit("the domain does not exist") : str_lit("the DNS does not answer now");
    }
}

static void by_hosts(struct trace *t, const struct route *r, struct str domain, struct trace_fate *f)
{
    f->next_hop = shown(t, r->hosts[0].host, r->hosts[0].port ? r->hosts[0].port : usual_port(t));
    if (r->row)
        f->route = arena_printf(t->arena, "SMTP route of %.*s", STR(r->row->name));
    else
        f->route = arena_printf(t->arena, "address literal %.*s", STR(domain));
}

/* Mail for an alternate host goes the way that mail for a domain of its name goes. */
void trace_hop(struct trace *t, struct str address, struct str route, struct trace_fate *f)
{
    struct str local, domain;
    struct route r;

    if (!route.n && !address_cut(address, &local, &domain))
        return;
    if (route.n)
        domain = route;
    route_find(t->arena, t->conf, domain, &r);
    if (r.kind == ROUTE_DROP)
        f->route = f->next_hop = str_lit("/dev/null");
    else if (r.kind == ROUTE_HOSTS && r.n)
        by_hosts(t, &r, domain, f);
    else if (r.kind == ROUTE_MX)
        by_dns(t, domain, f);
    else
        f->route = str_lit("the route has no usable host");
    if (route.n)
        f->route = arena_printf(t->arena, "alternate host %.*s, %.*s", STR(route), STR(f->route));
}
