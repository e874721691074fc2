/* For tests: two conversations in one loop that agree on TLS, with certificates made on the spot. */
#ifndef NET_TLS_WORLD_H
#define NET_TLS_WORLD_H

#include "net/socket.h"
#include "net/tls_private.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a certificate for the tests --- */

struct identity {
    char cert[4096], key[2048];
    unsigned char spki_sha256[32];
};

static inline void to_text(BIO *bio, char *out, size_t size)
{
    int n = BIO_read(bio, out, (int)size - 1);

    assert_true(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

static inline void make_identity(struct identity *id, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    char san[200];
    X509_EXTENSION *ext;
    unsigned char *der = NULL;
    int n;
    BIO *bio;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600L * 24 * 3650);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    snprintf(san, sizeof san, "DNS:%s", name);
    ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert);
    to_text(bio, id->cert, sizeof id->cert);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    to_text(bio, id->key, sizeof id->key);
    n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    EVP_Digest(der, (size_t)n, id->spki_sha256, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static struct identity mx, other;
static char ca_path[] = "/tmp/postern-tls-test-XXXXXX";

static inline int make_identities(void **state)
{
    int fd;

    (void)state;
    make_identity(&mx, "mx.example.test");
    make_identity(&other, "other.example.test");
    fd = mkstemp(ca_path);
    return fd < 0 || write(fd, mx.cert, strlen(mx.cert)) < 0 || close(fd);
}

static inline int remove_file(void **state)
{
    (void)state;
    return unlink(ca_path);
}

/* --- both sides --- */

struct side {
    enum rc rc;
    char why[400], version[32], cipher[64], peer[64], print[65];
    bool tls, verified, dane, early, done;
    size_t got;
};

struct world {
    struct loop *loop;
    struct listener_socket *listener;
    struct address_ip at;
    struct tls_context *server, *client;
    struct tls_client how;
    struct str plain_after; /* the client sends this behind STARTTLS in the same packet */
    bool silent;
    size_t body; /* octets the client sends under TLS */
    struct side s, c;
    struct conversation *server_conversation;
};

static inline void note(struct conversation *c, struct side *side)
{
    side->rc = c->rc;
    side->early = c->early;
    snprintf(side->why, sizeof side->why, "%.*s", STR(c->why));
    if (!c->tls)
        return;
    side->tls = true;
    side->verified = c->tls->verified;
    side->dane = c->tls->dane;
    snprintf(side->version, sizeof side->version, "%.*s", STR(c->tls->version));
    snprintf(side->cipher, sizeof side->cipher, "%.*s", STR(c->tls->cipher));
    snprintf(side->print, sizeof side->print, "%.*s", STR(c->tls->peer_print));
    snprintf(side->peer, sizeof side->peer, "%.*s", STR(c->tls->peer_name));
}

static inline struct step server_body(struct conversation *c)
{
    struct world *w = c->ctx;
    struct str in = conversation_input(c);

    w->s.got += in.n;
    conversation_take(c, in.n);
    if (w->s.got < w->body)
        return step_read(server_body, 0);
    for (size_t i = 0; i < w->body; i++) /* and all of it back */
        buf_addc(&c->out, (char)('a' + i % 26));
    return step_end();
}

static inline struct step server_secured(struct conversation *c)
{
    struct world *w = c->ctx;

    note(c, &w->s);
    if (!c->tls)
        return step_end();
    return step_read(server_body, 0);
}

static inline struct step server_command(struct conversation *c)
{
    struct str line;

    if (conversation_line(c, 100, &line) != RC_OK)
        return step_read(server_command, 0);
    conversation_printf(c, "220 go\r\n");
    return step_tls(server_secured, 0);
}

static inline struct step server_first(struct conversation *c)
{
    conversation_printf(c, "220 hello\r\n");
    return step_read(server_command, 0);
}

static inline void server_done(struct conversation *c)
{
    struct world *w = c->ctx;

    w->s.done = true;
}

static const struct conversation_kind server_kind = {.name = "server",
                                                     .first = server_first,
                                                     .done = server_done,
                                                     .size = sizeof(struct conversation),
                                                     .timeout_ms = 60000,
                                                     .max_in = 65536};

static inline struct step client_body(struct conversation *c)
{
    struct world *w = c->ctx;
    struct str in = conversation_input(c);

    for (size_t i = 0; i < in.n; i++)
        assert_int_equal(in.p[i], 'a' + (w->c.got + i) % 26);
    w->c.got += in.n;
    conversation_take(c, in.n);
    return step_read(client_body, 0);
}

static inline struct step client_secured(struct conversation *c)
{
    struct world *w = c->ctx;

    note(c, &w->c);
    if (!c->tls)
        return step_end();
    for (size_t i = 0; i < w->body && !w->silent; i++)
        buf_addc(&c->out, 'x');
    return step_read(client_body, 0);
}

static inline struct step client_go(struct conversation *c)
{
    struct world *w = c->ctx;
    struct str line;

    if (conversation_line(c, 100, &line) != RC_OK)
        return step_read(client_go, 0);
    conversation_tls_client(c, &w->how);
    return step_tls(client_secured, 0);
}

static inline struct step client_hello(struct conversation *c)
{
    struct world *w = c->ctx;
    struct str line;

    if (conversation_line(c, 100, &line) != RC_OK)
        return step_read(client_hello, 0);
    conversation_printf(c, "STARTTLS\r\n%.*s", STR(w->plain_after));
    return step_goto(client_go);
}

static inline void client_done(struct conversation *c)
{
    struct world *w = c->ctx;

    w->c.done = true;
}

static inline struct step client_first(struct conversation *c)
{
    (void)c;
    return step_read(client_hello, 0);
}

static inline struct step client_broken(struct conversation *c)
{
    note(c, &((struct world *)c->ctx)->c);
    return step_end();
}

static const struct conversation_kind client_kind = {.name = "client",
                                                     .first = client_first,
                                                     .broken = client_broken,
                                                     .done = client_done,
                                                     .size = sizeof(struct conversation),
                                                     .timeout_ms = 60000,
                                                     .max_in = 65536};

static inline void accepted(void *ctx, int fd, const struct address_ip *peer)
{
    struct world *w = ctx;

    (void)peer;
    w->server_conversation = conversation_accept(w->loop, fd, &server_kind, w->server, w);
}

struct plan {
    const char *server_ciphers, *client_ciphers, *ca_file;
    uint64_t server_min, client_min;
    const unsigned char *ticket_key;
};

static inline void setup(struct world *w, const struct plan *p)
{
    struct tls_server_options o = {.cert_pem = str_c(mx.cert),
                                   .key_pem = str_c(mx.key),
                                   .ciphers = str_c(p->server_ciphers),
                                   .min_version = p->server_min,
                                   .ticket_key = p->ticket_key};
    struct err e = ERR_NONE;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    int fd = -1;

    *w = (struct world){.loop = loop_new(), .body = 100};
    assert_int_equal(tls_server_new(&o, &w->server, &e), RC_OK);
    assert_int_equal(tls_client_new(str_c(p->client_ciphers), p->client_min, str_c(p->ca_file), &w->client, &e), RC_OK);
    assert_true(ip_parse(str_lit("127.0.0.1"), &w->at));
    assert_int_equal(listen_tcp(&w->at, 100, &fd, &e), RC_OK);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    ip_from_sockaddr((struct sockaddr *)&sa, &w->at);
    w->listener = listener_socket_new(w->loop, fd, accepted, w);
}

static inline void talk(struct world *w)
{
    assert_non_null(conversation_connect(w->loop, &w->at, NULL, 1000, &client_kind, w->client, w));
    for (int i = 0; i < 5000 && !(w->s.done && w->c.done); i++) {
        loop_turn(w->loop, false);
        if (i > 500)
            usleep(100);
    }
    assert_true(w->s.done && w->c.done);
}

/* n handshakes; both sides then wait for each other. */
static inline void talk_idle(struct world *w, int n)
{
    while (n--) {
        w->s.tls = w->c.tls = false;
        assert_non_null(conversation_connect(w->loop, &w->at, NULL, 1000, &client_kind, w->client, w));
        for (int i = 0; i < 5000 && !(w->s.tls && w->c.tls); i++)
            loop_turn(w->loop, false);
        assert_true(w->s.tls && w->c.tls);
        for (int i = 0; i < 3; i++)
            loop_turn(w->loop, false);
    }
}

static inline void teardown(struct world *w)
{
    for (int i = 0; i < 3; i++)
        loop_turn(w->loop, false);
    listener_socket_free(w->listener);
    loop_free(w->loop);
    tls_unref(w->server);
    tls_unref(w->client);
}

#endif
