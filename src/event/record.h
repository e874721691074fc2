/*
 * One event as it is read: its type, times and decoded fields, and the table of rows behind it.
 */
#ifndef EVENT_RECORD_H
#define EVENT_RECORD_H

#include "event/event.h"

/* In the order of the settings' choices: the least important level that a subscription writes. */
enum event_level { LEVEL_CRITICAL, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG, LEVEL_TRACE };

struct event_info {
    const char *name;
    enum event_level level;
    uint64_t logs; /* LOG_... | IF_... of event/render.h */
    const struct field *fields;
    size_t size; /* of its struct, octets */
    const char *text, *counts;
};

/* The row; NULL for a number that is no event. */
const struct event_info *event_info(unsigned type);

enum { EVENT_FIELDS_BYTES = 256 }; /* no row's struct is larger (checked by a test) */

struct event_record {
    enum event_type type;
    uint64_t wall_ms, stamp;
    /* struct event_NAME of that type: fields one behind the other, each 8-aligned; strings are views. */
    _Alignas(16) unsigned char fields[EVENT_FIELDS_BYTES];
};

/* Fields of a record as its typed struct: event_as(rec, message_ready)->bytes */
#define event_as(rec, name) ((const struct event_##name *)(const void *)(rec)->fields)
/* Fills rec for events that do not come from a file (tests, record's own). */
void event_record_set(struct event_record *rec, enum event_type type, uint64_t wall_ms, const void *fields);

/* Class of an enhanced status code for `Bounced:` and `Delayed:` lines (logs.md 7): the code and the text that stand in the
 * line. `enhanced` may be empty, then the reply code decides (0 = no answer was given). */
struct event_class {
    struct str enhanced, text;
};
struct event_class event_class_of(struct str enhanced, unsigned code);

#endif
