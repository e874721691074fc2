/* Messages that queue makes: notifications, mail of our own, what verdicts split off or copy, what leaves quarantine. */
#ifndef QUEUE_MADE_H
#define QUEUE_MADE_H

#include "queue/state.h"

/* ---- made.c: messages that queue makes itself ----------------------------------------------------------------------- */
struct envelope;
struct made {
    struct queue *q;
    /* RC_OK: on stable storage, known and journaled this turn; say so and let it go. Else nothing was stored. Once. */
    void (*stored)(void *ctx, enum rc rc, uint32_t message);
    void *ctx;
    bool later;     /* not journaled: entry_known() is the caller's; until then a crash forgets it */
    uint64_t mid;   /* 0 = made_...() takes a new one */
    uint64_t bytes; /* set by made_...() */
};
/* Takes a new MID and writes the message; body and outgoing of the envelope are set here. Not RC_OK: `stored` will not run.
 */
enum rc made_store(struct made *m, struct envelope *env, struct str text);
/* The same with the body of a message that is in the spool, or of a file, unchanged. */
enum rc made_copy(struct made *m, const struct envelope *env, const struct spool_head *head);
enum rc made_file(struct made *m, const struct envelope *env, int fd, uint64_t offset, uint64_t bytes);

/* ---- verdict.c: what scan decided --------------------------------------------------------------------------------------
 */
struct bus_scan_verdict;
struct judged;
/* The message is off the worker's windows. Acts on the verdict now, or once the messages it makes are stored. */
void verdict_take(struct queue *q, uint32_t message, const struct bus_scan_verdict *v);
/* All recipients go to this destination, in as few pieces as can be; journaled. */
void verdict_send_to(struct queue *q, uint32_t message, struct str destination);
/* How a message that queue made begins: start, sender, recipients, ready. `env` as it was stored. */
void made_say(struct queue *q, const struct made *m, const struct envelope *env);
void verdicts_done(struct queue *q);

/* ---- release.c: messages that leave quarantine ------------------------------------------------------------------------ */
struct release;
void release_init(struct queue *q);
void releases_done(struct queue *q);

/* ---- own.c: mail of our own for other roles --------------------------------------------------------------------------- */
struct own_mail;
void own_init(struct queue *q);
void own_done(struct queue *q);

#endif
