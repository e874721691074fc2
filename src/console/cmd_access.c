/*
 * adminaccessconfig: who may manage the machine, from where, and what is shown before and after a login (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. Everything is staged; a commit that refuses the operator's own address is
 * asked about in lockout.c.
 */
#include "conf/value.h"
#include "console/commands.h"
#include "console/ops.h"
#include "policy/ip_table.h"

#include <inttypes.h>

enum { MODE_ALL, MODE_RESTRICT, MODE_PROXY, MODE_RESTRICT_OR_PROXY, MINUTE_MS = 60000 };

static const char *const modes[] = {"Allow all", "Restrict", "Proxy only", "Restrict or proxy", NULL};

static const struct conf_access *now(const struct session *s)
{
    return &session_conf(s)->access;
}

static bool put(struct session *s, const char *field, struct str value)
{
    return field_put(s, ops_section("access"), STR_NONE, field, value);
}

static void ask_row(struct session *s, const char *field)
{
    field_ask(s, ops_section("access"), STR_NONE, conf_setting_find(ops_section("access"), str_c(field)));
}

/* --- texts ----------------------------------------------------------------------------------------------------------------
 */

/* One of the two texts. */
struct text {
    const char *field, *title;
};

static struct str text_now(const struct session *s, const struct text *t)
{
    return strcmp(t->field, "banner") == 0 ? now(s)->banner : now(s)->welcome;
}

/* Line ends of a file or of a paste as the terminal wants them; none after the last line. */
static struct str tidy(struct session *s, struct str text)
{
    struct buf *b = session_buf(s, text.n + 1);

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\r')
            buf_addc(b, text.p[i]);
    while (b->n && b->p[b->n - 1] == '\n')
        b->n--;
    return buf_str(b);
}

static enum rc text_new(struct session *s, void *ctx)
{
    const struct text *t = ctx;
    struct str text = ask_next(s);

    if (text.n == 0 && !ask_lines(s, arena_printf(&s->arena, "Enter or paste the %s text here.", t->title).p, &text))
        return RC_INVALID;
    return put(s, t->field, tidy(s, text)) ? RC_OK : RC_INVALID;
}

static enum rc text_import(struct session *s, void *ctx)
{
    const struct text *t = ctx;
    struct str text;

    if (ops_import(s, arena_printf(&s->arena, "the %s", t->title).p, &text) != RC_OK)
        return RC_INVALID;
    return put(s, t->field, tidy(s, text)) ? RC_OK : RC_INVALID;
}

static enum rc text_clear(struct session *s, void *ctx)
{
    return put(s, ((const struct text *)ctx)->field, STR_NONE) ? RC_OK : RC_INVALID;
}

static void text_show(struct session *s, void *ctx)
{
    const struct text *t = ctx;
    struct str text = text_now(s, t);

    if (text.n)
        say(s, "Current %s text:\n%.*s\n", t->title, STR(text));
    else
        say(s, "A %s text has not been defined.\n", t->title);
}

static size_t text_count(const struct session *s, void *ctx)
{
    return text_now(s, ctx).n;
}

static enum rc talk_text(struct session *s, const char *field, const char *title)
{
    static const struct op rows[] = {
        {"NEW", "Create a text to display", false, text_new},
        {"IMPORT", "Import a text from a file", false, text_import},
        {"CLEAR", "Remove the text", true, text_clear},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, text_show, text_count};
    struct text *t = arena_must_alloc(&s->arena, sizeof *t);

    *t = (struct text){field, title};
    return ops_talk(s, &ops, t);
}

static enum rc op_banner(struct session *s, void *ctx)
{
    (void)ctx;
    return talk_text(s, "banner", "banner");
}

static enum rc op_welcome(struct session *s, void *ctx)
{
    (void)ctx;
    return talk_text(s, "welcome", "welcome");
}

/* --- IPACCESS -------------------------------------------------------------------------------------------------------------
 */

/* At least one address, range or network; `out` gets them. */
static bool addresses_fit(struct session *s, void *ctx, struct str answer)
{
    struct strs list = ops_list(s, answer);
    struct ip_table t;

    ip_table_begin(&t, &s->arena);
    for (size_t i = 0; i < list.n; i++) {
        if (ip_table_add(&t, list.items[i], 0, NULL) == RC_OK)
            continue;
        say(s, "\"%.*s\" is no IP address, range or network in CIDR form.\n", STR(str_first(list.items[i], 100)));
        return false;
    }
    if (list.n == 0)
        say(s, "At least one address is needed.\n");
    *(struct strs *)ctx = list;
    return list.n > 0;
}

static bool ask_addresses(struct session *s, const char *field, const char *question, struct strs old)
{
    struct strs list = old;
    struct str initial = arena_str(&s->arena, ops_join(s, old));

    ask_value(s, question, initial.n ? initial.p : NULL, addresses_fit, &list);
    return ops_put_list(s, "access", field, list);
}

static bool put_mode(struct session *s, size_t mode)
{
    const struct conf_setting *f = conf_setting_find(ops_section("access"), str_lit("mode"));
    struct str word;

    return conf_choice(f, mode, &word) && put(s, "mode", word);
}

static bool header_fits(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    for (size_t i = 0; i < answer.n; i++) {
        char c = answer.p[i];

        if (!ascii_alpha(c) && !ascii_digit(c) && c != '-' && c != '_') {
            say(s, "A header name is of letters, digits and hyphens.\n");
            return false;
        }
    }
    return put(s, "proxy_header", answer);
}

static enum rc ask_ipaccess(struct session *s)
{
    size_t mode =
        ask_one_of(s, "Select the mode of access to the command line, the web pages and the API:", now(s)->mode, modes);

    if (!put_mode(s, mode))
        return RC_INVALID;
    if (mode != MODE_ALL && !ask_addresses(s, "allowed",
                                           "Enter the IP addresses, ranges and networks that may connect, separated by "
                                           "commas:",
                                           now(s)->allowed))
        return RC_INVALID;
    if (mode == MODE_PROXY || mode == MODE_RESTRICT_OR_PROXY) {
        if (!ask_addresses(s, "proxies", "Enter the IP addresses of the proxies, separated by commas:", now(s)->proxies))
            return RC_INVALID;
        ask_value(s, "Enter the name of the header that holds the address of the client:",
                  arena_str(&s->arena, now(s)->proxy_header).p, header_fits, NULL);
    }
    return RC_OK;
}

/* `ipaccess restrict LIST`, `ipaccess allowall`: the list may be several words. */
static enum rc op_ipaccess(struct session *s, void *ctx)
{
    struct buf *b = session_buf(s, 1 << 16);
    struct strs list = {NULL, 0};
    struct str word;

    (void)ctx;
    if (!ask_left(s))
        return ask_ipaccess(s);
    word = ask_next(s);
    if (str_eqi(word, str_lit("allowall")))
        return !ask_left(s) && put_mode(s, MODE_ALL) ? RC_OK : session_usage(s);
    if (!str_eqi(word, str_lit("restrict")) || !ask_left(s))
        return session_usage(s);
    while (ask_left(s)) {
        buf_add(b, ask_next(s));
        buf_addc(b, ',');
    }
    if (!addresses_fit(s, &list, buf_str(b)))
        return RC_INVALID;
    return ops_put_list(s, "access", "allowed", list) && put_mode(s, MODE_RESTRICT) ? RC_OK : RC_INVALID;
}

/* --- switches and numbers -------------------------------------------------------------------------------------------------
 */

/* By hand a question; in batch form enable, disable or status. */
static enum rc toggle(struct session *s, const char *field, const char *what, bool on)
{
    struct str word = ask_next(s);

    if (word.n == 0) {
        ask_row(s, field);
        return RC_OK;
    }
    if (ask_left(s))
        return session_usage(s);
    if (str_eqi(word, str_lit("status")))
        say(s, "%s is %s.\n", what, on ? "enabled" : "disabled");
    else if (str_eqi(word, str_lit("enable")) || str_eqi(word, str_lit("disable")))
        return put(s, field, str_eqi(word, str_lit("enable")) ? str_lit("yes") : str_lit("no")) ? RC_OK : RC_INVALID;
    else
        return session_usage(s);
    return RC_OK;
}

static enum rc op_csrf(struct session *s, void *ctx)
{
    (void)ctx;
    return toggle(s, "csrf", "Protection against cross-site request forgery", now(s)->csrf);
}

static enum rc op_xss(struct session *s, void *ctx)
{
    (void)ctx;
    return toggle(s, "xss", "Protection against cross-site scripting", now(s)->xss);
}

static enum rc op_host_header(struct session *s, void *ctx)
{
    (void)ctx;
    return toggle(s, "host_header", "The check of the Host header", now(s)->host_header);
}

static bool ask_minutes(struct session *s, const char *field, const char *question, uint64_t old_ms)
{
    uint64_t n = ask_number(s, question, old_ms / MINUTE_MS, 5, 1440);

    return put(s, field, arena_printf(&s->arena, "%" PRIu64 "m", n));
}

static enum rc op_timeout(struct session *s, void *ctx)
{
    (void)ctx;
    if (!ask_minutes(s, "web_timeout_ms",
                     "Enter the inactivity time-out of web sessions (in minutes):", now(s)->web_timeout_ms) ||
        !ask_minutes(s, "cli_timeout_ms",
                     "Enter the inactivity time-out of the command line (in minutes):", now(s)->cli_timeout_ms))
        return RC_INVALID;
    return RC_OK;
}

static enum rc op_header_size(struct session *s, void *ctx)
{
    uint64_t n =
        ask_number(s, "Enter the maximum size of the header fields of a web request (in bytes):", now(s)->max_header_bytes,
                   4096, 1048576);

    (void)ctx;
    return put(s, "max_header_bytes", arena_printf(&s->arena, "%" PRIu64, n)) ? RC_OK : RC_INVALID;
}

static enum rc op_how_tos(struct session *s, void *ctx)
{
    (void)ctx;
    say(s, "This machine has no How-Tos: there is nothing to configure.\n");
    return RC_OK;
}

/* Whatever rows the section has besides. */
static enum rc op_setup(struct session *s, void *ctx)
{
    (void)ctx;
    return ops_fields(s, "access", STR_NONE,
                      "-banner welcome mode allowed proxies proxy_header host_header xss csrf cli_timeout_ms "
                      "web_timeout_ms max_header_bytes");
}

static void show(struct session *s, void *ctx)
{
    const struct conf_access *a = now(s);

    (void)ctx;
    say(s, "Current mode: %s\n", modes[a->mode]);
    if (a->mode != MODE_ALL)
        say(s, "Allowed: %.*s\n", STR(ops_join(s, a->allowed)));
    if (a->mode == MODE_PROXY || a->mode == MODE_RESTRICT_OR_PROXY)
        say(s, "Proxies: %.*s (header %.*s)\n", STR(ops_join(s, a->proxies)), STR(a->proxy_header));
}

enum rc cmd_adminaccessconfig(struct session *s)
{
    static const struct op rows[] = {
        {"BANNER", "Configure the text shown before a login", false, op_banner},
        {"WELCOME", "Configure the text shown after a login", false, op_welcome},
        {"IPACCESS", "Configure the IP addresses from which this machine is managed", false, op_ipaccess},
        {"CSRF", "Configure the protection against cross-site request forgery", false, op_csrf},
        {"XSS", "Configure the protection against cross-site scripting", false, op_xss},
        {"HOSTHEADER", "Configure the check of the Host header of web requests", false, op_host_header},
        {"TIMEOUT", "Configure the inactivity time-outs of web sessions and of the command line", false, op_timeout},
        {"MAXHTTPHEADERFIELDSIZE", "Configure the maximum size of HTTP header fields", false, op_header_size},
        {"HOW-TOS", "Configure the How-Tos", false, op_how_tos},
        {"SETUP", "Change other settings: sessions, lock-out, passphrases", false, op_setup},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, NULL};

    return ops_talk(s, &ops, NULL);
}
