/*
 * `status`: what runs, what is suspended, gauges from the board; the counters come from record, which sums the events.
 *
 * Called through spec/verbs.def. Reads shared memory and the configuration; asks record for its part.
 */
#include "admin/verbs.h"

#include "base/clock.h"
#include "conf/xml.h"

#include <inttypes.h>

static void grouped(struct buf *out, uint64_t v)
{
    if (v >= 1000) {
        grouped(out, v / 1000);
        buf_addf(out, ",%03" PRIu64, v % 1000);
    } else {
        buf_add_u64(out, v);
    }
}

static void gauge(struct verb_call *c, const char *name, uint64_t v)
{
    struct buf b = BUF(64);

    grouped(&b, v);
    buf_addf(&c->text, "    %-28s%14.*s\n", name, STR(buf_str(&b)));
    buf_done(&b);
}

static void roles(struct verb_call *c)
{
    static const char *const states[] = {"unused", "starting", "running", "waiting to restart"};
    const struct board *b = c->admin->board;
    uint64_t now = clock_mono_ms();

    buf_add(&c->text, str_lit("Services:\n"));
    for (size_t i = 0; i < BOARD_ROLES; i++) {
        const struct board_role *r = &b->roles[i];
        uint64_t state = board_load(&r->state), started = board_load(&r->started_ms);

        if (state == 0 || state > 3 || r->role >= ROLE_COUNT)
            continue;
        buf_addf(&c->text, "  %s %" PRIu64 "  pid %" PRIu64 "  %s  up %" PRIu64 " s  restarts %" PRIu64 "\n", role_name((enum role)r->role),
                 r->index, r->pid, states[state], now > started ? (now - started) / 1000 : 0, r->restarts);
    }
}

static void gauges(struct verb_call *c)
{
    static const struct {
        const char *name;
        enum board_gauge gauge;
    } rows[] = {
        {"Current Inbound Conn.", GAUGE_CONN_IN},
        {"Current Outbound Conn.", GAUGE_CONN_OUT},
        {"Active Recipients", GAUGE_ACTIVE_RECIPIENTS},
        {"Unattempted Recipients", GAUGE_UNATTEMPTED},
        {"Attempted Recipients", GAUGE_ATTEMPTED},
        {"Messages In Work Queue", GAUGE_WORK_QUEUE},
        {"Destinations In Memory", GAUGE_DESTINATIONS},
        {"Kilobytes Used", GAUGE_QUEUE_KB},
        {"Kilobytes Free", GAUGE_QUEUE_FREE_KB},
    };

    buf_add(&c->text, str_lit("Gauges:                              Current\n"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        gauge(c, rows[i].name, board_gauge(c->admin->board, rows[i].gauge));
}

static const char *state_text(const struct board *b, const struct conf *c)
{
    if (board_gauge(b, GAUGE_RECEIVING_SUSPENDED) && board_gauge(b, GAUGE_DELIVERY_SUSPENDED))
        return "Offline";
    if (board_gauge(b, GAUGE_RECEIVING_SUSPENDED) || c->receiving.suspended.n)
        return "Receiving suspended";
    if (board_gauge(b, GAUGE_DELIVERY_SUSPENDED))
        return "Delivery suspended";
    return board_gauge(b, GAUGE_WORK_QUEUE_PAUSED) ? "Work queue paused" : "Online";
}

/* cli.md 7.1: when not Online the last line names what is stopped and the command that resumes. */
static void what_is_stopped(struct verb_call *c)
{
    const struct strs *off = &c->admin->current->conf.receiving.suspended;

    for (size_t i = 0; i < off->n; i++)
        buf_addf(&c->text, "%s%.*s%s", i ? ", " : "Suspended listeners: ", STR(off->items[i]), i + 1 == off->n ? ". Use resumelistener to resume.\n" : "");
    if (board_gauge(c->admin->board, GAUGE_DELIVERY_SUSPENDED))
        buf_add(&c->text, str_lit("Delivery is suspended. Use resumedel to resume.\n"));
    if (board_gauge(c->admin->board, GAUGE_WORK_QUEUE_PAUSED))
        buf_add(&c->text, str_lit("The work queue is paused. Use workqueue resume to resume.\n"));
}

static void up_since(struct verb_call *c)
{
    uint64_t started = 0, now = clock_mono_ms(), s;
    char t[40];

    for (size_t i = 0; i < BOARD_ROLES; i++) {
        const struct board_role *r = &c->admin->board->roles[i];
        uint64_t at = board_load(&r->started_ms);

        if (board_load(&r->state) && (started == 0 || at < started))
            started = at;
    }
    s = now > started ? (now - started) / 1000 : 0;
    buf_addf(&c->text, "Up since:                     %.*s (%" PRIu64 "d %" PRIu64 "h %" PRIu64 "m %" PRIu64 "s)\n",
             STR(conf_time_text(clock_wall_ms() - s * 1000, t)), s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
}

void verb_status(struct verb_call *c)
{
    bool detail = c->args.n == 1 && str_eqi(c->args.items[0], str_lit("detail"));
    char t[40];

    if (c->args.n && !detail) {
        verb_usage(c);
        return;
    }
    if (!c->admin->board) {
        buf_add(&c->text, str_lit("No services are running.\n"));
        verb_end(c, RC_UNAVAILABLE);
        return;
    }
    if (!detail)
        buf_add(&c->text, str_lit("Enter \"status detail\" for more information.\n\n"));
    buf_addf(&c->text, "Status as of:                 %.*s\n", STR(conf_time_text(clock_wall_ms(), t)));
    up_since(c);
    buf_addf(&c->text, "System status:                %s\n", state_text(c->admin->board, &c->admin->current->conf));
    buf_addf(&c->text, "Oldest Message:               %" PRIu64 " secs\n\n", board_gauge(c->admin->board, GAUGE_OLDEST_MS) / 1000);
    gauges(c);
    if (detail)
        roles(c);
    what_is_stopped(c);
    verb_ask(c, ROLE_record, "status", c->args);
    verb_wait(c);
}
