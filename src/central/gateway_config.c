/*
 * What a gateway's settings say: get-config KEY over its SSH connection, for the verb gateway_config of control.
 *
 * Called by verbs.c. Owns the questions under way. pvoconfig asks so for the quarantines of a gateway before it chooses how
 * they move (central.md 9, Migration).
 */
#include "central/inside.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

struct config_ask {
    struct central_call *call;
    char command[64];
    struct buf reply; /* the thread writes it */
};

/* In the thread of the line. */
static enum rc ask(struct ssh_line *l, void *ctx, struct err *e)
{
    struct config_ask *k = ctx;

    buf_clear(&k->reply);
    return ssh_line_verb(l, str_c(k->command), STR_NONE, &k->reply, -1, e);
}

static void asked(void *ctx, enum rc rc, const struct err *e)
{
    struct config_ask *k = ctx;

    if (rc == RC_OK)
        buf_add(&k->call->json, str_trim(buf_str(&k->reply)));
    else
        buf_add(&k->call->text, str_c(err_text(e)));
    central_answer(k->call, rc);
    buf_done(&k->reply);
    free(k);
}

/* args: NAME KEY */
void verb_gateway_config(struct central_call *call)
{
    struct str args = call->args, name = STR_NONE, key = STR_NONE;
    struct config_ask *k;

    get_str(&args, &name);
    get_str(&args, &key);
    if (!appliance_find(call->central, name) || !str_eq(key, str_lit("quarantines"))) {
        central_answer(call, RC_NOT_FOUND);
        return;
    }
    k = calloc(1, sizeof *k);
    must(k);
    k->call = call;
    k->reply = BUF(SSH_LINE_REPLY_MAX);
    snprintf(k->command, sizeof k->command, "get-config %.*s", STR(key));
    line_job(call->central, name, LINE_SOON, ask, asked, k);
}
