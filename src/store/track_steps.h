/*
 * Steps: the events of messages as they are kept for the detail view, in compressed chunks.
 *
 * A chunk is a list of groups, one group a message and batch. Types, numbers and texts are three streams behind one another,
 * so that what is alike lies together; addresses are numbers of words and the subject is that of the row, so neither is
 * kept twice. Reading takes any octets: what does not fit is RC_CORRUPT.
 */
#ifndef STORE_TRACK_STEPS_H
#define STORE_TRACK_STEPS_H

#include "base/arena.h"
#include "event/record.h"

enum { STEPS_CHUNK = 192 << 10, STEPS_RAW_MAX = 64 << 20 };

/* Where texts of rows come from and go to. */
struct steps_words {
    uint64_t (*find)(void *ctx, struct str text);                  /* number of a word, 0 = none */
    struct str (*text)(void *ctx, struct arena *a, uint64_t word); /* its text */
    void *ctx;
};

/* A chunk that grows. */
struct steps_chunk {
    struct buf types, numbers, texts;
    uint64_t icid, dcid, wall, number; /* the last ones, differences are kept */
    size_t groups;
    bool used[EVENT_TYPE_COUNT]; /* types that occur */
};

struct steps_mark {
    size_t types, numbers, texts, groups;
    uint64_t icid, dcid, wall, number;
};

/* Once before anything else, in any thread. */
void steps_init(void);
void steps_chunk_init(struct steps_chunk *c);
void steps_chunk_done(struct steps_chunk *c);
struct steps_mark steps_mark(const struct steps_chunk *c);
void steps_rewind(struct steps_chunk *c, struct steps_mark to);
size_t steps_size(const struct steps_chunk *c);

/* An event as it waits for the end of its batch. */
void steps_pend(struct buf *pending, uint64_t number, const struct event_record *rec);
/* Takes the next one off the front; its texts are views. */
bool steps_pended(struct str *pending, uint64_t *number, struct event_record *rec);
/* The group of a message: everything in `pending`. */
void steps_add(struct steps_chunk *c, const struct steps_words *w, uint64_t src, uint64_t key, uint64_t epoch,
               struct str subject, struct str pending);
/* The compressed form. */
enum rc steps_put(const struct steps_chunk *c, struct buf *out, struct err *e);

/* Calls fn for each event of this message; texts lie in the arena. */
enum rc steps_get(struct str chunk, const struct steps_words *w, struct arena *a, uint64_t src, uint64_t key,
                  struct str subject, void (*fn)(void *ctx, uint64_t epoch, uint64_t number, const struct event_record *rec),
                  void *ctx, struct err *e);

#endif
