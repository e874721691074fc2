/*
 * Held mail that moves to the manager (central.md 9, Migration): quarantine hands over a message with its metadata, it goes
 * the way of mail for the.cpq.host or the.euq.queue, over the same connections, and quarantine hears what the manager said.
 *
 * Called over the bus (migrate_work), by piece.c and outcome.c for pieces with `moved`. Such a piece has no slot and no
 * record in the spool: queue knows nothing of it, and quarantine keeps the message until the answer. Owns the descriptor of
 * the body and the arena of the metadata until piece_free(). When this process ends, the call ends with it and quarantine
 * asks anew.
 */
#include "deliver/inside.h"

#include "base/must.h"

#include <stdlib.h>
#include <unistd.h>

enum { ARENA_MAX = 64 << 20 };

struct moved {
    struct arena arena;
    struct bus_peer *from;
    unsigned life;
    uint64_t call, offset;
    int fd;
    struct cpq_meta meta;
};

void moved_free(struct piece *p)
{
    struct moved *m = p->moved;

    p->moved = NULL;
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    arena_done(&m->arena);
    free(m);
}

enum rc moved_load(struct piece *p)
{
    const struct cpq_meta *meta = &p->moved->meta;

    p->envelope = meta->envelope;
    p->job.body_bytes = p->content_bytes = meta->size;
    p->job.has_8bit = meta->envelope.body == BODY_8BITMIME;
    p->job.has_bare = meta->envelope.body == BODY_BINARYMIME;
    buf_clear(&p->meta);
    buf_add(&p->meta, meta->raw);
    p->job.meta = buf_str(&p->meta);
    return RC_OK;
}

enum rc moved_read(const struct piece *p, uint64_t at, char *out, size_t n, struct err *e)
{
    const struct moved *m = p->moved;
    size_t got = 0;

    while (got < n) {
        ssize_t r = pread(m->fd, out + got, n - got, (off_t)(m->offset + at + got));

        if (r <= 0)
            return err_set(e, RC_CORRUPT, "held message %llu cannot be read", (unsigned long long)p->mid);
        got += (size_t)r;
    }
    return RC_OK;
}

void moved_tell(struct deliver *d, const struct piece *p, uint64_t outcome, const struct delivery_result *r, size_t n)
{
    const struct moved *m = p->moved;
    struct bus_migrate_done done = {.outcome = outcome};

    if (n) {
        done.class = r[0].class;
        done.reason = r[0].reason;
        done.code = r[0].code;
        done.text = str_first(r[0].text, 1000);
    }
    if (m->from->life == m->life)
        bus_reply(d->o.bus, m->from, m->call, BUS_migrate_done, &done);
}

void moved_back(struct destination *to, const char *why)
{
    struct pieces all = to->pending;

    to->pending = (struct pieces){0};
    for (struct piece *p; (p = pieces_pop(&all));)
        if (p->moved)
            outcome_connection(to->d, p, "4.3.2", str_c(why));
        else
            pieces_push(&to->pending, p);
}

/* ---- new work --------------------------------------------------------------------------------------------------------- */

static enum rc take(struct moved *m, const struct bus_migrate_work *w, struct err *e)
{
    struct str text = arena_str(&m->arena, w->meta);

    m->offset = w->offset;
    if (!text.p || m->fd < 0)
        return err_set(e, RC_NO_MEMORY, "nothing came along");
    TRY(cpq_meta_read(&m->arena, text, &m->meta, e));
    if (m->meta.class > CPQ_SPAM || m->meta.size != w->body_bytes || m->meta.envelope.n_recipients > PIECE_RECIPIENTS)
        return err_set(e, RC_INVALID, "metadata does not fit the message");
    return RC_OK;
}

static void start(struct deliver *d, const struct bus_migrate_work *w, struct moved *m)
{
    struct str name = m->meta.class == CPQ_SPAM ? str_lit("the.euq.queue") : str_lit("the.cpq.host");
    struct piece *p = piece_new(d, &(struct bus_deliver_work){.slot = UINT64_MAX, .mid = w->mid});

    p->moved = m;
    p->n_recipients = p->job.n_recipients = m->meta.envelope.n_recipients;
    for (size_t i = 0; i < p->n_recipients; i++)
        p->recipients[i] = (uint32_t)i;
    p->to = destination_get(d, name);
    pieces_push(&p->to->pending, p);
    destination_touch(p->to);
}

static void on_work(void *ctx, const struct bus_in *in)
{
    const struct bus_migrate_work *w = in->msg;
    struct moved *m = calloc(1, sizeof *m);
    struct deliver *d = ctx;
    struct err e = ERR_NONE;

    must(m);
    *m = (struct moved){.from = in->from, .life = in->from->life, .call = in->call, .fd = in->fd};
    arena_init(&m->arena, 4096, ARENA_MAX);
    if (!d->stopping && take(m, w, &e) == RC_OK) {
        start(d, w, m);
        return;
    }
    bus_reply(d->o.bus, in->from, in->call, BUS_migrate_done,
              &(struct bus_migrate_done){.outcome = d->stopping ? 1 : 2,
                                         .class = RESULT_DELAYED,
                                         .text = d->stopping ? STR_NONE : str_c(err_text(&e))});
    moved_free(&(struct piece){.moved = m});
}

void moved_init(struct deliver *d)
{
    if (d->o.bus)
        bus_on(d->o.bus, BUS_migrate_work, on_work, d);
}
