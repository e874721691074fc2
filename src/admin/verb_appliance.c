/*
 * Verb `appliance`: what applianceconfig needs done on the network and with the authority's key. Hidden.
 *
 * Called through spec/verbs.def. Role central carries the conversations with the gateway; its words about what went wrong
 * are the reply. Nothing is stored here: what was learned is the reply's object, which the session stages. A passphrase
 * passes through and is kept nowhere.
 */
#include "admin/enrol_manager.h"
#include "admin/verbs.h"
#include "base/json.h"
#include "net/authority.h"

enum { ESTABLISH_MS = 120000 };

struct establishing {
    struct str address, port, host_key;
    bool signing; /* the second hello, with the certificate */
};

static struct str text_of(struct verb_call *c, struct buf *b)
{
    struct str out = arena_str(&c->arena, buf_str(b));

    buf_done(b);
    return out;
}

/* Our side of hello. */
static enum rc our_card(struct verb_call *c, struct str partner, struct str certificate, struct str *out, struct err *e)
{
    struct buf b = BUF(ENROL_JSON_MAX);
    struct enrol_card own;

    TRY(enrol_own(c->admin, partner, &c->arena, &own, e));
    own.certificate = certificate;
    enrol_say(&own, &b);
    *out = text_of(c, &b);
    return RC_OK;
}

/* What is learned of the gateway, for the session to stage. */
static void learned(struct verb_call *c, const struct enrol_card *card)
{
    struct enrol_card shown = *card;

    shown.request = shown.certificate = STR_NONE;
    buf_clear(&c->json);
    buf_addc(&c->json, '{');
    enrol_card_write(&shown, &c->json);
    buf_addc(&c->json, '}');
}

static enum rc took_card(struct verb_call *c, struct str json, struct err *e)
{
    struct establishing *x = c->state;
    struct buf cert = BUF(AUTHORITY_PEM_MAX);
    struct str words[4], own;
    struct enrol_card card;
    enum rc rc;

    TRY(enrol_card_read(&c->arena, json, &card, e));
    learned(c, &card);
    if (!card.request.n || x->signing)
        return RC_OK;
    rc = enrol_sign(&c->admin->current->conf, &card, &cert, e);
    if (rc == RC_OK)
        rc = our_card(c, card.serial, text_of(c, &cert), &own, e);
    else
        buf_done(&cert);
    TRY(rc);
    x->signing = true;
    words[0] = x->address;
    words[1] = x->port;
    words[2] = x->host_key;
    words[3] = own;
    verb_ask(c, ROLE_central, "enrol_hello", (struct strs){words, 4});
    return RC_OK;
}

static void take(struct verb_call *c, const struct bus_verb_reply *r)
{
    struct err e = ERR_NONE;

    if (r->rc != RC_OK) {
        buf_addf(&c->text, "%.*s\n", STR(r->text));
        buf_clear(&c->json);
        return;
    }
    if (took_card(c, r->json, &e) == RC_OK)
        return;
    buf_addf(&c->text, "The appliance's answer is refused: %s\n", err_text(&e));
    buf_clear(&c->json);
    c->rc = e.rc;
}

/* args: establish ADDRESS PORT HOSTKEY USER PASSPHRASE; without a user the manager's key must be known there. */
static void establish(struct verb_call *c)
{
    const struct str *a = c->args.items;
    struct establishing *x = arena_must_alloc(&c->arena, sizeof *x);
    struct err e = ERR_NONE;
    struct str own;

    if (our_card(c, STR_NONE, STR_NONE, &own, &e) != RC_OK) {
        verb_fail(c, &e);
        return;
    }
    *x = (struct establishing){.address = a[1], .port = a[2], .host_key = a[3]};
    c->state = x;
    c->take = take;
    c->ask_ms = ESTABLISH_MS;
    verb_ask(c, ROLE_central, "enrol_open", (struct strs){(struct str[]){a[1], a[2], a[3], a[4], a[5], own}, 6});
    verb_wait(c);
}

/* a: NAME ADDRESS PORT HOSTKEY SERIAL SERVICES. */
static void test(struct verb_call *c, const struct str *a)
{
    struct err e = ERR_NONE;
    struct str own;

    if (our_card(c, a[4], STR_NONE, &own, &e) != RC_OK) {
        verb_fail(c, &e);
        return;
    }
    c->ask_ms = ESTABLISH_MS;
    verb_ask(c, ROLE_central, "enrol_test", (struct strs){(struct str[]){a[0], a[1], a[2], a[3], a[4], a[5], own}, 7});
    verb_wait(c);
}

/* What is typed into a gateway for the second proof; lines, and the same as an object. */
static void key(struct verb_call *c)
{
    const struct conf *now = &c->admin->current->conf;

    buf_addf(&c->text, "%.*s %.*s\n", STR(now->ssh_identity.public_key), STR(now->system.hostname));
    buf_add(&c->json, str_lit("{\"ssh_key\":"));
    json_str(&c->json, now->ssh_identity.public_key);
    buf_addc(&c->json, '}');
    verb_end(c, now->ssh_identity.public_key.n ? RC_OK : RC_UNAVAILABLE);
}

static void token(struct verb_call *c)
{
    struct err e = ERR_NONE;
    struct buf text = BUF(1024);

    if (enrol_make_token(c->admin, c->user, c->args.items[1], &text, &e) != RC_OK) {
        verb_fail(c, &e);
    } else {
        buf_addf(&c->text,
                 "The link token is valid for 24 hours and once:\n%.*s\nEnter it on the appliance: smaconfig link NAME "
                 "ADDRESS TOKEN, with the address of this manager.\n",
                 STR(buf_str(&text)));
        buf_addf(&c->json, "{\"token\":\"%.*s\"}", STR(buf_str(&text)));
        verb_wait_applied(c);
    }
    buf_done(&text);
}

void verb_appliance(struct verb_call *c)
{
    struct str what = c->args.n ? c->args.items[0] : STR_NONE;

    if (str_eq(what, str_lit("hostkey")) && c->args.n == 3) {
        c->ask_ms = ESTABLISH_MS;
        verb_ask(c, ROLE_central, "enrol_key", (struct strs){c->args.items + 1, 2});
        verb_wait(c);
    } else if (str_eq(what, str_lit("establish")) && c->args.n == 6) {
        establish(c);
    } else if (str_eq(what, str_lit("test")) && c->args.n == 7) {
        test(c, c->args.items + 1);
    } else if (str_eq(what, str_lit("key")) && c->args.n == 1) {
        key(c);
    } else if (str_eq(what, str_lit("token")) && c->args.n == 2) {
        token(c);
    } else if (str_eq(what, str_lit("contact")) && c->args.n <= 2) {
        verb_ask(c, ROLE_central, "contact", (struct strs){c->args.items + 1, c->args.n - 1});
        verb_wait(c);
    } else {
        verb_usage(c);
    }
}

/* For connectivity, which operators may use too. */
void verb_appliancetest(struct verb_call *c)
{
    if (c->args.n == 6)
        test(c, c->args.items);
    else
        verb_usage(c);
}
