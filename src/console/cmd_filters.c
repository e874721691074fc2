/*
 * filters: message filters (doc/filters.md). Batch: `filters set WHICH 1|0`, `filters move WHICH TO`, `filters new TEXT`
 * ...; WHICH is a number, a range 2-5, a name or `all`.
 *
 * Called through spec/verbs.def. Owns nothing. A text that cannot be read is refused at once with line, column and what was
 * expected there; nothing changes then. What a filter names may come later: the filter is not valid until then, and does not
 * run.
 */
#include "console/commands.h"
#include "console/ops.h"
#include "policy/filters.h"

static const struct menu filters = {"filters", "message_filter", "filter", "", ""};

enum { SCRATCH = 64 << 20 };

static const struct conf_section *section(void)
{
    return ops_section("message_filter");
}

/* --- which ---------------------------------------------------------------------------------------------------------------
 */

/* Items [from, to) by the operator's word. */
struct range {
    size_t from, to;
};

static bool one(struct session *s, struct str word, size_t *out)
{
    uint64_t number;

    *out = conf_item_index(session_conf(s), section(), word);
    if (*out == SIZE_MAX && str_u64(word, &number) && number >= 1 && number <= session_conf(s)->message_filter.n)
        *out = (size_t)number - 1;
    return *out != SIZE_MAX;
}

static bool range_fits(struct session *s, void *ctx, struct str answer)
{
    struct range *r = ctx;
    size_t dash = str_find(answer, '-'), last;

    *r = (struct range){0, session_conf(s)->message_filter.n};
    if (str_eqi(answer, str_lit("all")))
        return true;
    if (one(s, answer, &r->from)) {
        r->to = r->from + 1;
        return true;
    }
    if (dash < answer.n && one(s, str_first(answer, dash), &r->from) && one(s, str_from(answer, dash + 1), &last) &&
        r->from <= last) {
        r->to = last + 1;
        return true;
    }
    session_missing(s, "Filter", answer);
    return false;
}

static struct range ask_range(struct session *s, const char *what)
{
    struct range r = {0, 0};

    ask_value(s, arena_printf(&s->arena, "Enter the filter name, number, or range%s:", what).p, NULL, range_fits, &r);
    return r;
}

static struct str name_at(struct session *s, size_t i)
{
    return arena_str(&s->arena, session_conf(s)->message_filter.items[i].name);
}

/* --- reading --------------------------------------------------------------------------------------------------------------
 */

static bool put(struct session *s, const struct filter *f)
{
    struct err e = ERR_NONE;
    void *item;

    if (conf_item_index(session_conf(s), section(), f->name) != SIZE_MAX) {
        say(s, "A filter %.*s exists already.\n", STR(f->name));
        return false;
    }
    if (conf_draft_item(session_draft(s), section(), f->name, &item, &e) != RC_OK) {
        session_fail(s, &e);
        return false;
    }
    return field_put(s, section(), f->name, "text", f->text);
}

/* All filters of a text; how many there were, SIZE_MAX when something is wrong with it (which was said). */
static size_t add_all(struct session *s, struct str text)
{
    struct arena a;
    struct filters f = {0};
    struct err e = ERR_NONE;
    size_t n = 0;

    arena_init(&a, 16384, SCRATCH);
    if (filter_parse(&a, text, &f, &e) != RC_OK) {
        say(s, "%s.\n", e.text);
        n = SIZE_MAX;
    }
    for (size_t i = 0; i < f.n && n != SIZE_MAX; i++)
        n = put(s, &f.items[i]) ? n + 1 : SIZE_MAX;
    arena_done(&a);
    return n;
}

static void say_count(struct session *s, size_t n, const char *what)
{
    say(s, "%zu filter%s %s.\n", n, n == 1 ? "" : "s", what);
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct str text;
    size_t n;

    (void)ctx;
    if (ask_left(s))
        text = ask_next(s);
    else if (!ask_lines(s, "Enter filter script.", &text))
        return RC_INVALID;
    if (ask_left(s))
        return session_usage(s);
    n = add_all(s, text);
    if (n == SIZE_MAX)
        return RC_INVALID;
    say_count(s, n, "added");
    return RC_OK;
}

/* All filters become those of the file; one that was there before keeps whether it is active. */
static enum rc op_import(struct session *s, void *ctx)
{
    const struct conf *before = session_conf(s);
    struct strs off = {NULL, 0};
    struct str text, *names;
    size_t n;

    (void)ctx;
    if (ops_import(s, "the filters", &text) != RC_OK)
        return RC_INVALID;
    names = arena_must_alloc(&s->arena, (before->message_filter.n + 1) * sizeof *names);
    for (size_t i = 0; i < before->message_filter.n; i++)
        if (!before->message_filter.items[i].active)
            names[off.n++] = name_at(s, i);
    off.items = names;
    while (session_conf(s)->message_filter.n)
        menu_delete(s, &filters, name_at(s, 0));
    n = add_all(s, text);
    if (n == SIZE_MAX)
        return RC_INVALID;
    for (size_t i = 0; i < off.n; i++)
        if (conf_item_index(session_conf(s), section(), off.items[i]) != SIZE_MAX)
            field_put(s, section(), off.items[i], "active", str_lit("no"));
    say_count(s, n, "imported");
    return RC_OK;
}

/* --- changing -------------------------------------------------------------------------------------------------------------
 */

static enum rc op_delete(struct session *s, void *ctx)
{
    struct range r = ask_range(s, "");

    (void)ctx;
    if (ask_left(s))
        return session_usage(s);
    for (size_t i = r.from; i < r.to; i++)
        menu_delete(s, &filters, name_at(s, r.from));
    say_count(s, r.to - r.from, "deleted");
    return RC_OK;
}

static enum rc op_move(struct session *s, void *ctx)
{
    struct range r = ask_range(s, " to move"), to;
    struct strs names;
    struct str *items = arena_must_alloc(&s->arena, (r.to - r.from + 1) * sizeof *items);

    (void)ctx;
    ask_value(s, "Enter the target filter position number or name:", NULL, range_fits, &to);
    if (ask_left(s))
        return session_usage(s);
    names = (struct strs){items, r.to - r.from};
    for (size_t i = 0; i < names.n; i++)
        items[i] = name_at(s, r.from + i);
    if (to.from + names.n > session_conf(s)->message_filter.n)
        to.from = session_conf(s)->message_filter.n - names.n;
    /* upwards the last goes first, so that each arrives where it stays */
    for (size_t i = 0; i < names.n; i++) {
        size_t k = to.from <= r.from ? i : names.n - 1 - i;

        menu_move(s, &filters, names.items[k], to.from + k + 1);
    }
    say_count(s, names.n, "moved");
    return RC_OK;
}

static bool activity_fits(struct session *s, void *ctx, struct str answer)
{
    static const char *const on[] = {"1", "active", "yes", "on"}, *const off[] = {"0", "inactive", "no", "off"};

    for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
        *(const char **)ctx = str_eqi(answer, str_c(on[i])) ? "yes" : "no";
        if (str_eqi(answer, str_c(on[i])) || str_eqi(answer, str_c(off[i])))
            return true;
    }
    say(s, "The value must be active (1) or inactive (0).\n");
    return false;
}

static enum rc op_set(struct session *s, void *ctx)
{
    struct range r = ask_range(s, "");
    const char *value = "no";

    (void)ctx;
    ask_value(s, "Enter the attribute to set (active, inactive):", NULL, activity_fits, &value);
    if (ask_left(s))
        return session_usage(s);
    for (size_t i = r.from; i < r.to; i++)
        if (!field_put(s, section(), name_at(s, i), "active", str_c(value)))
            return RC_INVALID;
    say_count(s, r.to - r.from, "updated");
    return RC_OK;
}

/* --- showing --------------------------------------------------------------------------------------------------------------
 */

/* Why the filter does not run; empty = it does. */
static struct str trouble(struct session *s, const struct conf_message_filter *item)
{
    struct arena a;
    struct filters f = {0};
    struct err e = ERR_NONE;
    struct str why = STR_NONE, missing = STR_NONE;

    arena_init(&a, 16384, SCRATCH);
    if (filter_parse(&a, item->text, &f, &e) != RC_OK || f.n != 1)
        why = arena_str(&s->arena, str_c(err_text(&e)));
    else if (!filter_valid(session_conf(s), &a, &f.items[0], &missing))
        why = arena_printf(&s->arena, "there is no %.*s", STR(missing));
    arena_done(&a);
    return why;
}

static enum rc op_list(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, "Num Active Valid Name\n");
    for (size_t i = 0; i < c->message_filter.n; i++) {
        const struct conf_message_filter *f = &c->message_filter.items[i];

        say(s, "%3zu   %c      %c   %.*s\n", i + 1, f->active ? 'Y' : 'N', trouble(s, f).n ? 'N' : 'Y', STR(f->name));
    }
    return RC_OK;
}

static enum rc op_detail(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);
    struct range r = ask_range(s, "");

    (void)ctx;
    if (ask_left(s))
        return session_usage(s);
    say(s, "Num Active Valid Name\n");
    for (size_t i = r.from; i < r.to; i++) {
        const struct conf_message_filter *f = &c->message_filter.items[i];
        struct str why = trouble(s, f);

        say(s, "%3zu   %c      %c   %.*s\n", i + 1, f->active ? 'Y' : 'N', why.n ? 'N' : 'Y', STR(f->name));
        say_str(s, f->text);
        say(s, "\n");
        if (why.n)
            say(s, "This filter does not run: %.*s.\n", STR(why));
    }
    return RC_OK;
}

static enum rc op_export(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);
    struct buf *b = session_buf(s, 64 << 20);

    (void)ctx;
    for (size_t i = 0; i < c->message_filter.n; i++) {
        buf_add(b, c->message_filter.items[i].text);
        buf_addc(b, '\n');
    }
    return ops_export(s, "the filters", buf_str(b));
}

static enum rc op_logconfig(struct session *s, void *ctx)
{
    (void)ctx;
    return cmd_logconfig(s);
}

static enum rc op_rollovernow(struct session *s, void *ctx)
{
    (void)ctx;
    return cmd_rollovernow(s);
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->message_filter.n;
}

enum rc cmd_filters(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new filter", false, op_new},
        {"DELETE", "Remove a filter", true, op_delete},
        {"IMPORT", "Import a filter script from a file", false, op_import},
        {"EXPORT", "Export filters to a file", true, op_export},
        {"MOVE", "Move a filter to a different position", true, op_move},
        {"SET", "Set a filter attribute", true, op_set},
        {"LIST", "List the filters", true, op_list},
        {"DETAIL", "Get detailed information on the filters", true, op_detail},
        {"LOGCONFIG", "Configure log subscriptions used by filters", false, op_logconfig},
        {"ROLLOVERNOW", "Roll over a filter log file", false, op_rollovernow},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, NULL, count};

    return ops_talk(s, &ops, NULL);
}
