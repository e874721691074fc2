/*
 * suspendtransfers and resumetransfers on a manager (cli.md 7.3): fetching reporting and tracking data, taking quarantined
 * mail.
 *
 * Called through spec/verbs.def. The state is the setting central.suspended, so it survives a restart and every role obeys
 * it: role central lets what is being fetched end within the delay, quarantine refuses new connections.
 */
#include "admin/verbs.h"

#include "conf/snapshot.h"

enum { DELAY_S = 30, DELAY_MOST_S = 3600 };

static void set(struct verb_call *c, bool suspend)
{
    struct conf_draft *d = conf_draft_copy(&c->admin->current->conf);
    struct err e = ERR_NONE;
    uint64_t version;
    enum rc rc;

    if (!d)
        rc = err_set(&e, RC_NO_MEMORY, "no memory");
    else
        rc = conf_draft_set(d, str_lit("central.suspended"), suspend ? str_lit("yes") : str_lit("no"), &e);
    if (rc == RC_OK)
        rc = store_commit(c->admin, d, c->user, str_c(c->verb->name), true, &version, NULL, &e);
    if (rc == RC_OK) {
        if (suspend)
            event(c->admin->events, transfers_suspended, .user = c->user);
        else
            event(c->admin->events, transfers_continued, .user = c->user);
        buf_add(&c->text, suspend ? str_lit("Transfers suspended.\n") : str_lit("Transfers resumed.\n"));
        verb_end(c, RC_OK);
        return;
    }
    conf_draft_free(d);
    verb_fail(c, &e);
}

void verb_suspendtransfers(struct verb_call *c)
{
    uint64_t delay_s = DELAY_S;

    if (c->args.n > 1 || (c->args.n && (!str_u64(c->args.items[0], &delay_s) || delay_s > DELAY_MOST_S))) {
        verb_usage(c);
        return;
    }
    set(c, true);
}

void verb_resumetransfers(struct verb_call *c)
{
    if (c->args.n)
        verb_usage(c);
    else
        set(c, false);
}
