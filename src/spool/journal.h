/*
 * The queue's journal: entries of state changes, written once a turn, synced every 100 ms while dirty (B2, C10).
 *
 * An entry is (kind, octets); what it means is the queue's business. The entries of one turn form a group with one CRC: all
 * of a group or nothing comes back. Rotation at 64 MiB: the new file begins with what `checkpoint` gives, one table a turn;
 * the old files go when the checkpoint is complete and synced. Entries of ordinary changes lie between the tables, so an
 * entry must set state, not add to it, and one about something that no table named yet is without effect.
 *
 * Files: DIR/journal/NNNNNNNN, one more at each start and rotation. A failed sync ends the use of that file: what was not
 * known to be synced is written again to a new one; entries carry sequence numbers, so replay takes each once.
 */
#ifndef SPOOL_JOURNAL_H
#define SPOOL_JOURNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

struct journal;

typedef void journal_entry_fn(void *ctx, uint64_t kind, struct str octets);

struct journal_options {
    const char *dir;        /* HOME/spool */
    uint64_t rotate_bytes;  /* 64 MiB; 4 in the lab */
    uint64_t reserve_bytes; /* DIR/reserve, given up when the disk is full so that the journal goes on (I3); 0 = none */
    /* Adds entries for the next part of the whole state with journal_add(); false when there is no more. NULL = never
     * rotate. */
    bool (*checkpoint)(void *ctx, struct journal *j, bool first);
    /* Entries cannot be made safe: the queue must stop acknowledging and alert. They are kept in memory and tried again
     * every second; journal_ok() is true again when that worked. Called once each time it begins. May be NULL. */
    void (*failed)(void *ctx, enum rc rc, const struct err *e);
    void *ctx;
};

/* Replays everything through `entry`, then opens a fresh file for writing. A torn group at the end is dropped; *torn_out
 * says so. */
struct journal *journal_open(struct loop *loop, const struct journal_options *o, journal_entry_fn *entry, bool *torn_out,
                             struct err *e);
void journal_close(struct journal *j);
/* One more entry of this turn's group; written in PHASE_STORE. */
void journal_add(struct journal *j, uint64_t kind, struct str octets);
/* Calls done(ctx, rc) once everything added before now is synced (at once in the next pool turn, not after 100 ms). */
void journal_sync(struct journal *j, void (*done)(void *ctx, enum rc rc), void *ctx);
/* Sequence number of the newest entry, and of the newest that is known to be synced. */
uint64_t journal_added(const struct journal *j);
uint64_t journal_synced(const struct journal *j);

bool journal_ok(const struct journal *j);

#endif
