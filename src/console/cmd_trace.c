/*
 * trace (spec/cli.md 12.4): what would become of a message, by options on one line or by questions; `trace --orgdomain
 * NAME`.
 *
 * Called through spec/verbs.def. Owns nothing. The session brings the message and the changes it has staged; control and a
 * scan worker do the rest (admin/verb_trace.c, scan/trace.h). Former answers of the dialogue become defaults of the next
 * one.
 */
#include "conf/xml.h"
#include "console/ask.h"
#include "console/commands.h"
#include "console/files.h"

#include <inttypes.h>

enum { FIXED = 4, WORDS_MAX = 64, REPORT_MAX = 64 << 20, STAGED_MAX = 64 << 20 };

/* What control is asked: the verb, BASE FILE MESSAGE, then the options as they were typed. */
struct question {
    struct str words[FIXED + WORDS_MAX];
    size_t n;
};

static void no_section(void *ctx, const struct conf_section *section)
{
    (void)ctx;
    (void)section;
}

static struct str staged(struct session *s)
{
    struct buf *file = session_buf(s, STAGED_MAX);

    if (session_staged(s))
        conf_xml_write_changed(&s->work->conf, &s->base->conf, no_section, NULL, file);
    return buf_str(file);
}

static void begin(struct session *s, struct question *q, struct str message)
{
    q->words[0] = str_lit("trace");
    q->words[1] = arena_printf(&s->arena, "%" PRIu64, s->base->conf.version);
    q->words[2] = staged(s);
    q->words[3] = message;
    q->n = FIXED;
}

static bool add(struct question *q, struct str word)
{
    if (q->n == FIXED + WORDS_MAX)
        return false;
    q->words[q->n++] = word;
    return true;
}

/* A file with LF alone, as editors write it, is taken for one with CRLF; in any other a bare LF is what it is. */
static struct str with_crlf(struct session *s, struct str text)
{
    struct buf *b;

    if (str_find_str(text, str_lit("\r\n")) < text.n)
        return text;
    b = session_buf(s, 2 * (size_t)FILES_MAX);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n')
            buf_addc(b, '\r');
        buf_addc(b, text.p[i]);
    }
    return buf_str(b);
}

static struct str read_input(struct session *s)
{
    struct buf *text = session_buf(s, FILES_MAX);
    struct str line;

    while (session_line(s, &s->arena, STR_NONE, false, &line)) {
        buf_add(text, line);
        buf_addc(text, '\n');
    }
    return buf_str(text);
}

/* --- one line ---------------------------------------------------------------------------------------------------------- */

static enum rc load(struct session *s, struct str name, struct str *out)
{
    struct buf *b = session_buf(s, FILES_MAX);
    struct err e = ERR_NONE;

    if (str_eq(name, str_lit("-"))) {
        *out = with_crlf(s, read_input(s));
        return RC_OK;
    }
    if (files_read(s, name, b, &e) != RC_OK)
        return session_fail(s, &e);
    *out = with_crlf(s, buf_str(b));
    return RC_OK;
}

static enum rc batch(struct session *s)
{
    struct question *q = arena_must_alloc(&s->arena, sizeof *q);
    struct buf *text = session_buf(s, REPORT_MAX), *json = session_buf(s, REPORT_MAX);
    bool as_json = false, orgdomain = false;
    struct str file = STR_NONE;
    enum rc rc;

    begin(s, q, STR_NONE);
    for (size_t i = 0; i < s->args.n; i++) {
        if (arg_is(s, i, "--json")) {
            as_json = true;
        } else if (arg_is(s, i, "--file")) {
            file = arg(s, ++i);
        } else if (!add(q, arg(s, i))) {
            return session_usage(s);
        }
        orgdomain |= arg_is(s, i, "--orgdomain");
    }
    if (orgdomain == (file.n > 0))
        return session_usage(s);
    rc = file.n ? load(s, file, &q->words[3]) : RC_OK;
    if (rc != RC_OK)
        return rc;
    rc = session_ask(s, q->words, q->n, text, json);
    if (rc != RC_OK || !as_json)
        say_str(s, buf_str(text));
    else
        say(s, "%.*s\n", STR(buf_str(json)));
    return rc;
}

/* --- questions --------------------------------------------------------------------------------------------------------- */

struct answers {
    struct str ip, name, listener, owner, reputation, from, to, file, message;
    bool from_file;
};

static const char look_up[] = "look up";

/* As a default: a C string, NULL when there is none yet. */
static const char *former(struct session *s, struct str v)
{
    return v.n ? arena_str(&s->arena, v).p : NULL;
}

static bool is_there(struct session *s, void *ctx, struct str name)
{
    struct answers *a = ctx;
    struct buf *b = session_buf(s, FILES_MAX);
    struct err e = ERR_NONE;

    if (files_read(s, name, b, &e) != RC_OK) {
        say(s, "%s\n", err_text(&e));
        return false;
    }
    a->message = with_crlf(s, buf_str(b));
    return true;
}

static struct str ask_listener(struct session *s, struct str before)
{
    const struct conf *c = session_conf(s);
    struct str *names = arena_must_alloc(&s->arena, (c->listener.n + 1) * sizeof *names);
    size_t initial = 0;

    for (size_t i = 0; i < c->listener.n; i++) {
        names[i] = c->listener.items[i].name;
        if (str_eqi(names[i], before))
            initial = i;
    }
    if (!c->listener.n)
        return STR_NONE;
    return names[ask_choice(s, "Select the listener to trace behavior on:", &(struct strs){names, c->listener.n}, initial)];
}

static void ask_message(struct session *s, struct answers *a)
{
    struct str text = STR_NONE;

    a->from_file = ask_yes(s, "Load the message from a file in /configuration?", true);
    if (a->from_file) {
        a->file = ask_value(s, "Enter the name of the file:", former(s, a->file), is_there, a);
        if (!a->message.p)
            is_there(s, a, a->file); /* the default was taken */
        return;
    }
    if (!ask_lines(s, "Enter or paste the message.", &text))
        session_leave(s, LEAVE_NO_ANSWER);
    a->message = with_crlf(s, text);
}

static void ask_all(struct session *s, struct answers *a)
{
    a->ip = ask_value(s, "Enter the source IP:", former(s, a->ip), NULL, NULL);
    if (a->name.n)
        a->name = ask_value(s, "Enter the host name of the source IP (also the HELO name):", former(s, a->name), NULL, NULL);
    else
        a->name =
            ask_optional(s, "Enter the host name of the source IP (also the HELO name; empty to look it up):", NULL, NULL);
    a->listener = ask_listener(s, a->listener);
    a->owner =
        ask_value(s, "Enter the network owner of the source IP:", a->owner.n ? former(s, a->owner) : look_up, NULL, NULL);
    a->reputation = ask_value(s, "Enter the reputation of the source IP (-10.0 to 10.0, none):",
                              a->reputation.n ? former(s, a->reputation) : look_up, NULL, NULL);
    a->from = ask_value(s, "Enter the envelope sender address:", former(s, a->from), NULL, NULL);
    a->to = ask_value(s, "Enter the envelope recipient addresses, separated by commas:", former(s, a->to), NULL, NULL);
    a->message = STR_NONE;
    ask_message(s, a);
}

static void add_option(struct question *q, const char *word, struct str value)
{
    if (value.n && !str_eqi(value, str_c(look_up))) {
        add(q, str_c(word));
        add(q, value);
    }
}

/* The report, then the messages behind it (scan/trace.h: TRACE_RESULT). */
static void show(struct session *s, struct str text)
{
    size_t at = str_find_str(text, str_lit("\nResulting message for "));

    say_str(s, str_first(text, at));
    say(s, "\n");
    if (at < text.n && ask_yes(s, "See the resulting message?", true))
        say_str(s, str_from(text, at + 1));
}

static void run(struct session *s, const struct answers *a)
{
    struct question *q = arena_must_alloc(&s->arena, sizeof *q);
    struct buf *text = session_buf(s, REPORT_MAX);

    begin(s, q, a->message);
    add_option(q, "--ip", a->ip);
    add_option(q, "--rdns", a->name);
    add_option(q, "--helo", a->name);
    add_option(q, "--listener", a->listener);
    add_option(q, "--owner", a->owner);
    add_option(q, "--reputation", a->reputation);
    add_option(q, "--from", a->from);
    add_option(q, "--to", a->to);
    add(q, str_lit("--message"));
    if (session_ask(s, q->words, q->n, text, NULL) == RC_OK)
        show(s, buf_str(text));
    else
        say_str(s, buf_str(text));
}

enum rc cmd_trace(struct session *s)
{
    struct answers a = {0};

    if (s->args.n)
        return batch(s);
    do {
        ask_all(s, &a);
        run(s, &a);
    } while (ask_yes(s, "Run another trace?", false));
    return RC_OK;
}
