/*
 * Searches and log-ins at directories: which host does them. See ldap_pool.h.
 *
 * Used by ldap.c. Owns the jobs (a search or a log-in each) until they are told; servers and hosts are ldap_servers.c's,
 * connections ldap_host.c's. A host that cannot be reached is left alone for twice the time-out; its jobs go to the next
 * host, each host is tried once for a job.
 */
#include "lookup/ldap_inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { JOB_ARENA = 1 << 20 };

static void job_start(struct job *j);

/* --- jobs ------------------------------------------------------------------------------------------------------------ */

void ldap_job_end(struct job *j, const struct ldap_found *found)
{
    struct server *s = j->server;

    j->fn(j->ctx, found);
    arena_done(&j->arena);
    free(j);
    s->jobs--;
}

static void job_fail(struct job *j, enum rc rc, struct str why)
{
    ldap_job_end(j, &(struct ldap_found){.rc = rc, .why = why});
}

/* The host did not do it: the next one, or the end. */
void ldap_job_again(struct job *j, enum rc rc, struct str why)
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

struct job *ldap_job_waiting(struct host *h)
{
    struct job *j = h->waiting;

    if (j) {
        h->waiting = j->next;
        if (!h->waiting)
            h->last = &h->waiting;
    }
    return j;
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
        ldap_job_again(j, RC_CONNECT, str_c(h->why)); /* it was away a moment ago: nobody waits for it again */
    } else if (j->login) {
        ldap_host_connect(h, j);
    } else {
        wait_at(h, j);
        ldap_host_work(h);
    }
}

struct server *ldap_server_find(const struct ldap_pool *p, struct str name)
{
    for (struct server *s = p->servers; s; s = s->next)
        if (!s->old && str_eqi(s->settings->name, name))
            return s;
    return NULL;
}

static struct job *job_new(struct ldap_pool *p, struct str server, ldap_found_fn *fn, void *ctx)
{
    struct server *s = ldap_server_find(p, server);
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

void ldap_pool_login(struct ldap_pool *p, struct str server, struct str dn, struct str password, ldap_found_fn *fn,
                     void *ctx)
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
