/*
 * TLS contexts of CPQ, from the settings. See cpq_tls.h.
 *
 * Called by receive and quarantine (listeners) and deliver (clients) when settings change. Owns nothing. Lists of ciphers
 * are those of mail: one that leaves nothing is told with what would help.
 */
#include "smtp/cpq_tls.h"

enum { PINS_ARENA = 1 << 20 };

static void add_pins(const struct conf_cpq_peer *p, struct str *pins, size_t *n)
{
    pins[(*n)++] = p->fingerprint;
    if (p->next_fingerprint.n)
        pins[(*n)++] = p->next_fingerprint;
}

/* Without anonymous suites nothing may be left of a list. */
static enum rc explain(enum rc rc, struct str ciphers, struct err *e)
{
    char text[sizeof e->text];

    if (rc != RC_INVALID || !e || !strstr(e->text, "cipher"))
        return rc;
    snprintf(text, sizeof text, "%s", e->text);
    return err_set(e, rc,
                   "%.120s: the list \"%.*s\" leaves no cipher; anonymous ones are never offered, append :-aNULL to a list "
                   "like HIGH:MEDIUM",
                   text, STR(str_first(ciphers, 60)));
}

static enum rc identity(const struct conf *c, struct tls_server_options *o, struct err *e)
{
    if (!c->cpq_identity.certificate.n || !c->cpq_identity.key.n)
        return err_set(e, RC_UNAVAILABLE, "this appliance has no CPQ certificate");
    o->cert_pem = c->cpq_identity.certificate;
    o->key_pem = c->cpq_identity.key;
    o->pinned = true;
    return RC_OK;
}

enum rc cpq_tls_server(const struct conf *c, unsigned role, struct tls_context **out, struct err *e)
{
    struct tls_server_options o = {.ciphers = c->tls.inbound_ciphers,
                                   .min_version = c->tls.inbound_min_version == 1 ? 0x0304 : 0x0303};
    struct arena a;
    struct str *pins;
    enum rc rc;

    *out = NULL;
    TRY(identity(c, &o, e));
    arena_init(&a, 4096, PINS_ARENA);
    pins = arena_array(&a, struct str, 2 * c->cpq_peer.n + 1);
    for (size_t i = 0; pins && i < c->cpq_peer.n; i++)
        if (c->cpq_peer.items[i].role == role)
            add_pins(&c->cpq_peer.items[i], pins, &o.n_pins);
    o.pins = pins;
    rc = pins ? tls_server_new(&o, out, e) : err_set(e, RC_NO_MEMORY, "out of memory");
    arena_done(&a);
    return explain(rc, o.ciphers, e);
}

enum rc cpq_tls_client(const struct conf *c, struct str serial, struct tls_context **out, struct err *e)
{
    struct tls_server_options o = {.ciphers = c->tls.outbound_ciphers,
                                   .min_version = c->tls.outbound_min_version == 1 ? 0x0304 : 0x0303};
    const struct conf_cpq_peer *peer = cpq_peer_by_serial(c, serial);
    struct str pins[2];

    *out = NULL;
    TRY(identity(c, &o, e));
    if (!peer)
        return err_set(e, RC_NOT_FOUND, "%.*s is not enrolled", STR(str_first(serial, 64)));
    o.pins = pins;
    add_pins(peer, pins, &o.n_pins);
    return explain(tls_client_pinned(&o, out, e), o.ciphers, e);
}

const struct conf_cpq_peer *cpq_peer_by_print(const struct conf *c, struct str print)
{
    for (size_t i = 0; print.n && i < c->cpq_peer.n; i++)
        if (str_eqi(c->cpq_peer.items[i].fingerprint, print) || str_eqi(c->cpq_peer.items[i].next_fingerprint, print))
            return &c->cpq_peer.items[i];
    return NULL;
}

const struct conf_cpq_peer *cpq_peer_by_serial(const struct conf *c, struct str serial)
{
    for (size_t i = 0; serial.n && i < c->cpq_peer.n; i++)
        if (str_eqi(c->cpq_peer.items[i].serial, serial))
            return &c->cpq_peer.items[i];
    return NULL;
}
