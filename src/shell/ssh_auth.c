/*
 * Logins over SSH: passphrase, keyboard-interactive, keys (RFC 4252, 4256).
 *
 * Called by libssh for each authentication request, in the login's thread (ssh_login.c): so the callbacks may wait.
 * Passphrases are judged by the role control, the same way and with the same answer whether the user exists or not. Keys are
 * compared with user.ssh_keys of the settings the connection began with; libssh has verified the signature before it says
 * VALID, and only that logs in. Owns nothing. After SSH_TRIES_MAX wrong passphrases the connection ends.
 */
#include "shell/ssh_inside.h"

#include "shell/ssh_key_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROLE_LAST_WITH_LOGIN = 4 }; /* user.def: help_desk and mail have no command line */

static bool permitted(const struct conf_user *u)
{
    return u && !u->locked && u->role <= ROLE_LAST_WITH_LOGIN;
}

static void banner(struct connection *c)
{
    const struct str text = c->conf->access.banner;
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
           (c->conf->ssh.password_login ? SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE : 0);
}

static void remember(struct connection *c, const char *user, uint64_t role, bool must_change, const char *method)
{
    snprintf(c->user, sizeof c->user, "%s", user);
    c->role = role;
    c->must_change = must_change;
    c->method = method;
    c->proved = true;
}

/* --- passphrases
 * ------------------------------------------------------------------------------------------------------------ */

static bool try_password(struct connection *c, const char *user, const char *password, const char *method)
{
    if (c->proved || c->dead || c->tries >= SSH_TRIES_MAX || c->carried.carrier[0] || link_is_account(user))
        return false;
    if (c->conf->ssh.password_login && login_ask(c, user, password) && c->login.role <= ROLE_LAST_WITH_LOGIN) {
        remember(c, user, c->login.role, c->login.must_change, method);
        return true;
    }
    if (++c->tries == SSH_TRIES_MAX)
        c->dead = true; /* swept when this callback has returned */
    return false;
}

static int on_password(ssh_session session, const char *user, const char *password, void *ctx)
{
    struct connection *c = ctx;

    (void)session;
    banner(c);
    c->prompted = false;
    return try_password(c, user, password, "password") ? SSH_AUTH_SUCCESS : SSH_AUTH_DENIED;
}

static int on_answer(struct connection *c, ssh_message m)
{
    bool expected = c->prompted && ssh_userauth_kbdint_getnanswers(c->session) == 1;

    c->prompted = false;
    if (!expected || !try_password(c, c->trying, ssh_userauth_kbdint_getanswer(c->session, 0), "keyboard-interactive"))
        return 1;
    ssh_message_auth_reply_success(m, 0);
    return 0;
}

/* The name has no other accessor than the deprecated one. */
static const char *user_of(ssh_message m)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    return ssh_message_auth_user(m);
#pragma GCC diagnostic pop
}

static int on_interactive(struct connection *c, ssh_message m)
{
    const char *prompt = "Password: ", *user = user_of(m);
    char echo = 0;

    if (ssh_message_auth_kbdint_is_response(m))
        return on_answer(c, m);
    c->prompted = false;
    if (!c->conf->ssh.password_login || !user || strlen(user) > SSH_USER_MAX)
        return 1;
    snprintf(c->trying, sizeof c->trying, "%s", user);
    c->prompted = true;
    ssh_message_auth_interactive_request(m, "", "", 1, &prompt, &echo);
    return 0;
}

/* What has no callback of its own; 1 = libssh gives its standard answer, a refusal. `none` is how clients ask for the
 * methods; forwarding, X11 and agent requests all end here. */
static int on_message(ssh_session session, ssh_message m, void *ctx)
{
    struct connection *c = ctx;
    const char *service;

    (void)session;
    if (ssh_message_type(m) == SSH_REQUEST_SERVICE) {
        service = ssh_message_service_service(m);
        if (service && strcmp(service, "ssh-userauth") == 0 && !c->proved)
            ssh_message_service_reply_success(m);
        else
            c->dead = true;
        return 0;
    }
    if (ssh_message_type(m) == SSH_REQUEST_CHANNEL_OPEN && c->is_link)
        return link_asked(c, m);
    if (ssh_message_type(m) != SSH_REQUEST_AUTH || c->proved)
        return 1;
    banner(c);
    if (ssh_message_subtype(m) == SSH_AUTH_METHOD_INTERACTIVE)
        return on_interactive(c, m);
    return 1;
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

bool auth_key_fits(const struct connection *c, struct str text, ssh_key offered, struct ssh_key_line *line)
{
    return text.n && ssh_key_line_parse(text, line, NULL) == RC_OK && ssh_key_line_fits(line, &c->peer) &&
           same_key(line, offered);
}

static bool key_of(const struct connection *c, const struct conf_user *u, ssh_key offered, bool *no_pty)
{
    struct ssh_key_line line;

    for (size_t i = 0; permitted(u) && i < u->ssh_keys.n; i++) {
        if (!auth_key_fits(c, u->ssh_keys.items[i], offered, &line))
            continue;
        *no_pty = line.no_pty;
        return true;
    }
    return false;
}

/* Account `manager` (central.md 4): the key says which of the enrolled managers it is. A user of that name has his own keys.
 */
static const struct conf_manager *manager_of(const struct connection *c, const char *user, ssh_key offered)
{
    struct ssh_key_line line;

    for (size_t i = 0; strcmp(user, "manager") == 0 && i < c->conf->manager.n; i++) {
        const struct conf_manager *m = &c->conf->manager.items[i];

        if (auth_key_fits(c, m->ssh_key, offered, &line))
            return m;
    }
    return NULL;
}

/* Accounts `link` and `enrol`. */
static int on_link_key(struct connection *c, const char *user, ssh_key key, char state)
{
    if (c->proved || c->dead || !link_user_fits(c, user) || !link_key_taken(c, user, key)) {
        if (++c->keys_tried > SSH_KEYS_MAX)
            c->dead = true;
        return SSH_AUTH_DENIED;
    }
    if (state == SSH_PUBLICKEY_STATE_VALID) {
        remember(c, user, 0, false, "publickey");
        c->is_link = true;
    }
    return SSH_AUTH_SUCCESS;
}

static int on_key(ssh_session session, const char *user, struct ssh_key_struct *key, char state, void *ctx)
{
    struct connection *c = ctx;
    const struct conf_user *u = conf_find(&c->conf->user, str_c(user));
    const struct conf_manager *m = manager_of(c, user, key);
    bool no_pty = m != NULL;
    char name[SSH_USER_MAX + 1];

    (void)session;
    banner(c);
    c->prompted = false;
    if (link_is_account(user) && (state == SSH_PUBLICKEY_STATE_NONE || state == SSH_PUBLICKEY_STATE_VALID))
        return on_link_key(c, user, key, state);
    if (!link_user_fits(c, user) || c->proved || c->dead ||
        (state != SSH_PUBLICKEY_STATE_NONE && state != SSH_PUBLICKEY_STATE_VALID) || (!m && !key_of(c, u, key, &no_pty))) {
        if (++c->keys_tried > SSH_KEYS_MAX)
            c->dead = true;
        return SSH_AUTH_DENIED;
    }
    if (state == SSH_PUBLICKEY_STATE_NONE)
        return SSH_AUTH_SUCCESS; /* "would be taken": proves nothing yet */
    snprintf(name, sizeof name, "%.*s", STR(m ? m->name : u->name));
    remember(c, name, m ? 0 : u->role, !m && u->must_change, "publickey");
    c->manager = m != NULL;
    c->no_pty = no_pty;
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
    c->callbacks.auth_password_function = on_password;
    c->callbacks.auth_pubkey_function = on_key;
    c->callbacks.gssapi_select_oid_function = no_gssapi;
    ssh_set_message_callback(c->session, on_message, c);
    ssh_set_auth_methods(c->session, methods(c));
}
