/*
 * Counters as folds over the event stream: since the last reset, since the start of the program, for ever; and rates.
 *
 * What an event moves stands in the last column of spec/events.def. The three sets are saved with the position in the
 * stream, so an event is counted once whatever dies. Rates live in memory only: a second per bucket over the last 15
 * minutes.
 */
#ifndef RECORD_COUNTERS_H
#define RECORD_COUNTERS_H

#include "event/record.h"

enum counter {
#define COUNTER(name, key, xml, label) COUNTER_##name,
#include "spec/counters.def"
#undef COUNTER
    COUNTER_COUNT
};

struct counter_info {
    const char *name, *key, *xml, *label;
};
const struct counter_info *counter_info(enum counter c);

enum { RATE_SECONDS = 900, RATE_COUNT = 6 };
/* Counters that have a rate, in the order of `status detail`. */
extern const enum counter counters_rates[RATE_COUNT];

struct counters;

struct counters *counters_new(void);
void counters_free(struct counters *c);

enum counters_set { COUNTERS_RESET, COUNTERS_UPTIME, COUNTERS_LIFETIME, COUNTERS_SETS };
uint64_t counters_get(const struct counters *c, enum counters_set set, enum counter which);
/* 0 = never. */
uint64_t counters_reset_ms(const struct counters *c);

void counters_apply(struct counters *c, const struct event_record *ev, uint64_t mono_ms);
/* Events of the last `seconds` (60, 300 or 900), scaled to an hour. */
uint64_t counters_rate(const struct counters *c, unsigned rate, unsigned seconds, uint64_t mono_ms);
/* The program was started anew. */
void counters_begin_uptime(struct counters *c);

void counters_save(const struct counters *c, struct buf *out);
bool counters_restore(struct counters *c, struct str *in);

/* Compiles a counts column: RC_SYNTAX names what is wrong. Used by counters_new() and its test. */
enum rc counters_check(const struct event_info *row, struct err *e);

#endif
