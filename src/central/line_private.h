/* What line.c and line_thread.c share. */
#ifndef CENTRAL_LINE_PRIVATE_H
#define CENTRAL_LINE_PRIVATE_H

#include "central/inside.h"

/* A job: the loop's, then its line's, then the loop's again. */
struct line_work {
    struct line_work *next;
    struct line *line;
    enum line_urgency urgency;
    bool hello; /* say it (again) */
    struct dial_own own;
    line_fn *fn;
    line_done *done;
    line_once_done *once_done;
    void *ctx;
    uint64_t ask; /* for its address */
    /* what came out */
    enum rc rc;
    struct err e;
    bool connected, unreached; /* something was answered; there was no connection in the end */
    struct greeting greeting;  /* json: a connection was made for it */
    char *host_key;
    uint64_t bytes;
};

struct line {
    struct line *next;
    struct central *central;
    char *name;
    bool once, told, ready;   /* the loop's */
    struct line_work *asking; /* the loop's: waiting for an address */
    pthread_t thread;
    struct ssh_abort abort;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct line_work *todo, *over;
    bool quit, renew, ended;
    /* the thread's alone */
    struct ssh_line *ssh;
    struct dial_own with; /* of the connection there is */
};

void *line_run(void *line);
void line_append(struct line_work **list, struct line_work *w);

#endif
