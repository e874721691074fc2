/* What `chronyc -c tracking` and `chronyc -c sources` print, read. Pure. */
#ifndef CLOCK_ROOM_REPORT_H
#define CLOCK_ROOM_REPORT_H

#include "base/buf.h"

enum { CLOCK_SOURCES = 32, CLOCK_NAME = 256 };

struct clock_source {
    char name[CLOCK_NAME];
    char state;              /* * followed, + may be combined, - not combined, ? unusable, x wrong, ~ too variable */
    uint64_t stratum, reach; /* of the last eight questions, the answered ones as bits */
    char offset[32];         /* seconds, as printed */
};

struct clock_report {
    struct clock_source sources[CLOCK_SOURCES];
    size_t n;
    bool tracking; /* the line of `tracking` was there */
    bool synchronised;
    char reference[CLOCK_NAME], offset[32], leap[32];
    uint64_t stratum;
};

/* Lines that are neither are passed over. */
void clock_report_read(struct str output, struct clock_report *out);
/* The text of the verb ntpstatus. */
void clock_report_text(const struct clock_report *r, struct buf *out);

#endif
