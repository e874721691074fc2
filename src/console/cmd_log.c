/*
 * Reading logs: grep, tail, findevent, rollovernow (spec/cli.md 8).
 *
 * Called through spec/verbs.def. The engines are log_*.c; here are their options and questions. What they show goes through
 * say(), so lines of strangers are harmless on a terminal. Ctrl-C stops them.
 */
#include "console/ask.h"
#include "console/commands.h"
#include "console/log_findevent.h"
#include "console/log_grep.h"
#include "console/log_tail.h"

#include <dirent.h>
#include <stdlib.h>

enum { TAIL_LINES = 10, LOGS_MAX = 200 };

/* --- which log -------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Every folder below HOME/log. */
static struct strs logs(struct session *s)
{
    struct str *items = arena_must_alloc(&s->arena, LOGS_MAX * sizeof *items);
    DIR *d = opendir(arena_printf(&s->arena, "%s/log", s->home).p);
    struct dirent *x;
    size_t n = 0;

    while (d && n < LOGS_MAX && (x = readdir(d)))
        if (x->d_name[0] != '.' && x->d_type == DT_DIR)
            items[n++] = arena_str(&s->arena, str_c(x->d_name));
    if (d)
        closedir(d);
    qsort(items, n, sizeof *items, by_name);
    return (struct strs){items, n};
}

/* A log by its name or by its number in the list; empty when there is none. */
static struct str log_named(struct session *s, struct str word)
{
    struct strs list = logs(s);
    uint64_t number;

    for (size_t i = 0; i < list.n; i++)
        if (str_eqi(list.items[i], word))
            return list.items[i];
    return str_u64(word, &number) && number >= 1 && number <= list.n ? list.items[number - 1] : STR_NONE;
}

static bool is_log(struct session *s, void *ctx, struct str answer)
{
    *(struct str *)ctx = log_named(s, answer);
    if (((struct str *)ctx)->n)
        return true;
    session_missing(s, "The log", answer);
    return false;
}

static struct str ask_log(struct session *s, const char *question)
{
    struct strs list = logs(s);
    struct str name = STR_NONE;

    say(s, "Currently configured logs:\n");
    for (size_t i = 0; i < list.n; i++)
        say(s, "%zu. %.*s\n", i + 1, STR(list.items[i]));
    ask_value(s, question, NULL, is_log, &name);
    return name;
}

/* --- showing ------------------------------------------------------------------------------------------------------------
 */

static bool show(void *ctx, struct str line)
{
    struct session *s = ctx;

    say_str(s, line);
    say_str(s, str_lit("\n"));
    return !s->quiet;
}

static bool stop(void *ctx, unsigned wait_ms)
{
    struct session *s = ctx;

    s->line = 0; /* what follows is not paged */
    say_flush(s);
    session_wait(s, -1, wait_ms); /* Ctrl-C leaves from here */
    return session_gone(s);
}

static struct log_out out_of(struct session *s)
{
    return (struct log_out){.line = show, .stop = stop, .ctx = s};
}

static enum rc ended(struct session *s, enum rc rc, const struct err *e)
{
    if (rc == RC_LIMIT) {
        say(s, "%s\n", err_text(e));
        return RC_OK;
    }
    return rc == RC_OK ? RC_OK : session_fail(s, e);
}

/* --- grep ---------------------------------------------------------------------------------------------------------------
 */

struct options {
    struct log_grep what;
    struct str log;
    struct str free[3]; /* expression and log, in either order */
    size_t n;
    bool paginate;
};

static bool take_option(struct session *s, struct options *o, size_t *i)
{
    struct str w = s->args.items[*i];

    if (str_eq(w, str_lit("-e")) && *i + 1 < s->args.n)
        o->what.pattern = s->args.items[++*i];
    else if (str_eq(w, str_lit("-C")) && *i + 1 < s->args.n)
        return str_u64(s->args.items[++*i], &o->what.context);
    else if (str_eq(w, str_lit("-c")))
        o->what.count = true;
    else if (str_eq(w, str_lit("-i")))
        o->what.ignore_case = true;
    else if (str_eq(w, str_lit("-v")))
        o->what.invert = true;
    else if (str_eq(w, str_lit("-t")))
        o->what.tail = true;
    else if (str_eq(w, str_lit("-p")))
        o->paginate = true;
    else
        return false;
    return true;
}

static bool parse(struct session *s, struct options *o)
{
    for (size_t i = 0; i < s->args.n; i++) {
        if (s->args.items[i].n > 1 && s->args.items[i].p[0] == '-' && take_option(s, o, &i))
            continue;
        if (o->n == 3)
            return false;
        o->free[o->n++] = s->args.items[i];
    }
    if (o->n == 0 || o->n > 2 || (o->n == 1) != (o->what.pattern.n > 0))
        return false;
    o->log = log_named(s, o->free[o->n - 1]); /* the log stands last, or first */
    if (o->n == 2)
        o->what.pattern = o->free[o->log.n ? 0 : 1];
    if (o->log.n == 0)
        o->log = log_named(s, o->free[0]);
    return true;
}

static void ask_all(struct session *s, struct options *o)
{
    o->log = ask_log(s, "Enter the number of the log you wish to grep.");
    o->what.pattern = ask_value(s, "Enter the regular expression to grep.", NULL, NULL, NULL);
    o->what.ignore_case = ask_yes(s, "Do you want this search to be case insensitive?", true);
    o->what.invert = ask_yes(s, "Do you want to search for non-matching lines?", false);
    o->what.tail = ask_yes(s, "Do you want to tail the logs?", false);
    o->paginate = ask_yes(s, "Do you want to paginate the output?", false);
}

enum rc cmd_grep(struct session *s)
{
    struct options o = {.what = {.pattern = STR_NONE}};
    struct log_out out = out_of(s);
    struct err e = ERR_NONE;
    unsigned rows = s->rows;
    enum rc rc;

    if (s->args.n == 0)
        ask_all(s, &o);
    else if (!parse(s, &o))
        return session_usage(s);
    if (o.log.n == 0)
        return session_missing(s, "The log", o.free[o.n - 1]);
    if (!o.paginate)
        s->rows = 0;
    rc = log_grep(s->home, o.log, &o.what, &out, &e);
    s->rows = rows;
    return ended(s, rc, &e);
}

/* --- tail ---------------------------------------------------------------------------------------------------------------
 */

enum rc cmd_tail(struct session *s)
{
    struct log_out out = out_of(s);
    struct str name = s->args.n ? log_named(s, arg(s, 0)) : STR_NONE;
    struct err e = ERR_NONE;

    if (s->args.n > 1)
        return session_usage(s);
    if (s->args.n == 0)
        name = ask_log(s, "Enter the number of the log you wish to tail.");
    if (name.n == 0)
        return session_missing(s, "The log", arg(s, 0));
    if (s->terminal)
        say(s, "Press Ctrl-C to stop.\n");
    return ended(s, log_tail(s->home, name, TAIL_LINES, &out, &e), &e);
}

/* --- findevent ----------------------------------------------------------------------------------------------------------
 */

struct search {
    struct str log, text;
    enum findevent_kind kind;
    bool ignore_case, by_mid;
    uint64_t mid;
};

static bool parse_search(struct session *s, struct search *x)
{
    static const struct {
        const char *option;
        enum findevent_kind kind;
    } kinds[] = {{"-f", FINDEVENT_FROM}, {"-s", FINDEVENT_SUBJECT}, {"-t", FINDEVENT_TO}};
    bool given = false;

    for (size_t i = 0; i < s->args.n; i++) {
        bool more = i + 1 < s->args.n, taken = false;

        for (size_t k = 0; k < 3 && more && !given; k++) {
            if (!arg_is(s, i, kinds[k].option))
                continue;
            x->kind = kinds[k].kind;
            x->text = s->args.items[++i];
            given = taken = true;
            break;
        }
        if (taken)
            continue;
        if (arg_is(s, i, "-i")) {
            x->ignore_case = true;
        } else if (arg_is(s, i, "-m") && more && !given) {
            x->by_mid = given = str_u64(s->args.items[++i], &x->mid);
        } else if (x->log.n == 0) {
            x->log = log_named(s, s->args.items[i]);
            if (x->log.n == 0)
                return false;
        } else {
            return false;
        }
    }
    return given && x->log.n;
}

static bool is_mid(struct session *s, void *ctx, struct str answer)
{
    if (str_u64(answer, ctx))
        return true;
    say(s, "A MID is a number.\n");
    return false;
}

static enum rc search(struct session *s, const struct search *x)
{
    struct log_out out = out_of(s);
    struct err e = ERR_NONE;
    enum rc rc = x->by_mid ? log_findevent_mid(s->home, x->log, x->mid, &out, &e)
                           : log_findevent(s->home, x->log, x->kind, x->text, x->ignore_case, &out, &e);

    return ended(s, rc, &e);
}

static enum rc ask_search(struct session *s)
{
    static const char *const kinds[] = {"Search by envelope FROM", "Search by Message ID", "Search by Subject",
                                        "Search by envelope TO", NULL};
    static const enum findevent_kind of[] = {FINDEVENT_FROM, FINDEVENT_FROM, FINDEVENT_SUBJECT, FINDEVENT_TO};
    struct search x = {.log = ask_log(s, "Enter the number of the log you wish to use for message tracking.")};
    size_t kind = ask_one_of(s, "Please choose the type of search you want to perform:", 0, kinds);
    enum rc rc;

    x.by_mid = kind == 1;
    x.kind = of[kind];
    if (!x.by_mid) {
        x.text = ask_value(s, "Enter the regular expression to search for:", NULL, NULL, NULL);
        x.ignore_case = ask_yes(s, "Do you want this search to be case insensitive?", true);
        rc = search(s, &x);
        if (rc != RC_OK)
            return rc;
        x.by_mid = true;
    }
    if (ask_optional(s, "Enter the MID of the message whose lines you want to see:", is_mid, &x.mid).n == 0)
        return RC_OK;
    return search(s, &x);
}

enum rc cmd_findevent(struct session *s)
{
    struct search x = {.log = STR_NONE};

    if (s->args.n == 0)
        return ask_search(s);
    if (!parse_search(s, &x))
        return session_usage(s);
    return search(s, &x);
}

/* --- rollovernow --------------------------------------------------------------------------------------------------------
 */

enum rc cmd_rollovernow(struct session *s)
{
    struct strs list = logs(s), choices;
    struct str *items;
    size_t i;

    if (s->args.n)
        return cmd_plain(s);
    items = arena_must_alloc(&s->arena, (list.n + 1) * sizeof *items);
    for (i = 0; i < list.n; i++)
        items[i] = list.items[i];
    items[list.n] = str_lit("All Logs");
    choices = (struct strs){items, list.n + 1};
    i = ask_choice(s, "Which log would you like to roll over?", &choices, SIZE_MAX);
    return session_run(s, "rollovernow", i == list.n ? "all" : items[i].p, NULL);
}
