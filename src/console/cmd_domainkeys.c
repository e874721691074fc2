/*
 * domainkeysconfig: whose mail is signed with DKIM (spec/settings/domain_profile.def), with which keys, and the text for the
 * DNS. Batch: `domainkeysconfig profiles new NAME domain=D selector=S key=K [SETTING=VALUE ...]`, `profiles dnstxt NAME`,
 * `profiles test NAME`, `keys ...` (cmd_signing_keys.c), `setup SETTING=VALUE ...`.
 *
 * Called through spec/verbs.def. Owns nothing.
 */
#include "console/commands.h"
#include "console/item_text.h"
#include "console/net.h"
#include "console/ops.h"
#include "console/signing_keys.h"
#include "mail/dkim.h"
#include "mail/dns.h"

static const struct menu profiles = {"domainkeysconfig", "domain_profile", "domain profile", "", ""};

static const struct conf_section *section(void)
{
    return ops_section("domain_profile");
}

static const struct conf_domain_profile *find(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->domain_profile, name);
}

static enum rc fill(struct session *s, struct str name)
{
    bool given = ask_left(s) > 0;
    struct str key;

    while (ask_left(s))
        if (!field_set(s, section(), name, ask_next(s)))
            return RC_INVALID;
    if (given)
        return RC_OK;
    fields_ask(s, section(), name, "domain selector");
    key = ops_choose(s, "Choose the signing key:", "signing_key", find(s, name)->key);
    if (!key.n || !field_put(s, section(), name, "key", key))
        return RC_INVALID;
    fields_ask(s, section(), name, "-domain selector key");
    return RC_OK;
}

static enum rc op_new(struct session *s, void *ctx)
{
    (void)ctx;
    if (!session_conf(s)->signing_key.n) {
        say(s, "There is no signing key yet: make one with KEYS first.\n");
        return RC_INVALID;
    }
    return fill(s, menu_new(s, &profiles));
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &profiles, "edit");

    (void)ctx;
    if (!ask_batch(s))
        name = ops_rename(s, "domain_profile", "domain profile", name);
    return fill(s, name);
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &profiles, "delete");

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(name)).p, true))
        return RC_OK;
    return menu_delete(s, &profiles, name) ? RC_OK : RC_INVALID;
}

static void print_one(struct session *s, const struct conf_domain_profile *p)
{
    say(s, "Profile Name: %.*s\n", STR(p->name));
    fields_show(s, section(), p->name);
    say(s, "\n");
}

static enum rc op_print(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    for (size_t i = 0; i < c->domain_profile.n; i++)
        print_one(s, &c->domain_profile.items[i]);
    return RC_OK;
}

static enum rc op_list(struct session *s, void *ctx)
{
    (void)ctx;
    menu_list(s, &profiles);
    return RC_OK;
}

/* ---- the DNS ------------------------------------------------------------------------------------------------------- */

/* The two signatures of a profile: the second only when it has a key. */
struct half {
    struct str selector, key;
};
static size_t halves(const struct conf_domain_profile *p, struct half out[2])
{
    out[0] = (struct half){p->selector, p->key};
    out[1] = (struct half){p->second_selector, p->second_key};
    return p->second_key.n ? 2 : 1;
}

static enum rc op_dnstxt(struct session *s, void *ctx)
{
    const struct conf_domain_profile *p = find(s, menu_pick(s, &profiles, "show the DNS TXT record of"));
    struct half all[2];
    size_t n = halves(p, all);

    (void)ctx;
    say(s, "The DKIM public key DNS text record of domain profile %.*s:\n", STR(p->name));
    for (size_t i = 0; i < n; i++) {
        struct str record = signing_key_record(s, all[i].key, p->testing);
        struct buf *line = session_buf(s, 8192);

        if (!record.n) {
            say(s, "It has no signing key.\n");
            return RC_INVALID;
        }
        dkim_key_zone_line(p->domain, all[i].selector, record, line);
        say(s, "%.*s\n", STR(buf_str(line)));
    }
    return RC_OK;
}

/* Character strings of a TXT record, joined. */
static struct str joined(struct session *s, struct str rdata)
{
    struct buf *b = session_buf(s, 65536);

    while (rdata.n) {
        size_t n = (unsigned char)rdata.p[0];

        buf_add(b, str_first(str_from(rdata, 1), n));
        rdata = str_from(rdata, 1 + n);
    }
    return buf_str(b);
}

static bool test_half(struct session *s, const struct conf_domain_profile *p, const struct half *h)
{
    struct str name = arena_printf(&s->arena, "%.*s._domainkey.%.*s", STR(h->selector), STR(p->domain));
    const struct conf_signing_key *k = conf_find(&session_conf(s)->signing_key, h->key);
    struct net_answer *a = arena_must_alloc(&s->arena, sizeof *a);
    struct net_question q = {.name = name, .type = DNS_TXT};
    const struct dns_entry *entry;
    struct err e = ERR_NONE;
    bool any = false;

    if (net_ask(s, &q, a, &e) != RC_OK) {
        say(s, "%.*s: %s\n", STR(name), err_text(&e));
        return false;
    }
    for (size_t from = 0; (entry = dns_message_next(&a->m, DNS_TXT, &from));) {
        any = true;
        if (k && dkim_record_holds(joined(s, entry->data), (enum dkim_key_type)k->type, k->public_key)) {
            say(s, "%.*s: the DNS has this key.\n", STR(name));
            return true;
        }
    }
    say(s, "%.*s: %s\n", STR(name), any ? "the DNS has another key." : "there is no TXT record.");
    return false;
}

static enum rc op_test(struct session *s, void *ctx)
{
    const struct conf_domain_profile *p = find(s, menu_pick(s, &profiles, "test"));
    struct half all[2];
    size_t n = halves(p, all);
    bool good = true;

    (void)ctx;
    for (size_t i = 0; i < n; i++)
        good &= test_half(s, p, &all[i]);
    say(s, "Test of domain profile %.*s %s.\n", STR(p->name), good ? "passed" : "failed");
    return good ? RC_OK : RC_UNAVAILABLE;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static enum rc op_clear(struct session *s, void *ctx)
{
    struct err e = ERR_NONE;

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, "Are you sure you want to delete all domain profiles?", false))
        return RC_OK;
    return item_text_read(session_draft(s), section(), STR_NONE, &e) == RC_OK ? RC_OK : session_fail(s, &e);
}

static enum rc op_import(struct session *s, void *ctx)
{
    struct err e = ERR_NONE;
    struct str text;

    (void)ctx;
    TRY(ops_import(s, "the domain profiles", &text));
    if (item_text_read(session_draft(s), section(), text, &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "%zu domain profiles imported.\n", session_conf(s)->domain_profile.n);
    return RC_OK;
}

static enum rc op_export(struct session *s, void *ctx)
{
    struct buf *b = session_buf(s, 64 << 20);

    (void)ctx;
    item_text_write(session_conf(s), section(), b);
    return ops_export(s, "the domain profiles", buf_str(b));
}

static void show_profiles(struct session *s, void *ctx)
{
    (void)ctx;
    say(s, "Domain profiles currently configured: %zu\n", session_conf(s)->domain_profile.n);
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->domain_profile.n;
}

static enum rc op_profiles(struct session *s, void *ctx)
{
    static const struct op rows[] = {
        {"NEW", "Create a new domain profile", false, op_new},
        {"EDIT", "Modify a domain profile", true, op_edit},
        {"DELETE", "Delete a domain profile", true, op_delete},
        {"PRINT", "Display domain profiles", true, op_print},
        {"LIST", "List domain profiles", true, op_list},
        {"TEST", "Look whether the DNS has the key of a domain profile", true, op_test},
        {"DNSTXT", "Generate the DNS TXT record of a domain profile", true, op_dnstxt},
        {"CLEAR", "Delete all domain profiles", true, op_clear},
        {"IMPORT", "Import domain profiles from a file", false, op_import},
        {"EXPORT", "Export domain profiles to a file", true, op_export},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show_profiles, count};

    return ops_talk(s, &ops, ctx);
}

static enum rc op_keys(struct session *s, void *ctx)
{
    (void)ctx;
    return signing_keys_talk(s);
}

static enum rc op_setup(struct session *s, void *ctx)
{
    (void)ctx;
    return ops_fields(s, "signing", STR_NONE, "");
}

static void show(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, "Number of DKIM signing profiles: %zu\nNumber of signing keys: %zu\nSign system-generated messages: %s\n",
        c->domain_profile.n, c->signing_key.n, c->signing.own_mail ? "yes" : "no");
    say(s, "Profiles are found by: %s\nARC sealing: %s\n", c->signing.from_header ? "From header" : "envelope sender",
        c->signing.arc_seal ? "on" : "off");
}

enum rc cmd_domainkeysconfig(struct session *s)
{
    static const struct op rows[] = {
        {"PROFILES", "Edit domain profiles", false, op_profiles},
        {"KEYS", "Edit signing keys", false, op_keys},
        {"SETUP", "Change global settings", false, op_setup},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, NULL};

    return ops_talk(s, &ops, NULL);
}
