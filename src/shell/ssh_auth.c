/*
 * Logins over SSH: passphrase, keyboard-interactive, keys (RFC 4252, 4256).
 *
 * Called by ssh_connection.c with each authentication request. Passphrases are judged by the role control (login_question),
 * the same way and with the same answer whether the user exists or not; while the answer is on the way nothing more is read
 * from that peer. Keys are compared with user.ssh_keys of the newest settings; libssh has verified the signature before it
 * says VALID, and only that logs in. Owns what is kept of a request under way. After SSH_TRIES_MAX wrong passphrases the
 * connection ends.
 *
 * The request is taken from libssh's queue and not by its callback because a callback must answer before it returns.
 */
#include "shell/ssh_inside.h"

#include "shell/ssh_key_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The name and passphrase of a queued request have no other accessors. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum { USER_MAX = 255, PASSWORD_MAX = 1024 };
enum { ROLE_LAST_WITH_LOGIN = 4 }; /* user.def: help_desk and mail have no command line */

static bool permitted(const struct conf_user *u)
{
    return u && !u->locked && u->role <= ROLE_LAST_WITH_LOGIN;
}

static void banner(struct connection *c)
{
    const struct str text = c->server->conf->access.banner;
    struct buf lines;
    ssh_string s;

    if (c->banner_sent)
        return;
    c->banner_sent = true;
    if (!text.n)
        return;
    lines = BUF(32768);
    for (size_t i = 0; i < text.n; i++) { /* RFC 4252 5.4: CRLF; nothing that steers a terminal */
        char octet = text.p[i];

        if (octet == '\n')
            buf_add(&lines, str_lit("\r\n"));
        else if ((unsigned char)octet >= ' ' || octet == '\t')
            buf_addc(&lines, octet);
    }
    if (!str_ends(buf_str(&lines), str_lit("\n")))
        buf_add(&lines, str_lit("\r\n"));
    buf_addc(&lines, '\0');
    s = lines.failed ? NULL : ssh_string_from_char(lines.p);
    if (s)
        ssh_send_issue_banner(c->session, s);
    ssh_string_free(s);
    buf_done(&lines);
}

static int methods(const struct connection *c)
{
    return SSH_AUTH_METHOD_PUBLICKEY |
           (c->server->conf->ssh.password_login ? SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE : 0);
}

static void refuse(struct connection *c, ssh_message m)
{
    ssh_message_reply_default(m);
    ssh_message_free(m);
    if (c->tries < SSH_TRIES_MAX)
        return;
    ssh_disconnect(c->session);
    c->dead = true;
}

/* --- passphrases
 * ------------------------------------------------------------------------------------------------------------ */

static void remember(struct connection *c, const char *user, uint64_t role, bool must_change, const char *method)
{
    snprintf(c->user, sizeof c->user, "%s", user);
    c->role = role;
    c->must_change = must_change;
    c->method = method;
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct connection *c = ctx;
    const struct bus_login_answer *a = msg;
    ssh_message m = c->asked;
    bool ok = rc == RC_OK && a->ok && a->role <= ROLE_LAST_WITH_LOGIN;

    c->asked = NULL;
    c->call = 0;
    if (ok) {
        remember(c, c->trying, a->role, a->must_change, c->prompted ? "keyboard-interactive" : "password");
        ssh_message_auth_reply_success(m, 0);
        ssh_message_free(m);
        connection_proved(c);
    } else {
        c->tries++;
        refuse(c, m);
    }
    connection_turn(c);
}

static void ask(struct connection *c, ssh_message m, const char *user, const char *password)
{
    struct bus *bus = c->server->o.bus;
    const struct bus_login_question q = {
        .user = str_c(user), .password = str_c(password), .peer = str_c(c->peer_text), .service = str_lit("ssh")};

    if (!c->server->conf->ssh.password_login || !user || !*user || strlen(user) > USER_MAX || !password ||
        strlen(password) > PASSWORD_MAX || !bus_peer(bus, ROLE_control, 0)) {
        c->tries++;
        refuse(c, m);
        return;
    }
    if (user != c->trying)
        snprintf(c->trying, sizeof c->trying, "%s", user);
    c->asked = m;
    c->call = bus_call(bus, bus_peer(bus, ROLE_control, 0), BUS_login_question, &q, SSH_LOGIN_MS, answered, c);
}

static void interactive(struct connection *c, ssh_message m)
{
    const char *prompt = "Password: ", *user = ssh_message_auth_user(m);
    char echo = 0;

    if (ssh_message_auth_kbdint_is_response(m)) {
        bool expected = c->prompted && ssh_userauth_kbdint_getnanswers(c->session) == 1;

        if (expected)
            ask(c, m, c->trying, ssh_userauth_kbdint_getanswer(c->session, 0));
        else
            refuse(c, m);
        return;
    }
    if (!c->server->conf->ssh.password_login || !user || strlen(user) > USER_MAX) {
        refuse(c, m);
        return;
    }
    snprintf(c->trying, sizeof c->trying, "%s", user);
    c->prompted = true;
    ssh_message_auth_interactive_request(m, "", "", 1, &prompt, &echo);
    ssh_message_free(m);
}

void auth_message(struct connection *c, ssh_message m)
{
    banner(c);
    ssh_set_auth_methods(c->session, methods(c));
    switch (ssh_message_subtype(m)) {
    case SSH_AUTH_METHOD_PASSWORD:
        c->prompted = false;
        ask(c, m, ssh_message_auth_user(m), ssh_message_auth_password(m));
        break;
    case SSH_AUTH_METHOD_INTERACTIVE:
        interactive(c, m);
        break;
    default: /* `none` is how clients ask for the list of methods */
        c->prompted = false;
        refuse(c, m);
        break;
    }
}

/* --- keys
 * ------------------------------------------------------------------------------------------------------------------- */

static bool same_key(const struct ssh_key_line *line, ssh_key offered)
{
    char type[64], blob[16384];
    ssh_key known = NULL;
    bool same;

    if (line->type.n >= sizeof type || line->blob.n >= sizeof blob)
        return false;
    snprintf(type, sizeof type, "%.*s", STR(line->type));
    snprintf(blob, sizeof blob, "%.*s", STR(line->blob));
    if (ssh_pki_import_pubkey_base64(blob, ssh_key_type_from_name(type), &known) != SSH_OK)
        return false;
    same = ssh_key_cmp(known, offered, SSH_KEY_CMP_PUBLIC) == 0;
    ssh_key_free(known);
    return same;
}

static bool key_of(const struct connection *c, const struct conf_user *u, ssh_key offered, bool *no_pty)
{
    struct ssh_key_line line;

    for (size_t i = 0; permitted(u) && i < u->ssh_keys.n; i++) {
        if (ssh_key_line_parse(u->ssh_keys.items[i], &line, NULL) != RC_OK || !ssh_key_line_fits(&line, &c->peer) ||
            !same_key(&line, offered))
            continue;
        *no_pty = line.no_pty;
        return true;
    }
    return false;
}

static int on_key(ssh_session session, const char *user, struct ssh_key_struct *key, char state, void *ctx)
{
    struct connection *c = ctx;
    const struct conf_user *u = conf_find(&c->server->conf->user, str_c(user));
    bool no_pty = false;
    char name[USER_MAX + 1];

    banner(c);
    ssh_set_auth_methods(session, methods(c));
    if (c->proved || c->asked || (state != SSH_PUBLICKEY_STATE_NONE && state != SSH_PUBLICKEY_STATE_VALID) ||
        !key_of(c, u, key, &no_pty)) {
        if (++c->keys_tried > SSH_KEYS_MAX)
            c->dead = true; /* swept after this turn: not inside a callback */
        return SSH_AUTH_DENIED;
    }
    if (state == SSH_PUBLICKEY_STATE_NONE)
        return SSH_AUTH_SUCCESS; /* "would be taken": proves nothing yet */
    snprintf(name, sizeof name, "%.*s", STR(u->name));
    remember(c, name, u->role, u->must_change, "publickey");
    c->no_pty = no_pty;
    connection_proved(c);
    return SSH_AUTH_SUCCESS;
}

/* Offered or not, GSSAPI never gets as far as the Kerberos library. */
static ssh_string no_gssapi(ssh_session session, const char *user, int n, ssh_string *oids, void *ctx)
{
    (void)session, (void)user, (void)n, (void)oids, (void)ctx;
    return NULL;
}

void auth_begin(struct connection *c)
{
    c->callbacks.auth_pubkey_function = on_key;
    c->callbacks.gssapi_select_oid_function = no_gssapi;
    ssh_set_auth_methods(c->session, methods(c));
}

void auth_end(struct connection *c)
{
    if (c->asked) {
        bus_cancel(c->server->o.bus, c->call);
        ssh_message_free(c->asked);
    }
    c->asked = NULL;
}
