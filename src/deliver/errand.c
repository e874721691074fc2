/*
 * XCPQ commands that role quarantine wants said: RESCAN to the manager, DROP to a gateway (central.md 7.2).
 *
 * Called by the bus (xcpq_commands). An errand is a destination without mail, with one connection of the same addresses,
 * pins and log lines as the mail would have; each is answered once, with what was answered before it ended. Owns those under
 * way.
 */
#include "deliver/inside.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANSWERS_MAX = 256 << 10, ANSWER_MAX = 300, ARENA_MAX = 1 << 20, TEXTS_MAX = 512 << 10, DESTINATION_MAX = 300 };

struct errand {
    struct destination to; /* first */
    struct errand *next;
    struct arena texts; /* of name and commands: the destination's own goes with each answer to where it leads */
    struct bus_peer *from;
    uint64_t call;
    size_t asked, answered;
    char why[300];
    struct buf answers;
};

static struct errand *errand_of(struct destination *to)
{
    return (struct errand *)(void *)to;
}

static void finish(struct errand *x)
{
    struct deliver *d = x->to.d;
    struct bus_xcpq_answers reply = {.why = str_c(x->why), .answers = buf_str(&x->answers)};

    if (x->answered < x->asked)
        reply.rc = RC_UNAVAILABLE;
    if (x->from)
        bus_reply(d->o.bus, x->from, x->call, BUS_xcpq_answers, &reply);
    for (struct errand **at = &d->errands; *at; at = &(*at)->next)
        if (*at == x) {
            *at = x->next;
            break;
        }
    resolve_cancel(&x->to);
    releaser_done(&x->to);
    holder_forget(&x->to);
    arena_done(&x->to.arena);
    arena_done(&x->texts);
    buf_done(&x->answers);
    free(x);
}

/* ---- its course ------------------------------------------------------------------------------------------------------- */

static void on_resolved(struct destination *to, const struct no_hop *none)
{
    struct errand *x = errand_of(to);

    if (!none && to->n_hops) {
        to->state = DESTINATION_READY;
        link_open(to, 0); /* when it cannot, it has closed already */
        return;
    }
    snprintf(x->why, sizeof x->why, "%.*s", STR(none ? str_first(none->text, 250) : str_lit("no address")));
    finish(x);
}

static void on_answered(struct link *l, unsigned code, struct str lines)
{
    struct errand *x = errand_of(l->to);
    struct str line = STR_NONE;

    str_split(&lines, '\n', &line);
    x->answered++;
    buf_addf(&x->answers, "%u %.*s\n", code, STR(str_first(line, ANSWER_MAX)));
}

static void on_failed(struct link *l, const struct smtp_client_failure *f)
{
    struct errand *x = errand_of(l->to);
    struct str text = l->to->pins_why[0] && f->stage == SMTP_AT_TLS ? str_c(l->to->pins_why) : f->text;

    if (f->code)
        snprintf(x->why, sizeof x->why, "%llu %.*s", (unsigned long long)f->code, STR(str_first(text, 250)));
    else
        snprintf(x->why, sizeof x->why, "%.*s", STR(str_first(text, 250)));
}

static void on_closed(struct destination *to)
{
    struct errand *x = errand_of(to);

    if (x->answered < x->asked && !x->why[0])
        snprintf(x->why, sizeof x->why, "connection closed by the other side");
    finish(x);
}

static const struct asking ASKING = {
    .resolved = on_resolved, .answered = on_answered, .failed = on_failed, .closed = on_closed};

/* ---- who asks ----------------------------------------------------------------------------------------------------------
 */

static size_t lines_of(struct str commands)
{
    struct str line;
    size_t n = 0;

    while (commands.n && str_split(&commands, '\n', &line))
        n++;
    return n;
}

static void on_commands(void *ctx, const struct bus_in *in)
{
    struct deliver *d = ctx;
    const struct bus_xcpq_commands *m = in->msg;
    struct errand *x = calloc(1, sizeof *x);
    bool known;

    must(x);
    arena_init(&x->texts, 1024, TEXTS_MAX);
    arena_init(&x->to.arena, 1024, ARENA_MAX);
    x->answers = BUF(ANSWERS_MAX);
    x->from = in->from;
    x->call = in->call;
    x->asked = lines_of(m->commands);
    x->to.d = d;
    x->to.name = arena_str(&x->texts, str_first(m->destination, DESTINATION_MAX));
    x->to.commands = arena_str(&x->texts, m->commands);
    x->to.release = releaser_is(x->to.name, &x->to.class, &x->to.serial);
    known = x->to.release || holder_is(x->to.name, &x->to.class);
    x->to.quarantine = x->to.central = true;
    x->to.asks = &ASKING;
    x->to.limit = 1;
    x->next = d->errands;
    d->errands = x;
    x->to.state = DESTINATION_RESOLVING;
    if (d->stopping || !known || !x->asked || !x->to.commands.p) {
        snprintf(x->why, sizeof x->why, "%s", d->stopping ? "shutting down" : "nobody to say that to");
        x->asked += !x->asked;
        finish(x);
    } else if (x->to.release) {
        releaser_ask(&x->to);
    } else {
        resolve_start(&x->to);
    }
}

void errands_init(struct deliver *d)
{
    if (d->o.bus)
        bus_on(d->o.bus, BUS_xcpq_commands, on_commands, d);
}

void errands_done(struct deliver *d)
{
    while (d->errands) {
        struct errand *x = d->errands;

        if (x->to.links)
            link_abort_all(&x->to); /* closes, which ends it */
        else
            finish(x);
    }
}
