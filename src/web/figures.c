/*
 * Figures from control: runs a verb and hands its JSON on.
 *
 * Called by handlers. The JSON is parsed here, used by the handler's second half and freed. What control refuses becomes the
 * error of the API that says the same.
 */
#include "web/inside.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

static void failed(struct request *r, enum rc rc, struct str text)
{
    int status = rc < RC_COUNT ? rc_info(rc)->http : 500;
    char reference[17];

    text = str_trim(str_first(text, str_find(text, '\n')));
    if (rc == RC_UNKNOWN_COMMAND || rc == RC_NOT_PERMITTED) {
        reply_error(r, 403, "Your role may not do this.");
    } else if (status == 400 || status == 404 || status == 409) {
        reply_error(r, (unsigned)status, "%.*s", STR(str_first(text, 300)));
    } else if (status == 503 || status == 504) {
        r->retry_s = 2;
        reply_error(r, 503, "The figures are not available now.");
    } else {
        snprintf(reference, sizeof reference, "%016" PRIx64, random_u64());
        event(r->web->o.events, http_failed, .reference = str_c(reference), .why = str_first(text, 300));
        reply_error(r, 500, "Reference %s", reference);
    }
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_verb_result *a = msg;
    struct request *r = ctx;
    json_t *figures;

    r->call = 0;
    if (rc != RC_OK || a->rc != RC_OK) {
        failed(r, rc != RC_OK ? rc : (enum rc)a->rc, a ? a->text : STR_NONE);
        return;
    }
    figures = json_loadb(a->json.p ? a->json.p : "", a->json.n, JSON_REJECT_DUPLICATES, NULL);
    if (figures)
        r->verb_done(r, figures);
    else
        failed(r, RC_INTERNAL, str_lit("the figures cannot be read"));
    json_decref(figures);
}

void verb_ask_figures(struct request *r, struct str user, const struct str *words,
                      void (*done)(struct request *r, json_t *figures))
{
    struct buf list = BUF(65536);

    for (; words->n; words++)
        buf_put_str(&list, *words);
    r->verb_done = done;
    r->call = bus_call(r->web->o.bus, bus_peer(r->web->o.bus, ROLE_control, 0), BUS_verb_run,
                       &(struct bus_verb_run){.user = user, .words = buf_str(&list)}, VERB_MS, answered, r);
    buf_done(&list);
}
