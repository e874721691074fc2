/*
 * Operator verbs of receiving: suspendlistener, resumelistener. Control calls, this process obeys and answers.
 *
 * Arguments are names of listeners, none or `all` = every one. What must survive a restart is the setting
 * receiving.suspended, which control writes; the verb acts at once. Unknown verbs get RC_NOT_FOUND.
 */
#include "receive/inside.h"

struct verb {
    struct str name;
    bool suspend;
};

static const struct verb verbs[] = {
    {{"suspendlistener", 15}, true},
    {{"suspend", 7}, true},
    {{"resumelistener", 14}, false},
    {{"resume", 6}, false},
};

static void obey(struct receive *r, const struct verb *v, struct str args)
{
    struct str name;
    bool any = false;

    while (args.n && get_str(&args, &name)) {
        any = true;
        listeners_suspend(r, name, v->suspend);
    }
    if (!any)
        listeners_suspend(r, STR_NONE, v->suspend);
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct receive *r = ctx;
    const struct bus_verb_call *call = in->msg;
    struct bus_verb_reply reply = {.rc = RC_NOT_FOUND, .text = str_lit("unknown verb")};

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (!str_eqi(verbs[i].name, call->verb))
            continue;
        obey(r, &verbs[i], call->args);
        reply.rc = RC_OK;
        reply.text = verbs[i].suspend ? str_lit("Receiving suspended.") : str_lit("Receiving resumed.");
    }
    bus_reply(r->o.bus, in->from, in->call, BUS_verb_reply, &reply);
}

void verbs_init(struct receive *r)
{
    bus_on(r->o.bus, BUS_verb_call, on_verb, r);
}
