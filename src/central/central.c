/*
 * Life of role central. See central.h.
 *
 * Called by role/main_central.c. Owns what the other files of the room keep in struct central. On a gateway there are no
 * appliances in the settings: what is for managers then rests.
 */
#include "central/enrol.h"
#include "central/inside.h"
#include "central/slbl.h"

#include "base/must.h"

#include <stdlib.h>

const struct conf_appliance *appliance_find(const struct central *c, struct str name)
{
    return c->conf ? conf_find(&c->conf->appliance, name) : NULL;
}

static void changed(void *ctx, const struct conf *now, const struct conf *old)
{
    struct central *c = ctx;

    enrol_gone(c, now, old);
    if (c->conf)
        conf_unref(c->conf);
    c->conf = conf_ref(now);
    lines_sweep(c);
    contacts_sweep(c);
    pulls_sweep(c);
    slbls_sweep(c);
    links_changed(c);
}

struct central *central_new(const struct central_options *o)
{
    struct central *c = calloc(1, sizeof *c);

    must(c);
    c->o = *o;
    verbs_begin(c);
    lines_begin(c);
    gateway_ports_begin(c);
    pulls_begin(c);
    slbls_begin(c);
    links_begin(c);
    conf_on_change(o->conf, changed, c);
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
    links_stop(c);
    lines_stop(c, all_ended, c);
}

void central_free(struct central *c)
{
    lines_free(c);
    gateway_ports_free(c);
    pulls_free(c);
    slbls_free(c);
    contacts_free(c);
    links_free(c);
    if (c->conf)
        conf_unref(c->conf);
    free(c);
}
