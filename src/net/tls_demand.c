/*
 * What a client demands of its peer in a handshake: a name, DANE records, or nothing.
 *
 * Called by deliver (conversation_tls_client) and tls_session.c. The demands live in the conversation's arena.
 */
#include "net/socket_private.h"
#include "net/tls_private.h"

#include <openssl/x509v3.h>

static const struct str *copy_names(struct arena *a, const struct tls_client *how)
{
    struct str *names = arena_array(a, struct str, how->n_names + 1);

    for (size_t i = 0; names && i < how->n_names; i++)
        names[i] = arena_str(a, how->names[i]);
    return names;
}

static const struct tls_record *copy_records(struct arena *a, const struct tls_client *how)
{
    struct tls_record *records = arena_array(a, struct tls_record, how->n_records + 1);

    for (size_t i = 0; records && i < how->n_records; i++) {
        records[i] = how->records[i];
        records[i].data = arena_str(a, how->records[i].data);
    }
    return records;
}

void conversation_tls_client(struct conversation *c, const struct tls_client *how)
{
    struct socket *s = c->runtime;
    struct tls_client *mine;

    if (!s)
        return;
    mine = arena_must_alloc(&c->arena, sizeof *mine);
    *mine = *how;
    mine->name = arena_str(&c->arena, how->name);
    mine->names = copy_names(&c->arena, how);
    mine->records = copy_records(&c->arena, how);
    if (!mine->names)
        mine->n_names = 0;
    if (!mine->records)
        mine->n_records = 0;
    s->client = mine;
}

static void require_name(SSL *ssl, const struct tls_client *how)
{
    struct address_ip ip;

    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (ip_parse(how->name, &ip))
        X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), ip.octets, ip.family == AF_INET ? 4 : 16);
    else if (how->name.n)
        SSL_set1_host(ssl, how->name.p);
    for (size_t i = 0; i < how->n_names; i++)
        if (how->names[i].n)
            SSL_add1_host(ssl, how->names[i].p);
}

/* RFC 7672: only DANE-TA(2) and DANE-EE(3) count; without a usable record the peer is encrypted but not checked. */
static bool require_dane(SSL *ssl, const struct tls_client *how)
{
    int usable = 0;

    if (SSL_dane_enable(ssl, how->name.p) <= 0)
        return false;
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (size_t i = 0; i < how->n_records; i++) {
        const struct tls_record *r = &how->records[i];

        if (r->usage == 2 || r->usage == 3)
            usable +=
                SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, (const unsigned char *)r->data.p, r->data.n) > 0;
    }
    for (size_t i = 0; i < how->n_names; i++)
        if (how->names[i].n)
            SSL_add1_host(ssl, how->names[i].p);
    return usable > 0;
}

void tls_demand(struct socket *s)
{
    const struct tls_client *how = s->client;
    struct address_ip ip;

    SSL_set_connect_state(s->ssl);
    if (!how)
        return;
    if (how->name.n && !ip_parse(how->name, &ip))
        SSL_set_tlsext_host_name(s->ssl, how->name.p);
    if (how->check == TLS_CHECK_NAME) {
        require_name(s->ssl, how);
        SSL_set_verify(s->ssl, SSL_VERIFY_PEER, NULL);
    } else if (how->check == TLS_CHECK_DANE && how->name.n) {
        SSL_set_verify(s->ssl, require_dane(s->ssl, how) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    }
}
