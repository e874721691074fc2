/*
 * Verbs that control asks of role central (BUS_verb_call): a table, one row and one function each.
 *
 * Called over the bus. Owns a call until it is answered; the answer to a control that died meanwhile goes nowhere.
 */
#include "central/enrol.h"
#include "central/inside.h"
#include "central/slbl.h"

#include "base/must.h"

#include <stdlib.h>

enum { REPLY_MAX = 16 << 20 };

static const struct {
    const char *name;
    void (*run)(struct central_call *call);
} verbs[] = {
    {"contact", verb_contact},
    {"enrol_key", verb_enrol_key},
    {"enrol_open", verb_enrol_open},
    {"enrol_hello", verb_enrol_hello},
    {"enrol_test", verb_enrol_test},
    {"slbl_status", verb_slbl_status},
    {"slbl_sync", verb_slbl_sync},
    {"link", verb_link},
    {"gateway_config", verb_gateway_config},
};

void central_answer(struct central_call *call, enum rc rc)
{
    struct bus *bus = call->central->o.bus;
    const struct bus_verb_reply reply = {.rc = rc, .text = buf_str(&call->text), .json = buf_str(&call->json)};

    if (call->from->life == call->life)
        bus_reply(bus, call->from, call->call, BUS_verb_reply, &reply);
    buf_done(&call->text);
    buf_done(&call->json);
    free(call);
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    const struct bus_verb_call *m = in->msg;
    struct central_call *call = calloc(1, sizeof *call);

    must(call);
    *call = (struct central_call){.central = ctx,
                                  .from = in->from,
                                  .life = in->from->life,
                                  .call = in->call,
                                  .user = m->user,
                                  .args = m->args,
                                  .text = BUF(REPLY_MAX),
                                  .json = BUF(REPLY_MAX)};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (str_eq(m->verb, str_c(verbs[i].name))) {
            verbs[i].run(call);
            return;
        }
    }
    central_answer(call, RC_UNKNOWN_COMMAND);
}

void verbs_begin(struct central *c)
{
    bus_on(c->o.bus, BUS_verb_call, on_verb, c);
}
