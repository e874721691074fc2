/*
 * A scan worker: judges one message at a time, from memory that queue filled (E1). It opens nothing and keeps nothing.
 *
 * For now every message passes; what stands here is the path: windows, checks of what came, verdicts.
 */
#ifndef SCAN_SCAN_H
#define SCAN_SCAN_H

#include "bus/bus.h"
#include "event/event.h"

struct scan;

struct scan_options {
    struct bus *bus;
    struct events *events;
};

struct scan *scan_new(const struct scan_options *o);
void scan_free(struct scan *s);

#endif
