/* Certificates and keys: made, checked, described, carried in PKCS #12. */
#include "admin/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MAX = 1 << 20 };

struct pair {
    struct buf cert, key;
};

static struct pair pair(const char *host)
{
    struct pair p = {BUF(MAX), BUF(MAX)};

    assert_int_equal(certificate_self_signed(str_c(host), 30, &p.cert, &p.key, NULL), RC_OK);
    return p;
}

static void done(struct pair *p)
{
    buf_done(&p->cert);
    certificate_wipe(&p->key);
}

static void a_key_must_belong_to_its_certificate(void **state)
{
    struct pair a = pair("a.example.org"), b = pair("b.example.org");
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(certificate_check(buf_str(&a.cert), buf_str(&a.key), NULL), RC_OK);
    assert_int_equal(certificate_check(buf_str(&a.cert), buf_str(&b.key), &e), RC_INVALID);
    assert_true(str_starts(str_c(err_text(&e)), str_lit("The private key does not belong to the certificate")));
    assert_int_equal(certificate_check(str_lit("nothing"), buf_str(&b.key), NULL), RC_INVALID);
    assert_int_equal(certificate_check(buf_str(&a.cert), STR_NONE, NULL), RC_INVALID);
    done(&a);
    done(&b);
}

static void expiry_and_names_are_told(void **state)
{
    struct pair a = pair("a.example.org");
    struct buf out = BUF(MAX);
    char mark[9], again[9];

    (void)state;
    assert_int_equal(certificate_facts(buf_str(&a.cert), &out, NULL), RC_OK);
    assert_true(str_find_str(buf_str(&out), str_lit("Subject: CN=a.example.org\n")) < out.n);
    assert_true(str_find_str(buf_str(&out), str_lit("Names: DNS:a.example.org\n")) < out.n);
    assert_true(str_find_str(buf_str(&out), str_lit(" (in 30 days)\n")) < out.n ||
                str_find_str(buf_str(&out), str_lit(" (in 29 days)\n")) < out.n);
    assert_int_equal(certificate_mark(buf_str(&a.cert), mark, NULL), RC_OK);
    assert_int_equal(certificate_mark(buf_str(&a.cert), again, NULL), RC_OK);
    assert_string_equal(mark, again);
    assert_int_equal(certificate_facts(str_lit("-----BEGIN CERTIFICATE-----\nx\n"), &out, NULL), RC_INVALID);
    buf_done(&out);
    done(&a);
}

/* A file that holds a key as well must not put it where certificates are shown. */
static void a_chain_is_certificates_alone(void **state)
{
    struct pair a = pair("a.example.org"), b = pair("b.example.org");
    struct buf mixed = BUF(MAX), out = BUF(MAX);

    (void)state;
    buf_add(&mixed, buf_str(&a.key));
    buf_add(&mixed, buf_str(&a.cert));
    buf_add(&mixed, str_lit("some words\n"));
    buf_add(&mixed, buf_str(&b.cert));
    assert_int_equal(certificate_chain(buf_str(&mixed), &out, NULL), RC_OK);
    assert_int_equal(out.n, a.cert.n + b.cert.n);
    assert_true(str_find_str(buf_str(&out), str_lit("PRIVATE")) == out.n);
    assert_int_equal(certificate_chain(buf_str(&a.key), &out, NULL), RC_INVALID);
    certificate_wipe(&mixed);
    buf_done(&out);
    done(&a);
    done(&b);
}

static void a_pkcs12_file_carries_both(void **state)
{
    struct pair a = pair("a.example.org"), b = {BUF(MAX), BUF(MAX)};
    struct buf p12 = BUF(MAX);

    (void)state;
    assert_int_equal(certificate_p12_write(buf_str(&a.cert), buf_str(&a.key), str_lit("web"), str_lit("secret"), &p12, NULL),
                     RC_OK);
    assert_int_equal(certificate_p12_read(buf_str(&p12), str_lit("wrong"), &b.cert, &b.key, NULL), RC_INVALID);
    assert_int_equal(certificate_p12_read(buf_str(&p12), str_lit("secret"), &b.cert, &b.key, NULL), RC_OK);
    assert_true(str_eq(buf_str(&a.cert), buf_str(&b.cert)) && str_eq(buf_str(&a.key), buf_str(&b.key)));
    assert_int_equal(certificate_p12_read(str_lit("no file"), str_lit("secret"), &b.cert, &b.key, NULL), RC_INVALID);
    buf_done(&p12);
    done(&a);
    done(&b);
}

static void a_host_name_is_no_extension_syntax(void **state)
{
    struct pair p = {BUF(MAX), BUF(MAX)};

    (void)state;
    assert_int_equal(certificate_self_signed(str_lit("a.test,IP:10.0.0.1"), 30, &p.cert, &p.key, NULL), RC_INVALID);
    done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_must_belong_to_its_certificate), cmocka_unit_test(expiry_and_names_are_told),
        cmocka_unit_test(a_chain_is_certificates_alone),        cmocka_unit_test(a_pkcs12_file_carries_both),
        cmocka_unit_test(a_host_name_is_no_extension_syntax),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
