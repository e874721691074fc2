/*
 * Connections to one host of a directory: opened when there is work, shared by searches, one of its own for a log-in.
 *
 * Used by ldap_pool.c. Owns the connections. When one ends before it was ready the host counts as down, and its jobs go on
 * elsewhere.
 */
#include "lookup/ldap_inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEARCHES_A_LINK = 50 };

static void on_found(void *ctx, const struct ldap_found *found)
{
    struct job *j = ctx;

    if (found->rc == RC_OK || found->rc == RC_LIMIT) {
        ldap_job_end(j, found);
        return;
    }
    snprintf(j->host->why, WHY_MAX, "%.*s", STR(found->why));
    if (found->rc == RC_CLOSED && !j->repeated) { /* servers close idle connections, perhaps just now */
        j->repeated = true;
        j->tried &= ~(UINT32_C(1) << j->host->index);
    }
    ldap_job_again(j, found->rc, found->why);
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

static size_t count(const struct host *h, bool ready)
{
    size_t n = 0;

    for (const struct connection *c = h->connections; c; c = c->next)
        n += !c->login && (!ready || (c->link && ldap_link_ready(c->link)));
    return n;
}

/* Jobs that wait here go to connections; one more is opened when those are busy. */
void ldap_host_work(struct host *h)
{
    while (h->waiting) {
        struct connection *c = least_busy(h);
        struct job *j;

        if (!c || (ldap_link_searches(c->link) >= SEARCHES_A_LINK && count(h, false) < h->server->settings->connections)) {
            if (count(h, false) == count(h, true) && count(h, false) < h->server->settings->connections)
                ldap_host_connect(h, NULL);
            if (!c)
                return;
        }
        j = ldap_job_waiting(h);
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
    h->down_until_ms = loop_now_ms(h->server->pool->loop) + 2 * h->server->settings->timeout_ms;
    h->waiting = NULL;
    h->last = &h->waiting;
    if (!h->told && !h->server->pool->ending && h->server->pool->events)
        event(h->server->pool->events, ldap_host_down, .server = h->server->settings->name, .host = h->name, .port = h->port,
              .why = why);
    h->told = true;
    for (struct job *j; (j = list);) {
        list = j->next;
        ldap_job_again(j, RC_CONNECT, str_c(h->why));
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
        ldap_host_work(h);
        return;
    }
    ldap_job_end(c->login, &(struct ldap_found){.rc = RC_OK});
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
        ldap_job_end(login, &(struct ldap_found){.rc = RC_OK, .code = code, .why = why});
    else if (login)
        ldap_job_again(login, rc, why);
    if (!c->was_ready && !login && !h->server->old)
        host_down(h, why);
    else if (!h->server->pool->ending)
        ldap_host_work(h);
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

void ldap_host_connect(struct host *h, struct job *login)
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

void ldap_host_close(struct host *h)
{
    for (struct connection *c = h->connections, *next; c; c = next) {
        next = c->next;
        if (c->link)
            ldap_link_close(c->link);
    }
}
