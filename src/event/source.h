/*
 * The event files of one process, read one after the other from a position. Private to the room: merge.c is the caller.
 */
#ifndef EVENT_SOURCE_H
#define EVENT_SOURCE_H

#include "event/block.h"

enum { SOURCE_NAME = 48, SOURCE_CHUNK = 1 << 20 };

struct event_source {
    char name[SOURCE_NAME]; /* "queue.0" */
    uint64_t number;        /* file that is being read, NAME.number.ev; 0: none yet */
    uint64_t next;          /* the file after it, 0: none, so this one may still grow */
    int fd;                 /* -1: not open */
    struct event_file_header file;
    bool foreign;    /* of another run of the machine */
    uint64_t offset; /* where in the file buf begins: always a block's begin */
    struct buf buf;
    size_t at; /* block that is being read, in buf */
    struct block block;
    bool in_block;
    uint64_t given;          /* events of that block already given out (or to be skipped) */
    struct block_event head; /* the next event, not given yet */
    bool has_head;
    uint64_t size, synced;                           /* octets of the file: seen, on stable storage */
    uint64_t saved_number;                           /* `number` when the state was last saved */
    uint64_t wanted_id, wanted_offset, wanted_given; /* restored position, used when the file fits */
    uint64_t damaged;                                /* octets skipped since the last report */
};

void source_init(struct event_source *s, struct str name);
void source_done(struct event_source *s);
/* New octets may be there: forgets what was looked at but not given. */
void source_refresh(struct event_source *s, const char *dir, uint64_t boot);
/* Makes s->head the next event. False at the end of what is there; *finished_out: and the file has a successor. */
bool source_head(struct event_source *s, bool *finished_out);
/* The head was given out. */
void source_give(struct event_source *s);
/* Goes on to file `number`. Returns the old descriptor when its octets are not all synced (the caller's now), else -1. */
int source_advance(struct event_source *s, uint64_t number);

#endif
