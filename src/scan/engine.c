/*
 * Asking engines, with one more try and a state. See engine.h.
 *
 * Owns the states. Nothing here knows what is said on a connection: that is the talk of engine_rspamd.c, engine_spamd.c,
 * engine_clamd.c; their probes are in the table below.
 */
#include "scan/engine.h"

#include "base/board.h"
#include "base/clock.h"
#include "base/must.h"
#include "scan/engines.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLAMED = 64, WHY_MAX = 200, CONNECT_LEAST_MS = 1000, PROBE_ANSWER_MS = 2000 };

struct engine {
    bool away;
    uint64_t next_probe_ms;
    char why[WHY_MAX];
};

struct engines {
    struct engine_dialer dialer;
    void (*state)(void *ctx, enum engine_kind kind, bool up, struct str why);
    void *ctx;
    uint64_t *away; /* shared by all workers: a bit a kind; what one finds out another may see end */
    uint64_t own;   /* where `away` points while nobody shares */
    struct engine of[ENGINE_KINDS];
    /* Messages that an engine failed at, newest overwrites oldest. */
    struct {
        uint64_t mid;
        enum engine_kind kind;
    } blamed[BLAMED];
    unsigned n_blamed;
};

static const struct {
    const char *name;
    engine_talk *ping;
} kinds[ENGINE_KINDS] = {
    [ENGINE_RSPAMD] = {"rspamd", rspamd_ping},
    [ENGINE_SPAMD] = {"spamd", spamd_ping},
    [ENGINE_CLAMD] = {"clamd", clamd_ping},
    [ENGINE_LEARN] = {"rspamd controller", rspamd_ping},
};

struct str engine_kind_name(enum engine_kind kind)
{
    return kind < ENGINE_KINDS ? str_c(kinds[kind].name) : str_lit("engine");
}

struct engines *engines_new(const struct engine_dialer *dialer,
                            void (*state)(void *ctx, enum engine_kind kind, bool up, struct str why), void *ctx)
{
    struct engines *all = calloc(1, sizeof *all);

    must(all);
    all->dialer = *dialer;
    all->state = state;
    all->ctx = ctx;
    all->away = &all->own;
    return all;
}

void engines_share(struct engines *all, uint64_t *away)
{
    all->away = away;
}

void engines_free(struct engines *all)
{
    free(all);
}

static void mark(struct engines *all, enum engine_kind kind, bool away, const char *why)
{
    struct engine *g = &all->of[kind];

    g->away = away;
    snprintf(g->why, sizeof g->why, "%s", why);
    if (board_flag(all->away, 1ULL << kind, away) && all->state)
        all->state(all->ctx, kind, !away, str_c(g->why));
}

/* Was this message there when that engine failed before? It is noted. */
static bool blame(struct engines *all, enum engine_kind kind, uint64_t mid)
{
    for (unsigned i = 0; i < BLAMED && mid; i++)
        if (all->blamed[i].mid == mid && all->blamed[i].kind == kind)
            return true;
    all->blamed[all->n_blamed % BLAMED].mid = mid;
    all->blamed[all->n_blamed++ % BLAMED].kind = kind;
    return false;
}

static enum rc once(struct engines *all, enum engine_kind kind, const struct engine_setup *how, uint64_t timeout_ms,
                    engine_talk *talk, void *ctx, struct err *e)
{
    uint64_t connect_ms = timeout_ms / 4 > CONNECT_LEAST_MS ? timeout_ms / 4 : CONNECT_LEAST_MS;
    struct engine_io io = {.fd = all->dialer.open(all->dialer.ctx, kind, how->address, connect_ms, e)};
    enum rc rc;

    if (io.fd < 0)
        return e->rc;
    io.deadline_ms = clock_mono_ms() + timeout_ms;
    rc = talk(ctx, &io, e);
    close(io.fd);
    return rc;
}

bool engine_probe(struct engines *all, enum engine_kind kind, const struct engine_setup *how)
{
    struct err e = ERR_NONE;

    if (once(all, kind, how, PROBE_ANSWER_MS, kinds[kind].ping, NULL, &e) == RC_OK) {
        mark(all, kind, false, "");
        return true;
    }
    mark(all, kind, true, err_text(&e));
    all->of[kind].next_probe_ms = clock_mono_ms() + how->probe_ms;
    return false;
}

bool engine_away(const struct engines *all, enum engine_kind kind, struct str *why_out)
{
    *why_out = str_c(all->of[kind].why);
    return all->of[kind].away;
}

/* Twice without an answer: the engine's fault, or the message's? */
static enum rc failed(struct engines *all, enum engine_kind kind, const struct engine_setup *how, uint64_t mid,
                      struct err *e)
{
    struct err why = *e;
    bool again = mid && blame(all, kind, mid);

    if (again && engine_probe(all, kind, how))
        return err_set(e, RC_CORRUPT, "%s", why.text);
    mark(all, kind, true, why.text);
    all->of[kind].next_probe_ms = clock_mono_ms() + how->probe_ms;
    return err_set(e, RC_UNAVAILABLE, "%s", why.text);
}

enum rc engine_ask(struct engines *all, enum engine_kind kind, const struct engine_setup *how, uint64_t mid,
                   engine_talk *talk, void *ctx, struct err *e)
{
    struct engine *g = &all->of[kind];
    struct err mine = ERR_NONE;

    if (g->away && (clock_mono_ms() < g->next_probe_ms || !engine_probe(all, kind, how)))
        return err_set(e, RC_UNAVAILABLE, "%s", g->why);
    for (int i = 0; i < 2; i++) {
        enum rc rc = once(all, kind, how, how->timeout_ms, talk, ctx, &mine);

        if (rc == RC_OK) {
            mark(all, kind, false, ""); /* another worker may have said that it is away */
            if (all->dialer.ahead)
                all->dialer.ahead(all->dialer.ctx, kind, how->address);
            return RC_OK;
        }
        if (rc == RC_NOT_PERMITTED || rc == RC_INVALID)
            return err_set(e, rc, "%s", mine.text); /* an answer, though not the one hoped for */
    }
    if (e)
        *e = mine;
    return failed(all, kind, how, mid, &mine) == RC_CORRUPT ? err_set(e, RC_CORRUPT, "%s", mine.text)
                                                            : err_set(e, RC_UNAVAILABLE, "%s", mine.text);
}
