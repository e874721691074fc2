/*
 * Copies of mail that the manager holds in its Outbreak quarantine (central.md 9, Outbreak copy).
 *
 * A file each, DIR/copies/MID, whole once it has that name: a head of fixed size whose last words change in place, texts,
 * the message. They are for scanning alone: nothing here is ever delivered, and losing one costs nothing but its rescans.
 * Bounded by outbreak.copies_max_bytes (the oldest go first) and by the exit of the message plus outbreak.copies_margin_ms.
 */
#ifndef QUARANTINE_COPIES_H
#define QUARANTINE_COPIES_H

#include "quarantine/inside.h"

struct copy {
    uint64_t mid, bytes;
    uint64_t received_ms; /* by whichever rules it was judged, it was later */
    uint64_t exit_ms;     /* as the manager knows it */
    uint64_t judged_ms;   /* when the manager last heard of a rescan, or no word was needed; 0 = never */
    uint64_t rule;        /* hash of the rule that holds it */
};

/* What a copy is scanned with. */
struct copy_texts {
    struct str policy, sender;
    bool outgoing;
};

enum copy_gone { COPY_LEFT, COPY_UNKNOWN, COPY_OLD, COPY_NO_SPACE, COPY_DAMAGED }; /* event outbreak_copy_gone */

/* Those that were there. Damaged and unfinished ones are removed. */
enum rc copies_open(struct quarantine *q, struct err *e);
void copies_close(struct quarantine *q);
/* Rising by MID. Valid until the next change. */
const struct copy *copies_all(const struct quarantine *q, size_t *n_out);
/* The one with the next larger MID; NULL = none. */
const struct copy *copy_after(const struct quarantine *q, uint64_t mid);
struct copy *copy_find(struct quarantine *q, uint64_t mid);
uint64_t copies_bytes(const struct quarantine *q);
/* A sealed memory descriptor of the message, to close; texts in the arena. RC_CORRUPT: it was damaged. */
enum rc copy_read(struct quarantine *q, const struct copy *c, struct arena *a, struct copy_texts *out, int *fd_out,
                  struct err *e);
/* Sealed memory with a part of a file, to close; its CRC is added to *crc. */
enum rc sealed_part(int from, uint64_t at, uint64_t bytes, uint32_t *crc, int *fd_out, struct err *e);
/* Writes exit, time of judgement and rule back. */
void copy_update(struct quarantine *q, const struct copy *c);
void copy_remove(struct quarantine *q, uint64_t mid, enum copy_gone how);
/* Once in a while: what is too old, or too much. */
void copies_expire(struct quarantine *q, uint64_t now_ms);
uint64_t copy_rule(struct str rule); /* never 0 */

/* rescan.c: a copy has come. */
void rescan_copied(struct quarantine *q, const struct copy *c);

#endif
