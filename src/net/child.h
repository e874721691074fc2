/*
 * A program of others that a role starts and keeps alive: snmpd, chronyd. And programs run once for their output: chronyc.
 *
 * The child dies with the role (PR_SET_PDEATHSIG), has /dev/null as input and one pipe for both outputs, and inherits no
 * other descriptor. It gets the environment of its struct child_program and nothing else. When a supervised one ends it is
 * started again after 100 ms, doubled up to 30 s while it lives shorter than 10 s each time.
 */
#ifndef NET_CHILD_H
#define NET_CHILD_H

#include "net/loop.h"

enum { CHILD_WORDS = 24 };

/* Words and environment end with NULL; copied by child_start(). words[0] is an absolute path. */
struct child_program {
    const char *words[CHILD_WORDS];
    const char *environment[8];
};

struct child_events {
    void (*prepare)(void *ctx);               /* just before each start, when none runs; may be NULL */
    void (*line)(void *ctx, struct str line); /* of its output, without the line end; may be NULL */
    void (*began)(void *ctx, int pid);        /* may be NULL */
    /* It ended by itself (not by child_stop() or child_start()): "ended with status 1"; the last line it said. May be NULL.
     */
    void (*died)(void *ctx, const char *how, struct str last_line, uint64_t restart_ms);
};

struct child;

struct child *child_new(struct loop *l, const struct child_events *events, void *ctx);
/* Starts it; one that runs is ended first (SIGTERM, SIGKILL after 2 s). */
void child_start(struct child *c, const struct child_program *program);
/* Ends it for good; stopped(ctx) (may be NULL) runs once it is gone, at once when none runs. */
void child_stop(struct child *c, void (*stopped)(void *ctx), void *ctx);
int child_pid(const struct child *c); /* 0 = none runs now */
uint64_t child_deaths(const struct child *c);
/* Kills what runs, at once. */
void child_free(struct child *c);

/* Runs a program once, at most timeout_ms; done(ctx, status, output) once: status 0 = it ended well, output at most 64 KiB.
 * A child_run that is out when the loop ends is forgotten. */
void child_run(struct loop *l, const struct child_program *program, uint64_t timeout_ms,
               void (*done)(void *ctx, int status, struct str output), void *ctx);

#endif
