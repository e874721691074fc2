/*
 * Makes the identity of an appliance. See identity.h.
 *
 * Called by `postern init`, so that the first version has it, and by main_control.c for homes that have none. Owns nothing:
 * what is made goes into the settings, keys sealed on disk. Without a serial number nothing is made; what cannot be
 * stored is an event, and made anew at the next start.
 */
#include "admin/identity.h"

#include "admin/authority.h"
#include "admin/certificate.h"
#include "admin/openssh_key.h"
#include "conf/snapshot.h"

enum { ROLE_OF_MANAGER = 1 };

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

    if (!d->conf.cpq_identity.ssh_key.n || !d->conf.cpq_identity.ssh_public.n) {
        openssh_key_make(&file, &line);
        d->conf.cpq_identity.ssh_key = keep(d, &file);
        d->conf.cpq_identity.ssh_public = keep(d, &line);
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

void identity_open(struct admin *a)
{
    struct conf_draft *d = conf_draft_copy(&a->current->conf);
    struct err e = ERR_NONE;
    bool changed = false;
    uint64_t version;
    enum rc rc = d ? identity_need(d, &changed, &e) : err_set(&e, RC_NO_MEMORY, "no memory");

    if (rc == RC_OK && changed)
        rc = store_commit(a, d, str_lit("system"), str_lit("identity of this appliance"), true, &version, NULL, &e);
    if (rc != RC_OK || !changed)
        conf_draft_free(d);
    if (rc != RC_OK)
        event(a->events, settings_refused, .why = str_c(err_text(&e)));
}
