/*
 * listenerconfig: where mail is received (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. Numbers of choices stay as they are; the rows of section listener that no
 * operation names are asked by SETUP, so a new row needs no code here. Listeners whose name is reserved are made elsewhere.
 */
#include "conf/rules.h"
#include "console/commands.h"
#include "console/hat_text.h"
#include "console/listener.h"
#include "console/relay.h"

#include <inttypes.h>

enum { PUBLIC, PRIVATE, BLACKHOLE }; /* listener.type */
enum { SMTP_PORT = 25, QMQP_PORT = 628, RATE = 1000 };

static const struct menu listeners = {"listenerconfig", "listener", "listener", "", ""};

static const struct conf_listener *find(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->listener, name);
}

static bool put(struct session *s, struct str name, const char *field, struct str value)
{
    return field_put(s, ops_section("listener"), name, field, value);
}

static void show(struct session *s, void *ctx)
{
    static const char *const types[] = {"Public", "Private", "Blackhole"};
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, c->listener.n ? "Currently configured listeners:\n" : "There is no listener yet.\n");
    for (size_t i = 0; i < c->listener.n; i++) {
        const struct conf_listener *l = &c->listener.items[i];
        const struct conf_interface *f = conf_find(&c->interface, l->interface);
        struct str address = l->address.n ? l->address.items[0] : f ? (f->address.n ? f->address : f->address6) : STR_NONE;

        say(s, "%zu. %.*s (on %.*s, %.*s) %s TCP Port %" PRIu64 " %s%s\n", i + 1, STR(l->name), STR(l->interface),
            STR(address), l->protocol ? "QMQP" : "SMTP", l->port, types[l->type < 3 ? l->type : 0],
            l->enabled ? "" : " (disabled)");
    }
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->listener.n;
}

/* --- NEW -----------------------------------------------------------------------------------------------------------------
 */

struct wish {
    struct str name, interface;
};

static bool port_fits(struct session *s, void *ctx, struct str answer)
{
    const struct wish *w = ctx;
    const struct conf *c = session_conf(s);
    uint64_t port;

    if (!str_u64(answer, &port) || port < 1 || port > 65535) {
        say(s, "The value must be a number from 1 to 65535.\n");
        return false;
    }
    for (size_t i = 0; i < c->listener.n; i++) {
        const struct conf_listener *l = &c->listener.items[i];

        if (l->enabled && l->port == port && str_eqi(l->interface, w->interface) && !str_eqi(l->name, w->name)) {
            say(s, "Port %" PRIu64 " of %.*s is taken by listener %.*s.\n", port, STR(w->interface), STR(l->name));
            return false;
        }
    }
    return true;
}

/* The default answer is looked at too: the usual port may be taken. */
static bool ask_port(struct session *s, struct wish *w, uint64_t initial)
{
    const char *usual = arena_printf(&s->arena, "%" PRIu64, initial).p;
    struct str port;

    do {
        port = ask_value(s, "Enter the TCP port for this listener:", usual, port_fits, w);
        if (port_fits(s, w, port))
            return put(s, w->name, "port", port);
    } while (!s->end_of_input);
    session_leave(s, LEAVE_NO_ANSWER);
}

/* A policy like ACCEPTED with a limit, for the peers of this listener. */
static enum rc limited_policy(struct session *s, struct str listener, struct str *policy_out)
{
    const struct conf_section *section = ops_section("mail_flow_policy");
    const struct conf_mail_flow_policy *accepted = conf_find(&session_conf(s)->mail_flow_policy, str_lit("ACCEPTED"));
    struct str name = arena_printf(&s->arena, "%.*s_LIMITED", STR(listener));
    uint64_t limit =
        ask_number(s, "Enter the maximum number of recipients per hour to accept from a remote host:", RATE, 1, 100000000);
    struct conf_mail_flow_policy kept = {0};
    struct err e = ERR_NONE;
    void *item;

    if (accepted)
        kept = *accepted;
    if (conf_draft_item(session_draft(s), section, name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    if (accepted) {
        kept.name = *(struct str *)item;
        *(struct conf_mail_flow_policy *)item = kept; /* its texts live in the draft */
    }
    ((struct conf_mail_flow_policy *)item)->recipients_per_hour = limit;
    *policy_out = name;
    return RC_OK;
}

static enum rc new_public(struct session *s, struct str name)
{
    struct str domains =
        ask_optional(s,
                     "Enter the domain names or specific email addresses you want to accept mail for, "
                     "separated by commas.\nHostnames such as \"example.com\" are allowed, partial ones such as "
                     "\".example.com\", and usernames such as \"postmaster@\".",
                     listener_recipients_fit, NULL);
    struct str policy = str_lit("ACCEPTED");
    struct strs rat = ops_list(s, domains);
    struct str *lines = arena_must_alloc(&s->arena, (rat.n + 1) * sizeof *lines);

    for (size_t i = 0; i < rat.n; i++)
        lines[i] = arena_printf(&s->arena, "%.*s ACCEPT", STR(rat.items[i]));
    lines[rat.n] = str_lit("ALL REJECT");
    put(s, name, "rat", ops_join(s, (struct strs){lines, rat.n + 1}));
    if (ask_yes(s, "Do you want to enable rate limiting for this listener?", false) &&
        limited_policy(s, name, &policy) != RC_OK)
        return RC_INVALID;
    return listener_groups(s, name, (struct strs){0}, policy);
}

static enum rc new_private(struct session *s, struct str name)
{
    struct str hosts =
        ask_optional(s,
                     "Please specify the systems allowed to relay email through this listener, separated by "
                     "commas.\nHostnames, \".example.com\", IP addresses, ranges and CIDR blocks are allowed.",
                     listener_hosts_fit, NULL);

    return listener_groups(s, name, ops_list(s, hosts), STR_NONE);
}

static enum rc op_new(struct session *s, void *ctx)
{
    static const char *const types[] = {"Private", "Public", "Blackhole", NULL}, *const protocols[] = {"SMTP", "QMQP", NULL};
    static const char *const values[] = {"private", "public", "blackhole"};
    size_t type = ask_one_of(s, "Please select the type of listener you want to create.", 1, types), protocol;
    uint64_t base = session_conf(s)->system.lab_base;
    struct conf_draft **before = ops_keep(s);
    struct wish w;
    enum rc rc;

    (void)ctx;
    w.name = menu_new(s, &listeners);
    put(s, w.name, "type", str_c(values[type]));
    w.interface = ops_choose(s, "Please choose an IP interface for this listener.", "interface",
                             session_conf(s)->interface.n ? session_conf(s)->interface.items[0].name : STR_NONE);
    if (!w.interface.n || !put(s, w.name, "interface", w.interface))
        return RC_INVALID;
    protocol = ask_one_of(s, "Choose a protocol.", 0, protocols);
    put(s, w.name, "protocol", protocol ? str_lit("qmqp") : str_lit("smtp"));
    ask_port(s, &w, base + (protocol ? QMQP_PORT : SMTP_PORT));
    rc = type == 1 ? new_public(s, w.name) : type == 0 ? new_private(s, w.name) : RC_OK;
    if (rc == RC_OK)
        rc = relay_ask(s, before); /* a group of every listener may relay */
    if (rc != RC_OK)
        return rc;
    say(s, "Listener %.*s created.\n", STR(w.name));
    if (type == 1)
        say(s, "Defaults have been set for a public listener. Use EDIT, HOSTACCESS and RCPTACCESS to change them.\n");
    if (type == 2)
        say(s, "It takes every message and discards it.\n");
    return RC_OK;
}

/* --- EDIT ----------------------------------------------------------------------------------------------------------------
 */

static enum rc edit_name(struct session *s, void *ctx)
{
    *(struct str *)ctx = ops_rename(s, "listener", "listener", *(struct str *)ctx);
    return RC_OK;
}

static enum rc edit_interface(struct session *s, void *ctx)
{
    struct wish w = {*(struct str *)ctx, find(s, *(struct str *)ctx)->interface};

    w.interface = ops_choose(s, "Please choose an IP interface for this listener.", "interface", w.interface);
    if (!w.interface.n || !put(s, w.name, "interface", w.interface))
        return RC_INVALID;
    return ask_port(s, &w, find(s, w.name)->port) ? RC_OK : RC_INVALID;
}

static enum rc edit_certificate(struct session *s, void *ctx)
{
    struct str *name = ctx,
               chosen = ops_choose(s, "Please choose the certificate to apply.", "certificate", find(s, *name)->certificate);

    return chosen.n && put(s, *name, "certificate", chosen) ? RC_OK : RC_INVALID;
}

static enum rc edit_limits(struct session *s, void *ctx)
{
    return ops_fields(s, "listener", *(struct str *)ctx, "max_connections backlog");
}

static enum rc edit_setup(struct session *s, void *ctx)
{
    return ops_fields(
        s, "listener", *(struct str *)ctx,
        "-type protocol interface port certificate max_connections backlog rat masquerade masquerade_headers ldap_accept "
        "ldap_accept_when ldap_accept_unknown ldap_accept_code ldap_accept_text ldap_accept_unreachable "
        "ldap_routing ldap_masquerade ldap_group smtp_auth");
}

static enum rc edit_hostaccess(struct session *s, void *ctx)
{
    return listener_hostaccess(s, *(struct str *)ctx);
}

static enum rc edit_rcptaccess(struct session *s, void *ctx)
{
    if (find(s, *(struct str *)ctx)->type == PUBLIC)
        return listener_rcptaccess(s, *(struct str *)ctx);
    say(s, "Only a public listener has a Recipient Access Table.\n");
    return RC_INVALID;
}

static enum rc edit_masquerade(struct session *s, void *ctx)
{
    return ops_fields(s, "listener", *(struct str *)ctx, "masquerade ldap_masquerade masquerade_headers");
}

static enum rc edit_ldapaccept(struct session *s, void *ctx)
{
    return ops_fields(s, "listener", *(struct str *)ctx,
                      "ldap_accept ldap_accept_when ldap_accept_unknown ldap_accept_code ldap_accept_text "
                      "ldap_accept_unreachable");
}

static enum rc edit_ldaprouting(struct session *s, void *ctx)
{
    return ops_fields(s, "listener", *(struct str *)ctx, "ldap_routing");
}

static enum rc edit_ldapgroup(struct session *s, void *ctx)
{
    return ops_fields(s, "listener", *(struct str *)ctx, "ldap_group");
}

static enum rc edit_smtpauth(struct session *s, void *ctx)
{
    return ops_fields(s, "listener", *(struct str *)ctx, "smtp_auth");
}

static void show_one(struct session *s, void *ctx)
{
    const struct conf_listener *l = find(s, *(struct str *)ctx);
    size_t groups = 0;

    for (size_t i = 0; i < session_conf(s)->sender_group.n; i++)
        groups += hat_group_of(&session_conf(s)->sender_group.items[i], l->name);
    say(s, "Name: %.*s\nInterface: %.*s\nProtocol: %s\nPort: %" PRIu64 "\nMaximum Concurrent Connections: %" PRIu64 "\n",
        STR(l->name), STR(l->interface), l->protocol ? "QMQP" : "SMTP", l->port, l->max_connections);
    say(s, "Certificate: %.*s\nSender groups: %zu\n", STR(l->certificate), groups);
    if (l->type == PUBLIC)
        say(s, "Recipients: %zu entries\n", l->rat.n);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    static const struct op rows[] = {
        {"NAME", "Change the name of the listener", false, edit_name},
        {"INTERFACE", "Change the interface and the port", false, edit_interface},
        {"CERTIFICATE", "Choose the certificate", false, edit_certificate},
        {"LIMITS", "Change the injection limits", false, edit_limits},
        {"SETUP", "Configure general options", false, edit_setup},
        {"HOSTACCESS", "Modify the Host Access Table", false, edit_hostaccess},
        {"RCPTACCESS", "Modify the Recipient Access Table", false, edit_rcptaccess},
        {"MASQUERADE", "Configure the masquerading of senders", false, edit_masquerade},
        {"LDAPACCEPT", "Configure the LDAP query that knows valid recipients", false, edit_ldapaccept},
        {"LDAPROUTING", "Configure the LDAP routing query", false, edit_ldaprouting},
        {"LDAPGROUP", "Configure the LDAP group query", false, edit_ldapgroup},
        {"SMTPAUTH", "Configure SMTP authentication", false, edit_smtpauth},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show_one, NULL};
    struct str name = menu_pick(s, &listeners, "edit");

    (void)ctx;
    return ops_talk(s, &ops, &name);
}

/* --- DELETE, SETUP ------------------------------------------------------------------------------------------------- */

/* The name of a listener that goes is no longer among the suspended ones. */
static void forget(struct session *s, struct str name)
{
    struct strs now = session_conf(s)->receiving.suspended;
    struct str *left = arena_must_alloc(&s->arena, (now.n + 1) * sizeof *left);
    size_t n = 0;

    for (size_t i = 0; i < now.n; i++)
        if (!str_eqi(now.items[i], name))
            left[n++] = now.items[i];
    field_put(s, ops_section("receiving"), STR_NONE, "suspended", ops_join(s, (struct strs){left, n}));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &listeners, "delete");
    struct err e = ERR_NONE;

    (void)ctx;
    if (!ask_batch(s) &&
        !ask_yes(
            s,
            arena_printf(&s->arena, "Mail is no longer received on %.*s. Are you sure you want to delete it?", STR(name)).p,
            true))
        return RC_OK;
    if (hat_groups_drop(session_draft(s), name, &e) != RC_OK)
        return session_fail(s, &e);
    forget(s, name);
    return menu_delete(s, &listeners, name) ? RC_OK : RC_INVALID;
}

static enum rc op_setup(struct session *s, void *ctx)
{
    (void)ctx;
    return ops_fields(s, "receiving", STR_NONE, "-suspended");
}

enum rc cmd_listenerconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new listener", false, op_new},
        {"EDIT", "Modify a listener", true, op_edit},
        {"DELETE", "Remove a listener", true, op_delete},
        {"SETUP", "Change global settings of receiving", false, op_setup},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
