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

/* An engine went away or came back: said once, in the log of its kind. */
static void engine_changed(void *ctx, enum engine_kind kind, bool up, struct str why)
{
    struct scan_world *w = ctx;
    struct str name = engine_kind_name(kind);

    if (kind == ENGINE_CLAMD && up)
        event(w->events, antivirus_back, .engine = name);
    else if (kind == ENGINE_CLAMD)
        event(w->events, antivirus_away, .engine = name, .why = why);
    else if (up)
        event(w->events, antispam_back, .engine = name);
    else
        event(w->events, antispam_away, .engine = name, .why = why);
}

void world_init(struct scan_world *w)
{
    struct engine_dialer dialer;

    w->dial = engine_dial_new(w->bus);
    dialer = engine_dial_dialer(w->dial);
    w->engines = engines_new(&dialer, engine_changed, w);
    w->calls.ctx = w;
    w->dns = dns_asker_new(w->bus, w->loop);
    conf_on_change(w->conf, conf_changed, w);
}

void world_done(struct scan_world *w)
{
    engines_free(w->engines);
    engine_dial_free(w->dial);
    dns_asker_free(w->dns);
    compiled_free(w->compiled);
}
