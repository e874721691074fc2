/*
 * Reading a log line by line from a stored place on, over roll-overs: saved files first, then the open one, and so on.
 *
 * A place names a file by inode and by a hash of its first octets, so that it is found again after any number of roll-overs
 * (a rename) and is not mistaken for a new file that got a deleted one's inode. Reading never blocks and never waits.
 */
#ifndef PUSH_FOLLOW_H
#define PUSH_FOLLOW_H

#include "base/buf.h"
#include "event/log_name.h"

struct place {
    uint64_t inode;  /* 0 = no place: the beginning of the open file */
    uint64_t head;   /* hash of the first head_n octets */
    uint64_t head_n; /* at most 256; 0 = the file was empty */
    uint64_t offset;
};

struct follower {
    char *dir;
    char stem[LOG_STEM_MAX];
    int fd;          /* -1: nothing opened yet */
    struct place at; /* first octet not given out */
    bool gap;        /* lines were deleted before they were read; the owner takes notice and clears it */
    struct buf ahead;
    size_t used; /* octets of ahead that were given out */
    uint64_t short_since_ms;
};

void follower_init(struct follower *f, const char *dir, struct str stem);
void follower_done(struct follower *f);
/* Goes to a place, or to the beginning of the open file. A place whose file is gone becomes the beginning of the oldest file
 * that is there, and sets `gap`. */
void follower_seek(struct follower *f, const struct place *to);
/* The next whole line without its end; false: nothing more for now. The view holds until the next call. A line beyond 64 KiB
 * comes in pieces. */
bool follower_line(struct follower *f, struct str *line_out);
/* Octets not yet given out, and files beyond the present one, for a status line. */
uint64_t follower_waiting(struct follower *f, uint64_t *files_out);

#endif
