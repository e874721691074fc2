/* TLS between two conversations: what is offered, what is told, and how much an idle session holds. */
#include "net/tls_world.h"

#include "base/clock.h"
#include "net/authority.h"

#include <malloc.h>

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

static void show(SSL_CTX *ctx, const struct identity *id)
{
    BIO *bio = BIO_new_mem_buf(id->cert, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *key;

    BIO_free(bio);
    bio = BIO_new_mem_buf(id->key, -1);
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* In capitals: pins are compared as numbers. */
static void print_of(const struct identity *id, char out[65])
{
    char mine[TLS_PRINT + 1];
    struct err e = ERR_NONE;

    for (size_t i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02X", id->spki_sha256[i]);
    assert_int_equal(authority_pin(str_c(id->cert), mine, &e), RC_OK);
    assert_true(str_eqi(str_c(mine), str_c(out)));
}

/* CPQ-49: a certificate with the pinned key is taken, whoever signed it; another one, or none, ends the handshake, and the
 * server says which it was. */
static void only_a_pinned_certificate_is_taken(void **state)
{
    const struct identity *shown[] = {&other, &mx, NULL};
    char pin[65], foreign[65], why[200];
    struct str pins[2] = {str_lit("too short"), str_of(pin, 64)};

    (void)state;
    print_of(&other, pin);
    print_of(&mx, foreign);
    for (size_t i = 0; i < 64; i++)
        foreign[i] = foreign[i] >= 'A' ? (char)(foreign[i] + 32) : foreign[i];
    for (size_t i = 0; i < 6; i++) {
        const struct plan p = {.client_min = i < 3 ? 0x0304 : 0x0303};
        struct tls_server_options o = {
            .cert_pem = str_c(mx.cert), .key_pem = str_c(mx.key), .pinned = true, .pins = pins, .n_pins = 2};
        struct world w;

        setup(&w, &p);
        tls_unref(w.server);
        assert_int_equal(tls_server_new(&o, &w.server, NULL), RC_OK);
        if (i >= 3)
            SSL_CTX_set_max_proto_version(w.client->unchecked, TLS1_2_VERSION);
        if (shown[i % 3])
            show(w.client->unchecked, shown[i % 3]);
        w.silent = i % 3 != 0;
        talk(&w);
        assert_int_equal(w.s.tls, i % 3 == 0);
        snprintf(why, sizeof why, "not enrolled, key fingerprint %.64s", foreign);
        if (i % 3)
            assert_string_equal(w.s.why, i % 3 == 1 ? why : "not enrolled, no certificate shown");
        else
            assert_true(str_eqi(str_c(w.s.print), str_c(pin)));
        teardown(&w);
    }
}

/* CPQ-51: a client shows its certificate and takes none but the pinned server, valid or not; each side says why it ended,
 * with the key it was shown, in TLS 1.2 and 1.3. A second pin, and a certificate made anew for the same key, are as good. */
static void both_sides_are_pinned(void **state)
{
    enum { BOTH, SERVER_WRONG, CLIENT_WRONG, CASES };
    char right[65], wrong[65], why[200];
    struct str pins[2] = {str_of(wrong, 64), str_of(right, 64)};

    (void)state;
    for (size_t i = 0; i < 2 * CASES; i++) {
        size_t what = i % CASES;
        uint64_t version = i < CASES ? 0x0304 : 0x0303;
        const struct identity *client = &other;
        struct str server_pin, *one = &pins[1];
        struct tls_server_options s = {.cert_pem = str_c(mx.cert), .key_pem = str_c(mx.key), .pinned = true, .n_pins = 1};
        struct tls_server_options c = {.cert_pem = str_c(client->cert), .key_pem = str_c(client->key), .pins = pins};
        const struct plan p = {0};
        struct world w;
        char client_pin[65];

        print_of(&mx, right);
        memset(wrong, '0', 64);
        print_of(client, client_pin);
        server_pin = what == CLIENT_WRONG ? str_of(wrong, 64) : str_of(client_pin, 64);
        s.pins = &server_pin;
        c.n_pins = what == SERVER_WRONG ? 1 : 2;
        setup(&w, &p);
        tls_unref(w.server);
        tls_unref(w.client);
        assert_int_equal(tls_server_new(&s, &w.server, NULL), RC_OK);
        assert_int_equal(tls_client_pinned(&c, &w.client, NULL), RC_OK);
        if (version == 0x0303)
            SSL_CTX_set_max_proto_version(w.server->ctx, TLS1_2_VERSION);
        w.silent = what == CLIENT_WRONG;
        talk(&w);
        assert_int_equal(w.s.tls, what == BOTH);
        if (what == BOTH) {
            assert_true(w.c.tls && str_eqi(str_c(w.c.print), *one) && str_eqi(str_c(w.s.print), str_c(client_pin)));
            assert_true(w.s.got == w.body && w.c.got == w.body);
        } else if (what == SERVER_WRONG) {
            snprintf(why, sizeof why, "not enrolled, key fingerprint %.64s", right);
            assert_true(str_eqi(str_c(w.c.why), str_c(why)));
            assert_string_equal(w.s.why, TLS_NOT_TAKEN);
        } else {
            snprintf(why, sizeof why, "not enrolled, key fingerprint %.64s", client_pin);
            assert_true(str_eqi(str_c(w.s.why), str_c(why)));
            assert_string_equal(w.c.why, TLS_NOT_TAKEN);
            assert_int_equal(w.c.rc, RC_TLS_FAILED);
        }
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
    /* CPQ-50, CPQ-52: lists that leave nothing are told; CPQ-54: the cure is taken. */
    o = (struct tls_server_options){.cert_pem = str_c(mx.cert), .key_pem = str_c(mx.key), .ciphers = str_lit("aNULL")};
    assert_int_equal(tls_client_pinned(&o, &t, &e), RC_INVALID);
    assert_non_null(strstr(e.text, "no cipher match"));
    o.ciphers = str_lit("HIGH:MEDIUM:-aNULL");
    assert_int_equal(tls_client_pinned(&o, &t, &e), RC_OK);
    tls_unref(t);
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

static int half_a_handshake(struct world *w)
{
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(&w->at, &sa);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(send(fd, "STARTTLS\r\n", 10, 0), 10);
    for (int i = 0; i < 4; i++)
        loop_turn(w->loop, false);
    assert_int_equal(send(fd, "\x16", 1, 0), 1);
    loop_turn(w->loop, false);
    return fd;
}

/* 256 handshakes at once; peers that never finish theirs do not keep others out for longer than 10 seconds. */
static void slow_handshakes_give_way(void **state)
{
    enum { SLOW = 256 };
    const struct plan p = {0};
    struct world w;
    int fds[SLOW];

    (void)state;
    clock_test_set(1000000, 1000000);
    setup(&w, &p);
    for (int i = 0; i < SLOW; i++)
        fds[i] = half_a_handshake(&w);
    assert_non_null(conversation_connect(w.loop, &w.at, NULL, 1000, &client_kind, w.client, &w));
    for (int i = 0; i < 50; i++)
        loop_turn(w.loop, false);
    assert_false(w.c.tls);
    clock_test_advance(9500);
    for (int i = 0; i < 100; i++) { /* both ends of the fast one need a place here */
        loop_turn(w.loop, false);
        clock_test_advance(i % 50 ? 0 : 1000);
    }
    assert_true(w.c.tls);
    for (int i = 0; i < SLOW; i++)
        close(fds[i]);
    for (int i = 0; i < 50; i++)
        loop_turn(w.loop, false);
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
        cmocka_unit_test(only_a_pinned_certificate_is_taken),
        cmocka_unit_test(both_sides_are_pinned),
        cmocka_unit_test(a_wrong_setting_is_told),
        cmocka_unit_test(idle_sessions_are_small),
        cmocka_unit_test(slow_handshakes_give_way),
    };

    return cmocka_run_group_tests(tests, make_identities, remove_file);
}
