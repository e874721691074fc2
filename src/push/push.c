/*
 * The set of subscriptions that leave this machine, made from the settings. See push.h.
 *
 * Called by role/main_push.c. Owns each subscription's sender. A change of settings touches only the subscriptions it is
 * about; one that ends while its state is being written goes when that is done.
 */
#include "push/push.h"

#include "base/io.h"
#include "base/must.h"
#include "push/inside.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* --- one subscription ---------------------------------------------------------------------------------------------------
 */

static void discard(void *ctx)
{
    struct subscription_push *one = ctx;
    struct push *p = one->push;

    if (one->forget)
        io_unlink("push.forget", one->saver.path, NULL);
    saver_done(&one->saver);
    free(one);
    p->busy--;
    push_idle(p);
}

static void end(struct subscription_push *one)
{
    one->push->busy++;
    if (one->syslog)
        syslog_free(one->syslog);
    if (one->carrier)
        carrier_free(one->carrier);
    one->syslog = NULL;
    one->carrier = NULL;
    one->saver.idle = discard;
    one->saver.ctx = one;
    if (!one->saver.running)
        discard(one);
}

static struct subscription_push *begin(struct push *p, const struct conf_log *log)
{
    struct subscription_push *one = calloc(1, sizeof *one);
    char path[PATH_MAX];

    must(one);
    one->push = p;
    one->retrieval = log->retrieval;
    snprintf(one->name, sizeof one->name, "%.*s", STR(log->name));
    snprintf(path, sizeof path, "%s/push/%s.state", p->home, one->name);
    saver_init(&one->saver, p->loop, path);
    if (log->retrieval == LOG_RETRIEVAL_SYSLOG)
        one->syslog = syslog_new(one);
    else
        one->carrier = carrier_new(one);
    return one;
}

static void apply(struct subscription_push *one, const struct conf *conf, const struct conf_log *log)
{
    if (one->syslog)
        syslog_apply(one->syslog, conf, log);
    else
        carrier_apply(one->carrier, conf, log);
}

/* --- settings -----------------------------------------------------------------------------------------------------------
 */

static bool same_lines(const struct strs *a, const struct strs *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = str_eq(a->items[i], b->items[i]);
    return same;
}

/* Do both settings carry this subscription to the same place in the same way? */
static bool same(const struct conf *a, const struct conf_log *x, const struct conf *b, const struct conf_log *y)
{
    return x && x->retrieval == y->retrieval && str_eq(x->file, y->file) && str_eq(x->host, y->host) && x->port == y->port &&
           str_eq(x->user, y->user) && str_eq(x->password, y->password) && str_eq(x->directory, y->directory) &&
           x->names == y->names && x->protocol == y->protocol && x->facility == y->facility && str_eq(x->tag, y->tag) &&
           x->header_host == y->header_host && str_eq(x->ca_file, y->ca_file) && str_eq(a->tls.ca_file, b->tls.ca_file) &&
           str_eq(a->system.hostname, b->system.hostname) && same_lines(&a->ssh.known_hosts, &b->ssh.known_hosts);
}

static struct subscription_push *find(struct push *p, const struct conf_log *log)
{
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(log->name, str_c(p->items[i]->name)) && p->items[i]->retrieval == log->retrieval)
            return p->items[i];
    return NULL;
}

static void end_unwanted(struct push *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->n; i++) {
        struct subscription_push *one = p->items[i];

        if (one->wanted) {
            p->items[kept++] = one;
            continue;
        }
        one->forget = true; /* begun again one day, it begins with what is there then */
        end(one);
    }
    p->n = kept;
}

static void settings_changed(void *ctx, const struct conf *now, const struct conf *old)
{
    struct push *p = ctx;

    for (size_t i = 0; i < p->n; i++)
        p->items[i]->wanted = false;
    for (size_t i = 0; i < now->log.n; i++) {
        struct subscription_push *one = find(p, &now->log.items[i]);

        if (one)
            one->wanted = true;
    }
    end_unwanted(p);
    for (size_t i = 0; i < now->log.n; i++) {
        const struct conf_log *log = &now->log.items[i], *before = old ? conf_find(&old->log, log->name) : NULL;
        struct subscription_push *one = find(p, log);

        if (log->retrieval == LOG_RETRIEVAL_MANUAL || !log_name_safe(log->name) || (!one && p->n == PUSH_MOST))
            continue;
        if (!one)
            one = p->items[p->n++] = begin(p, log);
        else if (same(old, before, now, log))
            continue;
        apply(one, now, log);
    }
}

/* --- the bus ------------------------------------------------------------------------------------------------------------
 */

static void on_rolled(void *ctx, const struct bus_in *in)
{
    struct push *p = ctx;
    const struct bus_log_rolled *m = in->msg;

    for (size_t i = 0; i < p->n; i++)
        if (p->items[i]->carrier && str_eq(m->name, str_c(p->items[i]->name)))
            carrier_now(p->items[i]->carrier);
}

static void peer_came(void *ctx, struct bus_peer *peer)
{
    struct push *p = ctx;

    if (peer->role != ROLE_record)
        return;
    for (size_t i = 0; p->record_seen && i < p->n; i++)
        if (p->items[i]->syslog)
            syslog_rewind(p->items[i]->syslog);
    p->record_seen = true;
}

/* --- life ---------------------------------------------------------------------------------------------------------------
 */

struct push *push_new(struct loop *loop, struct bus *bus, struct conf_source *conf, struct events *events, const char *home)
{
    struct push *p = calloc(1, sizeof *p);
    char path[PATH_MAX];

    must(p && (p->home = strdup(home)));
    p->loop = loop;
    p->bus = bus;
    p->conf = conf;
    p->events = events;
    p->ask = dns_asker_new(bus, loop);
    snprintf(path, sizeof path, "%s/push", home);
    mkdir(path, 0700);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    push_verbs_register(p);
    bus_on(bus, BUS_log_rolled, on_rolled, p);
    bus_on_peer(bus, peer_came, NULL, p);
    conf_on_change(conf, settings_changed, p);
    return p;
}

void push_idle(struct push *p)
{
    void (*stopped)(void *ctx) = p->stopped;

    if (!stopped || p->busy)
        return;
    p->stopped = NULL;
    stopped(p->stopped_ctx);
}

void push_stop(struct push *p, void (*stopped)(void *ctx), void *ctx)
{
    p->busy++;
    for (size_t i = 0; i < p->n; i++)
        end(p->items[i]);
    p->n = 0;
    p->stopped = stopped;
    p->stopped_ctx = ctx;
    p->busy--;
    push_idle(p);
}
