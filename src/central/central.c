/*
 * Life of role central. See central.h.
 *
 * Called by role/main_central.c. Owns what the other files of the room keep in struct central.
 */
#include "central/inside.h"

#include "base/must.h"

#include <stdlib.h>

struct central *central_new(const struct central_options *o)
{
    struct central *c = calloc(1, sizeof *c);

    must(c);
    c->o = *o;
    return c;
}

static void all_ended(void *ctx)
{
    struct central *c = ctx;

    c->stopped(c->stopped_ctx);
}

void central_stop(struct central *c, void (*stopped)(void *ctx), void *ctx)
{
    c->stopped = stopped;
    c->stopped_ctx = ctx;
    loop_timer_set(c->o.loop, &c->stopping, 0, all_ended, c);
}

void central_free(struct central *c)
{
    free(c);
}
