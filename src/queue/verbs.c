/*
 * Operator verbs: table, arguments, answers.
 *
 * Called by the bus (verb_call of control). Owns the questions under way. A verb that changed something is answered when the
 * journal is synced. A question whose asker is gone is worked off all the same; its answer is dropped by the bus.
 */
#include "queue/verbs.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/must.h"
#include "event/render.h"

#include <stdarg.h>
#include <stdio.h>
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
    {"archivemessage", verb_archivemessage},
    {"removemessage", verb_removemessage},
    {"oldmessage", verb_oldmessage},
    {"hostrate", verb_hostrate},
    {"stopped", verb_stopped},
};

enum { PORTION = 20000, PORTION_NS = 2000000, PORTION_LOOK = 16 };

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

void verb_sayf(struct verb_question *v, enum rc rc, const char *fmt, ...)
{
    char line[1000];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    verb_say(v, rc, line);
}

void verb_bad_arguments(struct verb_question *v)
{
    verb_answer(v, RC_SYNTAX);
}

static void walk_on(void *ctx)
{
    struct verb_question *v = ctx;
    uint64_t until = clock_mono_ns() + PORTION_NS;
    bool more = true;

    for (unsigned n = 1; more && v->place < v->slab->end; n++) {
        if (n > PORTION || (n % PORTION_LOOK == 0 && clock_mono_ns() > until)) {
            loop_timer_set(v->q->loop, &v->timer, 0, walk_on, v);
            return;
        }
        more = v->each(v, v->place++);
    }
    v->walked(v);
}

void verb_walk(struct verb_question *v, const struct slab *slab, uint32_t from,
               bool (*each)(struct verb_question *v, uint32_t place), void (*walked)(struct verb_question *v))
{
    v->slab = slab;
    v->place = from ? from : 1;
    v->each = each;
    v->walked = walked;
    walk_on(v);
}

bool verb_take_at(struct verb_question *v, uint64_t *first_out, uint64_t *second_out)
{
    struct str rest, first;

    *first_out = *second_out = 0;
    if (v->n_args < 2 || !verb_arg_is(v, v->n_args - 2, "at"))
        return true;
    rest = v->args[v->n_args - 1];
    v->n_args -= 2;
    return str_split(&rest, '.', &first) && str_u64(first, first_out) && str_u64(rest, second_out);
}

bool verb_take_next(struct verb_question *v, size_t from, uint64_t *counters, size_t n)
{
    if (v->n_args != from + 1 + n || !verb_arg_is(v, from, "next"))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!str_u64(v->args[from + 1 + i], &counters[i]))
            return false;
    v->n_args = from;
    return true;
}

void verb_time_of_day(struct verb_question *v)
{
    char when[24];

    render_ctime(clock_wall_ms(), when);
    buf_addf(&v->text, "%.8s", when + 11);
}

bool verb_read_head(struct verb_question *v, uint32_t message, struct spool_head *head, struct envelope *env)
{
    struct queue *q = v->q;
    struct str octets;

    arena_reset(&q->scratch);
    return spool_read_head(q->reader, message_ref(q, message_at(q, message)), &q->scratch, head, &octets, NULL) == RC_OK &&
           envelope_decode(&q->scratch, octets, env, NULL) == RC_OK;
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

void verb_text_field(struct buf *out, struct str s, size_t width)
{
    size_t begin = out->n;

    render_plain(s, out);
    while (out->n < begin + width && !out->failed)
        buf_addc(out, ' ');
}

void verb_json_str(struct buf *out, struct str s)
{
    json_str(out, s);
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
