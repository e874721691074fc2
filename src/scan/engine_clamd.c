/*
 * clamd by its stream protocol: a session with one INSTREAM an item, answers by number. See engines.h.
 *
 * Called through engine_ask(). Owns nothing. Names that begin with "Heuristics.Encrypted" or "Heuristics.Limits" are clamd's
 * way (AlertEncrypted, AlertExceedsMax) to say that it could not look inside: they are results of their own.
 */
#include "scan/engines.h"

#include <arpa/inet.h>

enum { CHUNK = 128 << 10, REPLY_MAX = 256 << 10, AT_ONCE = 16 };

/* --- reading ------------------------------------------------------------------------------------------------------------
 */

static bool cut_end(struct str *s, const char *end)
{
    if (!str_ends(*s, str_c(end)))
        return false;
    *s = str_first(*s, s->n - strlen(end));
    return true;
}

static void found(struct str name, struct virus_item *out)
{
    out->virus = name;
    out->result = str_startsi(name, str_lit("Heuristics.Encrypted")) ? VIRUS_ENCRYPTED
                  : str_startsi(name, str_lit("Heuristics.Limits"))  ? VIRUS_UNSCANNABLE
                                                                     : VIRUS_FOUND;
}

enum rc clamd_answer_read(struct arena *a, struct str line, struct virus_item *out, struct err *e)
{
    struct str s = line, copy;

    if (str_starts(s, str_lit("stream: ")))
        s = str_from(s, 8);
    copy = arena_str(a, s);
    if (!copy.p)
        return err_set(e, RC_NO_MEMORY, "no room for the answer");
    if (str_eq(copy, str_lit("OK")) && s.n != line.n) {
        out->result = VIRUS_CLEAN;
        return RC_OK;
    }
    if (s.n != line.n && cut_end(&copy, " FOUND") && copy.n) {
        found(copy, out);
        return RC_OK;
    }
    if (cut_end(&copy, " ERROR") && copy.n) {
        out->result = VIRUS_UNSCANNABLE;
        out->virus = str_trim(copy);
        return RC_OK;
    }
    return err_set(e, RC_SYNTAX, "the answer is \"%.*s\"", STR(str_first(line, 80)));
}

/* Items whose answers are waited for: the first has the number `first`. */
struct round {
    struct virus_item *items[AT_ONCE];
    size_t first, n, have;
};

/* Each answer ends in NUL: "2: stream: OK". */
static enum rc take_answers(struct arena *a, struct buf *in, struct round *r, struct err *e)
{
    struct str rest = buf_str(in);
    size_t end;

    while ((end = str_find(rest, '\0')) < rest.n) {
        struct str one = str_first(rest, end);
        size_t colon = str_find(one, ':');
        struct virus_item *item;
        uint64_t number;

        rest = str_from(rest, end + 1);
        if (!str_u64(str_first(one, colon), &number) || number < r->first || number >= r->first + r->n ||
            r->items[number - r->first]->answered)
            return err_set(e, RC_SYNTAX, "the answer is \"%.*s\"", STR(str_first(one, 80)));
        item = r->items[number - r->first];
        TRY(clamd_answer_read(a, str_trim(str_from(one, colon + 1)), item, e));
        item->answered = true;
        r->have++;
    }
    buf_drop(in, in->n - rest.n);
    return RC_OK;
}

/* --- asking -------------------------------------------------------------------------------------------------------------
 */

static enum rc send_item(const struct engine_io *io, struct str octets, struct err *e)
{
    uint32_t length;

    TRY(engine_send(io, str_of("zINSTREAM", 10), e)); /* with its NUL */
    while (octets.n) {
        struct str part = str_first(octets, CHUNK);

        length = htonl((uint32_t)part.n);
        TRY(engine_send(io, str_of(&length, sizeof length), e));
        TRY(engine_send(io, part, e));
        octets = str_from(octets, part.n);
    }
    length = 0;
    return engine_send(io, str_of(&length, sizeof length), e);
}

/* clamd closes in the middle of a stream that is over its StreamMaxLength. What it said before decides: then this item and
 * all that are no smaller count as unscannable, and the next try goes on with the others. */
static void refused(struct virus_talk *t, const struct engine_io *io, size_t at, struct buf *in)
{
    bool ended = false;

    while (!ended && engine_read(io, in, &ended, NULL) == RC_OK)
        ;
    if (str_find_str(buf_str(in), str_lit("size limit exceeded")) == in->n)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (!t->items[i].answered && t->items[i].octets.n >= t->items[at].octets.n) {
            t->items[i].answered = true;
            t->items[i].result = VIRUS_UNSCANNABLE;
            t->items[i].virus = str_lit("size limit of the engine exceeded");
        }
}

/* Up to AT_ONCE items, then their answers: so neither side waits for the other with full buffers. `number` counts commands.
 */
static enum rc scan_some(struct virus_talk *t, const struct engine_io *io, size_t *number, struct buf *in, struct err *e)
{
    struct round r = {.first = *number + 1};
    bool ended = false;
    enum rc rc;

    for (size_t i = 0; i < t->n && r.n < AT_ONCE; i++) {
        if (t->items[i].answered)
            continue;
        rc = send_item(io, t->items[i].octets, e);
        if (rc == RC_CLOSED)
            refused(t, io, i, in);
        if (rc != RC_OK)
            return rc;
        r.items[r.n++] = &t->items[i];
    }
    while (r.have < r.n) {
        TRY(engine_read(io, in, &ended, e));
        if (ended)
            return err_set(e, RC_CLOSED, "closed without an answer");
        TRY(take_answers(t->arena, in, &r, e));
    }
    *number += r.n;
    return RC_OK;
}

static bool any_left(const struct virus_talk *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->items[i].answered)
            return true;
    return false;
}

enum rc clamd_scan(void *ctx, const struct engine_io *io, struct err *e)
{
    struct virus_talk *t = ctx;
    struct buf in = BUF(REPLY_MAX);
    enum rc rc = engine_send(io, str_of("zIDSESSION", 11), e);
    size_t number = 0;

    while (rc == RC_OK && any_left(t))
        rc = scan_some(t, io, &number, &in, e);
    buf_done(&in);
    return rc;
}

/* A command of its own connection and its answer without the NUL. */
static enum rc ask(const struct engine_io *io, struct str command, struct buf *in, struct err *e)
{
    bool ended = false;

    TRY(engine_send(io, command, e));
    while (!ended && str_find(buf_str(in), '\0') == in->n)
        TRY(engine_read(io, in, &ended, e));
    in->n = str_find(buf_str(in), '\0');
    return in->n ? RC_OK : err_set(e, RC_CLOSED, "closed without an answer");
}

enum rc clamd_ping(void *ctx, const struct engine_io *io, struct err *e)
{
    struct buf in = BUF(REPLY_MAX);
    enum rc rc = ask(io, str_of("zPING", 6), &in, e);

    (void)ctx;
    if (rc == RC_OK && !str_eq(buf_str(&in), str_lit("PONG")))
        rc = err_set(e, RC_SYNTAX, "no pong");
    buf_done(&in);
    return rc;
}

enum rc clamd_version(void *ctx, const struct engine_io *io, struct err *e)
{
    struct version_talk *t = ctx;
    struct buf in = BUF(REPLY_MAX);
    enum rc rc = ask(io, str_of("zVERSION", 9), &in, e);

    if (rc == RC_OK && !str_starts(buf_str(&in), str_lit("ClamAV")))
        rc = err_set(e, RC_SYNTAX, "the answer is \"%.*s\"", STR(str_first(buf_str(&in), 80)));
    if (rc == RC_OK)
        t->version = arena_str(t->arena, str_first(buf_str(&in), 200));
    buf_done(&in);
    return rc;
}

enum rc clamd_reload(void *ctx, const struct engine_io *io, struct err *e)
{
    struct buf in = BUF(REPLY_MAX);
    enum rc rc = ask(io, str_of("zRELOAD", 8), &in, e);

    (void)ctx;
    if (rc == RC_OK && !str_eq(buf_str(&in), str_lit("RELOADING")))
        rc = err_set(e, RC_SYNTAX, "the answer is \"%.*s\"", STR(str_first(buf_str(&in), 80)));
    buf_done(&in);
    return rc;
}
