/* What the files of the tracking store share. Not for other rooms. */
#ifndef STORE_TRACKING_INSIDE_H
#define STORE_TRACKING_INSIDE_H

#include "store/track_part.h"
#include "store/tracking.h"

#include <pthread.h>

enum { HASH_SLOTS = 1 << 14, READERS_MOST = 128, WRITERS_KEPT = 4, PARTITION_ROWS = 1000000 };

enum catalog_statement {
#define STATEMENT(name, text) C_##name,
#include "store/track_catalog.def"
#undef STATEMENT
    CATALOG_STATEMENTS
};

/* What was imported of one epoch of an appliance. */
struct track_epoch {
    char *serial;
    uint64_t appliance, epoch; /* appliance: its number in the catalog */
    struct cover cover;
};

/* A row that this batch touches. */
struct batch_row {
    struct track_row row;
    struct track_part *part;
    uint64_t kind, stored_ms;
    struct buf pending; /* steps */
    struct batch_row *next;
};

/* A connection: its events go to each of its messages, whichever comes first. */
enum { CONN_IN, CONN_OUT };
struct batch_conn {
    uint64_t kind, id;
    uint64_t begin, end; /* numbers of its first and last event + 1; 0 = not seen */
    struct buf rows;     /* varints: key * ROW_KINDS + kind */
    struct buf events;   /* as steps_pend() writes them */
    bool stored, changed;
    struct batch_conn *next;
};

struct track_reader {
    struct sql sql;
    char name[PART_NAME];
    bool busy;
};

struct tracking {
    char dir[PART_PATH - PART_NAME - 8];
    struct tracking_options given, options; /* as last set, under the lock; those of the batch */
    struct sql catalog;
    struct track_epoch *epochs;
    size_t n_epochs;

    pthread_mutex_t lock; /* of the list and of `shown` in it, and of the readers */
    struct track_part **parts;
    size_t n_parts; /* by name */
    struct track_reader *readers[READERS_MOST];
    uint64_t uses;

    /* the batch */
    bool batch;
    char *serial, *host;
    size_t epoch; /* in epochs */
    enum rc rc;
    struct err err;
    struct cover added; /* numbers given in this batch */
    struct batch_row **rows;
    struct batch_conn **conns;
    uint64_t day, forgot_day;   /* latest of its events; when old connections were last forgotten */
    struct track_part *current; /* whose words the fold asks for */
    uint64_t high[ROW_KINDS];   /* highest key of this appliance in any partition */
    struct buf scratch;
};

/* tracking.c */
struct track_part *tracking_part_for(struct tracking *t, uint64_t wall_ms, struct err *e);
void tracking_close_some(struct tracking *t, size_t keep);
void tracking_quota(struct tracking *t);
/* Partitions that were found damaged: what they hold is out of reach, mail that comes is tracked. */
void tracking_aside(struct tracking *t);

/* track_conn.c: connections of the batch */
/* An event of a connection, or one that ties a message to it. */
void conn_take(struct tracking *t, uint64_t number, const struct event_record *rec);
void conn_link(struct tracking *t, uint64_t kind, uint64_t id, uint64_t key, uint64_t row_kind, uint64_t number,
               uint64_t wall_ms);
/* The event of a message that names its connection: its begin, the start of a delivery. */
void conn_tie(struct tracking *t, uint64_t mid, uint64_t number, const struct event_record *rec);
void conns_store(struct tracking *t, const struct cover *covered);
void conns_forget(struct tracking *t);

/* track_batch.c */
/* The row of a message, found or made; NULL when the batch has failed. */
struct batch_row *batch_row(struct tracking *t, uint64_t key, uint64_t kind, uint64_t wall_ms);
/* Whether the event with this number has done its work on that row already (a batch that was cut between two files). */
bool batch_row_has(struct tracking *t, const struct batch_row *row, uint64_t number);
void batch_apply(struct tracking *t, struct batch_row *row, uint64_t number, const struct event_record *rec);

/* track_reader.c: connections that read */
struct track_reader *reader_take(struct tracking *t, const char *name, struct err *e);
void reader_give(struct tracking *t, struct track_reader *r);
void readers_forget(struct tracking *t, const char *name); /* NULL: all */

#endif
