/*
 * The verbs whose state is here: status, rollovernow, resetcounters (cli.md 7.1 and 8).
 *
 * Called over the bus by control. A roll-over and a reset are asked for here and done with the next save and round.
 */
#include "record/inside.h"

struct answer {
    enum rc rc;
    struct buf text, json;
};

static void verb_status(struct record *r, struct str user, struct str arg, struct answer *a)
{
    struct status_view v;

    (void)user;
    machine_read(&r->machine, r->board, r->log_dir);
    v = record_view(r);
    status_text(&v, str_eqi(arg, str_lit("detail")), &a->text);
    status_json(&v, &a->json);
}

bool record_roll_now(struct record *r, struct str name)
{
    if (!subscriptions_roll_now(r->logs, name))
        return false;
    r->changed = true;
    r->saved_ms = 0;
    return true;
}

static void verb_rollovernow(struct record *r, struct str user, struct str arg, struct answer *a)
{
    (void)user;
    if (!record_roll_now(r, arg)) {
        a->rc = RC_NOT_FOUND;
        buf_addf(&a->text, "There is no log named %.*s.\n", STR(arg));
        return;
    }
    if (!r->save.running)
        record_save(r, NULL); /* done before the answer, but for a save that is under way */
    buf_add(&a->text, arg.n && !str_eqi(arg, str_lit("all")) ? str_lit("Log file rolled over.\n")
                                                             : str_lit("All logs rolled over.\n"));
}

static void verb_resetcounters(struct record *r, struct str user, struct str arg, struct answer *a)
{
    (void)arg;
    event(r->events, counters_reset, .user = user);
    buf_add(&a->text, str_lit("Counters reset.\n"));
}

static const struct {
    const char *name;
    void (*fn)(struct record *r, struct str user, struct str arg, struct answer *a);
} verbs[] = {{"status", verb_status}, {"rollovernow", verb_rollovernow}, {"resetcounters", verb_resetcounters}};

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct record *r = ctx;
    const struct bus_verb_call *call = in->msg;
    struct str args = call->args, arg = STR_NONE;
    struct answer a = {.rc = RC_UNKNOWN_COMMAND, .text = BUF(1 << 20), .json = BUF(1 << 20)};
    struct bus_verb_reply reply;

    get_str(&args, &arg);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_eq(call->verb, str_c(verbs[i].name))) {
            a.rc = RC_OK;
            verbs[i].fn(r, call->user, arg, &a);
        }
    reply = (struct bus_verb_reply){.rc = a.rc, .text = buf_str(&a.text), .json = buf_str(&a.json)};
    bus_reply(r->bus, in->from, in->call, BUS_verb_reply, &reply);
    buf_done(&a.text);
    buf_done(&a.json);
}

void verbs_register(struct record *r)
{
    bus_on(r->bus, BUS_verb_call, on_verb, r);
}
