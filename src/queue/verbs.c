/*
 * Operator verbs: table, arguments, answers.
 *
 * Called by the bus (verb_call of control). Owns the questions under way. A verb that changed something is answered when the
 * journal is synced. A question whose asker is gone is worked off all the same; its answer is dropped by the bus.
 */
#include "queue/verbs.h"

#include "base/clock.h"
#include "base/must.h"
#include "event/render.h"

#include <stdlib.h>

static const struct {
    const char *name;
    verb_fn *fn;
} verbs[] = {
    {"workqueue", verb_workqueue},
    {"suspenddel", verb_suspenddel},
    {"resumedel", verb_resumedel},
    {"tophosts", verb_tophosts},
    {"hoststatus", verb_hoststatus},
    {"showrecipients", verb_showrecipients},
    {"deleterecipients", verb_deleterecipients},
    {"bouncerecipients", verb_bouncerecipients},
    {"redirectrecipients", verb_redirectrecipients},
    {"delivernow", verb_delivernow},
    {"deliverynow", verb_delivernow},
    {"showmessage", verb_showmessage},
};

static void question_free(struct verb_question *v)
{
    struct verb_question **at = &v->q->questions;

    while (*at != v)
        at = &(*at)->next;
    *at = v->next;
    loop_timer_cancel(v->q->loop, &v->timer);
    buf_done(&v->text);
    buf_done(&v->json);
    arena_done(&v->arena);
    free(v);
}

static void reply(void *ctx, enum rc rc)
{
    struct verb_question *v = ctx;
    struct bus_verb_reply r = {.rc = rc == RC_OK ? v->rc : rc, .text = buf_str(&v->text), .json = buf_str(&v->json)};

    if (v->text.failed)
        r.text = str_lit("The answer is too long.\n");
    bus_reply(v->q->bus, v->from, v->call, BUS_verb_reply, &r);
    question_free(v);
}

void verb_answer(struct verb_question *v, enum rc rc)
{
    v->rc = rc;
    if (v->changed)
        journal_sync(v->q->journal, reply, v);
    else
        reply(v, RC_OK);
}

void verb_say(struct verb_question *v, enum rc rc, const char *text)
{
    buf_add(&v->text, str_c(text));
    buf_addc(&v->text, '\n');
    verb_answer(v, rc);
}

void verb_as_of(struct verb_question *v)
{
    char when[24];

    render_ctime(clock_wall_ms(), when);
    buf_addf(&v->text, "Status as of:                 %.24s\n", when);
}

bool verb_arg_is(const struct verb_question *v, size_t i, const char *word)
{
    return i < v->n_args && str_eqi(v->args[i], str_c(word));
}

void verb_json_str(struct buf *out, struct str s)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\')
            buf_addc(out, '\\');
        if (c < 32 || c == 127)
            buf_addf(out, "\\u%04x", c);
        else
            buf_addc(out, (char)c);
    }
    buf_addc(out, '"');
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_verb_call *call = in->msg;
    struct verb_question *v = calloc(1, sizeof *v);
    struct str args = call->args;

    must(v);
    *v = (struct verb_question){
        .q = q, .from = in->from, .call = in->call, .text = BUF(VERB_TEXT_MAX), .json = BUF(VERB_TEXT_MAX)};
    v->next = q->questions;
    q->questions = v;
    arena_init(&v->arena, 1024, 1 << 20);
    v->user = arena_str(&v->arena, call->user);
    while (v->n_args < VERB_ARGS && get_str(&args, &v->args[v->n_args])) {
        v->args[v->n_args] = arena_str(&v->arena, v->args[v->n_args]);
        v->n_args++;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_eqi(call->verb, str_c(verbs[i].name))) {
            verbs[i].fn(v);
            return;
        }
    verb_say(v, RC_NOT_FOUND, "unknown verb");
}

void queue_verbs_init(struct queue *q)
{
    bus_on(q->bus, BUS_verb_call, on_verb, q);
}

void queue_verbs_done(struct queue *q)
{
    while (q->questions)
        question_free(q->questions);
}
