/*
 * What one event says about a message: facts of its row, tokens of the index, its last state.
 *
 * Pure but for the numbers of words, which the caller gives. Facts only add up (sets, bits, earliest, latest by number), so
 * any order of the same events ends in the same row.
 */
#ifndef STORE_TRACK_FOLD_H
#define STORE_TRACK_FOLD_H

#include "base/buf.h"
#include "event/record.h"

enum track_flag {
#define TRACK_FLAG(name, word, title) FLAG_##name##_BIT,
#include "spec/track_flags.def"
#undef TRACK_FLAG
    TRACK_FLAG_COUNT
};
#define TRACK_BIT(name) (1ull << FLAG_##name##_BIT)

enum track_state {
#define TRACK_STATE(name, text) STATE_##name,
#include "spec/track_states.def"
#undef TRACK_STATE
    TRACK_STATE_COUNT
};

struct track_info {
    struct str word, title;
};
struct track_info track_flag_info(size_t bit);
struct str track_state_text(uint64_t state);

/* Kinds of rows, in the lowest bits of `src`. */
enum { ROW_MESSAGE, ROW_REJECTED, ROW_REFUSED, ROW_KINDS = 4 };

struct track_row {
    uint64_t id;  /* in its partition; 0 = not stored yet */
    uint64_t key; /* MID; ICID of a rejected connection; number of the event of one that was refused */
    uint64_t src; /* number of the appliance in its partition * ROW_KINDS + kind */
    uint64_t at_ms, flags, bytes, state, last_epoch, last_number;
    uint64_t sender;    /* word */
    struct buf rcpt;    /* varints: RID + 1 (0 = by alias), word */
    struct buf subject; /* as it is */
    struct buf chunks;  /* varints: chunks with its steps, each as difference to the one before */
    struct buf tokens;  /* not in the index yet */
    bool has_sender;
};

struct track_fold {
    /* The number of an address or name; `trigrams`: it can be searched by parts. */
    uint64_t (*word)(void *ctx, struct str text);
    void *ctx;
    bool no_subject;
};

/* The message an event is about: its MID, 0 = none. */
uint64_t track_mid(const struct event_record *rec);
/* It is shown as a step of the message. */
bool track_is_step(const struct event_record *rec);
/* It is no step, but says something that is searched. */
bool track_is_fact(const struct event_record *rec);
void track_fold(const struct track_fold *f, struct track_row *row, uint64_t epoch, uint64_t number,
                const struct event_record *rec);
void track_row_done(struct track_row *row);

#endif
