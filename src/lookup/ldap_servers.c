/*
 * Servers and hosts of directories as the settings describe them. See ldap_pool.h.
 *
 * Used by ldap.c at each snapshot. Owns the servers; one that changed is replaced, the old one goes when its work is done.
 */
#include "lookup/ldap_inside.h"

#include <stdlib.h>

enum { SWEEP_MS = 500 };

/* "host", "host:port", "[address]:port" */
static void host_read(struct host *h, struct str text, uint64_t port)
{
    size_t colon = str_find_last(text, ':'), close = str_find(text, ']');

    h->port = port;
    if (text.n && text.p[0] == '[' && close < text.n) {
        h->name = str_of(text.p + 1, close - 1);
        if (close + 1 < text.n && text.p[close + 1] == ':')
            str_u64(str_from(text, close + 2), &h->port);
    } else if (colon < text.n && str_find(text, ':') == colon) {
        h->name = str_first(text, colon);
        str_u64(str_from(text, colon + 1), &h->port);
    } else {
        h->name = text;
    }
}

static struct server *server_new(struct ldap_pool *p, const struct conf *conf, const struct conf_ldap_server *settings)
{
    struct server *s = calloc(1, sizeof *s);

    must(s);
    s->pool = p;
    s->conf = conf_ref(conf);
    s->settings = settings;
    s->n_hosts = settings->hosts.n < HOSTS_MAX ? settings->hosts.n : HOSTS_MAX;
    arena_init(&s->arena, 512, 1 << 16);
    s->hosts = arena_must_alloc(&s->arena, (s->n_hosts + 1) * sizeof *s->hosts);
    for (size_t i = 0; i < s->n_hosts; i++) {
        s->hosts[i] = (struct host){.server = s, .index = i};
        s->hosts[i].last = &s->hosts[i].waiting;
        host_read(&s->hosts[i], settings->hosts.items[i], settings->port);
    }
    if (settings->tls && tls_client_new(str_lit("HIGH"), 0x0303, settings->ca_file, &s->tls, NULL) != RC_OK)
        s->tls = NULL;
    s->next = p->servers;
    p->servers = s;
    return s;
}

static bool lists_equal(struct strs a, struct strs b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (!str_eq(a.items[i], b.items[i]))
            return false;
    return true;
}

static bool same(const struct conf_ldap_server *a, const struct conf_ldap_server *b)
{
    return lists_equal(a->hosts, b->hosts) && a->port == b->port && a->tls == b->tls && str_eq(a->tls_name, b->tls_name) &&
           str_eq(a->ca_file, b->ca_file) && a->auth == b->auth && str_eq(a->bind_dn, b->bind_dn) &&
           str_eq(a->passphrase, b->passphrase) && a->mode == b->mode && a->connections == b->connections &&
           a->timeout_ms == b->timeout_ms;
}

static bool server_busy(const struct server *s)
{
    for (size_t i = 0; i < s->n_hosts; i++)
        if (s->hosts[i].connections)
            return true;
    return s->jobs > 0;
}

/* Old servers whose work is done go. */
static void server_sweep(void *ctx)
{
    struct ldap_pool *p = ctx;
    bool left = false;

    for (struct server **at = &p->servers; *at;) {
        struct server *s = *at;

        for (size_t i = 0; i < s->n_hosts && s->old && !s->jobs; i++)
            ldap_host_close(&s->hosts[i]);
        if (!s->old || server_busy(s)) {
            left |= s->old;
            at = &s->next;
            continue;
        }
        *at = s->next;
        tls_unref(s->tls);
        conf_unref(s->conf);
        arena_done(&s->arena);
        free(s);
    }
    if (left && !p->ending)
        loop_timer_set(p->loop, &p->sweep, SWEEP_MS, server_sweep, p);
}

void ldap_pool_set(struct ldap_pool *p, const struct conf *conf)
{
    for (struct server *s = p->servers; s; s = s->next) {
        const struct conf_ldap_server *now = conf_find(&conf->ldap_server, s->settings->name);

        if (!now || !same(now, s->settings))
            s->old = true;
    }
    for (size_t i = 0; i < conf->ldap_server.n; i++)
        if (!ldap_server_find(p, conf->ldap_server.items[i].name))
            server_new(p, conf, &conf->ldap_server.items[i]);
    server_sweep(p);
}

struct ldap_pool *ldap_pool_new(struct loop *loop, struct events *events, sts_dns_fn *dns, void *owner)
{
    struct ldap_pool *p = calloc(1, sizeof *p);

    must(p);
    *p = (struct ldap_pool){.loop = loop, .events = events, .dns = dns, .owner = owner};
    return p;
}

/* Connections whose names are being looked up must not outlive the pool: the caller has ended its questions before. */
void ldap_pool_free(struct ldap_pool *p)
{
    if (!p)
        return;
    p->ending = true;
    loop_timer_cancel(p->loop, &p->sweep);
    for (struct server *s = p->servers; s; s = s->next) {
        s->old = true;
        for (size_t i = 0; i < s->n_hosts; i++) {
            ldap_host_close(&s->hosts[i]);
            for (struct connection *c; (c = s->hosts[i].connections);) {
                s->hosts[i].connections = c->next;
                if (c->login)
                    ldap_job_end(c->login, &(struct ldap_found){.rc = RC_CLOSED, .why = str_lit("ending")});
                free(c);
            }
            for (struct job *j; (j = ldap_job_waiting(&s->hosts[i]));)
                ldap_job_end(j, &(struct ldap_found){.rc = RC_CLOSED, .why = str_lit("ending")});
        }
    }
    server_sweep(p);
    free(p);
}
