/*
 * SpamAssassin's spamd by the SPAMC protocol: SYMBOLS and PING. See engines.h.
 *
 * Called through engine_ask(). Owns nothing. The reply is lines, an empty line, and Content-length octets of symbol names
 * separated by commas; the `Spam:` line has the score and the threshold.
 */
#include "scan/engines.h"
#include "scan/scale.h"

#include <math.h>
#include <stdlib.h>

enum { REPLY_MAX = 256 << 10 };

double spamd_scale(double score, double required)
{
    const struct scale_point points[] = {{0, 0}, {required, 50}, {required * 2, 90}, {required * 4, 100}};

    return scale_score(points, 4, score);
}

static bool number(struct str s, double *out)
{
    char text[32], *end;

    s = str_trim(s);
    if (!s.n || s.n >= sizeof text)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_digit(s.p[i]) && !(i == 0 && s.p[i] == '-') && s.p[i] != '.')
            return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

/* "True ; 15.0 / 5.0" */
static bool verdict(struct str value, struct spam_answer *out)
{
    struct str rest = value, word, score;

    return str_split(&rest, ';', &word) && rest.p && str_split(&rest, '/', &score) && rest.p && number(score, &out->raw) &&
           number(rest, &out->required) && out->required > 0;
}

static enum rc symbols(struct arena *a, struct str body, struct spam_answer *out, struct err *e)
{
    struct spam_symbol *list = arena_array(a, struct spam_symbol, SYMBOLS_MAX);
    struct str rest = str_trim(body), one;

    if (!list)
        return err_set(e, RC_NO_MEMORY, "no room for symbols");
    while (rest.n && out->n_symbols < SYMBOLS_MAX && str_split(&rest, ',', &one))
        if (str_trim(one).n)
            list[out->n_symbols++].name = str_trim(one);
    out->symbols = list;
    return RC_OK;
}

/* SPAMD/1.1 0 EX_OK: the reply's code has to be 0. */
static bool first_line(struct str s)
{
    struct str word, code;

    return str_starts(s, str_lit("SPAMD/")) && str_word(&s, &word) && str_word(&s, &code) && str_eq(code, str_lit("0"));
}

enum rc spamd_answer_read(struct arena *a, struct str reply, struct spam_answer *out, struct err *e)
{
    bool has_verdict = false, has_length = false;
    struct str rest = reply, one;
    uint64_t length = 0;

    *out = (struct spam_answer){0};
    for (size_t i = 0; str_split(&rest, '\n', &one) && rest.p; i++) {
        size_t colon;

        one = str_trim(one);
        if (!i && !first_line(one))
            return err_set(e, RC_SYNTAX, "the answer is \"%.*s\"", STR(str_first(one, 80)));
        if (!one.n)
            break;
        colon = str_find(one, ':');
        if (str_eqi(str_first(one, colon), str_lit("Spam")))
            has_verdict = !has_verdict && verdict(str_from(one, colon + 1), out);
        if (str_eqi(str_first(one, colon), str_lit("Content-length")))
            has_length = str_u64(str_trim(str_from(one, colon + 1)), &length);
    }
    if (!rest.p || !has_verdict)
        return err_set(e, RC_SYNTAX, "the answer has no verdict");
    if (has_length && length > rest.n)
        return err_set(e, RC_SYNTAX, "the answer is cut");
    out->score = spamd_scale(out->raw, out->required);
    return symbols(a, has_length ? str_first(rest, length) : rest, out, e);
}

static enum rc read_all(const struct engine_io *io, struct buf *in, struct err *e)
{
    bool ended = false;

    while (!ended)
        TRY(engine_read(io, in, &ended, e));
    return in->n ? RC_OK : err_set(e, RC_CLOSED, "closed without an answer");
}

static enum rc check(struct spam_talk *t, const struct engine_io *io, struct buf *b, struct err *e)
{
    const struct spam_question *q = &t->question;
    struct str copy;

    buf_addf(b, "SYMBOLS SPAMC/1.5\r\nContent-length: %zu\r\n\r\n", q->message.n);
    TRY(engine_send(io, buf_str(b), e));
    TRY(engine_send(io, q->message, e));
    buf_clear(b);
    TRY(read_all(io, b, e));
    copy = arena_str(t->arena, buf_str(b));
    if (!copy.p)
        return err_set(e, RC_NO_MEMORY, "no room for the answer");
    return spamd_answer_read(t->arena, copy, &t->answer, e);
}

enum rc spamd_check(void *ctx, const struct engine_io *io, struct err *e)
{
    struct buf b = BUF(REPLY_MAX);
    enum rc rc = check(ctx, io, &b, e);

    buf_done(&b);
    return rc;
}

enum rc spamd_ping(void *ctx, const struct engine_io *io, struct err *e)
{
    struct buf b = BUF(REPLY_MAX);
    enum rc rc = engine_send(io, str_lit("PING SPAMC/1.2\r\n\r\n"), e);

    (void)ctx;
    if (rc == RC_OK)
        rc = read_all(io, &b, e);
    if (rc == RC_OK && (!str_starts(buf_str(&b), str_lit("SPAMD/")) || !str_ends(str_trim(buf_str(&b)), str_lit("PONG"))))
        rc = err_set(e, RC_SYNTAX, "no pong");
    buf_done(&b);
    return rc;
}
