/* The SMTP server conversation: TLS, AUTH, XCLIENT, PROXY. */
#include "smtp/server_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void auth_without_tls_gets_538(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "538 5.7.11 *");
    testing_says(f, "AUTH LOGIN\r\n", "538 5.7.11 *");
    testing_end(f);
}

static void under_tls(struct testing_fixture *f)
{
    static const struct tls_facts facts = {.version = {"TLSv1.3", 7}, .cipher = {"X", 1}};

    testing_hello(f);
    testing_says(f, "STARTTLS\r\n", "220 2.0.0 *");
    conversation_test_tls(f->c, &facts);
    testing_hello(f);
}

static void auth_plain_and_login_work_under_tls(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    under_tls(f);
    testing_says(f, "AUTH PLAIN AG1hbGxvcnkAc2VjcmV0\r\n", "535 5.7.8 *");
    testing_says(f, "AUTH PLAIN\r\n", "334 \r\n");
    testing_says(f, "AGFsaWNlAHdyb25n\r\n", "535 5.7.8 *");
    testing_says(f, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    testing_says(f, "*\r\n", "501 5.7.0 *");
    testing_says(f, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    testing_says(f, "!!!\r\n", "501 5.5.2 *");
    testing_says(f, "AUTH CRAM-MD5\r\n", "504 5.5.4 *");
    testing_says(f, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    testing_says(f, "YWxpY2U=\r\n", "334 UGFzc3dvcmQ6\r\n");
    testing_says(f, "c2VjcmV0\r\n", "235 2.7.0 *");
    assert_true(str_eq(((struct smtp_server *)f->c)->user, str_lit("alice")));
    testing_says(f, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "503 5.5.1 *");
    testing_end(f);
}

static void auth_for_another_identity_is_refused(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    under_tls(f);
    testing_says(f, "AUTH PLAIN Ym9iAGFsaWNlAHNlY3JldA==\r\n", "535 5.7.8 *");
    testing_end(f);
}

static void text_behind_starttls_is_never_taken(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "STARTTLS\r\nMAIL FROM:<a@b.test>\r\n", "554 5.5.1 *");
    assert_int_equal(f->t.ends, 1);
    testing_end(f);
}

static void without_the_required_tls_530(void **state)
{
    struct testing_fixture *f = testing_make(TESTING_OFFERS);
    struct tls_facts facts = {.version = str_lit("TLSv1.3"), .cipher = str_lit("X")};

    (void)state;
    f->t.tls_required = true;
    testing_start(f);
    testing_hello(f);
    testing_says(f, "MAIL FROM:<a@b.test>\r\n", "530 5.7.0 must issue a STARTTLS command first\r\n");
    testing_says(f, "VRFY a\r\n", "530 5.7.0 *");
    testing_says(f, "NOOP\r\n", "250 *");
    testing_says(f, "STARTTLS\r\n", "220 2.0.0 *");
    buf_clear(&f->c->out);
    conversation_test_tls(f->c, &facts);
    testing_hello(f);
    testing_says(f, "MAIL FROM:<a@b.test>\r\n", "250 *");
    testing_end(f);
}

static void xclient_changes_the_peer_and_begins_anew(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS | SMTP_OFFER_XCLIENT);

    (void)state;
    testing_hello(f);
    testing_says(f, "XCLIENT ADDR=192.0.2.9 NAME=Mail.Example.COM LOGIN=bob\r\n", "220 mx.test ESMTP\r\n");
    assert_string_equal(f->t.peer, "192.0.2.9");
    assert_string_equal(f->t.peer_name, "mail.example.com");
    assert_string_equal(f->t.login, "bob");
    assert_int_equal(f->t.connects, 2);
    testing_says(f, "XCLIENT ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE]\r\n", "220 *");
    assert_string_equal(f->t.peer, "2001:db8::1");
    testing_says(f, "XCLIENT ADDR=nonsense\r\n", "501 5.5.2 *");
    testing_says(f, "XCLIENT\r\n", "501 5.5.2 *");
    testing_end(f);
}

static void xclient_from_anybody_else_is_refused(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "XCLIENT ADDR=192.0.2.9\r\n", "550 5.7.1 insufficient authorization\r\n");
    testing_end(f);
}

static void a_proxy_header_comes_before_the_greeting(void **state)
{
    struct testing_fixture *f = testing_make(TESTING_OFFERS);

    (void)state;
    f->t.proxy = SMTP_PROXY_REQUIRED;
    testing_start(f);
    assert_int_equal(f->c->out.n, 0);
    testing_says(f, "PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\r\n", "220 *");
    assert_string_equal(f->t.peer, "192.0.2.7");
    testing_end(f);
}

static void a_peer_that_must_send_proxy_and_does_not_is_dropped(void **state)
{
    struct testing_fixture *f = testing_make(TESTING_OFFERS);

    (void)state;
    f->t.proxy = SMTP_PROXY_REQUIRED;
    testing_start(f);
    testing_says(f, "EHLO me\r\n", "");
    assert_int_equal(f->t.ends, 1);
    testing_end(f);
}

static void an_optional_proxy_header_may_be_missing(void **state)
{
    struct testing_fixture *f = testing_make(TESTING_OFFERS);

    (void)state;
    f->t.proxy = SMTP_PROXY_OPTIONAL;
    testing_start(f);
    assert_int_equal(f->c->out.n, 0);
    conversation_expire(f->c);
    assert_true(str_starts(buf_str(&f->c->out), str_lit("220 ")));
    testing_hello(f);
    testing_end(f);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(auth_without_tls_gets_538),
        T(auth_plain_and_login_work_under_tls),
        T(auth_for_another_identity_is_refused),
        T(text_behind_starttls_is_never_taken),
        T(without_the_required_tls_530),
        T(xclient_changes_the_peer_and_begins_anew),
        T(xclient_from_anybody_else_is_refused),
        T(a_proxy_header_comes_before_the_greeting),
        T(a_peer_that_must_send_proxy_and_does_not_is_dropped),
        T(an_optional_proxy_header_may_be_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
