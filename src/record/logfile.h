/*
 * One text log on disk: DIR/STEM.current, and DIR/STEM.@YYYYMMDDThhmmss.s after a roll-over (logs.md 13).
 *
 * Lines gather in `out` and are written once a round. The state (start, length) is saved with the position in the event
 * stream; opening with a state cuts the file back to that length, so lines written after it are made again, none twice.
 * A roll-over is announced in the state before it is done (`roll_to`), and finished at opening when it was cut short.
 */
#ifndef RECORD_LOGFILE_H
#define RECORD_LOGFILE_H

#include "base/buf.h"
#include "base/err.h"

enum { LOGFILE_BUFFER = 64 << 20, LOGFILE_STEM = 112 };

/* Where a file stands; 0 in start_s = unknown. */
struct logfile_state {
    uint64_t start_s;   /* when the open file began: seconds UTC, part of its later name */
    uint64_t length;    /* octets of the open file */
    uint64_t roll_to_s; /* start of the next file while a roll-over is under way, else 0 */
};

struct logfile {
    char *dir;
    char stem[LOGFILE_STEM];
    int fd; /* -1: could not be opened; tried again at the next write */
    struct logfile_state state;
    struct buf out;
    bool unsynced;
    /* Adds the first or the last lines of a file to out (ctx of the owner); NULL: none. */
    void (*first_lines)(void *ctx, struct buf *out);
    void (*last_line)(void *ctx, struct buf *out);
    void *ctx;
};

/* `dir` is made when it is missing; `stem` without directory parts. Call logfile_open() next. */
void logfile_init(struct logfile *l, const char *dir, struct str stem);
void logfile_done(struct logfile *l);

/* Opens with a saved state, or (NULL) goes on at the end of what is there. */
enum rc logfile_open(struct logfile *l, const struct logfile_state *saved, struct err *e);
/* Writes out; on failure cuts the file back to its length and keeps the lines for the next try. */
enum rc logfile_write(struct logfile *l, struct err *e);

/* A roll-over in two steps: name the next file, save the state, then do it. */
void logfile_roll_begin(struct logfile *l, uint64_t now_s);
enum rc logfile_roll(struct logfile *l, struct err *e);
/* Deletes the oldest saved files beyond `most`; returns how many. */
size_t logfile_prune(const struct logfile *l, size_t most);

#endif
