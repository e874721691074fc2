/*
 * Hosts and connections of directories. See ldap_pool.h.
 *
 * Used by ldap.c. Owns servers, hosts, their connections and the jobs (a search or a log-in each) until they are told. A host
 * that cannot be reached is left alone for ten seconds; its jobs go to the next host, each host is tried once for a job.
 */
#include "lookup/ldap_pool.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { DOWN_MS = 10000, SWEEP_MS = 500, SEARCHES_A_LINK = 50, HOSTS_MAX = 32, JOB_ARENA = 1 << 20, ADDRESSES = 4, WHY_MAX = 400 };

struct host;

struct job {
    struct job *next; /* in the waiting list of a host */
    struct server *server;
    struct arena arena;
    struct ldap_search search;
    bool login;
    struct str dn, password;
    ldap_found_fn *fn;
    void *ctx;
    uint32_t tried; /* hosts, a bit each */
    bool repeated;  /* once more where the connection ended under it */
    struct host *host;
};

struct connection {
    struct connection *next;
    struct host *host;
    struct ldap_link *link; /* NULL: its address is being looked up */
    struct job *login;      /* of a log-in alone */
    struct address_ip addresses[ADDRESSES];
    size_t n_addresses, at;
    bool was_ready;
};

struct host {
    struct server *server;
    size_t index;
    struct str name;
    uint64_t port;
    uint64_t down_until_ms;
    bool told; /* that it is down */
    struct connection *connections;
    struct job *waiting, **last;
    char why[WHY_MAX];
};

struct server {
    struct server *next;
    struct ldap_pool *pool;
    const struct conf *conf; /* counted: settings points into it */
    const struct conf_ldap_server *settings;
    struct tls_context *tls;
    struct arena arena;
    struct host *hosts;
    size_t n_hosts, turn;
    unsigned jobs;
    bool old; /* replaced: goes when its jobs are done */
};

struct ldap_pool {
    struct loop *loop;
    struct events *events;
    sts_dns_fn *dns;
    void *owner;
    struct server *servers;
    struct loop_timer sweep; /* while an old server is still at work */
    bool ending;
};

static void job_start(struct job *j);

/* --- jobs ------------------------------------------------------------------------------------------------------------ */

static void job_end(struct job *j, const struct ldap_found *found)
{
    struct server *s = j->server;

    j->fn(j->ctx, found);
    arena_done(&j->arena);
    free(j);
    s->jobs--;
}

static void job_fail(struct job *j, enum rc rc, struct str why)
{
    job_end(j, &(struct ldap_found){.rc = rc, .why = why});
}

/* The host did not do it: the next one, or the end. */
static void job_again(struct job *j, enum rc rc, struct str why)
{
    if (j->server->pool->ending)
        job_fail(j, rc, why);
    else
        job_start(j);
}

static void wait_at(struct host *h, struct job *j)
{
    j->next = NULL;
    *h->last = j;
    h->last = &j->next;
}

static struct job *waiting_take(struct host *h)
{
    struct job *j = h->waiting;

    if (j) {
        h->waiting = j->next;
        if (!h->waiting)
            h->last = &h->waiting;
    }
    return j;
}

/* --- connections ----------------------------------------------------------------------------------------------------- */

static void on_found(void *ctx, const struct ldap_found *found)
{
    struct job *j = ctx;

    if (found->rc == RC_OK || found->rc == RC_LIMIT) {
        job_end(j, found);
        return;
    }
    snprintf(j->host->why, WHY_MAX, "%.*s", STR(found->why));
    if (found->rc == RC_CLOSED && !j->repeated) { /* servers close idle connections, perhaps just now */
        j->repeated = true;
        j->tried &= ~(UINT32_C(1) << j->host->index);
    }
    job_again(j, found->rc, found->why);
}

static struct connection *least_busy(struct host *h)
{
    struct connection *best = NULL;

    for (struct connection *c = h->connections; c; c = c->next)
        if (c->link && !c->login && ldap_link_ready(c->link) &&
            (!best || ldap_link_searches(c->link) < ldap_link_searches(best->link)))
            best = c;
    return best;
}

static void connection_open(struct host *h, struct job *login);

static size_t count(const struct host *h, bool ready)
{
    size_t n = 0;

    for (const struct connection *c = h->connections; c; c = c->next)
        n += !c->login && (!ready || (c->link && ldap_link_ready(c->link)));
    return n;
}

/* Jobs that wait here go to connections; one more is opened when those are busy. */
static void host_work(struct host *h)
{
    while (h->waiting) {
        struct connection *c = least_busy(h);
        struct job *j;

        if (!c || (ldap_link_searches(c->link) >= SEARCHES_A_LINK && count(h, false) < h->server->settings->connections)) {
            if (count(h, false) == count(h, true) && count(h, false) < h->server->settings->connections)
                connection_open(h, NULL);
            if (!c)
                return;
        }
        j = waiting_take(h);
        if (j)
            ldap_link_search(c->link, &j->search, on_found, j);
    }
}

static void connection_unlink(struct connection *c)
{
    struct connection **at = &c->host->connections;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

/* The host cannot be had now. */
static void host_down(struct host *h, struct str why)
{
    struct job *list = h->waiting;

    snprintf(h->why, WHY_MAX, "%.*s", STR(why));
    h->down_until_ms = loop_now_ms(h->server->pool->loop) + DOWN_MS;
    h->waiting = NULL;
    h->last = &h->waiting;
    if (!h->told && !h->server->pool->ending && h->server->pool->events)
        event(h->server->pool->events, ldap_host_down, .server = h->server->settings->name, .host = h->name, .port = h->port,
              .why = why);
    h->told = true;
    for (struct job *j; (j = list);) {
        list = j->next;
        job_again(j, RC_CONNECT, str_c(h->why));
    }
}

static void on_ready(void *ctx)
{
    struct connection *c = ctx;
    struct host *h = c->host;

    c->was_ready = true;
    h->down_until_ms = 0;
    if (h->told && h->server->pool->events)
        event(h->server->pool->events, ldap_host_up, .server = h->server->settings->name, .host = h->name, .port = h->port);
    h->told = false;
    if (!c->login) {
        host_work(h);
        return;
    }
    job_end(c->login, &(struct ldap_found){.rc = RC_OK});
    c->login = NULL;
    ldap_link_close(c->link);
}

static bool connection_try(struct connection *c);

static void on_ended(void *ctx, enum rc rc, uint32_t code, struct str why)
{
    struct connection *c = ctx;
    struct host *h = c->host;
    struct job *login = c->login;

    c->link = NULL;
    if (!c->was_ready && rc == RC_CONNECT && !h->server->pool->ending && connection_try(c))
        return; /* another address */
    connection_unlink(c);
    if (login && rc == RC_AUTH_FAILED)
        job_end(login, &(struct ldap_found){.rc = RC_OK, .code = code, .why = why});
    else if (login)
        job_again(login, rc, why);
    if (!c->was_ready && !login && !h->server->old)
        host_down(h, why);
    else if (!h->server->pool->ending)
        host_work(h);
    free(c);
}

static bool connection_try(struct connection *c)
{
    struct host *h = c->host;
    const struct conf_ldap_server *s = h->server->settings;
    struct ldap_link_options o = {.loop = h->server->pool->loop,
                                  .tls = (enum ldap_tls)s->tls,
                                  .context = h->server->tls,
                                  .tls_name = s->tls_name.n ? s->tls_name : h->name,
                                  .timeout_ms = s->timeout_ms,
                                  .ready = on_ready,
                                  .ended = on_ended,
                                  .ctx = c};

    if (c->at == c->n_addresses)
        return false;
    o.to = c->addresses[c->at++];
    if (c->login) {
        o.dn = c->login->dn;
        o.password = c->login->password;
    } else if (s->auth) {
        o.dn = s->bind_dn;
        o.password = s->passphrase;
    }
    c->link = ldap_link_open(&o);
    must(c->link);
    return true;
}

static void connection_fail(struct connection *c, const char *why)
{
    on_ended(c, RC_DNS_TEMPORARY, 0, str_c(why));
}

static void on_addresses(void *ctx, const struct dns_answer *a, size_t n)
{
    struct connection *c = ctx;

    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; a[i].result == DNS_OK && r < a[i].n && c->n_addresses < ADDRESSES; r++) {
            struct address_ip *ip = &c->addresses[c->n_addresses];
            size_t size = a[i].question.type == DNS_A ? 4 : 16;

            if (a[i].records[r].data.n != size)
                continue;
            *ip = (struct address_ip){.family = size == 4 ? AF_INET : AF_INET6, .port = (uint16_t)c->host->port};
            memcpy(ip->octets, a[i].records[r].data.p, size);
            c->n_addresses++;
        }
    if (!connection_try(c))
        connection_fail(c, "the host has no address");
}

static void connection_open(struct host *h, struct job *login)
{
    struct connection *c = calloc(1, sizeof *c);
    struct dns_question q[2] = {{DNS_A, h->name}, {DNS_AAAA, h->name}};
    struct ldap_pool *p = h->server->pool;

    must(c);
    c->host = h;
    c->login = login;
    c->next = h->connections;
    h->connections = c;
    if (h->server->settings->tls && !h->server->tls) {
        connection_fail(c, "the file of certificate authorities cannot be read");
    } else if (ip_parse(h->name, &c->addresses[0])) {
        c->addresses[0].port = (uint16_t)h->port;
        c->n_addresses = 1;
        connection_try(c);
    } else {
        p->dns(p->owner, q, 2, on_addresses, c);
    }
}

/* --- which host ------------------------------------------------------------------------------------------------------ */

/* The first (failover) or the next by turns (balance) that is up and was not tried; else one that is down and was not. */
static struct host *host_for(struct job *j)
{
    struct server *s = j->server;
    uint64_t now = loop_now_ms(s->pool->loop);

    for (int down = 0; down < 2; down++)
        for (size_t i = 0; i < s->n_hosts; i++) {
            struct host *h = &s->hosts[s->settings->mode ? (s->turn + i) % s->n_hosts : i];

            if ((j->tried >> h->index & 1) || (!down && h->down_until_ms > now))
                continue;
            s->turn = h->index + 1;
            return h;
        }
    return NULL;
}

static void job_start(struct job *j)
{
    struct host *h = host_for(j), *before = j->host;

    if (!h) {
        char why[WHY_MAX];

        snprintf(why, sizeof why, "%s", before ? before->why : "no host");
        job_fail(j, RC_CONNECT, str_c(why));
        return;
    }
    j->tried |= UINT32_C(1) << h->index;
    j->host = h;
    if (h->down_until_ms > loop_now_ms(h->server->pool->loop) && !h->connections) {
        job_again(j, RC_CONNECT, str_c(h->why)); /* it was away a moment ago: nobody waits for it again */
    } else if (j->login) {
        connection_open(h, j);
    } else {
        wait_at(h, j);
        host_work(h);
    }
}

static struct server *server_find(const struct ldap_pool *p, struct str name)
{
    for (struct server *s = p->servers; s; s = s->next)
        if (!s->old && str_eqi(s->settings->name, name))
            return s;
    return NULL;
}

static struct job *job_new(struct ldap_pool *p, struct str server, ldap_found_fn *fn, void *ctx)
{
    struct server *s = server_find(p, server);
    struct job *j;

    if (!s) {
        fn(ctx, &(struct ldap_found){.rc = RC_NOT_FOUND, .why = str_lit("there is no such LDAP server")});
        return NULL;
    }
    j = calloc(1, sizeof *j);
    must(j);
    arena_init(&j->arena, 512, JOB_ARENA);
    j->server = s;
    j->fn = fn;
    j->ctx = ctx;
    s->jobs++;
    return j;
}

void ldap_pool_search(struct ldap_pool *p, struct str server, const struct ldap_search *what, ldap_found_fn *fn, void *ctx)
{
    struct job *j = job_new(p, server, fn, ctx);
    struct str *attributes;

    if (!j)
        return;
    attributes = arena_must_alloc(&j->arena, (what->attributes.n + 1) * sizeof *attributes);
    for (size_t i = 0; i < what->attributes.n; i++)
        attributes[i] = arena_str(&j->arena, what->attributes.items[i]);
    j->search = (struct ldap_search){
        arena_str(&j->arena, what->base), arena_str(&j->arena, what->filter), {attributes, what->attributes.n}};
    job_start(j);
}

void ldap_pool_login(struct ldap_pool *p, struct str server, struct str dn, struct str password, ldap_found_fn *fn, void *ctx)
{
    struct job *j;

    if (!dn.n || !password.n) {
        fn(ctx, &(struct ldap_found){.rc = RC_OK, .code = LDAP_CODE_INVALID_CREDENTIALS, .why = str_lit("no passphrase")});
        return;
    }
    j = job_new(p, server, fn, ctx);
    if (!j)
        return;
    j->login = true;
    j->dn = arena_str(&j->arena, dn);
    j->password = arena_str(&j->arena, password);
    job_start(j);
}

/* --- settings -------------------------------------------------------------------------------------------------------- */

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

static void server_close(struct server *s)
{
    for (size_t i = 0; i < s->n_hosts; i++)
        for (struct connection *c = s->hosts[i].connections, *next; c; c = next) {
            next = c->next;
            if (c->link)
                ldap_link_close(c->link);
        }
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

        if (s->old && !s->jobs)
            server_close(s);
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
        if (!server_find(p, conf->ldap_server.items[i].name))
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
            server_close(s);
            for (struct connection *c; (c = s->hosts[i].connections);) {
                s->hosts[i].connections = c->next;
                if (c->login)
                    job_fail(c->login, RC_CLOSED, str_lit("ending"));
                free(c);
            }
            for (struct job *j; (j = waiting_take(&s->hosts[i]));)
                job_fail(j, RC_CLOSED, str_lit("ending"));
        }
    }
    server_sweep(p);
    free(p);
}
