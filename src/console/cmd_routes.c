/*
 * smtproutes: where mail for a domain goes (spec/cli.md 9). Batch: `smtproutes new DOM HOST [/pri=N] [HOST [/pri=N]] ...`.
 *
 * Called through spec/verbs.def. Owns nothing. A file of the table has lines `DOMAIN : HOST [/pri=N], HOST ...`.
 */
#include "console/commands.h"
#include "console/ops.h"

static const struct menu routes = {"smtproutes", "route", "SMTP route", "", ""};

static const struct conf_section *section(void)
{
    return ops_section("route");
}

static bool hosts_fit(struct session *s, void *ctx, struct str answer)
{
    if (ops_list(s, answer).n)
        return ops_next_hop_fits(s, ctx, answer);
    say(s, "A route needs a host.\n");
    return false;
}

/* What is left of the command line: hosts by commas or spaces, /pri=N behind its host. */
static struct str words_left(struct session *s)
{
    struct buf *b = session_buf(s, 1 << 20);

    while (ask_left(s)) {
        struct str word = ask_next(s);

        if (b->n && b->p[b->n - 1] != ',')
            buf_addc(b, word.n && word.p[0] == '/' && !str_startsi(word, str_lit("/dev/")) ? ' ' : ',');
        buf_add(b, word);
    }
    return buf_str(b);
}

static enum rc ask_hosts(struct session *s, struct str name)
{
    struct str now = field_text(s, section(), name, "hosts"), hosts;

    if (ask_left(s)) {
        hosts = words_left(s);
        if (!hosts_fit(s, NULL, hosts))
            return RC_INVALID;
    } else {
        hosts =
            ask_value(s,
                      "Enter the destination hosts, separated by commas, which you want mail to be delivered to.\nEnter "
                      "USEDNS by itself to use normal DNS resolution for this route, /dev/null by itself to discard\nthe "
                      "mail. Each host may have a port (host:port) and a priority (host /pri=10; 0 is tried first).",
                      now.n ? arena_str(&s->arena, now).p : NULL, hosts_fit, NULL);
    }
    if (!field_put(s, section(), name, "hosts", hosts))
        return RC_INVALID;
    say(s, "Mapping for %.*s to %.*s created.\n", STR(name), STR(hosts));
    return RC_OK;
}

static bool domain_fits(struct session *s, void *ctx, struct str answer)
{
    struct str rest = answer.n && answer.p[0] == '.' ? str_from(answer, 1) : answer;

    (void)ctx;
    for (size_t i = 0; i < rest.n; i++) {
        char c = rest.p[i];

        if (!ascii_alpha(c) && !ascii_digit(c) && !strchr(".-_[]:", c) && (unsigned char)c < 0x80)
            rest.n = 0;
    }
    if (!rest.n) {
        say(s, "\"%.*s\" is neither a domain, .domain nor ALL.\n", STR(str_first(answer, 100)));
        return false;
    }
    if (conf_item_index(session_conf(s), section(), answer) == SIZE_MAX)
        return true;
    say(s, "A route for %.*s exists already.\n", STR(str_first(answer, 100)));
    return false;
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct str name =
        ask_value(s,
                  "Enter the domain for which you want to set up a permanent route.\nPartial hostnames such as "
                  "\".example.com\" are allowed. Use \"ALL\" for the default route.",
                  NULL, domain_fits, NULL);
    struct err e = ERR_NONE;
    void *item;

    (void)ctx;
    if (ask_batch(s) && !ask_left(s))
        return session_usage(s);
    if (conf_draft_item(session_draft(s), section(), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    return ask_hosts(s, name);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &routes, "edit");
    enum rc rc = ask_hosts(s, name);

    (void)ctx;
    if (rc == RC_OK && !ask_batch(s))
        fields_ask(s, section(), name, "-hosts");
    return rc;
}

static enum rc op_delete(struct session *s, void *ctx)
{
    (void)ctx;
    return menu_delete(s, &routes, menu_pick(s, &routes, "delete")) ? RC_OK : RC_INVALID;
}

static void write_all(const struct session *s, struct buf *out)
{
    const struct conf *c = session_conf(s);

    for (size_t i = 0; i < c->route.n; i++) {
        const struct conf_route *r = &c->route.items[i];

        buf_addf(out, "%.*s :", STR(r->name));
        for (size_t k = 0; k < r->hosts.n; k++)
            buf_addf(out, "%s %.*s", k ? "," : "", STR(r->hosts.items[k]));
        buf_addc(out, '\n');
    }
}

static enum rc op_print(struct session *s, void *ctx)
{
    struct buf *b = session_buf(s, 64 << 20);

    (void)ctx;
    write_all(s, b);
    say_str(s, buf_str(b));
    return RC_OK;
}

static enum rc op_export(struct session *s, void *ctx)
{
    struct buf *b = session_buf(s, 64 << 20);

    (void)ctx;
    write_all(s, b);
    return ops_export(s, "the routes", buf_str(b));
}

static bool clear(struct session *s)
{
    for (size_t n = session_conf(s)->route.n; n-- > 0;)
        if (!menu_delete(s, &routes, arena_str(&s->arena, session_conf(s)->route.items[n].name)))
            return false;
    return true;
}

static enum rc op_clear(struct session *s, void *ctx)
{
    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, "Are you sure you want to delete all routes?", false))
        return RC_OK;
    return clear(s) ? RC_OK : RC_INVALID;
}

/* A file may change hosts; authentication of routes that stay is kept. */
static enum rc op_import(struct session *s, void *ctx)
{
    struct conf_draft **before = ops_keep(s);
    struct err e = ERR_NONE;
    struct str text, line;
    size_t n = 0;
    void *item;

    (void)ctx;
    if (ops_import(s, "the routes", &text) != RC_OK)
        return RC_INVALID;
    for (size_t i = session_conf(s)->route.n; i-- > 0;) {
        struct buf *path = session_buf(s, 4096);

        conf_path_format(section(), session_conf(s)->route.items[i].name, NULL, path);
        conf_draft_remove(session_draft(s), buf_str(path), NULL);
    }
    while (str_split(&text, '\n', &line)) {
        size_t colon = str_find_str(line, str_lit(" : "));
        struct str name = str_trim(str_first(line, colon));
        const struct conf_route *was = conf_find(&(*before)->conf.route, name);

        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (!domain_fits(s, NULL, name) || !hosts_fit(s, NULL, str_trim(str_from(line, colon + 3))))
            return RC_INVALID;
        if (conf_draft_item(session_draft(s), section(), name, &item, &e) != RC_OK)
            return session_fail(s, &e);
        if (was && was->auth_user.n) {
            struct conf_route *r = item;

            r->auth_profile = arena_str(&session_draft(s)->arena, was->auth_profile);
            r->auth_user = arena_str(&session_draft(s)->arena, was->auth_user);
            r->auth_password = arena_str(&session_draft(s)->arena, was->auth_password);
            r->auth_plain_text = was->auth_plain_text;
        }
        if (!field_put(s, section(), name, "hosts", str_trim(str_from(line, colon + 3))))
            return RC_INVALID;
        n++;
    }
    say(s, "%zu routes imported.\n", n);
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    size_t n = session_conf(s)->route.n;

    (void)ctx;
    say(s, "There %s currently %zu %s configured.\n", n == 1 ? "is" : "are", n, n == 1 ? "route" : "routes");
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->route.n;
}

enum rc cmd_smtproutes(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new route", false, op_new},
        {"EDIT", "Modify a route", true, op_edit},
        {"DELETE", "Remove a route", true, op_delete},
        {"PRINT", "Display all routes", true, op_print},
        {"IMPORT", "Import routes from a file", false, op_import},
        {"EXPORT", "Export all routes to a file", true, op_export},
        {"CLEAR", "Remove all routes", true, op_clear},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
