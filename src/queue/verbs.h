/* Operator verbs in the queue: what they share. Only files of queue/ include this. */
#ifndef QUEUE_VERBS_H
#define QUEUE_VERBS_H

#include "mail/envelope.h"
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
    /* verb_walk() */
    const struct slab *slab;
    uint32_t place;
    bool (*each)(struct verb_question *v, uint32_t place);
    void (*walked)(struct verb_question *v);
};

typedef void verb_fn(struct verb_question *v);

/* Runs each(v, i) for the places of a slab from `from` on until it says false, then walked(v); v->place is the next place. A
 * portion of about 2 ms a turn, so that mail goes on meanwhile. */
void verb_walk(struct verb_question *v, const struct slab *slab, uint32_t from,
               bool (*each)(struct verb_question *v, uint32_t place), void (*walked)(struct verb_question *v));
/* Answers of any length go out in parts: a part that is not the last has "next":"TOKEN" first in its json, and the same
 * question with `at TOKEN` behind it gets the part that follows. Takes `at TOKEN` off the arguments; empty when it is not
 * there. Tokens are two numbers. False when the token is none of ours. */
bool verb_take_at(struct verb_question *v, uint64_t *first_out, uint64_t *second_out);

/* Sends text and json, and frees the question. */
void verb_answer(struct verb_question *v, enum rc rc);
/* The same with one line of text. */
void verb_say(struct verb_question *v, enum rc rc, const char *text);
/* The arguments are wrong: control says so and shows the usage. */
void verb_bad_arguments(struct verb_question *v);
/* A line with printf, and the end. */
void verb_sayf(struct verb_question *v, enum rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "Status as of: ..." */
void verb_as_of(struct verb_question *v);
bool verb_arg_is(const struct verb_question *v, size_t i, const char *word);
/* Left in a column of so many octets at least, control characters escaped. */
void verb_text_field(struct buf *out, struct str s, size_t width);
void verb_json_str(struct buf *out, struct str s);

/* Samples (`hostrate`, `workqueue rate`): "next N N ..." behind argument `from` says where the counters stood at the sample
 * before; its json's "next" is what to put there. False when it is not there: the first sample, with a header line. */
bool verb_take_next(struct verb_question *v, size_t from, uint64_t *counters, size_t n);
/* "10:00:06" */
void verb_time_of_day(struct verb_question *v);
/* Head and envelope of a message, in q->scratch, which is emptied before. */
bool verb_read_head(struct verb_question *v, uint32_t message, struct spool_head *head, struct envelope *env);
/* All recipients of a piece are deleted by the operator: journal, log, counters. Not while it is with deliver. */
void verb_delete_piece(struct verb_question *v, uint32_t piece);
bool verb_piece_is_idle(const struct queue *q, uint32_t piece);

/* The verbs, in the files named. */
verb_fn verb_workqueue, verb_suspenddel, verb_resumedel, verb_stopped;              /* verb_state.c */
verb_fn verb_tophosts, verb_hoststatus, verb_hostrate;                              /* verb_hosts.c */
verb_fn verb_showrecipients, verb_deleterecipients, verb_bouncerecipients;          /* verb_recipients.c */
verb_fn verb_redirectrecipients, verb_delivernow;                                   /* verb_recipients.c */
verb_fn verb_showmessage, verb_archivemessage, verb_removemessage, verb_oldmessage; /* verb_message.c */

#endif
