/*
 * New verdicts on mail that the manager holds: told by XCPQ RESCAN, again and again until it has heard (central.md 9).
 *
 * Called by rescan.c, the bus (answers of deliver) and a timer. Owns the verdicts that wait, in memory: until its verdict
 * was heard a copy counts as not judged, so after a restart it is scanned again. A message that the manager does not hold is
 * forgotten here too.
 */
#include "quarantine/rescan.h"

#include "base/clock.h"
#include "smtp/cpq_server.h"

enum { AT_ONCE = 50, SOON_MS = 50, ANSWER_MS = 300000, WAIT_MS = 5000, WAIT_MAX_MS = 60000 };

bool verdicts_room(const struct quarantine *q)
{
    return q->rescan->n_out < VERDICTS_MAX;
}

bool verdicts_has(const struct quarantine *q, uint64_t mid)
{
    for (size_t i = 0; i < q->rescan->n_out; i++)
        if (q->rescan->out[i].mid == mid)
            return true;
    return false;
}

static void remove_at(struct rescan *r, size_t i)
{
    memmove(&r->out[i], &r->out[i + 1], (r->n_out - i - 1) * sizeof *r->out);
    r->n_out--;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static void heard(struct quarantine *q, const struct verdict *v)
{
    struct copy *c = copy_find(q, v->mid);

    if (!c)
        return;
    c->judged_ms = v->scanned_ms;
    if (!v->clean) {
        c->exit_ms = v->exit_ms;
        c->rule = copy_rule(str_c(v->rule));
    }
    copy_update(q, c);
}

/* "250 2.0.0 ok". False: it is to be said again. */
static bool settle(struct quarantine *q, const struct verdict *v, struct str answer)
{
    if (str_starts(answer, str_lit("550 5.1.1"))) {
        copy_remove(q, v->mid, COPY_UNKNOWN);
        return true;
    }
    if (!str_starts(answer, str_lit("2")) && !str_starts(answer, str_lit("50")))
        return false; /* not now; 50x: a manager that knows no rescans */
    heard(q, v);
    return true;
}

static void flush(void *ctx);

static void wait_for(struct quarantine *q, struct str why)
{
    struct rescan *r = q->rescan;

    if (!r->wait_ms)
        event(q->o.events, outbreak_rescan_waits, .messages = r->n_out, .why = why);
    r->wait_ms = !r->wait_ms ? WAIT_MS : r->wait_ms * 2 > WAIT_MAX_MS ? WAIT_MAX_MS : r->wait_ms * 2;
    loop_timer_set(q->o.loop, &r->out_timer, r->wait_ms, flush, q);
}

static void on_answers(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_xcpq_answers *m = msg;
    struct quarantine *q = ctx;
    struct rescan *r = q->rescan;
    struct str answers = rc == RC_OK ? m->answers : STR_NONE, line, why = rc == RC_OK ? m->why : str_c(rc_info(rc)->text);
    size_t left = r->sent, kept = 0;

    r->out_call = 0;
    r->sent = 0;
    for (; left && answers.n && str_split(&answers, '\n', &line); left--) {
        if (settle(q, &r->out[kept], line)) {
            remove_at(r, kept);
        } else {
            why = line;
            kept++;
        }
    }
    if (kept || left) {
        wait_for(q, why);
    } else {
        r->wait_ms = 0;
        if (r->n_out)
            loop_timer_set(q->o.loop, &r->out_timer, SOON_MS, flush, q);
        else
            r->copy_at = 0; /* some may have been passed over while their verdict was on its way */
    }
    rescan_pump(q);
}

/* ---- saying it -------------------------------------------------------------------------------------------------------- */

static void put_command(const struct verdict *v, struct buf *out)
{
    buf_addf(out, "XCPQ RESCAN mid=%llu verdict=%s", (unsigned long long)v->mid, v->clean ? "clean" : "hold");
    buf_add(out, str_lit(" rule="));
    cpq_encode(str_c(v->rule), out);
    if (!v->clean)
        buf_addf(out, " exit=%llu", (unsigned long long)v->exit_ms);
}

static void flush(void *ctx)
{
    struct quarantine *q = ctx;
    struct rescan *r = q->rescan;
    struct bus_peer *to = q->o.bus ? bus_peer(q->o.bus, ROLE_deliver, 0) : NULL;
    struct buf commands = BUF(AT_ONCE * 600);

    if (r->out_call || !r->n_out || q->stopping)
        return;
    if (!to) {
        wait_for(q, str_lit("delivery is being restarted"));
        return;
    }
    for (r->sent = 0; r->sent < AT_ONCE && r->sent < r->n_out; r->sent++) {
        if (r->sent)
            buf_addc(&commands, '\n');
        put_command(&r->out[r->sent], &commands);
    }
    r->out_call =
        bus_call(q->o.bus, to, BUS_xcpq_commands,
                 &(struct bus_xcpq_commands){.destination = str_lit("the.cpq.host"), .commands = buf_str(&commands)},
                 ANSWER_MS, on_answers, q);
    buf_done(&commands);
}

void verdicts_add(struct quarantine *q, const struct verdict *v)
{
    struct rescan *r = q->rescan;

    r->out[r->n_out++] = *v;
    if (!r->out_call && !r->wait_ms)
        loop_timer_set(q->o.loop, &r->out_timer, SOON_MS, flush, q);
}

void verdicts_forget(struct quarantine *q)
{
    q->rescan->n_out = q->rescan->sent;
    q->rescan->wait_ms = 0;
}

void verdicts_close(struct quarantine *q)
{
    loop_timer_cancel(q->o.loop, &q->rescan->out_timer);
    if (q->rescan->out_call)
        bus_cancel(q->o.bus, q->rescan->out_call);
}
