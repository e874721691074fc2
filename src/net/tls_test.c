/* TLS between two conversations in one loop: what is offered, checked, told, and how much an idle session holds. */
#include "net/socket.h"
#include "net/tls_private.h"

#include <malloc.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a certificate for the tests
 * ------------------------------------------------------------------------------------------- */

struct identity {
    char cert[4096], key[2048];
    unsigned char spki_sha256[32];
};

static void to_text(BIO *bio, char *out, size_t size)
{
    int n = BIO_read(bio, out, (int)size - 1);

    assert_true(n > 0);
    out[n] = '\0';
    BIO_free(bio);
}

static void make_identity(struct identity *id, const char *name)
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

static int make_identities(void **state)
{
    int fd;

    (void)state;
    make_identity(&mx, "mx.example.test");
    make_identity(&other, "other.example.test");
    fd = mkstemp(ca_path);
    return fd < 0 || write(fd, mx.cert, strlen(mx.cert)) < 0 || close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(ca_path);
}

/* --- both sides
 * -------------------------------------------------------------------------------------------------------------- */

struct side {
    enum rc rc;
    char why[400], version[32], cipher[64], peer[64];
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

static void note(struct conversation *c, struct side *side)
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
    snprintf(side->peer, sizeof side->peer, "%.*s", STR(c->tls->peer_name));
}

static struct step server_body(struct conversation *c)
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

static struct step server_secured(struct conversation *c)
{
    struct world *w = c->ctx;

    note(c, &w->s);
    if (!c->tls)
        return step_end();
    return step_read(server_body, 0);
}

static struct step server_command(struct conversation *c)
{
    struct str line;

    if (conversation_line(c, 100, &line) != RC_OK)
        return step_read(server_command, 0);
    conversation_printf(c, "220 go\r\n");
    return step_tls(server_secured, 0);
}

static struct step server_first(struct conversation *c)
{
    conversation_printf(c, "220 hello\r\n");
    return step_read(server_command, 0);
}

static void server_done(struct conversation *c)
{
    struct world *w = c->ctx;

    w->s.done = true;
}

static const struct conversation_kind server_kind = {.name = "server",
                                                     .first = server_first,
                                                     .done = server_done,
                                                     .size = sizeof(struct conversation),
                                                     .timeout_ms = 5000,
                                                     .max_in = 65536};

static struct step client_body(struct conversation *c)
{
    struct world *w = c->ctx;
    struct str in = conversation_input(c);

    for (size_t i = 0; i < in.n; i++)
        assert_int_equal(in.p[i], 'a' + (w->c.got + i) % 26);
    w->c.got += in.n;
    conversation_take(c, in.n);
    return step_read(client_body, 0);
}

static struct step client_secured(struct conversation *c)
{
    struct world *w = c->ctx;

    note(c, &w->c);
    if (!c->tls)
        return step_end();
    for (size_t i = 0; i < w->body && !w->silent; i++)
        buf_addc(&c->out, 'x');
    return step_read(client_body, 0);
}

static struct step client_go(struct conversation *c)
{
    struct world *w = c->ctx;
    struct str line;

    if (conversation_line(c, 100, &line) != RC_OK)
        return step_read(client_go, 0);
    conversation_tls_client(c, &w->how);
    return step_tls(client_secured, 0);
}

static struct step client_hello(struct conversation *c)
{
    struct world *w = c->ctx;
    struct str line;

    if (conversation_line(c, 100, &line) != RC_OK)
        return step_read(client_hello, 0);
    conversation_printf(c, "STARTTLS\r\n%.*s", STR(w->plain_after));
    return step_goto(client_go);
}

static void client_done(struct conversation *c)
{
    struct world *w = c->ctx;

    w->c.done = true;
}

static struct step client_first(struct conversation *c)
{
    (void)c;
    return step_read(client_hello, 0);
}

static const struct conversation_kind client_kind = {.name = "client",
                                                     .first = client_first,
                                                     .done = client_done,
                                                     .size = sizeof(struct conversation),
                                                     .timeout_ms = 5000,
                                                     .max_in = 65536};

static void accepted(void *ctx, int fd, const struct address_ip *peer)
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

static void setup(struct world *w, const struct plan *p)
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

static void talk(struct world *w)
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
static void talk_idle(struct world *w, int n)
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

static void teardown(struct world *w)
{
    for (int i = 0; i < 3; i++)
        loop_turn(w->loop, false);
    listener_socket_free(w->listener);
    loop_free(w->loop);
    tls_unref(w->server);
    tls_unref(w->client);
}

/* --- tests
 * --------------------------------------------------------------------------------------------------------------------- */

static void both_sides_agree_and_octets_pass(void **state)
{
    static const unsigned char ticket_key[80] = "key of the tests";
    const struct plan plans[] = {{.server_min = 0x0303, .client_min = 0x0304},
                                 {.server_min = 0x0304, .client_min = 0x0303, .ticket_key = ticket_key}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world w;

        setup(&w, &plans[i]);
        w.body = i ? 3000000 : 10;
        talk(&w);
        assert_true(w.s.tls && w.c.tls);
        assert_string_equal(w.s.version, "TLSv1.3");
        assert_string_equal(w.c.cipher, w.s.cipher);
        assert_string_equal(w.c.peer, "mx.example.test");
        assert_false(w.c.verified);
        assert_int_equal(w.s.got, w.body);
        assert_int_equal(w.c.got, w.body);
        assert_false(w.s.early);
        teardown(&w);
    }
}

/* Takes the words off the list that tls.c has added, on one side: that side would use anything. */
static void weaken(SSL_CTX *ctx, const char *list)
{
    assert_int_equal(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(ctx, list), 1);
}

/* HD-11: whatever the list says, an anonymous or NULL suite is agreed with no peer that would take one, neither as server
 * nor as client; both meet in a strong suite as soon as the peer offers one. */
static void anonymous_and_null_suites_are_never_offered(void **state)
{
    static const char *const weak[] = {"aNULL:@SECLEVEL=0", "eNULL:@SECLEVEL=0", "ADH:AECDH:@SECLEVEL=0"};
    const struct plan everything = {.server_ciphers = "ALL:COMPLEMENTOFALL:aNULL:eNULL:@SECLEVEL=0",
                                    .client_ciphers = "ALL:COMPLEMENTOFALL:aNULL:eNULL:@SECLEVEL=0"};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof weak / sizeof *weak; i++) {
        for (int strong_too = 0; strong_too < 2; strong_too++) {
            struct world w;
            char list[100];

            setup(&w, &everything);
            snprintf(list, sizeof list, "%s%s", weak[i / 2], strong_too ? ":ECDHE-ECDSA-AES128-GCM-SHA256" : "");
            weaken(i % 2 ? w.server->ctx : w.client->unchecked, list);
            talk(&w);
            assert_int_equal(w.s.tls && w.c.tls, strong_too);
            if (strong_too)
                assert_string_equal(w.s.cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
            else
                assert_int_equal(w.s.rc, RC_TLS_FAILED);
            teardown(&w);
        }
    }
}

static void nothing_older_than_tls_1_2_is_spoken(void **state)
{
    const struct plan p = {.server_ciphers = "ALL:@SECLEVEL=0", .client_ciphers = "ALL:@SECLEVEL=0"};
    struct world w;

    (void)state;
    setup(&w, &p);
    SSL_CTX_set_min_proto_version(w.client->unchecked, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(w.client->unchecked, TLS1_1_VERSION);
    talk(&w);
    assert_false(w.s.tls || w.c.tls);
    assert_non_null(strstr(w.s.why, "unsupported protocol"));
    teardown(&w);
}

static void a_failed_handshake_says_why(void **state)
{
    const struct plan p = {.server_ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256",
                           .client_ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"};
    struct world w;

    (void)state;
    setup(&w, &p);
    SSL_CTX_set_max_proto_version(w.client->unchecked, TLS1_2_VERSION);
    talk(&w);
    assert_int_equal(w.s.rc, RC_TLS_FAILED);
    assert_non_null(strstr(w.s.why, "no shared cipher"));
    assert_int_equal(w.c.rc, RC_TLS_FAILED);
    assert_non_null(strstr(w.c.why, "alert handshake failure"));
    teardown(&w);
}

/* RFC 3207: what came in the clear behind STARTTLS is never taken for protected. */
static void octets_behind_starttls_are_dropped_and_told(void **state)
{
    const struct plan p = {0};
    struct world w;

    (void)state;
    setup(&w, &p);
    w.plain_after = str_lit("MAIL FROM:<>\r\n");
    talk(&w);
    assert_true(w.s.early);
    assert_true(w.s.tls);
    assert_int_equal(w.s.got, w.body);
    teardown(&w);
}

static void names_are_checked(void **state)
{
    static const struct {
        const char *name, *further;
        bool fits;
    } cases[] = {{"mx.example.test", NULL, true},
                 {"MX.EXAMPLE.TEST", NULL, true},
                 {"example.test", NULL, false},
                 {"example.test", "mx.example.test", true},
                 {"192.0.2.1", NULL, false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct plan p = {.ca_file = ca_path};
        struct str further = str_c(cases[i].further);
        struct world w;

        setup(&w, &p);
        w.how = (struct tls_client){.check = TLS_CHECK_NAME, .name = str_c(cases[i].name), .names = &further, .n_names = 1};
        talk(&w);
        assert_int_equal(w.c.tls, cases[i].fits);
        assert_int_equal(w.c.verified, cases[i].fits);
        if (!cases[i].fits)
            assert_non_null(strstr(w.c.why, "certificate verify failed"));
        teardown(&w);
    }
}

static void an_unknown_authority_is_refused(void **state)
{
    const struct plan p = {0};
    struct world w;

    (void)state;
    setup(&w, &p);
    w.how = (struct tls_client){.check = TLS_CHECK_NAME, .name = str_lit("mx.example.test")};
    talk(&w);
    assert_false(w.c.tls);
    assert_non_null(strstr(w.c.why, "self-signed"));
    teardown(&w);
}

/* RFC 7672: 3 1 1 fits without any authority or date; a wrong digest fails; records of unusable kinds only leave the
 * connection encrypted and unchecked. */
static void dane_records_decide(void **state)
{
    const struct plan p = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        const struct identity *id = i == 1 ? &other : &mx;
        struct tls_record record = {
            .usage = i == 2 ? 0 : 3, .selector = 1, .matching = 1, .data = str_of(id->spki_sha256, 32)};
        struct world w;

        setup(&w, &p);
        w.how = (struct tls_client){
            .check = TLS_CHECK_DANE, .name = str_lit("mx.example.test"), .records = &record, .n_records = 1};
        talk(&w);
        assert_int_equal(w.c.tls, i != 1);
        assert_int_equal(w.c.dane, i == 0);
        assert_int_equal(w.c.verified, i == 0);
        if (i == 1)
            assert_non_null(strstr(w.c.why, "matching DANE TLSA records"));
        teardown(&w);
    }
}

static void a_wrong_setting_is_told(void **state)
{
    struct tls_server_options o = {.cert_pem = str_c(mx.cert), .key_pem = str_c(other.key)};
    struct tls_context *t = NULL;
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(tls_server_new(&o, &t, &e), RC_INVALID);
    assert_non_null(strstr(e.text, "key values mismatch"));
    o.key_pem = str_c(mx.key);
    o.ciphers = str_lit("no-such-cipher");
    assert_int_equal(tls_server_new(&o, &t, &e), RC_INVALID);
    assert_non_null(strstr(e.text, "no cipher match"));
    o = (struct tls_server_options){0};
    assert_int_equal(tls_server_new(&o, &t, &e), RC_INVALID);
    assert_null(t);
}

/* Both ends of an idle TLS session, ours on the server side at most 20 KiB: measured here for both together. */
static void idle_sessions_are_small(void **state)
{
    enum { N = 100 };
    const struct plan p = {0};
    static struct world w;
    size_t before, each;

    (void)state;
    setup(&w, &p);
    w.silent = true;
    talk_idle(&w, 1);
    before = mallinfo2().uordblks;
    talk_idle(&w, N);
    each = (mallinfo2().uordblks - before) / N;
    print_message("one idle TLS session, both ends: %zu octets\n", each);
    assert_true(each <= 2 * 20480);
    teardown(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree_and_octets_pass),
        cmocka_unit_test(anonymous_and_null_suites_are_never_offered),
        cmocka_unit_test(nothing_older_than_tls_1_2_is_spoken),
        cmocka_unit_test(a_failed_handshake_says_why),
        cmocka_unit_test(octets_behind_starttls_are_dropped_and_told),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(an_unknown_authority_is_refused),
        cmocka_unit_test(dane_records_decide),
        cmocka_unit_test(a_wrong_setting_is_told),
        cmocka_unit_test(idle_sessions_are_small),
    };

    return cmocka_run_group_tests(tests, make_identities, remove_file);
}
