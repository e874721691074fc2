/*
 * Verbs for other roles (bus verb_run): web asks for a user, snmp for itself.
 *
 * Called over the bus. Owns nothing but what waits for its answer. A role that speaks for itself (no user) may only see:
 * what changes anything needs a user's word. The asker that died gets nothing.
 */
#include "admin/verbs.h"

#include "base/must.h"

#include <stdlib.h>

enum { WORDS_MAX = 64 };

struct running {
    struct admin *admin;
    enum role role;
    unsigned index, life;
    uint64_t call;
};

static void answer(struct running *r, enum rc rc, struct str text, struct str json)
{
    struct bus_peer *to = bus_peer(r->admin->bus, r->role, r->index);
    const struct bus_verb_result m = {.rc = rc, .text = text, .json = json};

    if (to && to->life == r->life)
        bus_reply(r->admin->bus, to, r->call, BUS_verb_result, &m);
    free(r);
}

static void done(void *ctx, struct verb_call *c)
{
    answer(ctx, c->rc, buf_str(&c->text), buf_str(&c->json));
}

static void on_run(void *ctx, const struct bus_in *in)
{
    const struct bus_verb_run *m = in->msg;
    struct running *r = calloc(1, sizeof *r);
    struct str words[WORDS_MAX], rest = m->words;
    const struct verb *v;
    size_t n = 0;

    must(r);
    *r = (struct running){ctx, in->from->role, in->from->index, in->from->life, in->call};
    while (n < WORDS_MAX && get_str(&rest, &words[n]))
        n++;
    v = n ? verb_find(words[0]) : NULL;
    if (!v || (m->user.n == 0 && (v->effect != VERB_SHOW || !*v->help))) /* hidden ones show what only sessions may see */
        answer(r, RC_UNKNOWN_COMMAND, str_lit("Unknown command\n"), STR_NONE);
    else
        verb_start(ctx, m->user, NULL, (struct strs){words, n}, done, r);
}

void run_open(struct admin *a)
{
    if (a->bus)
        bus_on(a->bus, BUS_verb_run, on_run, a);
}
