/*
 * destconfig: how mail is delivered to single destinations (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. The numbers of the TLS and DANE choices are those of the specification and
 * of the setting; every further row of section destination is asked by itself.
 */
#include "conf/value.h"
#include "console/commands.h"
#include "console/item_text.h"
#include "console/ops.h"

#include <inttypes.h>

static const struct menu destinations = {"destconfig", "destination", "destination", "", ""};

static const char *const tls_modes[] = {
    "No", "Preferred", "Required", "Preferred and verify", "Required and verify", "Required and verify hosted domains",
    NULL};
static const char *const dane_modes[] = {"None", "Opportunistic", "Mandatory", NULL};

static const struct conf_section *section(void)
{
    return ops_section("destination");
}

static const struct conf_destination *find(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->destination, name);
}

static void put_choice(struct session *s, struct str name, const char *field, uint64_t n)
{
    struct str value;

    if (conf_choice(conf_setting_find(section(), str_c(field)), n, &value))
        field_put(s, section(), name, field, value);
}

static enum rc ask_all(struct session *s, struct str name)
{
    struct str profile;

    if (ask_left(s))
        return ops_fields(s, "destination", name, "");
    fields_ask(s, section(), name, "max_connections max_messages_per_connection recipient_limit");
    if (find(s, name)->recipient_limit)
        fields_ask(s, section(), name, "recipient_minutes");
    fields_ask(s, section(), name, "ip_preference");
    put_choice(s, name, "tls", ask_one_of(s, "Which TLS mode do you want to use?", (size_t)find(s, name)->tls, tls_modes));
    put_choice(s, name, "dane",
               ask_one_of(s, "Which DANE mode do you want to use?", (size_t)find(s, name)->dane, dane_modes));
    profile = ops_choose(s, "Which bounce profile do you want to use?", "bounce_profile", find(s, name)->bounce_profile);
    if (!field_put(s, section(), name, "bounce_profile", profile))
        return RC_INVALID;
    fields_ask(s, section(), name,
               "-max_connections max_messages_per_connection recipient_limit recipient_minutes ip_preference tls dane "
               "bounce_profile");
    return RC_OK;
}

static enum rc op_setup(struct session *s, void *ctx)
{
    (void)ctx;
    return ops_fields(s, "delivery", STR_NONE, "max_connections max_recipients dead_host_ms");
}

static enum rc op_new(struct session *s, void *ctx)
{
    (void)ctx;
    if (!ask_left(s))
        say(s, "Domains such as \"example.com\" and partial ones such as \".example.com\" are allowed.\n");
    return ask_all(s, menu_new(s, &destinations));
}

static enum rc op_edit(struct session *s, void *ctx)
{
    (void)ctx;
    return ask_all(s, menu_pick(s, &destinations, "edit"));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    (void)ctx;
    return menu_delete(s, &destinations, menu_pick(s, &destinations, "delete")) ? RC_OK : RC_INVALID;
}

static enum rc op_default(struct session *s, void *ctx)
{
    (void)ctx;
    return ask_all(s, str_lit("default"));
}

static void row(struct session *s, const struct conf_destination *d)
{
    static const char *const kinds[] = {"IPv4 pref", "IPv6 pref", "IPv4 only", "IPv6 only"},
                             *const tls[] = {"Off", "Pref", "Req", "Pref-V", "Req-V", "Req-VH"},
                             *const dane[] = {"Off", "Opp", "Mand"};
    struct str limit = d->recipient_limit
                           ? arena_printf(&s->arena, "%" PRIu64 "/%" PRIu64 "m", d->recipient_limit, d->recipient_minutes)
                           : str_lit("-");

    say(s, "%-28.*s %8" PRIu64 " %9" PRIu64 " %12.*s  %-9s  %-6s  %-4s  %.*s\n", STR(d->name), d->max_connections,
        d->max_messages_per_connection, STR(limit), d->ip_preference < 4 ? kinds[d->ip_preference] : "",
        d->tls < 6 ? tls[d->tls] : "", d->dane < 3 ? dane[d->dane] : "", STR(d->bounce_profile));
}

static enum rc op_list(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, "%-28s %8s %9s %12s  %-9s  %-6s  %-4s  %s\n", "", "Conc.", "Msgs Per", "Rcpt", "IP", "", "", "Bounce");
    say(s, "%-28s %8s %9s %12s  %-9s  %-6s  %-4s  %s\n", "Domain", "Limit", "Conn.", "Limit", "Version", "TLS", "DANE",
        "Profile");
    say(s, "%-28s %8s %9s %12s  %-9s  %-6s  %-4s  %s\n",
        "============================", "========", "=========", "============", "=========", "======", "====", "=========");
    for (size_t i = 0; i < c->destination.n; i++)
        if (!str_eqi(c->destination.items[i].name, str_lit("default")))
            row(s, &c->destination.items[i]);
    if (find(s, str_lit("default")))
        row(s, find(s, str_lit("default")));
    return RC_OK;
}

static enum rc op_detail(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &destinations, "see");
    const struct conf_destination *d = find(s, name);

    (void)ctx;
    say(s, "%.*s\n", STR(name));
    say(s, "  Maximum connections: %" PRIu64 "\n  Messages per connection: %" PRIu64 "\n", d->max_connections,
        d->max_messages_per_connection);
    say(s, "  Recipients: %" PRIu64 " per %" PRIu64 " minutes (0 = no limit)\n", d->recipient_limit, d->recipient_minutes);
    say(s, "  TLS: %s\n  DANE: %s\n  Bounce profile: %.*s\n", d->tls < 6 ? tls_modes[d->tls] : "",
        d->dane < 3 ? dane_modes[d->dane] : "", STR(d->bounce_profile));
    say(s, "  IP version: %.*s\n", STR(field_text(s, section(), name, "ip_preference")));
    return RC_OK;
}

static enum rc op_clear(struct session *s, void *ctx)
{
    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, "Are you sure you want to remove all destinations but the default?", false))
        return RC_OK;
    for (size_t n = session_conf(s)->destination.n; n-- > 0;) {
        struct str name = session_conf(s)->destination.items[n].name;

        if (!str_eqi(name, str_lit("default")) && !menu_delete(s, &destinations, arena_str(&s->arena, name)))
            return RC_INVALID;
    }
    return RC_OK;
}

static enum rc op_import(struct session *s, void *ctx)
{
    struct err e = ERR_NONE;
    struct str text;

    (void)ctx;
    if (ops_import(s, "the destinations", &text) != RC_OK)
        return RC_INVALID;
    if (item_text_read(session_draft(s), section(), text, &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "%zu destinations imported.\n", session_conf(s)->destination.n);
    return RC_OK;
}

static enum rc op_export(struct session *s, void *ctx)
{
    struct buf *b = session_buf(s, 64 << 20);

    (void)ctx;
    item_text_write(session_conf(s), section(), b);
    return ops_export(s, "the destinations", buf_str(b));
}

static void show(struct session *s, void *ctx)
{
    size_t n = session_conf(s)->destination.n;

    (void)ctx;
    say(s, "There %s currently %zu %s configured beside the default.\n", n == 2 ? "is" : "are", n ? n - 1 : 0,
        n == 2 ? "entry" : "entries");
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->destination.n - 1;
}

enum rc cmd_destconfig(struct session *s)
{
    static const struct op rows[] = {
        {"SETUP", "Change global settings of delivery", false, op_setup},
        {"NEW", "Create a new entry", false, op_new},
        {"EDIT", "Modify an entry", true, op_edit},
        {"DELETE", "Remove an entry", true, op_delete},
        {"DEFAULT", "Change the default", false, op_default},
        {"LIST", "Display a summary of all entries", false, op_list},
        {"DETAIL", "Display details of one entry", false, op_detail},
        {"CLEAR", "Remove all entries", true, op_clear},
        {"IMPORT", "Import the table from a file", false, op_import},
        {"EXPORT", "Export the table to a file", false, op_export},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
