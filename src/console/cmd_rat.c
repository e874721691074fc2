/*
 * RCPTACCESS of listenerconfig: the recipient access table of a public listener.
 *
 * Called by cmd_listener.c. Owns nothing. The most specific entry decides, so the order of lines says nothing; ALL is kept
 * last. A file of the table has one line an entry, as they are shown, and reads back to the same table.
 */
#include "conf/rules.h"
#include "console/listener.h"
#include "policy/rat.h"

static struct strs lines_of(const struct session *s, struct str listener)
{
    return conf_find(&session_conf(s)->listener, listener)->rat;
}

static struct str pattern_of(struct str line)
{
    struct str word = STR_NONE;

    str_word(&line, &word);
    return word;
}

/* "PATTERN [accept [bypass-ldap] [bypass] | reject [text]]" that the table understands. */
static bool fits(struct session *s, struct str line)
{
    struct str rest = line, pattern, action = STR_NONE;
    struct err e = ERR_NONE;
    struct rat *rat;

    if (!str_word(&rest, &pattern) ||
        (str_word(&rest, &action) && !str_eqi(action, str_lit("accept")) && !str_eqi(action, str_lit("reject")))) {
        say(s, "\"%.*s\" is not PATTERN [accept|reject [text]].\n", STR(str_first(line, 100)));
        return false;
    }
    if (rat_compile(&s->arena, (struct strs){&line, 1}, &rat, &e) == RC_OK)
        return true;
    say(s, "%s\n", err_text(&e));
    return false;
}

bool listener_recipients_fit(struct session *s, void *ctx, struct str answer)
{
    struct strs list = ops_list(s, answer);

    (void)ctx;
    for (size_t i = 0; i < list.n; i++) {
        if (str_find(list.items[i], ' ') < list.items[i].n) {
            say(s, "\"%.*s\" is no recipient; separate them by commas.\n", STR(str_first(list.items[i], 100)));
            return false;
        }
        if (!fits(s, list.items[i]))
            return false;
    }
    return true;
}

static enum rc put(struct session *s, struct str listener, struct strs lines)
{
    struct str *sorted = arena_must_alloc(&s->arena, (lines.n + 1) * sizeof *sorted);
    size_t n = 0;

    for (int last = 0; last < 2; last++)
        for (size_t i = 0; i < lines.n; i++)
            if (str_eqi(pattern_of(lines.items[i]), str_lit("ALL")) == last)
                sorted[n++] = lines.items[i];
    return field_put(s, ops_section("listener"), listener, "rat", ops_join(s, (struct strs){sorted, n})) ? RC_OK
                                                                                                         : RC_INVALID;
}

/* The line of this pattern replaced; appended when there is none. `line` empty: removed. */
static enum rc replace(struct session *s, struct str listener, struct str pattern, struct str line)
{
    struct strs now = lines_of(s, listener);
    struct str *lines = arena_must_alloc(&s->arena, (now.n + 1) * sizeof *lines);
    bool done = line.n == 0;
    size_t n = 0;

    for (size_t i = 0; i < now.n; i++) {
        if (!str_eqi(pattern_of(now.items[i]), pattern)) {
            lines[n++] = now.items[i];
        } else if (!done) {
            lines[n++] = line;
            done = true;
        }
    }
    if (!done)
        lines[n++] = line;
    return put(s, listener, (struct strs){lines, n});
}

/* Asked only where a directory knows the recipients. */
static const char *ask_bypass_ldap(struct session *s, struct str listener)
{
    const struct conf_listener *l = conf_find(&session_conf(s)->listener, listener);

    return l && l->ldap_accept.n && ask_yes(s, "Would you like to bypass the LDAP accept query for this entry?", false)
               ? " bypass-ldap"
               : "";
}

static struct str ask_action(struct session *s, struct str listener, struct str pattern)
{
    static const char *const actions[] = {"Accept", "Reject", NULL};
    struct str text;

    if (ask_one_of(s, "Select an action to apply to this address:", 0, actions) == 0) {
        const char *ldap = ask_bypass_ldap(s, listener);
        bool control = ask_yes(s, "Would you like to bypass receiving control for this entry?", false);

        return arena_printf(&s->arena, "%.*s ACCEPT%s%s", STR(pattern), ldap, control ? " bypass" : "");
    }
    text = ask_optional(s, "Enter the SMTP response for this address (empty = the usual one):", NULL, NULL);
    return arena_printf(&s->arena, "%.*s REJECT%s%.*s", STR(pattern), text.n ? " " : "", STR(text));
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct str *listener = ctx, answer;
    struct strs patterns;

    answer = ask_value(s,
                       "Enter the recipient address for this entry. Hostnames such as \"example.com\" are allowed, partial "
                       "ones\nsuch as \".example.com\", usernames such as \"admin@\", addresses, and several of them "
                       "separated by commas.",
                       NULL, listener_recipients_fit, NULL);
    patterns = ops_list(s, answer);
    if (patterns.n == 0)
        return RC_INVALID;
    answer = ask_action(s, *listener, patterns.items[0]);
    for (size_t i = 0; i < patterns.n; i++) {
        struct str line =
            arena_printf(&s->arena, "%.*s%.*s", STR(patterns.items[i]), STR(str_from(answer, patterns.items[0].n)));

        if (replace(s, *listener, patterns.items[i], line) != RC_OK)
            return RC_INVALID;
    }
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    struct strs lines = lines_of(s, *(struct str *)ctx);

    say(s, "Recipient Access Table: %zu entries. Default Access: ", lines.n);
    for (size_t i = 0; i < lines.n; i++)
        if (str_eqi(pattern_of(lines.items[i]), str_lit("ALL"))) {
            say(s, "%.*s\n", STR(str_trim(str_from(str_trim(lines.items[i]), 3))));
            return;
        }
    say(s, "REJECT\n");
}

static enum rc op_print(struct session *s, void *ctx)
{
    struct strs lines = lines_of(s, *(struct str *)ctx);

    for (size_t i = 0; i < lines.n; i++)
        say(s, "%.*s\n", STR(lines.items[i]));
    return RC_OK;
}

struct picking {
    struct str listener, pattern;
};

static bool pick_it(struct session *s, void *ctx, struct str answer)
{
    struct picking *p = ctx;
    struct strs lines = lines_of(s, p->listener);
    uint64_t number;

    p->pattern = STR_NONE;
    for (size_t i = 0; i < lines.n && !p->pattern.n; i++)
        if (str_eqi(pattern_of(lines.items[i]), answer))
            p->pattern = pattern_of(lines.items[i]);
    if (!p->pattern.n && str_u64(answer, &number) && number >= 1 && number <= lines.n)
        p->pattern = pattern_of(lines.items[number - 1]);
    if (p->pattern.n)
        p->pattern = arena_str(&s->arena, p->pattern);
    else
        session_missing(s, "Entry", answer);
    return p->pattern.n > 0;
}

static struct str pick(struct session *s, struct str listener, const char *what)
{
    struct picking p = {.listener = listener};
    struct strs lines = lines_of(s, listener);

    for (size_t i = 0; i < lines.n && !ask_left(s); i++)
        say(s, "%zu. %.*s\n", i + 1, STR(lines.items[i]));
    ask_value(s, arena_printf(&s->arena, "Enter the address or number of the entry you want to %s:", what).p, NULL, pick_it,
              &p);
    return p.pattern;
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct str *listener = ctx, pattern = pick(s, *listener, "edit");

    return replace(s, *listener, pattern, ask_action(s, *listener, pattern));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str *listener = ctx, pattern = pick(s, *listener, "delete");

    return replace(s, *listener, pattern, STR_NONE);
}

static enum rc op_import(struct session *s, void *ctx)
{
    struct str *listener = ctx, text, line, *lines;
    size_t n = 0, max = 1;

    if (ops_import(s, "the entries", &text) != RC_OK)
        return RC_INVALID;
    for (size_t i = 0; i < text.n; i++)
        max += text.p[i] == '\n';
    lines = arena_must_alloc(&s->arena, max * sizeof *lines);
    while (str_split(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (!fits(s, line))
            return RC_INVALID;
        lines[n++] = line;
    }
    if (put(s, *listener, (struct strs){lines, n}) != RC_OK)
        return RC_INVALID;
    say(s, "%zu entries imported.\n", n);
    return RC_OK;
}

static enum rc op_export(struct session *s, void *ctx)
{
    struct strs lines = lines_of(s, *(struct str *)ctx);
    struct buf *b = session_buf(s, 64 << 20);

    for (size_t i = 0; i < lines.n; i++)
        buf_addf(b, "%.*s\n", STR(lines.items[i]));
    return ops_export(s, "the entries", buf_str(b));
}

static enum rc op_clear(struct session *s, void *ctx)
{
    struct str line = str_lit("ALL REJECT");

    if (!ask_batch(s) && !ask_yes(s, "Mail for nobody is taken then. Are you sure you want to remove every entry?", false))
        return RC_OK;
    return put(s, *(struct str *)ctx, (struct strs){&line, 1});
}

static size_t count(const struct session *s, void *ctx)
{
    return lines_of(s, *(struct str *)ctx).n;
}

enum rc listener_rcptaccess(struct session *s, struct str listener)
{
    static const struct op rows[] = {
        {"NEW", "Create a new entry", false, op_new},
        {"EDIT", "Modify an entry", true, op_edit},
        {"DELETE", "Remove an entry", true, op_delete},
        {"PRINT", "Display all entries", true, op_print},
        {"IMPORT", "Import a table from a file", false, op_import},
        {"EXPORT", "Export the table to a file", true, op_export},
        {"CLEAR", "Remove all entries", true, op_clear},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, &listener);
}
