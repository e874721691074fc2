/*
 * One partition of the tracking store: a SQLite file with the messages of a day, or a million of them.
 *
 * `m` has a row a message, in about the order of receipt; `f` is the index of their tokens (track_tokens.h); `w` has every
 * address and name once, `d` the index of its trigrams; `c` the chunks of steps. Only the writer changes what is here; what
 * searches need to choose partitions (struct track_sum) is guarded by the store's lock.
 */
#ifndef STORE_TRACK_PART_H
#define STORE_TRACK_PART_H

#include "db/sql.h"
#include "store/cover.h"
#include "store/track_fold.h"
#include "store/track_steps.h"

enum { PART_NAME = 24, PART_PATH = 512, DAY_MS = 86400000, PART_SOURCES = 4096 };

enum track_statement {
#define STATEMENT(name, text) T_##name,
#include "store/track_part.def"
#undef STATEMENT
    TRACK_STATEMENTS,
    TRACK_READER_STATEMENTS = T_src_list + 1
};
enum track_column {
    M_id,
    M_mid,
    M_src,
    M_at, /* milliseconds after the begin of the partition's day; may be negative */
    M_sender,
    M_rcpt,
    M_subject,
    M_flags,
    M_bytes,
    M_state,
    M_epoch,
    M_last,
    M_chunks
};

struct part_range {
    uint64_t low, high; /* keys of rows; low > high: none */
};
struct part_source {
    uint64_t id;
    char *serial, *host;
    struct part_range range[ROW_KINDS];
};

/* What is known of a partition without opening it. */
struct track_sum {
    uint64_t rows, min_ms, max_ms, bytes;
    uint64_t low, high; /* keys of its rows */
    /* No row is this much older than one that was stored before it: a search downwards may stop so much after its last. */
    uint64_t late_ms;
};

struct part_word {
    uint64_t hash, id;
};

struct track_part {
    char name[PART_NAME], path[PART_PATH];
    uint64_t day;                /* days since 1970 */
    struct track_sum sum, shown; /* the writer's; as of the last commit, guarded by the store's lock */
    struct part_source *sources;
    size_t n_sources;

    /* the writer's, while it is open */
    bool open, batch, damaged;
    struct sql sql;
    struct part_word *words; /* a cache */
    uint64_t last_word, last_row, last_chunk, seed;
    struct steps_chunk chunk;
    uint64_t chunk_id; /* of `chunk` when it is stored and may grow */
    struct steps_mark before;
    struct buf scratch, tokens;
    uint64_t used;      /* when, for closing the oldest */
    uint64_t fresh;     /* rows that this batch adds */
    uint64_t source;    /* number of the appliance of this batch, 0 = not looked up yet */
    struct cover known; /* what this batch need not do again here */
};

/* Reads what is known of a file; makes it when it is new. */
enum rc part_load(struct track_part *p, const char *dir, const char *name, struct err *e);
void part_free(struct track_part *p);
/* Mode and schema of connections that write and read. */
enum rc part_connect(struct sql *s, const char *path, bool read_only, struct err *e);
enum rc part_open(struct track_part *p, struct err *e);
void part_close(struct track_part *p);
/* One posting list a token: once nothing more comes, since it takes seconds. */
void part_tidy(struct track_part *p);

/* Its transaction begins; nothing happens when it has. */
enum rc part_begin(struct track_part *p, struct err *e);
/* `covered`: numbers of this epoch that are in everywhere; the file remembers them. */
enum rc part_commit(struct track_part *p, uint64_t src, uint64_t epoch, const struct cover *covered, struct err *e);
/* Everything since part_begin() has not happened. */
void part_abandon(struct track_part *p);

struct part_source *part_source(struct track_part *p, struct str serial); /* NULL: none */
struct part_source *part_source_add(struct track_part *p, struct str serial, struct str host);
bool part_covered(struct track_part *p, uint64_t src, uint64_t epoch, struct cover *out);
uint64_t part_word(struct track_part *p, struct str text, bool add); /* 0 = not there */
bool part_row_find(struct track_part *p, uint64_t key, uint64_t src, struct track_row *out);
/* Stores a row with its new tokens and steps; rows of a batch come by ascending id, a new one (id 0) gets the next.
 * stored_ms: its time of receipt as it was stored, 0 = not stored. */
void part_row_put(struct track_part *p, struct track_row *row, uint64_t stored_ms, uint64_t epoch, struct str pending);

/* The row under a statement that selects all columns of m. */
void part_row_read(sqlite3_stmt *st, uint64_t day, struct track_row *out);

#endif
