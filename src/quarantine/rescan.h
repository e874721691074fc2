/* What the files about rescans share: rescan.c (what is scanned when), verdicts.c (what the manager is told). */
#ifndef QUARANTINE_RESCAN_H
#define QUARANTINE_RESCAN_H

#include "quarantine/copies.h"

enum { VERDICTS_MAX = 200, VERDICT_RULE = 100 };

/* A new verdict on a message that the manager holds. */
struct verdict {
    uint64_t mid, exit_ms, scanned_ms;
    bool clean;
    char rule[VERDICT_RULE]; /* the one that fits it best; empty = none does any more */
};

struct rescan {
    uint64_t rules;         /* hash of the rules in force */
    uint64_t since_ms;      /* they are; what was judged before is scanned again. 0 = always */
    uint64_t local_done_ms; /* all that is held here was scanned by the rules of that time */

    uint64_t local_at, copy_at; /* the last looked at */
    unsigned worker;            /* the next to ask */
    struct loop_timer timer;
    struct scanning {
        bool on, local;
        uint64_t id;         /* of the message (local) or its MID */
        uint64_t quarantine; /* local */
        uint64_t exit_ms, received_ms, rule, begun_ms, bytes;
        unsigned tries;
        uint64_t call;
        int fd;
        struct arena arena;
        struct copy_texts texts;
    } now;

    /* verdicts.c */
    struct verdict out[VERDICTS_MAX];
    size_t n_out, sent; /* sent: the first so many are under way */
    uint64_t out_call, wait_ms;
    struct loop_timer out_timer;
};

/* Room for another? */
bool verdicts_room(const struct quarantine *q);
bool verdicts_has(const struct quarantine *q, uint64_t mid);
void verdicts_add(struct quarantine *q, const struct verdict *v);
/* Rules have changed again: what was not sent is not worth it any more. */
void verdicts_forget(struct quarantine *q);
void verdicts_close(struct quarantine *q);

#endif
