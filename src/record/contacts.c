/*
 * Contact with gateways, as central tells. See contacts.h.
 *
 * Called by the bus and report_verbs.c. Owns the list. A central that was started anew does not know when it heard of a
 * gateway last: what its former life told stays then.
 */
#include "record/contacts.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

static struct contact_told *find(const struct contacts *c, struct str serial)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eqi(str_c(c->items[i].serial), serial))
            return &c->items[i];
    return NULL;
}

const struct contact_told *contacts_find(const struct contacts *c, struct str serial)
{
    return find(c, serial);
}

static void on_contact(void *ctx, const struct bus_in *in)
{
    const struct bus_gateway_contact *m = in->msg;
    struct contacts *c = ctx;
    struct contact_told *t = find(c, m->serial);

    if (!t && (c->n == CONTACTS_MOST || m->serial.n >= SEGMENT_SERIAL))
        return;
    if (!t) {
        c->items = realloc(c->items, (c->n + 1) * sizeof *c->items);
        must(c->items);
        t = &c->items[c->n++];
        *t = (struct contact_told){.away = false};
        snprintf(t->serial, sizeof t->serial, "%.*s", STR(m->serial));
    }
    t->away = m->state == 0;
    if (m->heard_ms)
        t->heard_ms = m->heard_ms;
}

void contacts_begin(struct contacts *c, struct bus *bus)
{
    if (bus)
        bus_on(bus, BUS_gateway_contact, on_contact, c);
}

void contacts_done(struct contacts *c)
{
    free(c->items);
    *c = (struct contacts){0};
}
