/*
 * Establishing a connection: host key, login with a passphrase once, login with our key. See enrol.h.
 *
 * Called by verbs.c for control. Owns each struct meeting until its verb is answered. Nothing is stored; the passphrase is
 * wiped with the meeting. Each step is a connection of its own, since each is another login.
 */
#include "central/enrol.h"

#include "base/json.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { CARD_MAX = 65536, CONNECT_MS = 20000, STEP_MS = 30000 };

struct meeting {
    struct central_call *call;
    char *address, *host_key, *user, *passphrase, *card;
    uint16_t port;
    struct buf reply;
};

static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

static void meeting_done(struct meeting *m)
{
    free(m->address);
    free(m->host_key);
    free(m->user);
    wipe(m->passphrase);
    free(m->card);
    buf_done(&m->reply);
    free(m);
}

/* Ends the verb with what is wrong. */
static void fail(struct meeting *m, enum rc rc, const struct err *e)
{
    enrol_why(m->address, m->port, rc, e, &m->call->text);
    central_answer(m->call, rc);
    meeting_done(m);
}

static struct str next_word(struct str *args)
{
    struct str s;

    return get_str(args, &s) ? s : STR_NONE;
}

/* ADDRESS PORT [HOSTKEY ...]: NULL when the words are none, then the verb has been answered. */
static struct meeting *meeting_new(struct central_call *call)
{
    struct meeting *m = calloc(1, sizeof *m);
    struct str address = next_word(&call->args), port = next_word(&call->args);
    uint64_t n = 0;

    must(m);
    *m = (struct meeting){.call = call, .address = str_copy(address), .reply = BUF(SSH_LINE_REPLY_MAX)};
    if (address.n && str_u64(port, &n) && n && n <= 65535) {
        m->port = (uint16_t)n;
        m->host_key = str_copy(next_word(&call->args));
        return m;
    }
    meeting_done(m);
    central_answer(call, RC_SYNTAX);
    return NULL;
}

static struct ssh_dial dial_of(const struct meeting *m)
{
    return (struct ssh_dial){.address = m->address,
                             .port = m->port,
                             .user = "manager",
                             .key = "",
                             .passphrase = "",
                             .host_key = m->host_key,
                             .connect_ms = CONNECT_MS,
                             .step_ms = STEP_MS};
}

/* --- enrol_key ADDRESS PORT -------------------------------------------------------------------------------------------- */

static void key_seen(void *ctx, enum rc rc, const struct err *e, const char *host_key)
{
    struct meeting *m = ctx;
    char print[64];

    if (rc != RC_OK || !host_key) {
        fail(m, rc ? rc : RC_CONNECT, e);
        return;
    }
    ssh_line_fingerprint(str_c(host_key), print);
    buf_add(&m->call->json, str_lit("{\"host_key\":"));
    json_str(&m->call->json, str_c(host_key));
    buf_addf(&m->call->json, ",\"fingerprint\":\"%s\"}", print);
    central_answer(m->call, RC_OK);
    meeting_done(m);
}

void verb_enrol_key(struct central_call *call)
{
    struct meeting *m = meeting_new(call);
    struct ssh_dial dial;

    if (!m)
        return;
    dial = dial_of(m);
    dial.host_key = "";
    line_once(call->central, &dial, NULL, key_seen, m);
}

/* --- enrol_hello ADDRESS PORT HOSTKEY CARD: our key, our card, its card
 * ----------------------------------------------------
 */

/* In a thread. */
static enum rc say_hello(struct ssh_line *l, void *ctx, struct err *e)
{
    struct meeting *m = ctx;
    struct greeting g = {0};
    enum rc rc = greet(l, m->card, "", &g, e);

    if (rc == RC_OK) {
        buf_clear(&m->reply);
        buf_add(&m->reply, str_c(g.json));
    }
    greeting_done(&g);
    return rc;
}

static void said_hello(void *ctx, enum rc rc, const struct err *e, const char *host_key)
{
    struct meeting *m = ctx;

    (void)host_key;
    if (rc != RC_OK) {
        fail(m, rc, e);
        return;
    }
    buf_add(&m->call->json, buf_str(&m->reply));
    central_answer(m->call, RC_OK);
    meeting_done(m);
}

static void go_hello(struct meeting *m)
{
    struct ssh_dial dial = dial_of(m);
    struct err e = ERR_NONE;
    char *key;

    if (!m->call->central->conf || !m->call->central->conf->ssh_identity.key.n) {
        fail(m, err_set(&e, RC_UNAVAILABLE, "this manager has no SSH key yet"), &e);
        return;
    }
    key = str_copy(m->call->central->conf->ssh_identity.key);
    dial.key = key;
    line_once(m->call->central, &dial, say_hello, said_hello, m);
    wipe(key);
}

void verb_enrol_hello(struct central_call *call)
{
    struct meeting *m = meeting_new(call);

    if (!m)
        return;
    m->card = str_copy(next_word(&call->args));
    go_hello(m);
}

/* --- enrol_open ADDRESS PORT HOSTKEY USER PASSPHRASE CARD ----------------------------------------------------------------
 */

/* In a thread, as administrator of the gateway: the one act done with the passphrase. */
static enum rc enrol_us(struct ssh_line *l, void *ctx, struct err *e)
{
    struct meeting *m = ctx;
    struct buf input = BUF(CARD_MAX);
    enum rc rc;

    buf_addf(&input, "%s\n", m->card);
    rc = ssh_line_verb(l, str_lit("smaconfig enrol"), buf_str(&input), &m->reply, -1, e);
    buf_done(&input);
    return rc;
}

static void enrolled(void *ctx, enum rc rc, const struct err *e, const char *host_key)
{
    struct meeting *m = ctx;

    (void)host_key;
    if (rc != RC_OK)
        fail(m, rc, e);
    else
        go_hello(m);
}

void verb_enrol_open(struct central_call *call)
{
    struct meeting *m = meeting_new(call);
    struct ssh_dial dial;

    if (!m)
        return;
    m->user = str_copy(next_word(&call->args));
    m->passphrase = str_copy(next_word(&call->args));
    m->card = str_copy(next_word(&call->args));
    if (!*m->user) { /* the key was typed in there */
        go_hello(m);
        return;
    }
    dial = dial_of(m);
    dial.user = m->user;
    dial.passphrase = m->passphrase;
    line_once(call->central, &dial, enrol_us, enrolled, m);
}

/* --- words ----------------------------------------------------------------------------------------------------------------
 */

static bool says(const struct err *e, const char *what)
{
    return str_find_str(str_c(e->text), str_c(what)) < strlen(e->text);
}

void enrol_why(const char *address, uint16_t port, enum rc rc, const struct err *e, struct buf *out)
{
    if ((rc == RC_TIMEOUT && says(e, "no answer within")) || says(e, "No route to host") || says(e, "unreachable"))
        buf_addf(out, "%s does not answer on port %u (%s): the gateway does not let SSH in from the manager; use a link",
                 address, port, err_text(e));
    else if (says(e, "Connection refused"))
        buf_addf(out, "%s refuses connections on port %u: no SSH server listens there", address, port);
    else if (says(e, "has no address now"))
        buf_addf(out, "DNS: %s", err_text(e));
    else if (says(e, "is not the one known"))
        buf_addf(out, "%s: establish the connection again (applianceconfig edit) when that is right", err_text(e));
    else
        buf_addf(out, "%s port %u: %s", address, port, err_text(e));
}
