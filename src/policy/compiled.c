/*
 * Compiles a snapshot for judging. See compiled.h.
 *
 * Called by scan, control and `trace`. Each kind of thing has its own file and a row here.
 */
#include "policy/compiled.h"

#include "base/must.h"
#include "policy/content.h"
#include "policy/dictionary.h"
#include "policy/dlp.h"
#include "policy/filter_gate.h"
#include "policy/filters.h"
#include "policy/mail_policy.h"

#include <stdlib.h>

enum { COMPILED_MAX = 512 << 20 };

static enum rc compile_words(struct compiled *c, struct err *e)
{
    return dictionaries_compile(c->arena, c->conf, &c->words, e);
}

static enum rc compile_dlp(struct compiled *c, struct err *e)
{
    return dlp_compile(c->arena, c->conf, c->words, &c->dlp, e);
}

static enum rc compile_filters(struct compiled *c, struct err *e)
{
    return filters_compile(c->arena, c->conf, &c->filters, e);
}

static enum rc compile_policies(struct compiled *c, struct err *e)
{
    return policies_compile(c->arena, c->conf, &c->policies, e);
}

static enum rc compile_contents(struct compiled *c, struct err *e)
{
    return contents_compile(c->arena, c->conf, &c->contents, e);
}

/* The expressions of all filters, for one pass over a text. Without memory for it each is tried by itself. */
static enum rc compile_gate(struct compiled *c, struct err *e)
{
    struct filter_gate *g = NULL;

    TRY(filter_gate_begin(c->arena, &g, e));
    for (size_t i = 0; c->filters && i < c->filters->n; i++)
        filter_gate_add_block(g, &c->filters->items[i]->body);
    if (c->contents)
        contents_gather(c->contents, g);
    TRY(filter_gate_end(g, e));
    c->gate = g;
    return RC_OK;
}

/* In order: what stands behind may use what stands before. */
static enum rc (*const parts[])(struct compiled *c, struct err *e) = {
    compile_words, compile_dlp, compile_filters, compile_policies, compile_contents, compile_gate,
};

enum rc compiled_new(const struct conf *conf, struct compiled **out, struct err *e)
{
    struct compiled *c = calloc(1, sizeof *c);
    enum rc rc = RC_OK;

    must(c);
    c->arena = calloc(1, sizeof *c->arena);
    must(c->arena);
    arena_init(c->arena, 16384, COMPILED_MAX);
    c->conf = conf;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        enum rc one = parts[i](c, rc == RC_OK ? e : NULL);

        rc = rc == RC_OK ? one : rc;
    }
    *out = c;
    return rc;
}

void compiled_free(struct compiled *c)
{
    if (!c)
        return;
    arena_done(c->arena);
    free(c->arena);
    free(c);
}
