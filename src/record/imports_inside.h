/* What imports.c and import_jobs.c share. Not for other files. */
#ifndef RECORD_IMPORTS_INSIDE_H
#define RECORD_IMPORTS_INSIDE_H

#include "event/block.h"
#include "record/imports.h"
#include "store/tracking.h"

enum import_what { IMPORT_OWN_EVENTS, IMPORT_OWN_SEGMENT, IMPORT_FETCHED, IMPORT_LISTED, IMPORT_RUNS, IMPORT_AGE };

/* Own events by their numbers (as stamps), on their way into the store. */
struct own_events {
    struct block_writer w;
    uint64_t first, last; /* 0: none */
};

struct import_job {
    struct import_job *next;
    enum import_what what;
    struct tracking *tracking;
    struct reporting *reporting;
    char exports_dir[400];
    char serial[SEGMENT_SERIAL], host[256], path[SEGMENT_PATH];
    enum segment_kind kind;
    uint64_t epoch, seq;
    uint64_t max_bytes; /* of figures */
    struct own_events *events;
    struct buf lines; /* LISTED; RUNS: the answer */
    void *from;       /* struct bus_peer */
    unsigned life;
    uint64_t call;
    enum rc rc;
    struct err e;
};

/* import_jobs.c: in the thread pool. */
void import_run(struct import_job *j);

#endif
