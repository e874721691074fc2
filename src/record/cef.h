/*
 * Consolidated event log (logs.md 11): the events of a message, and of its connections, folded into one line at its end.
 *
 * Memory is bounded: CEF_MESSAGES messages and CEF_CONNECTIONS connections each way; the oldest are forgotten first and
 * counted, their lines then hold what came later only. The fold is saved with the position in the event stream (the newest
 * CEF_SAVED_BYTES of it), so a kill in the middle of a message costs nothing.
 */
#ifndef RECORD_CEF_H
#define RECORD_CEF_H

#include "event/render.h"

enum { CEF_MESSAGES = 50000, CEF_CONNECTIONS = 20000, CEF_SAVED_BYTES = 2 << 20 };

enum cef_key {
#define CEF(key, modern, classic, label, form, initial) CEF_##key,
#include "spec/cef.def"
#undef CEF
    CEF_KEYS
};

/* What is known of one message or connection. */
struct cef_item {
    struct cef_item *chain, *older, *newer;
    uint64_t id, start_ms;
    char *values[CEF_KEYS]; /* NULL: nothing yet */
    char *spf[3];           /* mailfrom, helo, pra: parts of the SPF value */
    char *bounce;           /* why a recipient got it back */
    bool delivered, split, dropped, aborted;
};

/* How the line is written. */
struct cef_form {
    bool classic;
    struct str model, serial;
    struct strs keys; /* those that are written (either dialect's name); none = all */
};

struct cef;

struct cef *cef_new(void);
void cef_free(struct cef *c);
/* Folds an event. When it ends a message, true, and the line (with its date, without line end) is added to out. */
bool cef_take(struct cef *c, const struct cef_form *form, const struct event_record *ev, struct buf *out);
/* Messages that were forgotten before their end. */
uint64_t cef_forgotten(const struct cef *c);

void cef_save(const struct cef *c, struct buf *out);
bool cef_restore(struct cef *c, struct str *in);

/* cef_line.c: the line of a finished message. */
void cef_line(const struct cef_form *form, const struct cef_item *m, uint64_t end_ms, struct buf *out);

/* cef_items.c: items by number, the oldest forgotten beyond `most`. */
struct cef_items {
    struct cef_item **slots;
    struct cef_item *oldest, *newest;
    size_t n, most;
    uint64_t forgotten;
};
void cef_items_init(struct cef_items *t, size_t most);
void cef_items_done(struct cef_items *t);
struct cef_item *cef_items_find(const struct cef_items *t, uint64_t id);
/* Makes it when it is not there. */
struct cef_item *cef_items_get(struct cef_items *t, uint64_t id);
void cef_items_remove(struct cef_items *t, uint64_t id);
void cef_items_save(const struct cef_items *t, size_t most_bytes, struct buf *out);
bool cef_items_restore(struct cef_items *t, struct str *in);
/* Replaces *to by a copy. */
void cef_set(char **to, struct str value);

#endif
