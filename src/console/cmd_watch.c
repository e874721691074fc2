/*
 * Commands that watch: rate, hostrate, workqueue rate; and those that stop and start the machine's work: workqueue, suspend
 * and resume commands, shutdown, resetcounters (spec/cli.md 7.1 to 7.3).
 *
 * Called through spec/verbs.def. Samples come from the roles that count; here is the clock between them, the header on each
 * page, and the questions. Ctrl-C ends a watch; in exec mode `-n COUNT` does.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/parts.h"

#include <inttypes.h>

enum { SECONDS_MAX = 3600, SECONDS = 10 };

/* --- samples
 * ---------------------------------------------------------------------------------------------------------------- */

struct watch {
    struct str words[8]; /* verb, its own arguments */
    size_t n;
    uint64_t seconds, count; /* count 0: until Ctrl-C */
};

/* The numbers and `-n COUNT` that follow. */
static bool watch_options(struct session *s, size_t from, struct watch *w)
{
    w->seconds = SECONDS;
    for (size_t i = from; i < s->args.n; i++) {
        if (arg_is(s, i, "-n") && i + 1 < s->args.n) {
            if (!str_u64(s->args.items[++i], &w->count) || w->count == 0)
                return false;
        } else if (!str_u64(s->args.items[i], &w->seconds) || w->seconds < 1 || w->seconds > SECONDS_MAX) {
            return false;
        }
    }
    return true;
}

/* One sample; its `next` becomes the words of the following one. False when it failed (and said so). */
static enum rc sample(struct session *s, struct watch *w, struct str *next)
{
    struct buf text = BUF(1 << 16), json = BUF(1 << 16);
    struct str words[16], rest = *next, word;
    size_t n = 0;
    enum rc rc;

    for (; n < w->n; n++)
        words[n] = w->words[n];
    if (next->n)
        words[n++] = str_lit("next");
    while (n < 16 && str_word(&rest, &word))
        words[n++] = word;
    rc = session_ask(s, words, n, &text, &json);
    say_str(s, buf_str(&text));
    *next = arena_str(&s->arena, parts_next(buf_str(&json)));
    buf_done(&text);
    buf_done(&json);
    return rc;
}

static enum rc watch(struct session *s, struct watch *w)
{
    struct str next = STR_NONE;
    unsigned on_page = 0, rows = s->rows, page = rows > 4 ? rows - 3 : 20;
    enum rc rc = RC_OK;

    s->rows = 0; /* it runs by, nothing is asked */
    for (uint64_t done = 0; rc == RC_OK && (w->count == 0 || done < w->count) && !session_gone(s); done++) {
        if (on_page++ == page) {
            next = STR_NONE; /* a new header */
            on_page = 1;
        }
        if (done)
            session_wait(s, -1, (unsigned)w->seconds * 1000);
        rc = sample(s, w, &next);
        say_flush(s);
    }
    s->rows = rows;
    return rc;
}

/* One sample, for programs: as an object, or `next ...` with what the object of the sample before said. */
static bool is_sample(const struct session *s, size_t at)
{
    return (s->args.n && arg_is(s, s->args.n - 1, "--json")) || arg_is(s, at, "next");
}

enum rc cmd_rate(struct session *s)
{
    struct watch w = {.words = {str_lit("rate")}, .n = 1};

    if (is_sample(s, 0))
        return cmd_plain(s);
    return watch_options(s, 0, &w) ? watch(s, &w) : session_usage(s);
}

enum rc cmd_hostrate(struct session *s)
{
    struct watch w = {.words = {str_lit("hostrate")}, .n = 2};

    if (is_sample(s, 1))
        return cmd_plain(s);
    if (!watch_options(s, 1, &w))
        return session_usage(s);
    s->taken = s->args.n ? 0 : s->taken;
    w.words[1] = s->args.n ? arg(s, 0) : ask_value(s, "Recipient host:", NULL, NULL, NULL);
    return watch(s, &w);
}

/* --- the work queue
 * ------------------------------------------------------------------------------------------------------------ */

static enum rc pause(struct session *s)
{
    struct str reason;

    if (!ask_yes(s, "Manually pause work queue? This will only affect unprocessed messages.", false))
        return RC_OK;
    reason = ask_optional(s, "Reason for pausing:", NULL, NULL);
    return session_run(s, "workqueue", "pause", reason.n ? reason.p : NULL, NULL);
}

static enum rc rates(struct session *s, size_t from)
{
    struct watch w = {.words = {str_lit("workqueue"), str_lit("rate")}, .n = 2};

    return watch_options(s, from, &w) ? watch(s, &w) : session_usage(s);
}

static bool is_paused(struct session *s)
{
    struct buf *text = session_buf(s, 4096);

    session_call(s, text, NULL, "workqueue", "status", NULL);
    say_str(s, buf_str(text));
    return str_find_str(buf_str(text), str_lit("Paused")) < text->n;
}

enum rc cmd_workqueue(struct session *s)
{
    size_t i;

    if (arg_is(s, 0, "rate") && !is_sample(s, 1))
        return rates(s, 1);
    if (s->args.n || (s->exec && !s->local))
        return cmd_plain(s);
    for (;;) {
        bool paused = is_paused(s);
        const struct operation ops[] = {{"STATUS", "Display work queue status", false},
                                        {"PAUSE", "Pause the work queue", paused},
                                        {"RESUME", "Resume the work queue", !paused},
                                        {"RATE", "Display work queue statistics over time", false}};

        i = ask_operation(s, ops, 4);
        if (i == SIZE_MAX)
            return RC_OK;
        if (i == 1)
            pause(s);
        else if (i == 2)
            session_run(s, "workqueue", "resume", NULL);
        else if (i == 3)
            rates(s, s->args.n);
    }
}

/* --- suspend and resume
 * ---------------------------------------------------------------------------------------------------------- */

static const char delay_question[] = "Enter the number of seconds to wait before forcibly closing connections.";

static const char *ask_delay(struct session *s)
{
    return arena_printf(&s->arena, "%" PRIu64, ask_number(s, delay_question, 30, 0, SECONDS_MAX)).p;
}

/* All, or one of the listeners; "all" when there is but one. */
static const char *ask_listener(struct session *s, const char *question)
{
    const struct conf *c = session_conf(s);
    struct str *items = arena_must_alloc(&s->arena, (c->listener.n + 1) * sizeof *items);
    size_t i;

    if (c->listener.n < 2)
        return "all";
    items[0] = str_lit("All");
    for (i = 0; i < c->listener.n; i++)
        items[i + 1] = c->listener.items[i].name;
    i = ask_choice(s, question, &(struct strs){items, c->listener.n + 1}, 0);
    return i == 0 ? "all" : arena_str(&s->arena, items[i]).p;
}

enum rc cmd_suspendlistener(struct session *s)
{
    const char *name;

    if (s->args.n)
        return cmd_plain(s);
    name = ask_listener(s, "Choose the listener(s) you wish to suspend.");
    return session_run(s, "suspendlistener", ask_delay(s), name, NULL);
}

enum rc cmd_resumelistener(struct session *s)
{
    if (s->args.n)
        return cmd_plain(s);
    return session_run(s, "resumelistener", ask_listener(s, "Choose the listener(s) you wish to resume."), NULL);
}

enum rc cmd_suspend(struct session *s)
{
    return s->args.n ? cmd_plain(s) : session_run(s, s->running->name, ask_delay(s), NULL);
}

static uint64_t connections(struct session *s)
{
    struct buf *json = session_buf(s, 1 << 20);
    uint64_t n = 0, all = 0;

    session_call(s, NULL, json, "status", NULL);
    for (struct str rest = buf_str(json); (rest = str_from(rest, str_find_str(rest, str_lit("\"conn_")))).n;) {
        rest = str_from(rest, str_find(rest, ':') + 1);
        str_u64(str_first(rest, str_find(rest, ',')), &n);
        all += n;
    }
    return all;
}

/* The machine's power switch is the operating system's; these end or restart the product, in order. Nothing accepted is
 * lost by it: what is open after the delay ends as at any stop. */
enum rc cmd_shutdown(struct session *s)
{
    const char *what = s->running->name;
    uint64_t delay;

    if (s->args.n > 1)
        return session_usage(s);
    delay = ask_number(s, delay_question, 30, 0, SECONDS_MAX);
    if (s->args.n == 0 && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to %s the system?", what).p, false))
        return RC_OK;
    if (str_eq(str_c(what), str_lit("offline")))
        return session_run(s, "suspend", arena_printf(&s->arena, "%" PRIu64, delay).p, NULL);
    say(s, "Waiting for connections to close.\n");
    for (uint64_t i = 0; i < delay && connections(s); i++)
        session_wait(s, -1, 1000);
    if (session_run(s, "halt", what, NULL) != RC_OK)
        return RC_NOT_PERMITTED;
    if (s->exec)
        return RC_OK;
    session_leave(s, LEAVE_END);
}

enum rc cmd_resetcounters(struct session *s)
{
    if (s->args.n)
        return session_usage(s);
    if (!ask_yes(s, "Are you sure you want to reset the counters?", true))
        return RC_OK;
    return session_run(s, "resetcounters", NULL);
}
