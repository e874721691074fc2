/*
 * Makes the identity of an appliance. See identity.h.
 *
 * Called by `postern init`, so that the first version has it, and by main_control.c for homes that have none. Owns its
 * timer; what is made goes into the settings, keys sealed on disk. Without a serial number nothing is made; what cannot be
 * stored is an event, and made anew at the next start.
 */
#include "admin/identity.h"

#include "admin/certificate.h"
#include "admin/openssh_key.h"
#include "base/clock.h"
#include "conf/snapshot.h"
#include "net/authority.h"

enum { ROLE_OF_MANAGER = 1, LOOK_MS = 3600000 };

/* Keeps what a buffer holds in the draft. */
static struct str keep(struct conf_draft *d, const struct buf *b)
{
    return arena_str(&d->arena, buf_str(b));
}

static enum rc need_authority(struct conf_draft *d, bool *changed, struct err *e)
{
    struct buf cert = BUF(AUTHORITY_PEM_MAX), key = BUF(AUTHORITY_PEM_MAX);
    enum rc rc = RC_OK;

    if (d->conf.system.role != ROLE_OF_MANAGER || d->conf.cpq_authority.key.n)
        return RC_OK;
    rc = authority_make(d->conf.system.serial, &cert, &key, e);
    if (rc == RC_OK) {
        d->conf.cpq_authority.certificate = keep(d, &cert);
        d->conf.cpq_authority.key = keep(d, &key);
        *changed = true;
    }
    certificate_wipe(&key);
    buf_done(&cert);
    return rc;
}

/* On a manager its own authority signs. */
static enum rc sign_own(struct conf_draft *d, struct str key, struct buf *cert, struct err *e)
{
    struct buf request = BUF(AUTHORITY_PEM_MAX);
    enum rc rc;

    if (d->conf.system.role != ROLE_OF_MANAGER)
        return authority_self_sign(d->conf.system.serial, key, cert, e);
    rc = authority_request(d->conf.system.serial, key, &request, e);
    if (rc == RC_OK)
        rc = authority_sign(d->conf.cpq_authority.certificate, d->conf.cpq_authority.key, buf_str(&request),
                            d->conf.system.serial, cert, e);
    buf_done(&request);
    return rc;
}

static enum rc need_certificate(struct conf_draft *d, bool *changed, struct err *e)
{
    struct conf_cpq_identity *own = &d->conf.cpq_identity;
    struct buf cert = BUF(AUTHORITY_PEM_MAX), key = BUF(AUTHORITY_PEM_MAX);
    enum rc rc;

    if (own->certificate.n && own->key.n)
        return RC_OK;
    rc = authority_key(&key, e);
    if (rc == RC_OK)
        rc = sign_own(d, buf_str(&key), &cert, e);
    if (rc == RC_OK) {
        own->certificate = keep(d, &cert);
        own->key = keep(d, &key);
        *changed = true;
    }
    certificate_wipe(&key);
    buf_done(&cert);
    return rc;
}

static void need_ssh_key(struct conf_draft *d, bool *changed)
{
    struct buf file = BUF(AUTHORITY_PEM_MAX), line = BUF(4000);

    if (!d->conf.ssh_identity.key.n || !d->conf.ssh_identity.public_key.n) {
        openssh_key_make(&file, &line);
        d->conf.ssh_identity.key = keep(d, &file);
        d->conf.ssh_identity.public_key = keep(d, &line);
        *changed = true;
    }
    certificate_wipe(&file);
    buf_done(&line);
}

enum rc identity_need(struct conf_draft *d, bool *changed_out, struct err *e)
{
    *changed_out = false;
    if (!d->conf.system.serial.n)
        return RC_OK;
    TRY(need_authority(d, changed_out, e));
    TRY(need_certificate(d, changed_out, e));
    need_ssh_key(d, changed_out);
    return RC_OK;
}

/* --- renewal --------------------------------------------------------------------------------------------------------- */

enum rc identity_request(const struct conf *c, struct buf *out, struct err *e)
{
    const struct conf_cpq_identity *own = &c->cpq_identity;

    if (own->next_key.n)
        return authority_request(c->system.serial, own->next_key, out, e);
    if (own->key.n && authority_is_own(own->certificate))
        return authority_request(c->system.serial, own->key, out, e);
    return err_set(e, RC_NOT_FOUND, "nothing is to be signed");
}

enum rc identity_take(struct conf_draft *d, struct str cert, struct err *e)
{
    struct conf_cpq_identity *own = &d->conf.cpq_identity;

    if (own->next_key.n && authority_fits(cert, own->next_key, d->conf.system.serial, NULL) == RC_OK) {
        own->next_certificate = arena_str(&d->arena, cert);
        return RC_OK;
    }
    TRY(authority_fits(cert, own->key, d->conf.system.serial, e));
    own->certificate = arena_str(&d->arena, cert);
    return RC_OK;
}

enum rc identity_next_pin(struct conf_draft *d, struct str *out, struct err *e)
{
    char pin[AUTHORITY_PIN + 1];

    *out = STR_NONE;
    if (!d->conf.cpq_identity.next_key.n)
        return RC_OK;
    TRY(authority_key_pin(d->conf.cpq_identity.next_key, pin, e));
    *out = arena_str(&d->arena, str_c(pin));
    return RC_OK;
}

static bool all_know(const struct conf *c, struct str pin)
{
    for (size_t i = 0; i < c->manager.n; i++)
        if (c->manager.items[i].serial.n && !str_eq(c->manager.items[i].knows, pin))
            return false;
    for (size_t i = 0; i < c->appliance.n; i++)
        if (c->appliance.items[i].serial.n && !str_eq(c->appliance.items[i].knows, pin))
            return false;
    return true;
}

enum rc identity_switch(struct conf_draft *d, struct err *e)
{
    struct conf_cpq_identity *own = &d->conf.cpq_identity;
    struct str pin;

    TRY(identity_next_pin(d, &pin, e));
    if (!pin.n || !own->next_certificate.n || !all_know(&d->conf, pin))
        return RC_OK;
    own->certificate = own->next_certificate;
    own->key = own->next_key;
    own->next_certificate = own->next_key = STR_NONE;
    return RC_OK;
}

enum rc identity_renew(struct conf_draft *d, uint64_t now_ms, struct err *e)
{
    struct conf_cpq_identity *own = &d->conf.cpq_identity;
    struct buf key = BUF(AUTHORITY_PEM_MAX), cert = BUF(AUTHORITY_PEM_MAX);
    enum rc rc;

    if (own->next_key.n || !own->certificate.n || !authority_half_over(own->certificate, now_ms))
        return RC_OK;
    rc = authority_key(&key, e);
    if (rc == RC_OK && (d->conf.system.role == ROLE_OF_MANAGER || d->conf.manager.n == 0))
        rc = sign_own(d, buf_str(&key), &cert, e); /* nobody else will */
    if (rc == RC_OK) {
        own->next_key = keep(d, &key);
        own->next_certificate = keep(d, &cert);
        rc = identity_switch(d, e);
    }
    certificate_wipe(&key);
    buf_done(&cert);
    return rc;
}

/* --- at control's start, and each hour ------------------------------------------------------------------------------- */

/* `comment` when anything was changed. */
static enum rc attend(struct conf_draft *d, const char **comment, struct err *e)
{
    bool made, had = d->conf.cpq_identity.next_key.n > 0;
    struct str before = d->conf.cpq_identity.key;

    TRY(identity_need(d, &made, e));
    if (!made)
        TRY(identity_renew(d, clock_wall_ms(), e));
    *comment = made ? "identity of this appliance"
               : (d->conf.cpq_identity.next_key.n > 0) != had || !str_eq(before, d->conf.cpq_identity.key)
                   ? "certificate of this appliance renewed"
                   : NULL;
    return RC_OK;
}

static void look(void *ctx)
{
    struct admin *a = ctx;
    struct conf_draft *d = conf_draft_copy(&a->current->conf);
    struct err e = ERR_NONE;
    const char *comment = NULL;
    uint64_t version;
    enum rc rc = d ? attend(d, &comment, &e) : err_set(&e, RC_NO_MEMORY, "no memory");

    if (rc == RC_OK && comment)
        rc = store_commit(a, d, str_lit("system"), str_c(comment), true, &version, NULL, &e);
    if (rc != RC_OK || !comment)
        conf_draft_free(d);
    if (rc != RC_OK)
        event(a->events, settings_refused, .why = str_c(err_text(&e)));
    loop_timer_set(a->loop, &a->identity, LOOK_MS, look, a);
}

void identity_open(struct admin *a)
{
    look(a);
}
