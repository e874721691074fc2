/*
 * HOME/push/NAME.state: how far a subscription has been carried away. A few lines of text, replaced as a whole.
 */
#ifndef PUSH_STATE_H
#define PUSH_STATE_H

#include "net/loop.h"
#include "push/follow.h"

enum { PUSHED_MOST = 64, PUSHED_NAME = 300 };

struct push_state {
    /* syslog */
    struct place at;   /* confirmed */
    struct place safe; /* confirmed some seconds before */
    uint64_t clean;    /* written at an orderly end: `at` holds, else `safe` */
    uint64_t lines;    /* sent in all */
    /* files */
    char pushed[PUSHED_MOST][PUSHED_NAME]; /* on their server, not yet unlinked here */
    size_t n_pushed;
    uint64_t files, bytes; /* in all */
    /* both */
    uint64_t ok_ms; /* when something last got through, 0 = never */
};

/* RC_NOT_FOUND without a file; RC_CORRUPT when it is not in this form. */
enum rc push_state_read(const char *path, struct push_state *out, struct err *e);
enum rc push_state_parse(struct str text, struct push_state *out, struct err *e);
void push_state_format(const struct push_state *s, struct buf *out);

/* Writes states in the thread pool, one after the other, the newest last. */
struct saver {
    struct loop *loop;
    char *path;
    struct buf next, writing;
    bool running, again;
    void (*idle)(void *ctx); /* nothing is being written any more; may be NULL */
    void *ctx;
};
void saver_init(struct saver *v, struct loop *loop, const char *path);
void saver_save(struct saver *v, const struct push_state *s);
void saver_done(struct saver *v); /* not while running */

#endif
