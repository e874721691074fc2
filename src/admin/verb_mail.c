/*
 * Verbs whose state another role owns: the question goes there, its answer is the reply.
 *
 * Called through spec/verbs.def.
 */
#include "admin/verbs.h"

void verb_queue(struct verb_call *c)
{
    verb_ask(c, ROLE_queue, c->verb->name, c->args);
    verb_wait(c);
}

void verb_record(struct verb_call *c)
{
    verb_ask(c, ROLE_record, c->verb->name, c->args);
    verb_wait(c);
}

void verb_dnsflush(struct verb_call *c)
{
    const struct bus_dns_flush m = {.all = 1};

    if (c->admin->bus)
        bus_send_all(c->admin->bus, ROLE_lookup, BUS_dns_flush, &m);
    buf_add(&c->text, str_lit("DNS cache flushed.\n"));
    verb_end(c, RC_OK);
}
