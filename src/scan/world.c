/*
 * The surroundings of a worker. See world.h.
 *
 * Called by scan.c. Owns the compiled form of the newest snapshot and the asker of DNS questions. Answers are waited for on
 * the bus: lookup away or slow is a temporary failure.
 */
#include "scan/world.h"

static void conf_changed(void *ctx, const struct conf *now, const struct conf *old)
{
    struct scan_world *w = ctx;
    struct compiled *made = NULL;
    struct err e = ERR_NONE;

    (void)old;
    if (compiled_new(now, &made, &e) != RC_OK && w->events)
        event(w->events, compile_failed, .why = str_c(err_text(&e)));
    compiled_free(w->compiled);
    w->compiled = made;
}

void world_init(struct scan_world *w)
{
    w->calls.ctx = w;
    w->dns = dns_asker_new(w->bus, w->loop);
    conf_on_change(w->conf, conf_changed, w);
}

void world_done(struct scan_world *w)
{
    dns_asker_free(w->dns);
    compiled_free(w->compiled);
}
