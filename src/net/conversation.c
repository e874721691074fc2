/*
 * The step driver of conversations: runs steps until one waits, keeps the end and the breaks in order. See conversation.h.
 *
 * Called by the socket runtime (socket.c), by tests and by fuzzers. Owns the conversation's struct, arena and buffers. A
 * step never runs inside another: what happens meanwhile (a resume, an end from outside) is noted and seen when the step
 * returns.
 */
#include "net/conversation.h"

#include "base/must.h"

#include <stdlib.h>

enum { ARENA_FIRST = 512, ARENA_MOST = 16 << 20, OUT_MOST = 4 << 20, OUT_HIGH = 64 << 10 };

struct conversation *conversation_new(const struct conversation_kind *kind, void *ctx)
{
    struct conversation *c = calloc(1, kind->size);

    if (!c)
        return NULL;
    must(kind->size >= sizeof *c);
    c->kind = kind;
    c->ctx = ctx;
    arena_init(&c->arena, ARENA_FIRST, ARENA_MOST);
    c->in = BUF(SIZE_MAX / 2);
    c->out = BUF(OUT_MOST);
    c->at = step_goto(kind->first);
    return c;
}

void conversation_finish(struct conversation *c)
{
    c->ended = true;
    if (c->finished)
        return;
    c->finished = true;
    if (c->kind->done)
        c->kind->done(c);
}

void conversation_free(struct conversation *c)
{
    arena_done(&c->arena);
    buf_done(&c->in);
    buf_done(&c->out);
    free(c);
}

/* --- the driver --- */

static size_t unread(const struct conversation *c)
{
    return c->in.n - c->taken;
}

static void end(struct conversation *c)
{
    c->ended = true;
    c->at = step_end();
}

/* Octets behind STARTTLS in the same packet were never protected: they are dropped and told (RFC 3207 4.1, 6). */
static void drop_early(struct conversation *c)
{
    c->early = unread(c) > 0;
    c->in.n = c->taken = 0;
    c->skipping = false;
}

static bool reads(struct step s)
{
    return s.what == STEP_READ || s.what == STEP_IDLE;
}

static void step_call_fn(struct conversation *c, step_fn *fn)
{
    size_t before = unread(c);
    struct step next;

    c->steps++;
    c->fresh = c->ready = false;
    next = fn(c);
    if (c->ended)
        return; /* ended from outside while the step ran */
    c->at = next;
    if (reads(next) && unread(c) != before && unread(c))
        c->fresh = true;
    if (next.what == STEP_TLS)
        drop_early(c);
    if (next.what == STEP_END)
        c->ended = true;
}

static void run_broken(struct conversation *c, enum rc rc, struct str why)
{
    c->gone = RC_OK;
    c->rc = rc;
    c->why = why;
    if (c->broke || !c->kind->broken) {
        end(c);
        return;
    }
    c->broke = true;
    step_call_fn(c, c->kind->broken);
}

/* The peer does not take what was said already: it gets no more answers until it does. */
static bool choked(const struct conversation *c)
{
    return c->wake && c->out.n + c->held > OUT_HIGH;
}

/* Is what the present step waits for there? */
static bool satisfied(struct conversation *c)
{
    switch (c->at.what) {
    case STEP_READ:
        return c->fresh && !choked(c);
    case STEP_IDLE:
        return (c->fresh || c->resumed) && !choked(c);
    case STEP_GOTO:
        return !choked(c);
    case STEP_CALL:
        return c->resumed;
    case STEP_SLEEP:
    case STEP_TLS:
        return c->ready;
    case STEP_FLUSH:
        return (c->out.n == 0 && c->held == 0) || !c->wake;
    case STEP_END:
        break;
    }
    return false;
}

/* One step or one break; false when the conversation waits. */
static bool advance(struct conversation *c)
{
    if (c->ended)
        return false;
    if (c->gone != RC_OK && c->at.what != STEP_CALL && (c->at.what != STEP_GOTO || choked(c))) {
        run_broken(c, c->gone, c->gone_why);
        return true;
    }
    if (c->out.failed) {
        buf_clear(&c->out);
        run_broken(c, RC_LIMIT, str_lit("more output than the peer takes"));
        return true;
    }
    if (satisfied(c)) {
        if (c->at.what == STEP_CALL || c->at.what == STEP_IDLE)
            c->resumed = false;
        step_call_fn(c, c->at.next);
        return true;
    }
    if (reads(c->at) && c->eof && !choked(c)) {
        run_broken(c, RC_CLOSED, str_lit("connection closed by peer"));
        return true;
    }
    return false;
}

void conversation_run(struct conversation *c)
{
    if (c->running)
        return;
    c->running = true;
    while (advance(c))
        ;
    c->running = false;
    if (c->taken) {
        buf_drop(&c->in, c->taken);
        c->taken = 0;
    }
    if (c->ended && !c->wake)
        conversation_finish(c);
}

void conversation_input_came(struct conversation *c)
{
    c->fresh = true;
    conversation_run(c);
}

void conversation_wait_over(struct conversation *c)
{
    c->ready = true;
    conversation_run(c);
}

void conversation_resume(struct conversation *c)
{
    if (c->ended)
        return;
    c->resumed = true;
    if (c->running)
        return;
    if (c->wake)
        c->wake(c);
    else
        conversation_run(c);
}

void conversation_broke(struct conversation *c, enum rc rc, struct str why, bool now)
{
    if (c->ended)
        return;
    must(!c->running);
    if (!now && c->at.what == STEP_CALL) {
        c->gone = rc;
        c->gone_why = why;
        return;
    }
    c->running = true;
    run_broken(c, rc, why);
    c->running = false;
    conversation_run(c);
}

/* --- reading and writing --- */

/* Position behind the first CRLF, 0 = none. */
static size_t behind_crlf(struct str s)
{
    for (size_t at = 0; at < s.n;) {
        const char *lf = memchr(s.p + at, '\n', s.n - at);

        if (!lf)
            return 0;
        at = (size_t)(lf - s.p) + 1;
        if (at >= 2 && lf[-1] == '\r')
            return at;
    }
    return 0;
}

static enum rc skip_line(struct conversation *c, struct str in)
{
    size_t end_at = behind_crlf(in);

    if (end_at) {
        conversation_take(c, end_at);
        c->skipping = false;
        return RC_LINE_TOO_LONG;
    }
    conversation_take(c, in.n && in.p[in.n - 1] == '\r' ? in.n - 1 : in.n);
    return RC_UNAVAILABLE;
}

enum rc conversation_line(struct conversation *c, size_t max, struct str *line_out)
{
    struct str in = conversation_input(c);
    size_t end_at;

    if (c->skipping)
        return skip_line(c, in);
    end_at = behind_crlf(str_first(in, max));
    if (end_at) {
        *line_out = str_of(in.p, end_at - 2);
        conversation_take(c, end_at);
        return RC_OK;
    }
    if (in.n < max)
        return RC_UNAVAILABLE;
    c->skipping = true;
    return skip_line(c, in);
}

void conversation_printf(struct conversation *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_addfv(&c->out, fmt, ap);
    va_end(ap);
}

/* --- without sockets ----------------------------------------------------------------------------------------------------
 */

struct conversation *conversation_test_new(const struct conversation_kind *kind, void *ctx)
{
    struct conversation *c = conversation_new(kind, ctx);

    must(c);
    conversation_run(c);
    return c;
}

void conversation_feed(struct conversation *c, struct str octets)
{
    if (c->ended || c->eof)
        return;
    buf_add(&c->in, octets);
    if (octets.n)
        conversation_input_came(c);
}

void conversation_feed_eof(struct conversation *c)
{
    if (c->ended)
        return;
    c->eof = true;
    conversation_input_came(c);
}

void conversation_expire(struct conversation *c)
{
    if (c->ended)
        return;
    if (c->at.what == STEP_SLEEP)
        conversation_wait_over(c);
    else
        conversation_broke(c, RC_TIMEOUT, str_lit("timed out"), true);
}

void conversation_test_tls(struct conversation *c, const struct tls_facts *facts)
{
    if (c->ended || c->at.what != STEP_TLS)
        return;
    c->tls = facts;
    c->rc = facts ? RC_OK : RC_TLS_FAILED;
    c->why = facts ? STR_NONE : str_lit("handshake failed");
    conversation_wait_over(c);
}

void conversation_test_free(struct conversation *c)
{
    conversation_finish(c);
    conversation_free(c);
}
