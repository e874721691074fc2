/*
 * Alerts: events of spec/alerts.def, as mails to those who asked for them and for `displayalerts`.
 *
 * The same alert (kind and key) again is held back for alerts.first_wait_ms, twice as long each time up to
 * alerts.most_wait_ms; the next that goes out says how many were held back. After a quiet time of twice the longest wait it
 * counts as new. Memory is bounded: ALERTS_SHOWN alerts for showing, ALERTS_HELD kinds of repeats.
 */
#ifndef RECORD_ALERTS_H
#define RECORD_ALERTS_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "event/render.h"

enum { ALERTS_SHOWN = 500, ALERTS_HELD = 256 };

struct alerts;

/* loop and bus may be NULL in tests: nothing is mailed. */
struct alerts *alerts_new(struct loop *loop, struct bus *bus, struct events *events);
void alerts_free(struct alerts *a);
/* Looks at one event at monotonic time now_ms. conf may be NULL: nobody gets mail. */
void alerts_take(struct alerts *a, const struct conf *conf, struct renderer *r, const struct event_record *rec,
                 uint64_t now_ms);
/* The last `most` alerts (held back ones included), newest first, as text and as a JSON list. */
void alerts_show(const struct alerts *a, uint64_t most, struct buf *text, struct buf *json);

#endif
