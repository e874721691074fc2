/*
 * Verbs whose answer comes in parts: showrecipients, showmessage, archivemessage (cli.md 7.2).
 *
 * Called through spec/verbs.def. Queue answers with a part and, as long as there is more, `{"next":"TOKEN",` at the begin of
 * its json; the same words with `at TOKEN` behind them get the part that follows. Who says `at` gets that part alone (`at
 * 0.0` is the first): a session prints each as it comes. Everybody else gets the parts joined here, up to TEXT_MAX; beyond
 * that the text ends with a line that says so. Lists in the json are joined too.
 */
#include "admin/verbs.h"

#include <string.h>

enum { TEXT_MAX = 48 << 20 };

static bool has_at(const struct verb_call *c)
{
    return c->args.n >= 2 && str_eqi(c->args.items[c->args.n - 2], str_lit("at"));
}

/* The token of the part that follows; empty = that was the last. */
static struct str next_of(struct str json)
{
    static const char begin[] = "{\"next\":\"";
    struct str rest;

    if (!str_starts(json, str_c(begin)))
        return STR_NONE;
    rest = str_from(json, sizeof begin - 1);
    return str_first(rest, str_find(rest, '"'));
}

/* Between the first [ and the last ] of a part lies its share of the list; what is behind is right in the last part. */
static void join_json(struct verb_call *c, struct str json)
{
    size_t from = str_find(json, '['), to = str_find_last(json, ']'), end;

    if (from >= json.n || to >= json.n || !c->json.n) {
        c->json.n = 0;
        buf_add(&c->json, json);
        return;
    }
    end = str_find_last(buf_str(&c->json), ']');
    if (end >= c->json.n)
        return;
    c->json.n = end;
    if (to > from + 1 && c->json.p[end - 1] != '[')
        buf_addc(&c->json, ',');
    buf_add(&c->json, str_from(json, from + 1));
}

/* The first part said where to go on, the whole does not. */
static void drop_next(struct verb_call *c)
{
    struct str json = buf_str(&c->json);
    size_t comma = next_of(json).n ? str_find(json, ',') : json.n;

    if (comma >= json.n)
        return;
    memmove(c->json.p + 1, c->json.p + comma + 1, c->json.n - comma - 1);
    c->json.n -= comma;
}

static void ask_next(struct verb_call *c, struct str token)
{
    struct str *args = arena_must_alloc(&c->arena, (c->args.n + 2) * sizeof *args);

    memcpy(args, c->args.items, c->args.n * sizeof *args);
    args[c->args.n] = str_lit("at");
    args[c->args.n + 1] = arena_str(&c->arena, token);
    verb_ask(c, ROLE_queue, c->verb->name, (struct strs){args, c->args.n + 2});
}

static void take_part(struct verb_call *c, const struct bus_verb_reply *r)
{
    struct str token = r->rc == RC_OK ? next_of(r->json) : STR_NONE;

    buf_add(&c->text, r->text);
    if (has_at(c)) {
        buf_add(&c->json, r->json);
        return;
    }
    join_json(c, r->json);
    if (!token.n) {
        drop_next(c);
    } else if (c->done && c->text.n < TEXT_MAX) {
        ask_next(c, token);
    } else {
        buf_addf(&c->text, "\nToo much to show at once: the rest is left out.\n");
        c->rc = RC_TOO_LARGE;
    }
}

void verb_pages(struct verb_call *c)
{
    c->take = take_part;
    verb_ask(c, ROLE_queue, c->verb->name, c->args);
    verb_wait(c);
}
