/*
 * The process-wide side of receiving: what all conversations share, new settings, the sweep of slow peers, the end.
 *
 * Made by the receive role. Owns everything in struct receive. A snapshot that cannot be compiled leaves the old one in
 * force.
 */
#include "receive/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

enum {
    SWEEP_MS = 5000,
    READY_MS = 20,
    SLOW_AFTER_MS = 30000,
    SUSPEND_MS = 30000,
    UNCONFIRMED_MS = 30000,
    ENVELOPE_BUF = ENVELOPE_BYTES + 65536
};

bool receive_ready(const struct receive *r)
{
    return board_load(&r->o.board->numbers_ready) != 0;
}

/* ---- settings -----------------------------------------------------------------------------------------------------------
 */

/* Room that stays free: so many octets, or that part of the disk when it is more. */
static uint64_t least_free(const struct conf_spool *c, const char *home)
{
    struct statvfs disk;
    uint64_t part = statvfs(home, &disk) == 0 ? (uint64_t)disk.f_blocks * disk.f_frsize / 100 * c->min_free_percent : 0;

    return part > c->min_free_bytes ? part : c->min_free_bytes;
}

static void conf_changed(void *ctx, const struct conf *now, const struct conf *old)
{
    struct receive *r = ctx;
    struct tables *t;

    if (!old || tables_new(r, now, &t, NULL) != RC_OK)
        return;
    tables_unref(r->tables);
    r->tables = t;
    listeners_conf(r, now);
    spool_space_keep(r->spool, least_free(&now->spool, r->o.home));
}

/* ---- sessions -----------------------------------------------------------------------------------------------------------
 */

static void sweep(void *ctx);

static void gauge(struct receive *r)
{
    board_gauge_set(r->o.board, r->o.index, GAUGE_CONN_IN, r->open);
}

void receive_session_opened(struct receive *r, struct session *se)
{
    se->began_ms = loop_now_ms(r->o.loop);
    se->next = r->sessions;
    se->previous = NULL;
    if (r->sessions)
        r->sessions->previous = se;
    r->sessions = se;
    r->open++;
    gauge(r);
    if (!r->sweeping)
        loop_timer_set(r->o.loop, &r->sweep, SWEEP_MS, sweep, r);
    r->sweeping = true;
}

void receive_check_stopped(struct receive *r)
{
    void (*done)(void *ctx) = r->stopped;

    if (!done || r->open || !announce_empty(r->announce))
        return;
    r->stopped = NULL;
    done(r->stopped_ctx);
}

void receive_session_closed(struct receive *r, struct session *se)
{
    if (se->previous)
        se->previous->next = se->next;
    else
        r->sessions = se->next;
    if (se->next)
        se->next->previous = se->previous;
    r->open--;
    gauge(r);
    if (r->stopping)
        receive_check_stopped(r);
}

static const char too_long[] = "421 4.4.2 exceeded allowable connection time\r\n";
static const char suspended[] = "421 4.3.2 service temporarily suspended\r\n";
static const char too_slow[] = "421 4.4.2 too slow\r\n";

/* Why this peer must go now, or NULL. A peer whose message is being stored is left alone. */
static const char *overdue(const struct session *se, uint64_t now)
{
    const struct conf_receiving *c = &se->tables->conf->receiving;

    if (se->stored)
        return NULL;
    if (se->listener->suspended && !se->receive->suspending && now - se->listener->suspended_ms >= SUSPEND_MS)
        return suspended; /* while a verb waits, its delay counts */
    if (now - se->began_ms >= c->total_ms)
        return too_long;
    if (se->data_ms && c->min_rate && now - se->data_ms >= SLOW_AFTER_MS && conversation_rate(&se->s.c) < c->min_rate)
        return too_slow;
    return NULL;
}

static void expel(struct session *se, const char *why)
{
    char ip[46];

    if (why != suspended)
        event(se->receive->o.events, connection_timeout, .icid = se->icid, .peer_ip = ip_text(&se->s.peer.ip, ip),
              .total = why == too_long);
    se->s.how = SMTP_END_CLOSED;
    conversation_abort(&se->s.c, str_c(why));
}

void receive_expel_suspended(struct receive *r)
{
    for (struct session *se = r->sessions, *next; se; se = next) {
        next = se->next;
        if (se->listener->suspended && !se->stored)
            expel(se, suspended);
    }
    releases_expel(r, str_c(suspended), true);
}

static void sweep(void *ctx)
{
    struct receive *r = ctx;
    uint64_t now = loop_now_ms(r->o.loop);

    for (struct session *se = r->sessions, *next; se; se = next) {
        const char *why = overdue(se, now);

        next = se->next;
        if (why) {
            expel(se, why);
        } else if (se->waiting && now - se->waiting_ms >= UNCONFIRMED_MS) {
            announce_forget(r->announce, se); /* it finds queue still behind and answers 452 (I1) */
            conversation_resume(&se->s.c);
        }
    }
    r->sweeping = r->sessions != NULL;
    if (r->sweeping)
        loop_timer_set(r->o.loop, &r->sweep, SWEEP_MS, sweep, r);
}

/* ---- sockets -------------------------------------------------------------------------------------------------------------
 */

/* Queue has not read the ceilings yet: nothing may have a number, so nothing is accepted. */
static void wait_ready(void *ctx)
{
    struct receive *r = ctx;
    struct receive_socket *s = r->pending;

    if (!receive_ready(r)) {
        loop_timer_set(r->o.loop, &r->ready, READY_MS, wait_ready, r);
        return;
    }
    r->pending = NULL;
    listeners_set(r, s, r->n_pending);
    for (size_t i = 0; i < r->n_pending; i++)
        free((void *)(uintptr_t)s[i].name);
    free(s);
}

static void drop_pending(struct receive *r)
{
    for (size_t i = 0; r->pending && i < r->n_pending; i++)
        free((void *)(uintptr_t)r->pending[i].name);
    free(r->pending);
    r->pending = NULL;
}

void receive_sockets(struct receive *r, const struct receive_socket *sockets, size_t n)
{
    drop_pending(r);
    if (receive_ready(r) || r->stopping) {
        loop_timer_cancel(r->o.loop, &r->ready);
        listeners_set(r, sockets, r->stopping ? 0 : n);
        return;
    }
    r->pending = calloc(n ? n : 1, sizeof *r->pending);
    must(r->pending != NULL);
    r->n_pending = n;
    for (size_t i = 0; i < n; i++)
        r->pending[i] = (struct receive_socket){strdup(sockets[i].name), sockets[i].fd};
    loop_timer_set(r->o.loop, &r->ready, READY_MS, wait_ready, r);
}

/* ---- life ----------------------------------------------------------------------------------------------------------------
 */

static void segment_closed(void *ctx, uint64_t segment, uint64_t generation, uint64_t size, uint64_t void_from,
                           uint64_t void_to)
{
    struct receive *r = ctx;

    announce_closed(r->announce, &(struct bus_segment_closed){segment, generation, size, void_from, void_to});
}

static enum rc open_spool(struct receive *r, struct err *e)
{
    const struct conf_spool *c = &conf_now(r->o.conf)->spool;
    char dir[512];
    struct spool_options o = {
        .dir = dir,
        .segment_bytes = c->segment_bytes,
        .min_free_bytes = least_free(c, r->o.home),
        .column = r->o.index,
        .keep_free = (unsigned)c->keep_free,
        .wipe = c->wipe != 0,
    };

    snprintf(dir, sizeof dir, "%s/spool", r->o.home);
    r->spool = spool_writer_new(r->o.loop, r->o.board, &o, segment_closed, r, e);
    if (r->spool)
        return RC_OK;
    return e && e->rc != RC_OK ? e->rc : RC_IO;
}

enum rc receive_new(const struct receive_options *o, struct receive **out, struct err *e)
{
    struct receive *r = calloc(1, sizeof *r);
    enum rc rc;

    if (!r)
        return err_set(e, RC_NO_MEMORY, "receive");
    r->o = *o;
    r->random = random_u64();
    if (o->ticket_key)
        memcpy(r->ticket_key, o->ticket_key, sizeof r->ticket_key);
    else
        random_bytes(r->ticket_key, sizeof r->ticket_key);
    r->envelope = BUF(ENVELOPE_BUF);
    r->announce = announce_new(r);
    r->asker = dns_asker_new(o->bus, o->loop);
    if (!r->announce || !r->asker)
        rc = err_set(e, RC_NO_MEMORY, "receive");
    else
        rc = open_spool(r, e);
    if (rc == RC_OK)
        rc = tables_new(r, conf_now(o->conf), &r->tables, e);
    if (rc != RC_OK) {
        receive_free(r);
        return rc;
    }
    conf_on_change(o->conf, conf_changed, r);
    verbs_init(r);
    *out = r;
    return RC_OK;
}

static const char going[] = "421 4.3.2 service shutting down\r\n";

void receive_stop(struct receive *r, void (*done)(void *ctx), void *ctx)
{
    r->stopping = true;
    r->stopped = done;
    r->stopped_ctx = ctx;
    loop_timer_cancel(r->o.loop, &r->ready);
    drop_pending(r);
    for (struct session *se = r->sessions, *next; se; se = next) {
        next = se->next;
        if (se->stored)
            continue; /* its 250 comes, then the next command ends it */
        se->s.how = SMTP_END_CLOSED;
        conversation_abort(&se->s.c, str_c(going));
    }
    releases_expel(r, str_c(going), false);
    listeners_close(r);
    receive_check_stopped(r);
}

void receive_free(struct receive *r)
{
    if (!r)
        return;
    loop_timer_cancel(r->o.loop, &r->sweep);
    loop_timer_cancel(r->o.loop, &r->ready);
    loop_timer_cancel(r->o.loop, &r->disk);
    explicit_bzero(r->ticket_key, sizeof r->ticket_key);
    drop_pending(r);
    verbs_done(r);
    listeners_close(r);
    if (r->spool)
        spool_writer_free(r->spool);
    if (r->asker)
        dns_asker_free(r->asker);
    announce_free(r->announce);
    tables_unref(r->tables);
    message_stored_free(r);
    buf_done(&r->envelope);
    free(r);
}

unsigned receive_open(const struct receive *r)
{
    return r->open;
}
