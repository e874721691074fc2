/* Inside of the writer, shared by writer.c, group.c, prepare.c and body.c. Only spool/ includes this. */
#ifndef SPOOL_WRITER_H
#define SPOOL_WRITER_H

#include "spool/segment.h"
#include "spool/transaction.h"

#include <sys/uio.h>

enum { GROUP_RECORDS = 64, GROUP_BYTES = 4 << 20, GROUP_WAIT_MS = 2, RECENT_MS = 50 };
enum {
    BODY_START = 64 * 1024,
    BODY_CHUNK = 64 * 1024,
    BODY_CHUNKS = 4,
    BODY_SPILL_EARLY = 16 * 1024,
    FREE_LEAST = 4,
    FREE_MOST = 16,
    SEGMENT_LEAST = 2 << 20
};
static const uint64_t BODY_MEMORY = 64 << 20, BODY_FLUSH = 8 << 20;

struct chunk {
    char *p;
    size_t n, cap;
};

struct spool_body {
    struct spool_writer *w;
    struct chunk chunks[1 + BODY_CHUNKS]; /* [0] is the start, at most 64 KiB, kept when the rest goes to the file */
    unsigned n_chunks;
    uint64_t bytes;
    uint32_t crc;
    int fd;                    /* -1 = all in memory */
    uint64_t temp;             /* number in the temporary name */
    uint64_t written, flushed; /* octets in the file; of these handed to the disk */
};

/* A record on its way. Header and envelope lie in `head`, ready for the disk but for the place-bound fields. */
struct item {
    struct item *next;
    struct spool_body *body;
    struct spool_writer *w;
    spool_done_fn *done;
    void *ctx;
    struct spool_ref ref;
    uint64_t bytes;            /* on disk, padded */
    enum rc rc;                /* of what was done before it joined a group */
    bool adopted;              /* big body that exists already: never removed on failure */
    struct record_header head; /* envelope follows */
};

struct items {
    struct item *first, *last;
    unsigned n;
    uint64_t bytes;
};

/* One group under way in the pool. Touched by the pool between loop_work and its done callback. */
struct group {
    struct items items;
    struct iovec iov[GROUP_RECORDS * (3 + BODY_CHUNKS) + 2];
    int n_iov;
    int fd;
    uint64_t offset, bytes;
    enum rc rc;
    struct err err;
};

enum writer_state { WRITER_IDLE, WRITER_COMMITTING, WRITER_VOIDING, WRITER_VOID_COMMITTING };

struct spool_writer {
    struct loop *loop;
    struct board *board;
    struct spool_options o;
    char dir[SPOOL_PATH - 64];
    spool_closed_fn *closed;
    void *ctx;
    struct transactions transactions;
    struct items waiting; /* for the next group */
    struct items refused; /* never written: their callbacks are due */
    uint64_t first_ms;    /* when the first of these came */
    struct segment open, spare;
    enum writer_state state;
    struct group group;
    struct items limbo; /* of a group that failed, until its void record is safe */
    struct spool_void pending_void;
    enum rc limbo_rc;
    struct {
        struct record_header head;
        unsigned char what[VOID_BYTES];
        char pad[RECORD_ALIGN - VOID_BYTES];
    } void_record;
    struct prepare {
        bool busy, quick, take;
        uint64_t id, generation;
        struct segment made;
        enum rc rc; /* of the last one that ended */
        struct err err;
    } prepare;
    uint64_t free_ids[FREE_MOST];
    size_t n_free, reserved;        /* places taken, and promised to pool jobs */
    uint64_t failed_ids[FREE_MOST]; /* segments with a failed write or sync: never used again, a ring */
    unsigned n_failed;
    unsigned jobs;           /* pool jobs under way beside the group and the preparation */
    uint64_t retry_ms;       /* after a failed preparation: not before */
    struct loop_timer timer; /* wakes the loop for the end of the window and for retries */
    bool ending;
    uint64_t memory; /* octets of bodies in memory */
    uint64_t temps;
    uint64_t syncs, records;
    uint64_t space_ms, space; /* cached statvfs */
};

void items_init(struct items *l);
void items_add(struct items *l, struct item *it);
struct item *items_take(struct items *l);

/* body.c: all of it into its file (loop); that synced and under its name (pool); the octets in memory as vectors. */
enum rc body_flush(struct spool_body *b, struct err *e);
int body_iov(const struct spool_body *b, struct iovec *out);
enum rc body_finish_file(struct spool_body *b, uint64_t mid, struct err *e);
void body_sweep(const struct spool_writer *w);

/* prepare.c: starts making or taking the spare segment. False when it cannot now and nothing is under way: prepare.rc says
 * why. */
bool prepare_start(struct spool_writer *w, bool urgent);

/* group.c: starts what can be started now; hook of PHASE_STORE. */
void group_drive(void *writer);
void group_close_open(struct spool_writer *w);

/* writer.c: calls back every item and frees it (rc RC_OK or the failure; an item's own rc goes before). */
void writer_finish(struct spool_writer *w, struct items *l, enum rc rc);
void writer_wake(struct spool_writer *w, uint64_t in_ms);

#endif
