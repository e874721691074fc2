/*
 * One attempt at the link of a gateway: the manager's addresses and ports, then a job in a thread of its own. See link.h.
 *
 * Called by link_gateway.c, again after each wait, and by link_gateway_enrol.c. What cannot be tried is a reason, told by
 * near_could_not; the last port that worked is tried first, that of the enrolment by token too. Owns nothing.
 */
#include "central/link.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

static void wake(void *ctx)
{
    struct links *l = ctx;

    uv_async_send(&l->async);
}

static void set_ports(struct link_job *j, const struct strs *list, struct link_port good)
{
    for (size_t i = 0; i < list->n && j->n_ports < LINK_PORTS; i++)
        if (link_port_parse(list->items[i], &j->port[j->n_ports])) {
            if (j->port[j->n_ports].port == good.port && j->port[j->n_ports].carrier == good.carrier)
                j->first = j->n_ports;
            j->n_ports++;
        }
}

void near_could_not(struct near_link *k, const char *why)
{
    err_set(&k->e, RC_CONNECT, "%s", why);
    if (k->call) {
        near_enrol_answer(k);
        return;
    }
    if (strcmp(k->said, why) != 0)
        event(k->links->central->o.events, link_failed, .name = str_c(k->name), .why = str_c(why));
    snprintf(k->said, sizeof k->said, "%s", why);
    near_retry(k);
}

static struct link_job *job_of(struct near_link *k)
{
    struct link_job *j = calloc(1, sizeof *j);
    const struct conf_manager *m;

    must(j);
    link_job_init(j);
    j->conf = k->conf;
    m = near_manager(k, j->conf);
    j->name = str_c(k->name);
    j->serial = m && !k->call ? m->serial : STR_NONE;
    j->host_key = k->call ? k->print : m ? m->link_host_key : STR_NONE;
    j->token = k->token;
    j->token_key = k->token_key;
    j->request = k->request;
    memcpy(j->address, k->address, sizeof j->address);
    j->n_addresses = k->n_addresses;
    set_ports(j, k->call ? &k->ports : m ? &m->link_ports : &k->ports, k->good);
    j->wake = wake;
    j->wake_ctx = k->links;
    j->alive_ms = j->conf->central.link_keepalive_ms;
    j->dead_ms = LINK_SILENCES * j->alive_ms;
    atomic_store(&j->taken, near_takes(j->conf));
    return j;
}

static void start(struct near_link *k)
{
    struct err e = ERR_NONE;

    k->conf = conf_ref(k->links->central->conf);
    k->job = job_of(k);
    if (k->job->n_ports == 0)
        err_set(&e, RC_INVALID, "there is no port on which the link could be tried (link_ports)");
    else if (link_job_start(k->job, &e) == RC_OK)
        return;
    link_job_done(k->job, false);
    free(k->job);
    conf_unref(k->conf);
    k->job = NULL;
    k->conf = NULL;
    near_could_not(k, err_text(&e));
}

static void on_addresses(void *ctx, const struct dns_answer *a, size_t n)
{
    struct near_link *k = ctx;

    k->question = 0;
    k->asking = false;
    k->n_addresses = 0;
    for (size_t i = 0; i < n; i++) {
        size_t octets = a[i].question.type == DNS_AAAA ? 16 : 4;

        for (size_t r = 0; r < a[i].n && a[i].result == DNS_OK && k->n_addresses < LINK_ADDRESSES; r++) {
            struct address_ip *to = &k->address[k->n_addresses];

            if (a[i].records[r].data.n != octets)
                continue;
            *to = (struct address_ip){.family = octets == 16 ? AF_INET6 : AF_INET};
            memcpy(to->octets, a[i].records[r].data.p, octets);
            k->n_addresses++;
        }
    }
    if (k->n_addresses)
        start(k);
    else
        near_could_not(k, "the manager's name has no address");
}

void near_begin(void *ctx)
{
    struct near_link *k = ctx;
    struct central *c = k->links->central;
    const struct conf_manager *m = near_manager(k, c->conf);
    struct str host = k->call ? k->address_text : m ? m->address : STR_NONE;
    const struct dns_question questions[] = {{DNS_A, host}, {DNS_AAAA, host}};
    uint64_t number;

    if (!k->call && m)
        near_aim(k, m);
    if (!host.n) {
        near_could_not(k, "the manager has no address");
        return;
    }
    if (ip_parse(host, &k->address[0])) {
        k->n_addresses = 1;
        start(k);
        return;
    }
    k->asking = true;
    number = dns_ask(c->dns, questions, 2, DNS_ASK_TIMEOUT_MS, on_addresses, k);
    if (k->asking)
        k->question = number;
}
