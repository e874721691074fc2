/*
 * An event as one JSON line and back, derived from spec/events.def: every row, no code for any of them.
 *
 *   {"n":12,"t":1795255206000,"ev":"message_sender","mid":7,"icid":3,"sender":"a@example.org"}
 *
 * `n` is the event's number in its stream, `t` the wall clock in milliseconds; fields that are 0 or empty are left out. A
 * string that is no UTF-8 (lists of numbers, raw headers) is {"hex":"..."}. Readers ignore keys and events they do not know,
 * so an older manager reads what a newer gateway writes.
 */
#ifndef STORE_EVENT_JSON_H
#define STORE_EVENT_JSON_H

#include "base/arena.h"
#include "event/record.h"

enum { EVENT_JSON_MAX = 4 << 20 /* octets of a line */ };

/* Events that trackers and reports are made of: those with LOG_MAIL about a message or a connection that are not debugging,
 * and those marked TRACKED. */
bool event_is_exported(enum event_type type);

/* Appends the line with its \n. Check out->failed. */
void event_json_write(uint64_t number, const struct event_record *ev, struct buf *out);

/* From a line without its \n. An event of a name that we do not know gives RC_OK with type EVENT_NONE. Strings are views
 * into `line` or the arena. RC_SYNTAX: no event. */
enum rc event_json_read(struct arena *a, struct str line, uint64_t *number_out, struct event_record *out, struct err *e);

#endif
