/*
 * domainkeysconfig KEYS: keys that sign mail (spec/settings/signing_key.def). Batch: `domainkeysconfig keys new NAME
 * generate 2048|ed25519`, `keys new NAME import FILE`, `keys edit NAME ...` the same, `keys publickey NAME`, `keys delete
 * NAME`.
 *
 * Called by cmd_domainkeys.c. Owns nothing. A private key goes into the working copy and is never shown again; what is shown
 * is its public half.
 */
#include "console/signing_keys.h"

#include "console/commands.h"
#include "console/ops.h"
#include "mail/dkim.h"

static const struct menu keys = {"domainkeysconfig", "signing_key", "signing key", "", ""};

static const struct conf_section *section(void)
{
    return ops_section("signing_key");
}

static const struct conf_signing_key *find(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->signing_key, name);
}

struct str signing_key_record(struct session *s, struct str key, bool testing)
{
    const struct conf_signing_key *k = find(s, key);
    struct buf *b = session_buf(s, 8192);

    if (!k || !k->public_key.n)
        return STR_NONE;
    dkim_key_record((enum dkim_key_type)k->type, k->public_key, testing, b);
    return buf_str(b);
}

static void facts(struct session *s, const struct conf_signing_key *k)
{
    unsigned bits = 0;

    if (dkim_public_facts((enum dkim_key_type)k->type, k->public_key, &bits, NULL) != RC_OK)
        say(s, "%.*s: no key\n", STR(k->name));
    else if (k->type == DKIM_RSA)
        say(s, "%.*s: RSA, %u bits%s\n", STR(k->name), bits, bits < DKIM_BITS_LEAST ? " (too short to sign, RFC 8301)" : "");
    else
        say(s, "%.*s: Ed25519\n", STR(k->name));
}

static enum rc put(struct session *s, struct str name, enum dkim_key_type type, struct str secret, struct str public)
{
    bool good = field_put(s, section(), name, "type", type == DKIM_RSA ? str_lit("rsa") : str_lit("ed25519")) &&
                field_put(s, section(), name, "public_key", public) && field_put(s, section(), name, "private_key", secret);

    if (good)
        facts(s, find(s, name));
    return good ? RC_OK : RC_INVALID;
}

static bool size_fits(struct session *s, void *ctx, struct str answer)
{
    uint64_t bits;

    (void)ctx;
    if (str_eqi(answer, str_lit("ed25519")) || (str_u64(answer, &bits) && bits >= 512 && bits <= 4096))
        return true;
    say(s, "A size is 512 to 4096, or the word ed25519.\n");
    return false;
}

static enum rc generate(struct session *s, struct str name)
{
    struct str size = ask_value(
        s, "Enter the size of the RSA key in bits (512-4096, signing needs 1024), or ed25519:", "2048", size_fits, NULL);
    struct buf *secret = session_buf(s, 16384), *public = session_buf(s, 4096);
    uint64_t bits = 0;
    bool rsa = str_u64(size, &bits);
    struct err e = ERR_NONE;

    if (dkim_key_generate(rsa ? DKIM_RSA : DKIM_ED25519, (unsigned)bits, secret, public, &e) != RC_OK)
        return session_fail(s, &e);
    return put(s, name, rsa ? DKIM_RSA : DKIM_ED25519, buf_str(secret), buf_str(public));
}

/* A key that came as text. */
static enum rc take(struct session *s, struct str name, struct str text)
{
    struct buf *secret = session_buf(s, 16384), *public = session_buf(s, 4096);
    struct dkim_key *k;
    enum dkim_key_type type;
    struct err e = ERR_NONE;

    if (dkim_key_load(text, &k, &e) != RC_OK)
        return session_fail(s, &e);
    type = dkim_key_type(k);
    dkim_key_private(k, secret);
    dkim_key_public(k, public);
    dkim_key_free(k);
    return put(s, name, type, buf_str(secret), buf_str(public));
}

/* Where its two halves come from. */
static enum rc fill(struct session *s, struct str name)
{
    static const char *const ways[] = {"generate", "paste", "import", NULL};
    struct str text;

    switch (
        ask_one_of(s, "Do you want to generate a key, to paste one in PEM format, or to import one from a file?", 0, ways)) {
    case 0:
        return generate(s, name);
    case 1:
        return ask_lines(s, "Paste the private key in PEM format, without a passphrase.", &text) ? take(s, name, text)
                                                                                                 : RC_INVALID;
    default:
        TRY(ops_import(s, "the private key", &text));
        return take(s, name, text);
    }
}

static enum rc op_new(struct session *s, void *ctx)
{
    (void)ctx;
    return fill(s, menu_new(s, &keys));
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &keys, "edit");

    (void)ctx;
    if (!ask_batch(s)) {
        name = ops_rename(s, "signing_key", "signing key", name);
        if (!ask_yes(s, "Do you want to replace the key?", false))
            return RC_OK;
    }
    return fill(s, name);
}

static enum rc op_public(struct session *s, void *ctx)
{
    const struct conf_signing_key *k = find(s, menu_pick(s, &keys, "show the public half of"));

    (void)ctx;
    facts(s, k);
    say(s, "%.*s\n", STR(k->public_key));
    return RC_OK;
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &keys, "delete");

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(name)).p, false))
        return RC_OK;
    return menu_delete(s, &keys, name) ? RC_OK : RC_INVALID;
}

static enum rc op_print(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    for (size_t i = 0; i < c->signing_key.n; i++) {
        facts(s, &c->signing_key.items[i]);
        say(s, "    %.*s\n", STR(c->signing_key.items[i].public_key));
    }
    return RC_OK;
}

static enum rc op_list(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    for (size_t i = 0; i < c->signing_key.n; i++)
        facts(s, &c->signing_key.items[i]);
    return RC_OK;
}

static enum rc op_clear(struct session *s, void *ctx)
{
    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, "Are you sure you want to delete all signing keys?", false))
        return RC_OK;
    while (session_conf(s)->signing_key.n)
        if (!menu_delete(s, &keys, arena_str(&s->arena, session_conf(s)->signing_key.items[0].name)))
            return RC_INVALID;
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    (void)ctx;
    say(s, "Signing keys currently configured: %zu\n", session_conf(s)->signing_key.n);
    op_list(s, ctx);
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->signing_key.n;
}

enum rc signing_keys_talk(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new signing key", false, op_new},
        {"EDIT", "Modify a signing key", true, op_edit},
        {"PUBLICKEY", "Show the public half of a signing key", true, op_public},
        {"DELETE", "Delete a signing key", true, op_delete},
        {"PRINT", "Display all signing keys", true, op_print},
        {"LIST", "List signing keys", true, op_list},
        {"CLEAR", "Delete all signing keys", true, op_clear},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
