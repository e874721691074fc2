/* What ask.c and ask_canned.c share. Not for other rooms. */
#ifndef BUS_ASK_INSIDE_H
#define BUS_ASK_INSIDE_H

#include "bus/ask.h"
#include "mail/dns_cache.h"

enum { ASK_CACHE = 4096, ASK_KEEP_MS = 60000, ASK_ARENA = 4 << 20 };

/* One asked step: its questions, the answers so far, where the missing ones go. */
struct ask {
    struct ask *next, *prev;
    struct dns_asker *asker;
    uint64_t number; /* the bus call, or an own number when canned */
    struct arena arena;
    const struct dns_question *questions;
    struct dns_answer *answers;
    size_t n;
    size_t *missing; /* indices of answers that lookup gives */
    size_t n_missing;
    dns_answers_fn *fn;
    void *ctx;
};

struct dns_asker {
    struct bus *bus;
    struct loop *loop;
    struct ask *asks;
    struct dns_cache *cache;
    char *zone; /* canned records */
    bool zone_later;
    uint64_t canned_number;
};

/* Gives the caller its answers and ends the ask. */
void ask_finish(struct ask *ask);
/* The answer of the canned zone to one question. */
void ask_canned_answer(struct ask *ask, size_t i);

#endif
