/*
 * The deliver room's front: bus messages in, TLS context of outgoing connections, an orderly end.
 *
 * Made by role/main_deliver.c. Owns destinations, links and pieces. When queue goes away its pieces are still finished:
 * their results stand on the flight board, where the next queue reads them (design-notes D2).
 */
#include "deliver/inside.h"

#include "base/must.h"

#include <stdlib.h>

static void on_work(void *ctx, const struct bus_in *in)
{
    struct deliver *d = ctx;
    const struct bus_deliver_work *w = in->msg;
    struct destination *to;
    struct piece *p;

    if (d->stopping || !w->destination.n || w->destination.n > 300)
        return; /* the slot stays assigned: queue tries it elsewhere when this process is gone */
    p = piece_new(d, w);
    to = destination_get(d, w->destination);
    p->to = to;
    if (w->slot < BOARD_SLOTS && board_load(&d->o.board->slots[d->o.column][w->slot].mid) == w->mid)
        board_store(&d->o.board->slots[d->o.column][w->slot].state, SLOT_TAKEN);
    pieces_push(&to->pending, p);
    destination_touch(to);
}

/* A new queue: what the one before had sent was read or dropped with its connection. */
static void on_slots_question(void *ctx, const struct bus_in *in)
{
    struct deliver *d = ctx;

    bus_reply(d->o.bus, in->from, in->call, BUS_slots_settled, &(struct bus_slots_settled){.index = d->o.column});
}

static void on_limit(void *ctx, const struct bus_in *in)
{
    struct deliver *d = ctx;
    const struct bus_deliver_limit *m = in->msg;
    struct destination *to;

    if (!m->destination.n || m->destination.n > 300)
        return;
    to = destination_get(d, m->destination);
    to->limit = m->connections;
}

/* What is under way waits in queue until delivery is resumed; a message whose dot was sent counts as one that may have
 * arrived. Connections of one destination that end make room for another: so all are told before the first ends. */
static void on_close(void *ctx, const struct bus_in *in)
{
    struct deliver *d = ctx;
    const struct bus_destination_close *m = in->msg;

    if (!m->destination.n) {
        destination_each(d, destination_hold);
        destination_each(d, destination_close);
        destination_each(d, destination_unhold);
    } else if (m->destination.n <= 300) {
        struct destination *to = destination_get(d, m->destination);

        destination_hold(to);
        destination_close(to);
        destination_unhold(to);
    }
}

/* Work of one turn is looked at once, when all of it has been read. */
static void pump_touched(void *ctx)
{
    struct deliver *d = ctx;

    while (d->touched) {
        struct destination *to = d->touched;

        d->touched = to->touched_next;
        to->touched = false;
        destination_pump(to);
    }
}

static void finish_links(struct destination *to)
{
    for (struct link *l = to->links, *next; l; l = next) {
        next = l->next;
        link_finish(l);
    }
}

static void make_tls(struct deliver *d)
{
    const struct conf *c = deliver_conf(d);
    struct tls_context *made;
    struct err e = ERR_NONE;

    uint64_t least = c->tls.outbound_min_version ? 0x0304 : 0x0303;

    if (tls_client_new(c->tls.outbound_ciphers, least, c->tls.ca_file, &made, &e) != RC_OK)
        return; /* the old one stays; none at all: required TLS fails, preferred goes on in plain text */
    if (d->tls)
        tls_unref(d->tls);
    d->tls = made;
}

/* Routes, modes and limits may be others: links end after the message they carry, new ones follow the new settings. */
static void on_change(void *ctx, const struct conf *now, const struct conf *old)
{
    struct deliver *d = ctx;

    make_tls(d);
    signers_free(d->signers);
    d->signers = signers_new(now);
    if (old)
        destination_each(d, finish_links);
}

enum rc deliver_new(const struct deliver_options *o, struct deliver **out, struct err *e)
{
    struct deliver *d = calloc(1, sizeof *d);

    if (!d)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    d->o = *o;
    d->table = calloc(DESTINATION_BUCKETS, sizeof *d->table);
    d->reader = spool_reader_new(o->spool);
    must(d->table && d->reader);
    d->results = BUF(256 << 10);
    d->rids = BUF(64 << 10);
    d->headers = BUF(64 << 10);
    probe_init(d);
    moved_init(d);
    errands_init(d);
    conf_on_change(o->conf, on_change, d);
    loop_at_end(o->loop, PHASE_STORE, pump_touched, d);
    if (o->bus) {
        bus_on(o->bus, BUS_deliver_work, on_work, d);
        bus_on(o->bus, BUS_deliver_limit, on_limit, d);
        bus_on(o->bus, BUS_slots_question, on_slots_question, d);
        bus_on(o->bus, BUS_destination_close, on_close, d);
    }
    *out = d;
    return RC_OK;
}

void deliver_stop(struct deliver *d, void (*done)(void *ctx), void *ctx)
{
    d->stopping = true;
    copies_done(d);
    errands_done(d);
    d->stopped = done;
    d->stopped_ctx = ctx;
    if (d->n_links == 0) {
        done(ctx);
        return;
    }
    destination_each(d, finish_links);
}

void deliver_free(struct deliver *d)
{
    if (!d)
        return;
    d->stopping = true;
    d->stopped = NULL;
    loop_at_end_cancel(d->o.loop, PHASE_STORE, pump_touched, d);
    probe_done(d);
    errands_done(d);
    copies_done(d);
    destination_each(d, link_abort_all);
    destination_each(d, destination_free);
    for (struct piece *p; (p = d->free_pieces);) {
        d->free_pieces = p->next;
        arena_done(&p->arena);
        buf_done(&p->body);
        buf_done(&p->carried_octets);
        buf_done(&p->meta);
        buf_done(&p->signature);
        free(p);
    }
    spool_reader_free(d->reader);
    signers_free(d->signers);
    tls_unref(d->tls);
    buf_done(&d->results);
    buf_done(&d->rids);
    buf_done(&d->headers);
    free(d->table);
    free(d);
}
