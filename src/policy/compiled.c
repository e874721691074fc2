/*
 * Compiles a snapshot for judging. See compiled.h.
 *
 * Called by scan, control and `trace`. Each kind of thing has its own file and a row here.
 */
#include "policy/compiled.h"

#include "base/must.h"
#include "policy/dictionary.h"
#include "policy/dlp.h"
#include "policy/filters.h"

#include <stdlib.h>

enum { COMPILED_MAX = 512 << 20 };

enum rc compiled_new(const struct conf *conf, struct compiled **out, struct err *e)
{
    struct compiled *c = calloc(1, sizeof *c);
    enum rc rc;

    must(c);
    c->arena = calloc(1, sizeof *c->arena);
    must(c->arena);
    arena_init(c->arena, 16384, COMPILED_MAX);
    c->conf = conf;
    rc = dictionaries_compile(c->arena, conf, &c->words, e);
    if (rc == RC_OK)
        rc = dlp_compile(c->arena, conf, c->words, &c->dlp, e);
    else
        dlp_compile(c->arena, conf, c->words, &c->dlp, NULL);
    if (rc == RC_OK)
        rc = filters_compile(c->arena, conf, &c->filters, e);
    else
        filters_compile(c->arena, conf, &c->filters, NULL);
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
