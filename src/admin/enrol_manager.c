/*
 * Enrolment on a manager: what enrolled gateways say in hello is kept, what they ask to be signed is signed. See enrol.h.
 *
 * Asked by role central over the bus after each hello, by verb_appliance.c while a connection is established, and by the
 * link when a gateway came with a token. Owns nothing; the authority's key stays here.
 */
#include "admin/enrol_manager.h"

#include "admin/identity.h"
#include "base/must.h"
#include "conf/snapshot.h"
#include "net/authority.h"

#include <stdio.h>

enum { PEER_GATEWAY = 1, ARENA_MAX = 1 << 21, LINK_ONLY = 2 };

enum rc enrol_sign(const struct conf *c, const struct enrol_card *card, struct buf *cert, struct err *e)
{
    char asked[AUTHORITY_PIN + 1];

    TRY(authority_request_pin(card->request, asked, e));
    if (!str_eq(str_c(asked), card->print) && card->next.n && !str_eq(str_c(asked), card->next))
        return err_set(e, RC_INVALID, "the key to be signed is none that the gateway names");
    return authority_sign(c->cpq_authority.certificate, c->cpq_authority.key, card->request, card->serial, cert, e);
}

static struct conf_appliance *appliance_of(struct conf_draft *d, struct str name)
{
    return (struct conf_appliance *)(uintptr_t)conf_find(&d->conf.appliance, name);
}

/* Commits the draft (taken) as the system's own, when it differs. */
static enum rc commit(struct admin *a, struct conf_draft *d, struct str serial, const char *what, struct err *e)
{
    char comment[160];
    uint64_t version;
    enum rc rc;

    snprintf(comment, sizeof comment, "appliance %.*s %s", STR(str_first(serial, 64)), what);
    rc = store_commit(a, d, str_lit("system"), str_c(comment), true, &version, NULL, e);
    if (rc != RC_OK)
        conf_draft_free(d);
    return rc;
}

/* --- after hello ----------------------------------------------------------------------------------------------------- */

static enum rc keep(struct conf_draft *d, struct str name, const struct enrol_card *card, struct err *e)
{
    struct conf_appliance *x = appliance_of(d, name);
    bool knows;

    if (card->ssh_key.n)
        x->link_key = arena_str(&d->arena, card->ssh_key);
    TRY(enrol_keep_pins(d, card, PEER_GATEWAY, &knows, e));
    if (knows)
        TRY(identity_next_pin(d, &x->knows, e));
    return identity_switch(d, e);
}

static enum rc heard(struct admin *a, const struct bus_enrol_heard *m, struct arena *arena, struct buf *cert, struct err *e)
{
    const struct conf_appliance *x = conf_find(&a->current->conf.appliance, m->appliance);
    struct enrol_card card;
    struct conf_draft *d;
    enum rc rc;

    if (!x || !x->serial.n)
        return err_set(e, RC_NOT_FOUND, "no such appliance is enrolled");
    TRY(enrol_card_read(arena, m->json, &card, e));
    if (!str_eqi(card.serial, x->serial))
        return err_set(e, RC_NOT_PERMITTED, "the appliance says serial number %.*s, enrolled is %.*s", STR(card.serial),
                       STR(x->serial));
    d = conf_draft_copy(&a->current->conf);
    must(d);
    rc = keep(d, m->appliance, &card, e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        return rc;
    }
    TRY(commit(a, d, card.serial, "changes its certificate", e));
    return card.request.n ? enrol_sign(&a->current->conf, &card, cert, e) : RC_OK;
}

static void on_heard(void *ctx, const struct bus_in *in)
{
    struct buf cert = BUF(AUTHORITY_PEM_MAX);
    struct bus_enrol_told told = {0};
    struct err e = ERR_NONE;
    struct admin *a = ctx;
    struct arena arena;

    arena_init(&arena, 4096, ARENA_MAX);
    told.rc = heard(a, in->msg, &arena, &cert, &e);
    if (told.rc != RC_OK)
        told.why = str_c(err_text(&e));
    else
        told.certificate = buf_str(&cert);
    bus_reply(a->bus, in->from, in->call, BUS_enrol_told, &told);
    buf_done(&cert);
    arena_done(&arena);
}

void enrol_open(struct admin *a)
{
    if (a->bus)
        bus_on(a->bus, BUS_enrol_heard, on_heard, a);
    enrol_token_open(a);
}

/* --- by a link token ------------------------------------------------------------------------------------------------- */

/* Nothing is fetched or taken from it before an administrator chose so: the services stay as they are, off in a new item. */
static enum rc make_item(struct conf_draft *d, struct str name, const struct enrol_card *card, struct err *e)
{
    struct conf_appliance *x;
    bool knows;
    void *item;

    for (size_t i = 0; i < d->conf.appliance.n; i++)
        if (str_eqi(d->conf.appliance.items[i].serial, card->serial) && !str_eqi(d->conf.appliance.items[i].name, name))
            return err_set(e, RC_EXISTS, "this gateway is the appliance %.*s already", STR(d->conf.appliance.items[i].name));
    TRY(conf_draft_item(d, conf_section_find(str_lit("appliance")), name, &item, e));
    x = item;
    if (x->serial.n && !str_eqi(x->serial, card->serial))
        return err_set(e, RC_EXISTS, "the appliance %.*s has another serial number", STR(name));
    x->serial = arena_str(&d->arena, card->serial);
    if (!x->address.n)
        x->address = arena_str(&d->arena, card->address);
    if (!x->link)
        x->link = LINK_ONLY;
    if (card->ssh_key.n)
        x->link_key = arena_str(&d->arena, card->ssh_key);
    if (card->host_key.n)
        x->host_key = arena_str(&d->arena, card->host_key);
    return enrol_keep_pins(d, card, PEER_GATEWAY, &knows, e);
}

static enum rc by_token(struct admin *a, struct str name, struct str json, struct arena *arena, struct buf *reply,
                        struct err *e)
{
    struct enrol_card card, own;
    struct buf cert = BUF(AUTHORITY_PEM_MAX);
    struct conf_draft *d;
    enum rc rc;

    TRY(enrol_card_read(arena, json, &card, e));
    d = conf_draft_copy(&a->current->conf);
    must(d);
    rc = make_item(d, name, &card, e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        return rc;
    }
    TRY(commit(a, d, card.serial, "enrolled by a link token", e));
    rc = enrol_own(a, card.serial, arena, &own, e);
    if (rc == RC_OK && card.request.n)
        rc = enrol_sign(&a->current->conf, &card, &cert, e);
    own.certificate = buf_str(&cert);
    if (rc == RC_OK)
        enrol_say(&own, reply);
    buf_done(&cert);
    return rc;
}

enum rc enrol_by_token(struct admin *a, struct str name, struct str json, struct buf *reply, struct err *e)
{
    struct arena arena;
    enum rc rc;

    arena_init(&arena, 4096, ARENA_MAX);
    rc = by_token(a, name, json, &arena, reply, e);
    arena_done(&arena);
    return rc;
}

void enrol_say(const struct enrol_card *own, struct buf *out)
{
    buf_addf(out, "{\"proto\":%d,", ENROL_PROTO);
    enrol_card_write(own, out);
    enrol_card_ports(own, out);
    buf_addc(out, '}');
}
