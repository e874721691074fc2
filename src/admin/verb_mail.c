/*
 * Verbs whose state another role owns: the question goes there, its answer is the reply.
 *
 * Called through spec/verbs.def.
 */
#include "admin/verbs.h"

enum { READ_ONLY = 2 }; /* index of user.role */

enum { QUARANTINE_MS = 600000 };

void verb_queue(struct verb_call *c)
{
    verb_ask(c, ROLE_queue, c->verb->name, c->args);
    verb_wait(c);
}

void verb_quarantine(struct verb_call *c)
{
    c->ask_ms = QUARANTINE_MS; /* a decision on very many messages takes its time */
    verb_ask(c, ROLE_quarantine, c->verb->name, c->args);
    verb_wait(c);
}

void verb_record(struct verb_call *c)
{
    verb_ask(c, ROLE_record, c->verb->name, c->args);
    verb_wait(c);
}

/* A search may take as long as the settings allow. Technicians and Help Desk have no part in it here; guests when they may.
 */
void verb_tracking(struct verb_call *c)
{
    const struct conf *now = &c->admin->current->conf;
    const struct conf_user *u = conf_find(&now->user, c->user);

    if (u && u->role == 3 && !now->tracking.guests) {
        verb_fail(c, &(struct err){RC_NOT_PERMITTED, "guests may not search (tracking.guests)"});
        return;
    }
    c->ask_ms = now->tracking.timeout_ms + 30000;
    verb_record(c);
}

void verb_push(struct verb_call *c)
{
    const struct conf *now = &c->admin->current->conf;
    size_t pushed = 0;

    for (size_t i = 0; i < now->log.n; i++)
        pushed += now->log.items[i].retrieval != 0;
    if (!pushed) {
        buf_add(&c->text, str_lit("No log is pushed.\n")); /* and the role does not run */
        verb_end(c, RC_OK);
        return;
    }
    verb_ask(c, ROLE_push, c->verb->name, c->args);
    verb_wait(c);
}

/* snmpconfig without words shows the state too: the dialogue is the session's. */
void verb_snmp(struct verb_call *c)
{
    bool test = c->args.n == 2 && str_eqi(c->args.items[0], str_lit("test"));
    const struct conf_user *u = conf_find(&c->admin->current->conf.user, c->user);

    if (test && u && u->role == READ_ONLY) {
        buf_add(&c->text, str_lit("A read-only operator sends no traps.\n"));
        verb_end(c, RC_NOT_PERMITTED);
        return;
    }
    if (!test && (c->args.n > 1 || (c->args.n == 1 && !str_eqi(c->args.items[0], str_lit("status"))))) {
        verb_usage(c);
        return;
    }
    if (!c->admin->current->conf.snmp.enabled) {
        buf_add(&c->text, str_lit("SNMP is not enabled.\n"));
        verb_end(c, test ? RC_INVALID : RC_OK);
        return;
    }
    if (test)
        verb_ask(c, ROLE_snmp, "snmptest", (struct strs){c->args.items + 1, 1});
    else
        verb_ask(c, ROLE_snmp, "snmpstatus", (struct strs){0});
    verb_wait(c);
}

void verb_clock(struct verb_call *c)
{
    if (!c->admin->current->conf.ntp.servers.n) {
        buf_add(&c->text, str_lit("No NTP server is set.\n"));
        verb_end(c, RC_OK);
        return;
    }
    verb_ask(c, ROLE_clock, "ntpstatus", (struct strs){0});
    verb_wait(c);
}

void verb_link(struct verb_call *c)
{
    if (c->admin->bus && bus_peer(c->admin->bus, ROLE_central, 0)) {
        verb_ask(c, ROLE_central, "link", c->args);
        verb_wait(c);
        return;
    }
    buf_add(&c->text, str_lit("There is no link.\n"));
    buf_add(&c->json, str_lit("{\"links\":[]}"));
    verb_end(c, RC_OK);
}

void verb_dnsflush(struct verb_call *c)
{
    const struct bus_dns_flush m = {.all = 1};

    if (c->admin->bus)
        bus_send_all(c->admin->bus, ROLE_lookup, BUS_dns_flush, &m);
    buf_add(&c->text, str_lit("DNS cache flushed.\n"));
    verb_end(c, RC_OK);
}
