/*
 * Questions of a session to control. See session.h.
 *
 * Called by commands. Owns nothing but the count of replies still owed: a question that Ctrl-C gave up is answered all the
 * same, and that answer is thrown away before the next one.
 */
#include "console/session.h"

#include "admin/client.h"
#include "console/terminal.h"

#include <stdarg.h>

enum { WORDS = 16 };

/* Waits for control with an eye on the keyboard. */
static void await(struct session *s)
{
    while (!terminal_fill(s, 3600000, s->control))
        ;
}

static enum rc take(struct session *s, enum rc *rc, struct buf *text, struct buf *json, struct err *e)
{
    enum rc got;

    await(s);
    got = client_reply(s->control, rc, text, json, e);
    s->replies_owed--;
    return got;
}

enum rc session_ask(struct session *s, const struct str *words, size_t n, struct buf *text, struct buf *json)
{
    struct buf t = BUF(128 << 20), j = BUF(128 << 20);
    struct err e = ERR_NONE;
    enum rc rc = RC_OK, sent = RC_OK;

    while (s->replies_owed && sent == RC_OK) {
        sent = take(s, &rc, &t, &j, &e);
        buf_clear(&t);
        buf_clear(&j);
    }
    if (sent == RC_OK)
        sent = client_send(s->control, s->user, words, n, &e);
    if (sent == RC_OK) {
        s->replies_owed++;
        sent = take(s, &rc, &t, &j, &e);
    }
    if (sent != RC_OK) {
        say(s, "The connection to the system is lost: %s\n", err_text(&e));
        buf_done(&t);
        buf_done(&j);
        session_leave(s, LEAVE_END);
    }
    if (text)
        buf_add(text, buf_str(&t));
    if (json)
        buf_add(json, buf_str(&j));
    buf_done(&t);
    buf_done(&j);
    return rc;
}

static size_t collect(struct str *words, const char *first, va_list ap)
{
    size_t n = 0;

    for (const char *w = first; w && n < WORDS; w = va_arg(ap, const char *))
        words[n++] = str_c(w);
    return n;
}

enum rc session_call(struct session *s, struct buf *text, struct buf *json, const char *first, ...)
{
    struct str words[WORDS];
    va_list ap;
    size_t n;

    va_start(ap, first);
    n = collect(words, first, ap);
    va_end(ap);
    return session_ask(s, words, n, text, json);
}

enum rc session_run(struct session *s, const char *first, ...)
{
    struct buf *text = session_buf(s, 128 << 20);
    struct str words[WORDS];
    va_list ap;
    enum rc rc;
    size_t n;

    va_start(ap, first);
    n = collect(words, first, ap);
    va_end(ap);
    rc = session_ask(s, words, n, text, NULL);
    say_str(s, buf_str(text));
    return rc;
}

/* --- small help ---------------------------------------------------------------------------------------------------------
 */

static void drop(void *ctx)
{
    buf_done(ctx);
}

struct buf *session_buf(struct session *s, size_t max)
{
    struct buf *b = arena_must_alloc(&s->arena, sizeof *b);

    *b = BUF(max);
    arena_defer(&s->arena, drop, b);
    return b;
}

struct str arg(const struct session *s, size_t n)
{
    return n < s->args.n ? s->args.items[n] : STR_NONE;
}

bool arg_is(const struct session *s, size_t n, const char *word)
{
    return n < s->args.n && str_eqi(s->args.items[n], str_c(word));
}

enum rc session_missing(struct session *s, const char *noun, struct str name)
{
    say(s, "%s %.*s does not exist\n", noun, STR(str_first(name, 200)));
    return RC_NOT_FOUND;
}

enum rc session_fail(struct session *s, const struct err *e)
{
    say(s, "%s\n", err_text(e));
    return e->rc ? e->rc : RC_INTERNAL;
}
