/*
 * Operator verbs in the quarantine: what they share. Only files of quarantine/ include this.
 */
#ifndef QUARANTINE_VERBS_H
#define QUARANTINE_VERBS_H

#include "quarantine/search.h"

enum { VERB_ARGS = 1100, VERB_TEXT_MAX = 48 << 20 };

/* One question of control; answered once, by question_answer(). */
struct question {
    struct quarantine *q;
    struct bus_peer *from;
    uint64_t call;
    struct arena arena;
    bool spam; /* spamquarantine */
    struct str args[VERB_ARGS];
    size_t n_args, next; /* next = the first that was not looked at */
    struct str user;
    struct buf text, json;
    bool as_json;
    /* a decision on many messages goes on in portions */
    struct question *following;
    struct loop_timer timer;
    void *state;
    bool pending;
};

enum rc question_list(struct question *v);    /* verb_list.c */
enum rc question_search(struct question *v);  /* verb_list.c */
enum rc question_count(struct question *v);   /* verb_act.c: how many an action would meet */
enum rc question_show(struct question *v);    /* verb_show.c */
enum rc question_release(struct question *v); /* verb_act.c */
enum rc question_delete(struct question *v);
enum rc question_delay(struct question *v);
enum rc question_move(struct question *v);
enum rc question_copy(struct question *v);
enum rc question_status(struct question *v); /* verb_list.c: pvoconfig */

enum rc question_outbreak_status(struct question *v); /* verb_outbreak.c */
enum rc question_outbreak_update(struct question *v);

/* Answers and frees it; only for a question that was left pending. */
void question_answer(struct question *v, enum rc rc);
/* Adds a line of text and returns rc. */
enum rc question_say(struct question *v, enum rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* May this user see and decide mail of a quarantine (central.md 9)? */
bool question_may(const struct question *v, const struct conf_quarantine *row);
bool question_may_spam(const struct question *v);
bool question_is_administrator(const struct question *v);
/* Reads the words from v->next on; quarantines are those the user may see. RC_NOT_PERMITTED when he named another. */
enum rc question_words(struct question *v, struct search *s);
/* The quarantines of a message, one row each. */
struct hold_line {
    uint64_t quarantine, exit, action, entered, kind, state;
    struct str name, reason, rule;
    bool visible; /* to this user */
};
size_t question_holds(struct question *v, uint64_t message, struct hold_line *out, size_t most);
/* An entry of the spam quarantine. */
struct entry_line {
    uint64_t id, message, exit, received, size, state;
    struct str recipient;
};
bool question_entry(struct question *v, uint64_t id, struct entry_line *out);
/* "Sat Nov 21 10:00:06 2026"; "never" far away, "-" for 0. */
void question_time(struct buf *out, uint64_t ms);

#endif
