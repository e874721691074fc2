/*
 * DNS questions of a conversation: asked all at once, the conversation sleeps until the answers are there.
 *
 * Called by the steps that need names (connect, sender check). The answers lie in the conversation's arena. A conversation
 * that ends cancels what it asked. Never fails: what is not known is DNS_TEMPORARY.
 */
#include "receive/inside.h"

void names_question(struct asking *a, uint64_t type, struct str name)
{
    if (a->n < NAMES_QUESTIONS)
        a->questions[a->n++] = (struct dns_question){type, name};
}

static void copy(struct asking *a, size_t i, const struct dns_answer *from)
{
    struct arena *arena = &a->conversation->arena;
    struct dns_record *records = arena_array(arena, struct dns_record, from->n);
    struct dns_answer to = *from;

    to.question = a->questions[i];
    to.why = STR_NONE;
    to.records = records;
    if (!records) {
        to.n = 0;
        to.result = DNS_TEMPORARY;
    }
    for (size_t k = 0; k < to.n; k++)
        records[k] = (struct dns_record){arena_str(arena, from->records[k].data), from->records[k].preference};
    a->answers[i] = to;
}

static void answered(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct asking *a = ctx;

    for (size_t i = 0; i < a->n; i++) {
        if (i < n)
            copy(a, i, &answers[i]);
        else
            a->answers[i] = (struct dns_answer){.question = a->questions[i], .result = DNS_TEMPORARY};
    }
    a->ask = 0;
    if (a->waiting)
        conversation_resume(a->conversation);
    a->waiting = false;
}

bool names_ask(struct asking *a, uint64_t timeout_ms)
{
    a->waiting = false;
    a->ask = dns_ask(a->asker, a->questions, a->n, timeout_ms, answered, a);
    a->waiting = a->ask != 0;
    return !a->waiting;
}

void names_cancel(struct asking *a)
{
    if (a->ask)
        dns_ask_cancel(a->asker, a->ask);
    a->ask = 0;
    a->waiting = false;
}
