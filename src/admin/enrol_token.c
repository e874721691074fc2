/*
 * Enrolment by a link token (central.md 3, 8), both sides: made and redeemed on a manager, used on a gateway.
 *
 * Called by verb `appliance token` and, over the bus, by role central when a gateway came with one; by verb `enrol link` on
 * a gateway. Owns nothing: tokens are items of `link_token`, by their public key. A token is used up by the enrolment, and
 * one whose time is over is removed when it is seen.
 */
#include "admin/certificate.h"
#include "admin/enrol_manager.h"
#include "admin/link_token.h"
#include "admin/verbs.h"
#include "base/clock.h"
#include "base/must.h"
#include "conf/snapshot.h"

#include <inttypes.h>
#include <stdio.h>

enum { TOKENS_MOST = 100, LINK_ONLY = 2, TRIES = 40, TRY_MS = 500, ASK_MS = 120000 };

/* --- on a manager --------------------------------------------------------------------------------------------------------
 */

static enum rc remove_token(struct conf_draft *d, struct str id, struct err *e)
{
    struct buf path = BUF(1024);
    enum rc rc;

    conf_path_format(conf_section_find(str_lit("link_token")), id, NULL, &path);
    rc = conf_draft_remove(d, buf_str(&path), e);
    buf_done(&path);
    return rc;
}

static void drop_old(struct conf_draft *d)
{
    uint64_t now = clock_wall_ms();

    for (size_t i = d->conf.link_token.n; i > 0; i--)
        if (d->conf.link_token.items[i - 1].expires_ms <= now)
            remove_token(d, arena_str(&d->arena, d->conf.link_token.items[i - 1].name), NULL);
}

static enum rc put_token(struct conf_draft *d, const struct link_token *t, struct str appliance, struct err *e)
{
    struct buf file = BUF(16384), line = BUF(4000);
    struct conf_link_token *row;
    void *item;

    drop_old(d);
    if (d->conf.link_token.n >= TOKENS_MOST)
        return err_set(e, RC_LIMIT, "there are %d open link tokens already", TOKENS_MOST);
    TRY(conf_draft_item(d, conf_section_find(str_lit("link_token")), str_c(t->id), &item, e));
    link_token_keys(t, &file, &line);
    row = item;
    row->key = arena_str(&d->arena, buf_str(&line));
    row->expires_ms = clock_wall_ms() + LINK_TOKEN_MS;
    row->appliance = arena_str(&d->arena, appliance);
    certificate_wipe(&file);
    buf_done(&line);
    return RC_OK;
}

enum rc enrol_make_token(struct admin *a, struct str user, struct str appliance, struct buf *text, struct err *e)
{
    struct conf_draft *d = conf_draft_copy(&a->current->conf);
    struct link_token t;
    struct arena arena;
    uint64_t version;
    enum rc rc;

    must(d);
    arena_init(&arena, 1024, 65536);
    rc = link_token_make(enrol_host_key(a, &arena), &t, e);
    arena_done(&arena);
    if (rc == RC_OK)
        rc = put_token(d, &t, appliance, e);
    if (rc == RC_OK)
        rc = store_commit(a, d, user, str_lit("link token made"), true, &version, NULL, e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        return rc;
    }
    link_token_write(&t, text);
    link_token_wipe(&t);
    return RC_OK;
}

/* Used up, whatever comes of it. */
static enum rc redeem(struct admin *a, struct str id, struct str *name, struct arena *arena, struct err *e)
{
    const struct conf_link_token *t = conf_find(&a->current->conf.link_token, id);
    struct conf_draft *d;
    uint64_t version, expires;
    enum rc rc;

    if (!t)
        return err_set(e, RC_NOT_PERMITTED, "this link token is not open: it was used, or never made");
    *name = arena_str(arena, t->appliance);
    expires = t->expires_ms;
    d = conf_draft_copy(&a->current->conf);
    must(d);
    rc = remove_token(d, id, e);
    if (rc == RC_OK)
        rc = store_commit(a, d, str_lit("system"), str_lit("link token used"), true, &version, NULL, e);
    if (rc != RC_OK)
        conf_draft_free(d);
    if (rc == RC_OK && expires <= clock_wall_ms())
        return err_set(e, RC_NOT_PERMITTED, "this link token is too old");
    return rc;
}

static enum rc enrolled(struct admin *a, const struct bus_link_enrol *m, struct buf *reply, struct err *e)
{
    struct str name = STR_NONE;
    struct arena arena;
    enum rc rc;

    arena_init(&arena, 1024, 65536);
    rc = redeem(a, m->token, &name, &arena, e);
    if (rc == RC_OK)
        rc = enrol_by_token(a, name, m->json, reply, e);
    arena_done(&arena);
    return rc;
}

static void on_link_enrol(void *ctx, const struct bus_in *in)
{
    struct buf reply = BUF(ENROL_JSON_MAX);
    struct bus_link_enrolled m = {0};
    struct err e = ERR_NONE;
    struct admin *a = ctx;

    m.rc = enrolled(a, in->msg, &reply, &e);
    if (m.rc == RC_OK)
        m.json = buf_str(&reply);
    else
        m.why = str_c(err_text(&e));
    bus_reply(a->bus, in->from, in->call, BUS_link_enrolled, &m);
    buf_done(&reply);
}

void enrol_token_open(struct admin *a)
{
    if (a->bus)
        bus_on(a->bus, BUS_link_enrol, on_link_enrol, a);
}

/* --- on a gateway: enrol link NAME ADDRESS TOKEN --------------------------------------------------------------------------
 */

struct using
{
    struct str name;
    struct str words[7]; /* for role central: enrol ADDRESS PORTS ID KEY FINGERPRINT LINE */
    struct loop_timer again;
    unsigned tries;
};

static enum rc take_card(struct verb_call *c, struct str json, struct err *e)
{
    struct using *u = c->state;
    struct conf_draft *d;
    struct enrol_card card;
    struct conf_manager *m;
    enum rc rc;

    TRY(enrol_card_read(&c->arena, json, &card, e));
    d = conf_draft_copy(&c->admin->current->conf);
    must(d);
    m = (struct conf_manager *)(uintptr_t)conf_find(&d->conf.manager, u->name);
    rc = m ? enrol_take(d, m, &card, e) : err_set(e, RC_NOT_FOUND, "the manager was removed meanwhile");
    if (rc == RC_OK)
        rc = enrol_commit(c->admin, d, c->user, card.serial, "enrolled by link token", e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        return rc;
    }
    buf_addf(&c->text, "Enrolled with the manager %.*s, serial number %.*s.\n", STR(card.host), STR(card.serial));
    return RC_OK;
}

static void take(struct verb_call *c, const struct bus_verb_reply *r)
{
    struct err e = ERR_NONE;

    if (r->rc != RC_OK) {
        buf_addf(&c->text, "%.*s\n", STR(str_trim(r->text)));
    } else if (take_card(c, r->json, &e) != RC_OK) {
        buf_addf(&c->text, "%s\n", err_text(&e));
        c->rc = e.rc;
    }
}

/* Role central starts with the first manager that has a link: a moment later it is there. */
static void ask(void *ctx)
{
    struct verb_call *c = ctx;
    struct using *u = c->state;

    if (!bus_peer(c->admin->bus, ROLE_central, 0) && ++u->tries < TRIES) {
        loop_timer_set(c->admin->loop, &u->again, TRY_MS, ask, c);
        return;
    }
    c->take = take;
    c->ask_ms = ASK_MS;
    verb_ask(c, ROLE_central, "link", (struct strs){u->words, 7});
    verb_wait(c);
}

static enum rc put_manager(struct verb_call *c, struct str name, struct str address, struct str *ports, struct err *e)
{
    struct conf_draft *d = conf_draft_copy(&c->admin->current->conf);
    struct conf_manager *m;
    struct buf list = BUF(4096);
    bool first = true;
    void *item;
    enum rc rc;

    must(d);
    for (size_t i = 0; i < d->conf.manager.n; i++)
        first = first && !d->conf.manager.items[i].destination;
    rc = conf_draft_item(d, conf_section_find(str_lit("manager")), name, &item, e);
    m = rc == RC_OK ? item : NULL;
    if (m && m->serial.n)
        rc = err_set(e, RC_EXISTS, "%.*s is enrolled already", STR(name));
    if (rc == RC_OK) {
        m->address = arena_str(&d->arena, address);
        m->link = LINK_ONLY;
        m->destination = m->destination || first;
        for (size_t i = 0; i < m->link_ports.n; i++)
            buf_addf(&list, "%s%.*s", i ? "," : "", STR(m->link_ports.items[i]));
        *ports = arena_str(&c->arena, buf_str(&list));
        rc = enrol_commit(c->admin, d, c->user, name, "gets a link", e);
    }
    if (rc != RC_OK)
        conf_draft_free(d);
    buf_done(&list);
    return rc;
}

static enum rc prepare(struct verb_call *c, struct using *u, struct err *e)
{
    struct buf file = BUF(16384), line = BUF(ENROL_JSON_MAX);
    struct link_token t;
    struct enrol_card own;

    TRY(link_token_read(c->args.items[3], &t, e));
    u->name = c->args.items[1];
    u->words[0] = str_lit("enrol");
    u->words[1] = c->args.items[2];
    TRY(put_manager(c, u->name, u->words[1], &u->words[2], e));
    TRY(enrol_own(c->admin, STR_NONE, &c->arena, &own, e));
    link_token_keys(&t, &file, &line);
    u->words[3] = arena_printf(&c->arena, "%s", t.id);
    u->words[4] = arena_str(&c->arena, buf_str(&file));
    u->words[5] = arena_printf(&c->arena, "SHA256:%s", t.print);
    buf_clear(&line);
    buf_addf(&line, "{\"proto\":%d,", ENROL_PROTO);
    enrol_card_write(&own, &line);
    buf_addc(&line, '}');
    u->words[6] = arena_str(&c->arena, buf_str(&line));
    certificate_wipe(&file);
    buf_done(&line);
    link_token_wipe(&t);
    return RC_OK;
}

void enrol_with_token(struct verb_call *c)
{
    struct using *u = arena_must_alloc(&c->arena, sizeof *u);
    struct err e = ERR_NONE;

    *u = (struct using){0};
    c->state = u;
    if (prepare(c, u, &e) != RC_OK)
        verb_fail(c, &e);
    else
        ask(c);
}
