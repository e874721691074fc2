/*
 * The verbs whose state is here: status, rollovernow, resetcounters, rate, displayalerts (cli.md 7.1 and 8).
 *
 * Called over the bus by control. A roll-over and a reset are asked for here and done with the next save and round.
 */
#include "record/inside.h"

#include "base/clock.h"
#include "event/render.h"

#include <inttypes.h>

struct answer {
    enum rc rc;
    struct buf text, json;
};

static void verb_status(struct record *r, struct str user, struct str arg, struct str more, struct answer *a)
{
    struct status_view v;

    (void)user;
    (void)more;
    /* means over less than a second say little, and pollers would take the window from the Status line */
    if (!r->machine.at_ms || clock_mono_ms() - r->machine.at_ms >= 1000)
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

static void verb_rollovernow(struct record *r, struct str user, struct str arg, struct str more, struct answer *a)
{
    (void)user;
    (void)more;
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

static void verb_resetcounters(struct record *r, struct str user, struct str arg, struct str more, struct answer *a)
{
    (void)arg;
    (void)more;
    event(r->events, counters_reset, .user = user);
    buf_add(&a->text, str_lit("Counters reset.\n"));
}

/* One sample; `rate next RECEIVED COMPLETED` is the next one, with what came since, and without the header. The words behind
 * `next` are the json's "next". */
static void verb_rate(struct record *r, struct str user, struct str arg, struct str more, struct answer *a)
{
    static const enum counter which[] = {COUNTER_inj_rcps, COUNTER_cmp_rcps, COUNTER_dlv_rcps};
    struct str words[2] = {{0}};
    uint64_t now[3], since[2];
    char when[24];
    bool next = str_eqi(arg, str_lit("next")) && get_str(&more, &words[0]) && get_str(&more, &words[1]) &&
                str_u64(words[0], &since[0]) && str_u64(words[1], &since[1]);

    (void)user;
    if (arg.n && !next) {
        a->rc = RC_SYNTAX;
        return;
    }
    for (size_t i = 0; i < 3; i++)
        now[i] = counters_get(r->counters, COUNTERS_LIFETIME, which[i]);
    if (!next) {
        buf_add(&a->text,
                str_lit("Time      Connections       Recipients              Recipients\n"
                        "             In    Out    Received    Delta    Completed    Delta    Delivered     K-Used\n"));
        since[0] = now[0];
        since[1] = now[1];
    }
    render_ctime(clock_wall_ms(), when);
    buf_addf(&a->text,
             "%.8s %6" PRIu64 " %6" PRIu64 " %11" PRIu64 " %8" PRIu64 " %12" PRIu64 " %8" PRIu64 " %12" PRIu64 " %10" PRIu64
             "\n",
             when + 11, board_gauge(r->board, GAUGE_CONN_IN), board_gauge(r->board, GAUGE_CONN_OUT), now[0],
             now[0] - since[0], now[1], now[1] - since[1], now[2], board_gauge(r->board, GAUGE_QUEUE_KB));
    buf_addf(&a->json,
             "{\"next\":\"%" PRIu64 " %" PRIu64 "\",\"connections_in\":%" PRIu64 ",\"connections_out\":%" PRIu64
             ",\"received\":%" PRIu64 ",\"completed\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"kbytes_used\":%" PRIu64 "}",
             now[0], now[1], board_gauge(r->board, GAUGE_CONN_IN), board_gauge(r->board, GAUGE_CONN_OUT), now[0], now[1],
             now[2], board_gauge(r->board, GAUGE_QUEUE_KB));
}

static void verb_displayalerts(struct record *r, struct str user, struct str arg, struct str more, struct answer *a)
{
    uint64_t most = 10;

    (void)user;
    (void)more;
    if (arg.n && (!str_u64(arg, &most) || !most)) {
        a->rc = RC_INVALID;
        buf_addf(&a->text, "%.*s is no number of alerts.\n", STR(arg));
        return;
    }
    alerts_show(r->alerts, most, &a->text, &a->json);
}

static void verb_dmarcreports(struct record *r, struct str user, struct str arg, struct str more, struct answer *a)
{
    (void)user;
    (void)more;
    if (arg.n && !str_eqi(arg, str_lit("status")) && !str_eqi(arg, str_lit("send"))) {
        a->rc = RC_SYNTAX;
        return;
    }
    if (!r->dmarc.keep) {
        buf_add(&a->text, str_lit("DMARC reports are off (dmarcconfig).\n"));
        return;
    }
    if (str_eqi(arg, str_lit("send"))) {
        r->dmarc.end_now = r->changed = true;
        r->saved_ms = 0;
        if (!r->save.running)
            record_save(r, NULL);
    }
    dmarc_send_state(r->dmarc_send, &a->text);
}

static const struct {
    const char *name;
    void (*fn)(struct record *r, struct str user, struct str arg, struct str more, struct answer *a);
} verbs[] = {{"status", verb_status}, {"rollovernow", verb_rollovernow},     {"resetcounters", verb_resetcounters},
             {"rate", verb_rate},     {"displayalerts", verb_displayalerts}, {"dmarcreports", verb_dmarcreports}};

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct record *r = ctx;
    const struct bus_verb_call *call = in->msg;
    struct str args = call->args, arg = STR_NONE;
    struct answer a = {.rc = RC_UNKNOWN_COMMAND, .text = BUF(1 << 20), .json = BUF(1 << 20)};
    struct bus_verb_reply reply;

    if (str_eq(call->verb, str_lit("exports"))) {
        export_verbs_call(r, in);
        return;
    }
    if (str_eq(call->verb, str_lit("report"))) {
        report_verbs_call(r, in, false);
        return;
    }
    if (str_eq(call->verb, str_lit("tracking"))) {
        if (!track_verb(r, in)) /* `availability` */
            report_verbs_call(r, in, true);
        return;
    }
    get_str(&args, &arg);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_eq(call->verb, str_c(verbs[i].name))) {
            a.rc = RC_OK;
            verbs[i].fn(r, call->user, arg, args, &a);
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
