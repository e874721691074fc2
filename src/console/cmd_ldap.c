/*
 * ldapconfig and ldaptest: directories, what is asked of them, and trying it (spec/cli.md 9).
 *
 * Called through spec/verbs.def. Owns nothing. A query of a server is an item SERVER.KIND of section ldap_query; its first
 * dialogue offers a template for the type of server. Queries by domain and chains are under ADVANCED.
 */
#include "console/commands.h"
#include "console/ops.h"

static const struct menu servers = {"ldapconfig", "ldap_server", "LDAP server", "", ""};
static const struct menu queries = {"ldapconfig", "ldap_query", "LDAP query", "NEW EDIT DELETE PRINT", ""};

/* Per kind (order of ldap_query.kind): operation, end of the name, templates for unknown, Active Directory and OpenLDAP,
 * attribute, the settings asked. */
static const struct kind {
    const char *operation, *what, *suffix, *filters[3], *attribute, *fields;
} kinds[] = {
    {"LDAPACCEPT",
     "Configure the query that knows valid recipients",
     "accept",
     {"(mail={a})", "(proxyAddresses=smtp:{a})", "(|(mail={a})(mailLocalAddress={a}))"},
     "",
     "filter base"},
    {"LDAPROUTING",
     "Configure the query that gives recipients another address or mail host",
     "routing",
     {"(mail={a})", "(mail={a})", "(mailLocalAddress={a})"},
     "mailRoutingAddress",
     "filter base attribute host_attribute"},
    {"MASQUERADE",
     "Configure the query that gives senders another address",
     "masquerade",
     {"(mail={a})", "(mail={a})", "(mailRoutingAddress={a})"},
     "mailLocalAddress",
     "filter base attribute name_attribute"},
    {"LDAPGROUP",
     "Configure the query that knows members of groups",
     "group",
     {"(&(memberOf={g})(mail={a}))", "(&(memberOf={g})(proxyAddresses=smtp:{a}))", "(&(memberOf={g})(mail={a}))"},
     "",
     "filter base"},
    {"SMTPAUTH",
     "Configure SMTP authentication",
     "smtpauth",
     {"(uid={u})", "(sAMAccountName={u})", "(uid={u})"},
     "userPassword",
     "method filter base attribute"},
    {"EXTERNALAUTH",
     "Configure external authentication of operators",
     "externalauth",
     {"(uid={u})", "(sAMAccountName={u})", "(&(objectClass=posixAccount)(uid={u}))"},
     "memberOf",
     "filter base attribute"},
    {"ISQAUTH",
     "Configure the login of end users to the spam quarantine",
     "isqauth",
     {"(uid={u})", "(sAMAccountName={u})", "(uid={u})"},
     "mail",
     "filter base attribute"},
    {"ISQALIAS",
     "Configure the query that joins aliases in the spam quarantine",
     "isqalias",
     {"(mail={a})", "(|(mail={a})(proxyAddresses=smtp:{a}))", "(mail={a})"},
     "mail",
     "filter base attribute"},
    {"USERDN",
     "Configure the query that finds the distinguished name of a user",
     "userdn",
     {"(mail={a})", "(proxyAddresses=smtp:{a})", "(mail={a})"},
     "",
     "filter base"},
};
enum { KINDS = sizeof kinds / sizeof *kinds, GROUP = 3, SMTPAUTH = 4, EXTERNAL = 5, ISQAUTH = 6 };

static const struct conf_ldap_server *find(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->ldap_server, name);
}

/* --- the queries of a server ----------------------------------------------------------------------------------------- */

static struct str query_name(struct session *s, struct str server, size_t kind)
{
    return arena_printf(&s->arena, "%.*s.%s", STR(server), kinds[kind].suffix);
}

static enum rc query_make(struct session *s, struct str server, size_t kind, struct str name)
{
    const struct conf_section *section = ops_section("ldap_query");
    struct err e = ERR_NONE;
    void *item;
    struct conf_ldap_query *q;

    if (conf_draft_item(session_draft(s), section, name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    q = item;
    q->kind = kind;
    field_put(s, section, name, "server", server);
    field_put(s, section, name, "filter", str_c(kinds[kind].filters[find(s, server)->server_type % 3]));
    field_put(s, section, name, "attribute", str_c(kinds[kind].attribute));
    return RC_OK;
}

static enum rc query_edit(struct session *s, struct str server, size_t kind)
{
    struct str name = query_name(s, server, kind);
    bool there = conf_find(&session_conf(s)->ldap_query, name) != NULL;

    if (there && !ask_batch(s) &&
        ask_yes(s, arena_printf(&s->arena, "The query %.*s exists. Do you want to delete it?", STR(name)).p, false))
        return menu_delete(s, &queries, name) ? RC_OK : RC_INVALID;
    if (!there && query_make(s, server, kind, name) != RC_OK)
        return RC_INVALID;
    say(s, "Query name: %.*s\n", STR(name));
    return ops_fields(s, "ldap_query", name, kinds[kind].fields);
}

/* --- trying one ------------------------------------------------------------------------------------------------------ */

static enum rc try_query(struct session *s, struct str name)
{
    const struct conf_ldap_query *q = conf_find(&session_conf(s)->ldap_query, name);
    struct str words[5] = {str_lit("ldaptest"), name};
    struct buf *text = session_buf(s, 1 << 20);
    enum rc rc;

    if (!q)
        return session_missing(s, "LDAP query", name);
    words[2] = ask_value(s, "Enter the address or user name to use in the query:", NULL, NULL, NULL);
    if (q->kind == GROUP)
        words[3] = ask_value(s, "Enter the group name to use in the query:", NULL, NULL, NULL);
    if (q->kind == SMTPAUTH || q->kind == EXTERNAL || q->kind == ISQAUTH)
        words[4] = ask_hidden(s, "Passphrase: ");
    if (session_staged(s))
        say(s, "The test uses the committed settings: your changes are not in force yet.\n");
    rc = session_ask(s, words, 5, text, NULL);
    say(s, "\nLDAP query test results:\nQuery: %.*s\nArgument: %.*s\n", STR(name), STR(words[2]));
    say_str(s, buf_str(text));
    return rc;
}

enum rc cmd_ldaptest(struct session *s)
{
    struct str name = ops_choose(s, "Choose the LDAP query to test.", "ldap_query", STR_NONE);

    if (name.n)
        return try_query(s, name);
    say(s, "There is no LDAP query yet.\n");
    return RC_NOT_FOUND;
}

/* --- EDIT of a server ------------------------------------------------------------------------------------------------ */

static enum rc edit_server(struct session *s, void *ctx)
{
    return ops_fields(s, "ldap_server", *(struct str *)ctx, "");
}

#define EDIT_KIND(name, kind) \
    static enum rc name(struct session *s, void *ctx) \
    { \
        return query_edit(s, *(struct str *)ctx, kind); \
    }
EDIT_KIND(edit_accept, 0)
EDIT_KIND(edit_routing, 1)
EDIT_KIND(edit_masquerade, 2)
EDIT_KIND(edit_group, GROUP)
EDIT_KIND(edit_smtpauth, SMTPAUTH)
EDIT_KIND(edit_external, EXTERNAL)
EDIT_KIND(edit_isqauth, ISQAUTH)
EDIT_KIND(edit_isqalias, 7)
EDIT_KIND(edit_userdn, 8)

static enum rc edit_test(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);
    enum rc rc = RC_NOT_FOUND;

    for (size_t i = 0; i < c->ldap_query.n; i++)
        if (str_eqi(c->ldap_query.items[i].server, *(struct str *)ctx)) {
            struct str name = arena_str(&s->arena, c->ldap_query.items[i].name);

            if (ask_batch(s) || ask_yes(s, arena_printf(&s->arena, "Do you want to test %.*s?", STR(name)).p, true))
                rc = try_query(s, name);
        }
    if (rc == RC_NOT_FOUND)
        say(s, "No query of this server was tested.\n");
    return rc;
}

static void show_one(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);
    struct str name = *(struct str *)ctx;

    say(s, "\nName: %.*s\n", STR(name));
    fields_show(s, ops_section("ldap_server"), name);
    for (size_t i = 0; i < c->ldap_query.n; i++)
        if (str_eqi(c->ldap_query.items[i].server, name))
            say(s, "Query %.*s: %.*s\n", STR(c->ldap_query.items[i].name), STR(c->ldap_query.items[i].filter));
}

static enum rc edit(struct session *s, struct str name)
{
    static enum rc (*const runs[KINDS])(struct session * s, void *ctx) = {edit_accept,  edit_routing,  edit_masquerade,
                                                                          edit_group,   edit_smtpauth, edit_external,
                                                                          edit_isqauth, edit_isqalias, edit_userdn};
    struct op rows[KINDS + 2] = {{"SERVER", "Change the settings of the server", false, edit_server}};
    struct ops ops = {rows, KINDS + 2, show_one, NULL};

    for (size_t i = 0; i < KINDS; i++)
        rows[i + 1] = (struct op){kinds[i].operation, kinds[i].what, false, runs[i]};
    rows[KINDS + 1] = (struct op){"TEST", "Try the queries of this server", false, edit_test};
    return ops_talk(s, &ops, &name);
}

/* --- the dialogue ---------------------------------------------------------------------------------------------------- */

static enum rc op_new(struct session *s, void *ctx)
{
    struct str name = menu_new(s, &servers);

    (void)ctx;
    if (ask_left(s))
        return ops_fields(s, "ldap_server", name, "");
    fields_ask(s, ops_section("ldap_server"), name, "server_type hosts port tls auth");
    if (find(s, name)->tls)
        fields_ask(s, ops_section("ldap_server"), name, "tls_name ca_file");
    if (find(s, name)->auth)
        fields_ask(s, ops_section("ldap_server"), name, "bind_dn passphrase");
    fields_ask(s, ops_section("ldap_server"), name, "base");
    return ask_batch(s) ? RC_OK : edit(s, name);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    (void)ctx;
    return edit(s, menu_pick(s, &servers, "edit"));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &servers, "delete");

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(name)).p, true))
        return RC_OK;
    return menu_delete(s, &servers, name) ? RC_OK : RC_INVALID;
}

/* Which queries a listener uses. */
static enum rc op_setup(struct session *s, void *ctx)
{
    struct str listener = ops_choose(s, "Choose the listener whose LDAP queries you want to set.", "listener", STR_NONE);

    (void)ctx;
    if (!listener.n)
        return RC_NOT_FOUND;
    return ops_fields(s, "listener", listener,
                      "ldap_accept ldap_accept_when ldap_accept_unknown ldap_accept_code ldap_accept_text "
                      "ldap_accept_unreachable ldap_routing ldap_masquerade ldap_group smtp_auth");
}

static enum rc op_advanced(struct session *s, void *ctx)
{
    (void)ctx;
    return menu_talk(s, &queries, NULL, 0);
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->ldap_server.n;
}

static void show(struct session *s, void *ctx)
{
    (void)ctx;
    say(s, count(s, NULL) ? "Current LDAP server configurations:\n" : "No LDAP server configurations.\n");
    for (size_t i = 0; i < session_conf(s)->ldap_server.n; i++) {
        const struct conf_ldap_server *x = &session_conf(s)->ldap_server.items[i];

        say(s, "%zu. %.*s: (%.*s:%u)\n", i + 1, STR(x->name), STR(x->hosts.n ? x->hosts.items[0] : STR_NONE),
            (unsigned)x->port);
    }
}

enum rc cmd_ldapconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new server configuration", false, op_new},
        {"EDIT", "Modify a server configuration and its queries", true, op_edit},
        {"DELETE", "Remove a server configuration", true, op_delete},
        {"SETUP", "Choose the queries of a listener", false, op_setup},
        {"ADVANCED", "Configure queries by domain and chains of queries", false, op_advanced},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
