/*
 * The work of role `record`: events of all processes -> text logs and counters, exactly once over crashes.
 *
 * A round, every 100 ms while the board says that event files have news: merge, fold counters, render, one write a log. Once
 * a second the event files and the logs are synced and one state file is replaced: positions in the event files, lengths of
 * the logs, counters. After a kill the logs are cut back to those lengths and everything since is made again. Files that
 * lie behind the state are deleted, and the board says up to when events are on stable storage.
 */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

struct record;

/* Never fails: what the disk refuses is tried again. bus and conf may be NULL in tests; without loop nothing runs by itself:
 * call record_round() and record_save(). */
struct record *record_new(struct loop *loop, struct bus *bus, struct conf_source *conf, struct events *events,
                          struct board *board, const char *home);
void record_free(struct record *r);
/* Waits for a save that is under way, then reads, writes and saves all there is; stopped(ctx) runs once that is done. */
void record_stop(struct record *r, void (*stopped)(void *ctx), void *ctx);

/* One round at this monotonic time. True when another one is needed at once (more to read than one round takes). */
bool record_round(struct record *r, uint64_t now_ns);
/* Asks for a roll-over of one log or all (empty) with the next save. False: no such log. */
bool record_roll_now(struct record *r, struct str name);
/* Syncs and saves now, roll-overs that are due included. */
enum rc record_save(struct record *r, struct err *e);

#endif
