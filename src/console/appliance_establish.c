/*
 * applianceconfig: how a manager first meets a gateway, and Test Connection (spec/central.md 3, spec/cli.md 10).
 *
 * Called by cmd_appliance.c. The conversations are role central's, asked through control (verb appliance). What is learned
 * is staged: serial number, host key, fingerprint of the certificate. The passphrase is asked for here, passes through and
 * is wiped. Owns nothing.
 */
#include "console/appliance.h"

#include "base/json_read.h"

enum { PROOF_PASSPHRASE, PROOF_KEY, PROOF_TOKEN };

/* The reply of a verb as an object; what went wrong was said. */
static enum rc ask_object(struct session *s, const struct str *words, size_t n, const struct json **out)
{
    struct buf *text = session_buf(s, 1 << 20), *json = session_buf(s, 1 << 20);
    enum rc rc = session_ask(s, words, n, text, json);
    struct err e = ERR_NONE;

    if (rc != RC_OK) {
        say_str(s, buf_str(text));
        return rc;
    }
    rc = json_read(&s->arena, buf_str(json), out, &e);
    return rc == RC_OK ? RC_OK : session_fail(s, &e);
}

const struct conf_appliance *appliance_row(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->appliance, name);
}

bool appliance_put(struct session *s, struct str name, const char *field, struct str value)
{
    return field_put(s, ops_section("appliance"), name, field, value);
}

static struct str number(struct session *s, uint64_t n)
{
    return arena_printf(&s->arena, "%llu", (unsigned long long)n);
}

/* Shows the fingerprint; the key when it was confirmed, else empty. */
static struct str confirm_key(struct session *s, struct str name)
{
    const struct conf_appliance *x = appliance_row(s, name);
    const struct json *reply;
    struct str key, words[4] = {str_lit("appliance"), str_lit("hostkey")};

    words[2] = arena_str(&s->arena, x->address);
    words[3] = number(s, x->port);
    if (ask_object(s, words, 4, &reply) != RC_OK)
        return STR_NONE;
    key = json_str_of(json_get(reply, "host_key"));
    if (str_eq(key, x->host_key))
        return key;
    if (x->host_key.n)
        say(s, "The host key of this appliance has changed.\n");
    say(s, "The host key fingerprint of %.*s port %llu is\n%.*s\n", STR(words[2]), (unsigned long long)x->port,
        STR(json_str_of(json_get(reply, "fingerprint"))));
    if (ask_yes(s, "Is this the key of the appliance?", true))
        return key;
    say(s, "The connection was not established.\n");
    return STR_NONE;
}

/* --- what was learned ------------------------------------------------------------------------------------------------- */

static void drop_peer(struct session *s, struct str serial)
{
    const struct conf *c = session_conf(s);
    struct buf *path = session_buf(s, 4096);

    for (size_t i = 0; i < c->cpq_peer.n; i++)
        if (str_eqi(c->cpq_peer.items[i].serial, serial)) {
            conf_path_format(ops_section("cpq_peer"), c->cpq_peer.items[i].name, NULL, path);
            conf_draft_remove(session_draft(s), buf_str(path), NULL);
            return;
        }
}

static bool put_peer(struct session *s, struct str serial, const struct json *card)
{
    const struct conf_section *section = ops_section("cpq_peer");
    struct str print = json_str_of(json_get(card, "cpq_print"));
    struct err e = ERR_NONE;
    void *item;

    drop_peer(s, serial);
    if (conf_draft_item(session_draft(s), section, serial, &item, &e) != RC_OK) {
        session_fail(s, &e);
        return false;
    }
    return field_put(s, section, serial, "serial", serial) && field_put(s, section, serial, "fingerprint", print) &&
           field_put(s, section, serial, "next_fingerprint", json_str_of(json_get(card, "cpq_next"))) &&
           field_put(s, section, serial, "role", str_lit("gateway"));
}

static bool is_taken(struct session *s, struct str name, struct str serial)
{
    const struct conf *c = session_conf(s);

    for (size_t i = 0; i < c->appliance.n; i++)
        if (str_eqi(c->appliance.items[i].serial, serial) && !str_eqi(c->appliance.items[i].name, name)) {
            say(s, "The appliance with serial number %.*s is here already, as %.*s.\n", STR(serial),
                STR(c->appliance.items[i].name));
            return true;
        }
    return false;
}

/* Another appliance stands where this one stood: its data and that of the former are shown under one name. */
static enum rc replace(struct session *s, struct str name, struct str serial)
{
    const struct conf_appliance *x = appliance_row(s, name);
    struct str old = arena_str(&s->arena, x->serial);
    struct strs former;

    say(s, "This appliance has serial number %.*s; %.*s was %.*s.\n", STR(serial), STR(name), STR(old));
    if (!ask_yes(s, "Does it replace the former one?", false)) {
        say(s, "Nothing was changed.\n");
        return RC_CONFLICT;
    }
    former = ops_with(s, appliance_row(s, name)->former, SIZE_MAX, old);
    drop_peer(s, old);
    return appliance_put(s, name, "former", ops_join(s, former)) && appliance_put(s, name, "knows", STR_NONE) ? RC_OK
                                                                                                              : RC_INVALID;
}

static enum rc learn(struct session *s, struct str name, struct str host_key, const struct json *card)
{
    struct str serial = arena_str(&s->arena, json_str_of(json_get(card, "serial"))), now;

    if (is_taken(s, name, serial))
        return RC_EXISTS;
    now = appliance_row(s, name)->serial;
    if (now.n && !str_eqi(now, serial))
        TRY(replace(s, name, serial));
    if (!appliance_put(s, name, "serial", serial) || !appliance_put(s, name, "host_key", host_key) ||
        !appliance_put(s, name, "link_key", json_str_of(json_get(card, "ssh_key"))) || !put_peer(s, serial, card))
        return RC_INVALID;
    say(s, "The connection to %.*s (%.*s, version %.*s) is established. It acts when it is committed.\n",
        STR(json_str_of(json_get(card, "host"))), STR(serial), STR(json_str_of(json_get(card, "ver"))));
    return RC_OK;
}

/* --- proofs -------------------------------------------------------------------------------------------------------------
 */

static void wipe(void *ctx)
{
    struct str *s = ctx;

    if (s->n)
        explicit_bzero((char *)(uintptr_t)s->p, s->n);
}

static enum rc meet(struct session *s, struct str name, struct str user, struct str *passphrase)
{
    struct str host_key = confirm_key(s, name), words[7] = {str_lit("appliance"), str_lit("establish")};
    const struct conf_appliance *x = appliance_row(s, name);
    const struct json *card;

    if (!host_key.n)
        return RC_CONNECT;
    words[2] = arena_str(&s->arena, x->address);
    words[3] = number(s, x->port);
    words[4] = host_key;
    words[5] = user;
    words[6] = *passphrase;
    TRY(ask_object(s, words, 7, &card));
    return learn(s, name, host_key, card);
}

static enum rc by_passphrase(struct session *s, struct str name)
{
    struct str *passphrase = arena_must_alloc(&s->arena, sizeof *passphrase), user;

    *passphrase = STR_NONE;
    user = ask_value(s, "Enter the name of an administrator of the appliance:", "admin", NULL, NULL);
    say(s, "Enter the passphrase. It is used once and not stored.\n");
    *passphrase = ask_hidden(s, "[]> ");
    arena_defer(&s->arena, wipe, passphrase);
    return meet(s, name, user, passphrase);
}

static enum rc by_key(struct session *s, struct str name)
{
    struct buf *text = session_buf(s, 65536);
    struct str none = STR_NONE;

    TRY(session_call(s, text, NULL, "appliance", "key", NULL));
    say(s,
        "The public key of this manager is\n%.*s"
        "Enter it on the appliance with `smaconfig add`, and commit there.\n",
        STR(buf_str(text)));
    if (!ask_yes(s, "Has this been done?", true)) {
        say(s, "Establish the connection later with `applianceconfig edit`.\n");
        return RC_OK;
    }
    return meet(s, name, STR_NONE, &none);
}

static enum rc by_token(struct session *s, struct str name)
{
    struct buf *text = session_buf(s, 65536);
    struct str words[3] = {str_lit("appliance"), str_lit("token"), name};
    enum rc rc = session_ask(s, words, 3, text, NULL);

    if (rc == RC_OK && !appliance_put(s, name, "link", str_lit("only")))
        return RC_INVALID;
    say_str(s, buf_str(text));
    return rc;
}

enum rc appliance_establish(struct session *s, struct str name)
{
    static const char *const proofs[] = {"Name and passphrase of an administrator of the appliance",
                                         "Public key of this manager, entered on the appliance",
                                         "Link token, entered on the appliance: it opens the connection", NULL};

    switch (ask_one_of(s, "How does this manager prove that it may have the appliance?", PROOF_PASSPHRASE, proofs)) {
    case PROOF_PASSPHRASE:
        return by_passphrase(s, name);
    case PROOF_KEY:
        return by_key(s, name);
    default:
        return by_token(s, name);
    }
}

/* --- Test Connection
 * ------------------------------------------------------------------------------------------------------- */

enum rc appliance_test(struct session *s, struct str name)
{
    const struct conf_appliance *x = appliance_row(s, name);
    struct str words[8] = {str_lit("appliance"), str_lit("test"), x->name};
    struct buf *text = session_buf(s, 1 << 20);
    enum rc rc;

    if (!x->host_key.n && !x->link) {
        say(s, "%.*s: the connection was never established.\n", STR(x->name));
        return RC_UNAVAILABLE;
    }
    words[3] = x->address;
    words[4] = number(s, x->port);
    words[5] = x->host_key;
    words[6] = x->serial;
    words[7] = arena_printf(&s->arena, "%s%s%s%s", x->reporting ? "reporting " : "", x->tracking ? "tracking " : "",
                            x->spam ? "spam " : "", x->pvo ? "pvo " : "");
    rc = session_ask(s, words, 8, text, NULL);
    say(s, "%.*s:\n", STR(name));
    say_str(s, buf_str(text));
    return rc;
}
