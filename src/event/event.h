/*
 * Typed events: the truth of which every log line, counter and (later) tracking row is a view.
 *
 * A role appends its events to its own file DIR/ROLE.INDEX.N (fd kept open, O_APPEND, one write a turn in PHASE_EVENT,
 * before the effects leave the process). Each carries wall time, a causal stamp (bus_stamp) and the fields of its row in
 * spec/events.def. record reads, merges and renders them. Emitting never fails for the caller; when a file cannot be
 * written the events are kept up to 16 MiB, then connection events are dropped and counted (F5).
 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include "base/board.h"
#include "base/fields.h"
#include "net/loop.h"

enum event_type {
    EVENT_NONE,
#define EVENT(name, level, logs, fields, text, counts) EVENT_##name,
#include "spec/events.def"
#undef EVENT
    EVENT_TYPE_COUNT
};

#define F_U64(name) uint64_t name;
#define F_STR(name) struct str name;
#define EVENT(name, level, logs, fields, text, counts) \
    struct event_##name { \
        fields \
    };
#include "spec/events.def"
#undef EVENT
#undef F_U64
#undef F_STR

struct events;

/* `stamp(ctx)` gives the causal stamp (bus_stamp in a role). dir is the home's event directory. Fails only when that cannot
 * be written to at all; a full disk is waited for. */
struct events *events_new(struct loop *loop, const char *dir, const char *role, unsigned index, struct board *board,
                          uint64_t (*stamp)(void *ctx), void *stamp_ctx, struct err *e);
void events_free(struct events *ev);
/* Too many events could not be written or are unread (F5): new mail is refused with 452 until this is false again. */
bool events_full(const struct events *ev);
/* Keeps the encoded events in memory instead: they reach no log and no counter (trace, tests). events_kept_text() gives all
 * of them so far as lines of text without date and level (modern dialect), as in mail_logs, or in their own log when
 * mail_logs has none; NUL terminated, valid until the next call. */
struct events *events_kept_new(void);
struct str events_kept_text(struct events *ev);
/* The names tests use. */
#define events_test_new events_kept_new
#define events_test_text events_kept_text

void event_emit(struct events *ev, enum event_type type, const void *fields);
/* event(ev, message_done, .mid = m, .dcid = d, .rids = rids); unnamed fields are 0 or empty. ev may be NULL (dropped). */
#define event(ev, name, ...) event_emit((ev), EVENT_##name, &(struct event_##name){__VA_ARGS__})
/* Writes what is buffered now (before a blocking call, at exit). */
void events_flush(struct events *ev);

#endif
