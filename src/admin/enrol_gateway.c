/*
 * Enrolment on a gateway: what a manager says is kept in the settings, our card goes back. See enrol.h.
 *
 * Called by verb `enrol` (an administrator's login of the manager, or its link token) and by hello (its key). Owns nothing.
 * Each change is a commit by whoever proved himself; a hello that says nothing new commits nothing.
 */
#include "admin/enrol.h"
#include "admin/identity.h"
#include "admin/verbs.h"
#include "base/must.h"
#include "conf/hidden.h"
#include "conf/snapshot.h"

#include <stdio.h>

enum { PEER_MANAGER, ARENA_MAX = 1 << 21 };

static struct conf_manager *by_serial(struct conf_draft *d, struct str serial)
{
    for (size_t i = 0; i < d->conf.manager.n; i++)
        if (str_eqi(d->conf.manager.items[i].serial, serial))
            return (struct conf_manager *)(uintptr_t)&d->conf.manager.items[i];
    return NULL;
}

/* A manager whose key was typed in before it was here waits for its serial number. */
static struct conf_manager *by_key(struct conf_draft *d, struct str key)
{
    for (size_t i = 0; i < d->conf.manager.n; i++)
        if (!d->conf.manager.items[i].serial.n && key.n && str_starts(d->conf.manager.items[i].ssh_key, key))
            return (struct conf_manager *)(uintptr_t)&d->conf.manager.items[i];
    return NULL;
}

/* A new item: named as the manager calls itself, with its serial number when that name is another's. The first one gets the
 * quarantined mail. */
static enum rc make(struct conf_draft *d, const struct enrol_card *card, struct conf_manager **out, struct err *e)
{
    struct str name = str_first(card->host, 60);
    bool first = !conf_destination(&d->conf);
    void *item;

    if (!name.n || conf_find(&d->conf.manager, name))
        name = card->serial;
    TRY(conf_draft_item(d, conf_section_find(str_lit("manager")), name, &item, e));
    *out = item;
    (*out)->destination = first;
    return RC_OK;
}

static struct str kept(struct conf_draft *d, struct str s)
{
    return arena_str(&d->arena, s);
}

enum rc enrol_take(struct conf_draft *d, struct conf_manager *m, const struct enrol_card *card, struct err *e)
{
    bool knows;

    m->serial = kept(d, card->serial);
    if (card->ssh_key.n)
        m->ssh_key = kept(d, card->ssh_key);
    if (card->address.n && !m->address.n)
        m->address = kept(d, card->address);
    if (card->host_key.n)
        m->link_host_key = kept(d, card->host_key);
    if (card->pvo_port)
        m->pvo_port = card->pvo_port;
    if (card->spam_port)
        m->spam_port = card->spam_port;
    TRY(enrol_keep_pins(d, card, PEER_MANAGER, &knows, e));
    if (knows)
        TRY(identity_next_pin(d, &m->knows, e));
    if (card->certificate.n)
        TRY(identity_take(d, card->certificate, e));
    return identity_switch(d, e);
}

/* It asked to be forgotten. */
static enum rc forget(struct conf_draft *d, struct str name, struct str serial, struct err *e)
{
    struct buf path = BUF(4096);
    enum rc rc;

    conf_path_format(conf_section_find(str_lit("manager")), name, NULL, &path);
    rc = conf_draft_remove(d, buf_str(&path), e);
    buf_done(&path);
    enrol_forget_pins(d, serial);
    return rc;
}

enum rc enrol_commit(struct admin *a, struct conf_draft *d, struct str user, struct str serial, const char *what,
                     struct err *e)
{
    char comment[160];
    uint64_t version;

    snprintf(comment, sizeof comment, "manager %.*s %s", STR(str_first(serial, 64)), what);
    return store_commit(a, d, user, str_c(comment), true, &version, NULL, e);
}

/* `whole`: with serial number, host and version, which hello has by itself. */
static enum rc own_card(struct admin *a, struct str partner, bool whole, struct arena *arena, struct buf *out, struct err *e)
{
    struct enrol_card own;

    TRY(enrol_own(a, partner, arena, &own, e));
    if (whole)
        enrol_card_write(&own, out);
    else
        enrol_card_rest(&own, out);
    return RC_OK;
}

/* --- hello ---------------------------------------------------------------------------------------------------------------
 */

/* The key says which manager it is; what it says of itself must be of one piece with what is kept. */
static enum rc check_caller(const struct conf *c, struct str name, const struct enrol_card *card, struct err *e)
{
    const struct conf_manager *m = conf_find(&c->manager, name);

    if (!m)
        return err_set(e, RC_NOT_PERMITTED, "this key belongs to no manager");
    if (m->serial.n && !str_eqi(m->serial, card->serial))
        return err_set(e, RC_NOT_PERMITTED, "this key belongs to the manager with serial number %.*s, not %.*s",
                       STR(m->serial), STR(card->serial));
    for (size_t i = 0; i < c->manager.n; i++)
        if (&c->manager.items[i] != m && str_eqi(c->manager.items[i].serial, card->serial))
            return err_set(e, RC_EXISTS, "serial number %.*s is that of the manager %.*s", STR(card->serial),
                           STR(c->manager.items[i].name));
    return RC_OK;
}

static enum rc hello(struct admin *a, struct str name, const struct enrol_card *card, struct arena *arena,
                     struct buf *members, struct err *e)
{
    struct conf_draft *d;
    enum rc rc;

    TRY(check_caller(&a->current->conf, name, card, e));
    d = conf_draft_copy(&a->current->conf);
    must(d);
    rc = card->revoke ? forget(d, name, card->serial, e)
                      : enrol_take(d, (struct conf_manager *)(uintptr_t)conf_find(&d->conf.manager, name), card, e);
    if (rc == RC_OK)
        rc = enrol_commit(a, d, str_lit("manager"), card->serial, card->revoke ? "removed this gateway" : "said who it is",
                          e);
    if (rc != RC_OK)
        conf_draft_free(d);
    return rc == RC_OK ? own_card(a, card->serial, false, arena, members, e) : rc;
}

enum rc enrol_hello(struct admin *a, struct str name, struct str json, struct buf *members, struct err *e)
{
    struct enrol_card card;
    struct arena arena;
    enum rc rc;

    arena_init(&arena, 4096, ARENA_MAX);
    rc = enrol_card_read(&arena, json, &card, e);
    if (rc == RC_OK)
        rc = hello(a, name, &card, &arena, members, e);
    arena_done(&arena);
    return rc;
}

/* --- verb enrol ----------------------------------------------------------------------------------------------------------
 */

static enum rc enrol(struct verb_call *c, struct conf_draft *d, const struct enrol_card *card, struct err *e)
{
    struct conf_manager *m;

    if (!card->ssh_key.n || !card->print.n)
        return err_set(e, RC_INVALID, "a manager says its SSH key and its fingerprint");
    if (str_eqi(card->serial, d->conf.system.serial))
        return err_set(e, RC_INVALID, "this is the appliance itself");
    m = by_serial(d, card->serial);
    if (!m)
        m = by_key(d, card->ssh_key);
    if (!m)
        TRY(make(d, card, &m, e));
    TRY(enrol_take(d, m, card, e));
    return enrol_commit(c->admin, d, c->user, card->serial, "enrolled", e);
}

/* args: the manager's card. The reply's object is ours. */
void verb_enrol(struct verb_call *c)
{
    struct conf_draft *d = conf_draft_copy(&c->admin->current->conf);
    struct enrol_card card;
    struct err e = ERR_NONE;
    enum rc rc;

    must(d);
    if (c->args.n == 4 && str_eq(c->args.items[0], str_lit("link")) && d->conf.system.role != 1) {
        conf_draft_free(d);
        enrol_with_token(c);
        return;
    }
    if (c->args.n != 1 || d->conf.system.role == 1) {
        conf_draft_free(d);
        verb_usage(c);
        return;
    }
    rc = enrol_card_read(&c->arena, c->args.items[0], &card, &e);
    if (rc == RC_OK)
        rc = enrol(c, d, &card, &e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        verb_fail(c, &e);
        return;
    }
    buf_addf(&c->json, "{\"proto\":%d,\"role\":\"gateway\",", ENROL_PROTO);
    rc = own_card(c->admin, card.serial, true, &c->arena, &c->json, &e);
    buf_addc(&c->json, '}');
    if (rc != RC_OK)
        verb_fail(c, &e);
    else
        verb_wait_applied(c);
}
