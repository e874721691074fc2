/*
 * Control connections for sessions: the question session_open to the role control and the descriptor that comes back.
 *
 * Called by ssh_channel.c and ssh_ftp.c. Owns the questions under way. Control being away or slow (SSH_OPEN_MS) is a refusal
 * with a reason; a descriptor that nobody waits for any more is closed.
 */
#include "shell/ssh_inside.h"

#include "base/must.h"

#include <stdlib.h>
#include <unistd.h>

struct opening {
    struct opening *next;
    struct ssh_server *server;
    uint64_t id;
    struct loop_timer limit;
    opening_fn *fn;
    void *ctx;
};

static void unlink_one(struct opening *o)
{
    struct opening **at = &o->server->openings;

    while (*at && *at != o)
        at = &(*at)->next;
    if (*at)
        *at = o->next;
    loop_timer_cancel(o->server->o.loop, &o->limit);
}

static void finish(struct opening *o, int fd, struct str why)
{
    unlink_one(o);
    o->fn(o->ctx, fd, why);
    free(o);
}

static void too_long(void *ctx)
{
    finish(ctx, -1, str_lit("the configuration service does not answer"));
}

struct opening *opening_new(struct ssh_server *s, const struct bus_session_open *m, opening_fn *fn, void *ctx)
{
    struct opening *o = calloc(1, sizeof *o);
    struct bus_session_open question = *m;
    bool sent;

    must(o);
    *o = (struct opening){.next = s->openings, .server = s, .id = ++s->last_opening, .fn = fn, .ctx = ctx};
    s->openings = o;
    question.id = o->id;
    sent = bus_send(s->o.bus, bus_peer(s->o.bus, ROLE_control, 0), BUS_session_open, &question);
    loop_timer_set(s->o.loop, &o->limit, sent ? SSH_OPEN_MS : 0, too_long, o);
    return o;
}

void opening_cancel(struct opening *o)
{
    if (!o)
        return;
    unlink_one(o);
    free(o);
}

static void on_opened(void *ctx, const struct bus_in *in)
{
    struct ssh_server *s = ctx;
    const struct bus_session_opened *m = in->msg;
    struct opening *o = s->openings;

    while (o && o->id != m->id)
        o = o->next;
    if (o && m->rc == RC_OK && in->fd >= 0) {
        finish(o, in->fd, STR_NONE);
        return;
    }
    if (in->fd >= 0)
        close(in->fd);
    if (o)
        finish(o, -1, m->why.n ? m->why : str_c(rc_info(m->rc < RC_COUNT ? (enum rc)m->rc : RC_INTERNAL)->text));
}

/* Questions to a control that went away would wait for their limit: answers of an earlier life cannot be mistaken, numbers
 * never come again. */
void openings_begin(struct ssh_server *s)
{
    bus_on(s->o.bus, BUS_session_opened, on_opened, s);
}
