/* Operator verbs in the queue: what they share. Only files of queue/ include this. */
#ifndef QUEUE_VERBS_H
#define QUEUE_VERBS_H

#include "queue/state.h"

enum { VERB_ARGS = 64, VERB_TEXT_MAX = 32 << 20 };

/* One question of control; ends with verb_answer(). */
struct verb_question {
    struct queue *q;
    struct bus_peer *from;
    uint64_t call;
    struct arena arena; /* arguments */
    struct str args[VERB_ARGS];
    size_t n_args;
    struct str user;
    struct buf text, json;
    bool changed; /* the journal is synced before the answer (B2) */
    enum rc rc;
    struct loop_timer timer;
    void *state; /* the verb's own, in the arena */
    struct verb_question *next;
};

typedef void verb_fn(struct verb_question *v);

/* Sends text and json, and frees the question. */
void verb_answer(struct verb_question *v, enum rc rc);
/* The same with one line of text. */
void verb_say(struct verb_question *v, enum rc rc, const char *text);
/* "Status as of: ..." */
void verb_as_of(struct verb_question *v);
bool verb_arg_is(const struct verb_question *v, size_t i, const char *word);
void verb_json_str(struct buf *out, struct str s);

verb_fn verb_workqueue, verb_suspenddel, verb_resumedel, verb_tophosts, verb_hoststatus;
verb_fn verb_showrecipients, verb_deleterecipients, verb_bouncerecipients, verb_redirectrecipients, verb_delivernow;
verb_fn verb_showmessage;

#endif
