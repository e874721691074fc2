/*
 * What is said of decisions once they are durable: log lines, and what is done to files behind the commit.
 *
 * Called by decide.c; mover.c adds to it. Owns the list in struct quarantine; its texts are copies in an arena that lasts as
 * long as the transaction.
 */
#include "quarantine/inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <stdlib.h>

enum { SAID_ARENA = 64 << 20 };

void said_add(struct quarantine *q, struct said what)
{
    if (q->n_said == q->said_room) {
        q->said_room = q->said_room ? 2 * q->said_room : 64;
        q->said = realloc(q->said, q->said_room * sizeof *q->said);
        must(q->said);
    }
    what.name = arena_str(&q->said_arena, what.name);
    what.text = arena_str(&q->said_arena, what.text);
    what.user = arena_str(&q->said_arena, what.user);
    q->said[q->n_said++] = what;
}

static void mark_gone(struct quarantine *q, const struct said *s)
{
    int fd = store_segment(q, &s->segment, NULL);

    if (fd >= 0)
        record_mark_gone(fd, s->number, clock_wall_ms());
}

static void unlink_big(struct quarantine *q, uint64_t id)
{
    char path[SEGMENT_PATH];

    segment_big_path(path, q->o.dir, id);
    io_unlink("quarantine.unlink", path, NULL);
}

static void tell(struct quarantine *q, const struct said *s)
{
    struct events *ev = q->o.events;

    switch (s->what) {
    case SAID_RELEASED:
        event(ev, quarantine_released, .mid = s->mid, .quarantine = s->name, .how = s->number, .seconds = s->seconds,
              .stripped = s->stripped);
        return;
    case SAID_DELETED:
        event(ev, quarantine_deleted, .mid = s->mid, .quarantine = s->name, .how = s->number, .seconds = s->seconds);
        return;
    case SAID_LEFT:
        event(ev, quarantine_left, .mid = s->mid, .deleted = s->number);
        return;
    case SAID_FINISHED:
        event(ev, message_finished, .mid = s->mid);
        return;
    case SAID_MOVED:
        event(ev, quarantine_moved, .mid = s->mid, .quarantine = s->name, .to = s->text, .user = s->user);
        return;
    case SAID_DELAYED:
        event(ev, quarantine_delayed, .mid = s->mid, .quarantine = s->name, .until_ms = s->number, .user = s->user);
        return;
    case SAID_EXIT:
        event(ev, quarantine_exit_moved, .mid = s->mid, .quarantine = s->name, .until_ms = s->number, .rule = s->text);
        return;
    case SAID_SPAM_DELETED:
        event(ev, spam_deleted, .mid = s->mid, .recipient = s->name, .how = s->number);
        return;
    case SAID_REWRITTEN:
        event(ev, message_rewritten, .mid = s->mid, .now = s->number, .agent = str_lit("Policy Quarantine"));
        return;
    case SAID_REINJECTED:
        event(ev, spam_reinjected, .mid = s->mid, .now = s->number);
        return;
    case SAID_COPIED:
        event(ev, quarantine_copied, .mid = s->mid, .now = s->number, .recipient = s->name);
        return;
    case DO_MARK_GONE:
        mark_gone(q, s);
        return;
    case DO_UNLINK_BIG:
        unlink_big(q, s->number);
        return;
    case SAID_ENQUEUED:
        event(ev, hold_enqueued, .mid = s->mid, .quarantine = s->name, .reason = s->text, .kind = s->number);
        return;
    case SAID_REASON:
        event(ev, quarantine_reason, .mid = s->mid, .quarantine = s->name, .reason = s->text);
        return;
    }
}

void said_begin(struct quarantine *q)
{
    q->n_said = 0;
    arena_done(&q->said_arena);
    arena_init(&q->said_arena, 4096, SAID_ARENA);
}

void said_tell(struct quarantine *q)
{
    for (size_t i = 0; i < q->n_said; i++)
        tell(q, &q->said[i]);
}

void said_end(struct quarantine *q)
{
    q->n_said = 0;
    arena_done(&q->said_arena);
}
