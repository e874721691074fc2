/*
 * A scan worker: judges one message at a time, from memory that queue filled (E1). It opens nothing and keeps nothing
 * but what it compiled from the settings. Plain blocking code: stages wait for look-ups and engines where they stand.
 */
#ifndef SCAN_SCAN_H
#define SCAN_SCAN_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "scan/content.h"

struct scan;

struct scan_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;     /* may be NULL */
    struct content *content; /* made before the process gave up its rights; NULL: archives are not opened */
};

struct scan *scan_new(const struct scan_options *o);
void scan_free(struct scan *s);

#endif
