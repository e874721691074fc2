/*
 * Questions to directories with bus_wait(). See ldap_ask.h.
 *
 * Called inside the handler of a message. Owns nothing: the answers are the caller's arena's.
 */
#include "bus/ldap_ask.h"

#include "base/must.h"

enum { QUESTIONS_BYTES = 8 << 20 };

struct waiting {
    struct arena *arena;
    const struct ldap_answer *answers;
    size_t n;
    bool over;
};

static void on_reply(void *ctx, enum rc rc, const void *msg)
{
    struct waiting *w = ctx;
    const struct bus_ldap_answers *m = msg;
    struct str copy;

    w->over = true;
    if (rc != RC_OK)
        return;
    copy = arena_str(w->arena, m->answers); /* what was decoded points into it */
    if (!copy.p || ldap_answers_decode(w->arena, copy, &w->answers, &w->n) != RC_OK)
        w->n = 0;
}

static bool is_over(void *ctx)
{
    return ((struct waiting *)ctx)->over;
}

static const struct ldap_answer *none(struct arena *a, size_t n)
{
    struct ldap_answer *list = arena_must_alloc(a, n * sizeof *list);

    for (size_t i = 0; i < n; i++)
        list[i] = (struct ldap_answer){.result = LDAP_TEMPORARY, .why = str_lit("look-up service is not available")};
    return list;
}

const struct ldap_answer *ldap_ask_wait(struct bus *bus, struct arena *a, const struct ldap_question *q, size_t n,
                                        uint64_t timeout_ms)
{
    struct bus_peer *lookup = bus ? bus_peer(bus, ROLE_lookup, 0) : NULL;
    struct waiting w = {.arena = a};
    struct buf b = BUF(QUESTIONS_BYTES);
    uint64_t call;

    must(n > 0 && n <= LDAP_QUESTIONS_MAX);
    ldap_questions_encode(q, n, &b);
    if (lookup && !b.failed) {
        call = bus_call(bus, lookup, BUS_ldap_questions, &(struct bus_ldap_questions){.questions = buf_str(&b)}, timeout_ms,
                        on_reply, &w);
        if (!bus_wait(bus, lookup, timeout_ms, is_over, &w))
            bus_cancel(bus, call);
    }
    buf_done(&b);
    return w.n == n ? w.answers : none(a, n);
}
