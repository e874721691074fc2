/*
 * Weak TLS offers against a real TLS server (OpenSSL, in memory): one that takes them shows, one as ours are does not
 * (HD-11).
 */
#include "console/tls_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static void with_certificate(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *cert = X509_new();

    assert_non_null(key);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static SSL_CTX *server(const char *ciphers, int least)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    assert_non_null(ctx);
    assert_int_equal(SSL_CTX_set_cipher_list(ctx, ciphers), 1);
    SSL_CTX_set_min_proto_version(ctx, least);
    SSL_CTX_set_dh_auto(ctx, 1);
    with_certificate(ctx);
    return ctx;
}

static bool offered(SSL_CTX *ctx, const struct tls_offer *o)
{
    struct buf hello = BUF(2048), answer = BUF(65536);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    bool taken;
    int n;

    tls_hello(o, &hello);
    assert_int_equal(BIO_write(in, hello.p, (int)hello.n), (int)hello.n);
    SSL_set_bio(ssl, in, out);
    SSL_accept(ssl);
    n = BIO_read(out, buf_reserve(&answer, 60000), 60000);
    taken = tls_taken(str_of(answer.p, n > 0 ? (size_t)n : 0));
    SSL_free(ssl);
    ERR_clear_error();
    buf_done(&hello);
    buf_done(&answer);
    return taken;
}

static const struct tls_offer *named(const char *name)
{
    for (size_t i = 0; tls_offer(i); i++)
        if (strcmp(tls_offer(i)->name, name) == 0)
            return tls_offer(i);
    fail_msg("no offer %s", name);
    return NULL;
}

static void weak_servers_show(void **state)
{
    SSL_CTX *weak = server("ALL:aNULL:eNULL:@SECLEVEL=0", TLS1_VERSION);

    (void)state;
    assert_true(offered(weak, named("anonymous suites")));
    assert_true(offered(weak, named("null suites")));
    assert_true(offered(weak, named("TLS 1.1")));
    assert_true(offered(weak, named("TLS 1.0")));
    assert_false(offered(weak, named("export suites"))); /* OpenSSL has none any more */
    SSL_CTX_free(weak);
}

static void a_strong_server_refuses_all(void **state)
{
    SSL_CTX *strong = server("HIGH:MEDIUM:@SECLEVEL=1:-aNULL:-eNULL", TLS1_2_VERSION);
    const uint16_t good[] = {0xc02f};
    const struct tls_offer fine = {"TLS 1.2", 0x0303, good, 1};

    (void)state;
    for (size_t i = 0; tls_offer(i); i++)
        assert_false(offered(strong, tls_offer(i)));
    assert_true(offered(strong, &fine)); /* the greeting is well made: with a good suite it is taken */
    SSL_CTX_free(strong);
}

static void answers(void **state)
{
    (void)state;
    assert_true(tls_taken(str_lit("\x16\x03\x03\x00\x50\x02\x00")));
    assert_false(tls_taken(str_lit("\x15\x03\x03\x00\x02\x02\x28")));
    assert_false(tls_taken(str_lit("\x16\x03")));
    assert_false(tls_taken(str_lit("HTTP/1.1 400")));
    assert_false(tls_taken(STR_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weak_servers_show),
        cmocka_unit_test(a_strong_server_refuses_all),
        cmocka_unit_test(answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
