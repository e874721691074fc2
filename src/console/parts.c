/*
 * Long answers in parts. See parts.h.
 *
 * Called by commands that list the queue. Owns nothing. A list that its reader has had enough of (q, Ctrl-C) costs the queue
 * nothing more. With a last word --json the parts are not joined: control does that.
 */
#include "console/parts.h"

#include "console/commands.h"

struct str parts_next(struct str json)
{
    static const struct str head = {"{\"next\":\"", 9};

    if (!str_starts(json, head))
        return STR_NONE;
    json = str_from(json, head.n);
    return str_first(json, str_find(json, '"'));
}

static enum rc part(struct session *s, const char *verb, struct strs args, struct str at, struct buf *text,
                    struct str *next_out)
{
    struct str *words = arena_must_alloc(&s->arena, (args.n + 3) * sizeof *words);
    struct buf json = BUF(128 << 20);
    enum rc rc;

    words[0] = str_c(verb);
    for (size_t i = 0; i < args.n; i++)
        words[i + 1] = args.items[i];
    words[args.n + 1] = str_lit("at");
    words[args.n + 2] = at;
    rc = session_ask(s, words, args.n + 3, text, &json);
    *next_out = arena_str(&s->arena, parts_next(buf_str(&json)));
    buf_done(&json);
    return rc;
}

enum rc parts_take(struct session *s, const char *verb, struct strs args, struct buf *out)
{
    struct str at = str_lit("0.0"), next;
    enum rc rc;

    do {
        rc = part(s, verb, args, at, out, &next);
        at = next;
    } while (rc == RC_OK && at.n);
    return rc;
}

enum rc parts_show(struct session *s, const char *verb, struct strs args)
{
    struct str at = str_lit("0.0"), next;
    struct buf *text = session_buf(s, 128 << 20);
    enum rc rc;

    if (args.n && str_eq(args.items[args.n - 1], str_lit("--json")))
        return cmd_plain(s);
    do {
        buf_clear(text);
        rc = part(s, verb, args, at, text, &next);
        say_str(s, buf_str(text));
        at = next;
    } while (rc == RC_OK && at.n && !s->quiet);
    return rc;
}
