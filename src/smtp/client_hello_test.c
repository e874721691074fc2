/* Tests of the SMTP client before and after mail: greeting, TLS, AUTH, idle connections, their ends. */
#include "smtp/client_script.h"

static void helo_is_used_when_ehlo_is_not_known(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("Hi\r\n"), 1);
    start(p);
    say(p, "220 old\r\n");
    assert_string_equal(say(p, "502 what?\r\n"), "HELO gw.example\r\n");
    assert_string_equal(say(p, "250 old\r\n"), "MAIL FROM:<me@gw.example>\r\n");
    peer_free(p);
}

static void nonsense_is_no_reply(void **state)
{
    static const char *const BAD[] = {"hello\r\n", "199 x\r\n", "600 x\r\n", "25 x\r\n", "220x\r\n", "\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct peer *p = peer_new();

        start(p);
        say(p, BAD[i]);
        assert_string_equal(trace(p), "failed at 1: SYNTAX 0 the reply is no SMTP reply\nclosed\n");
        peer_free(p);
    }
}

static void an_endless_reply_is_cut(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    start(p);
    for (int i = 0; i < 1000 && !p->c->ended; i++)
        say(p, "220-more\r\n");
    assert_true(p->c->ended);
    peer_free(p);
    p = peer_new();
    start(p);
    for (int i = 0; i < 100 && !p->c->ended; i++)
        say(p, "220 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    say(p, "\r\n");
    assert_true(p->c->ended);
    peer_free(p);
}

static void a_greeting_may_refuse(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    start(p);
    say(p, "554 5.7.1 not you\r\n");
    assert_string_equal(trace(p), "failed at 1: CLOSED 554 5.7.1 not you\nclosed\n");
    peer_free(p);
}

static const struct tls_facts FACTS = {.version = {"TLSv1.3", 7}};

static void starttls_comes_before_mail(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("x\r\n"), 1);
    p->options.tls = SMTP_TLS_PREFERRED;
    greet(p, "250-mx\r\n250 STARTTLS\r\n");
    assert_string_equal(p->said, "STARTTLS\r\n");
    say(p, "220 go\r\n");
    assert_int_equal(p->c->at.what, STEP_TLS);
    conversation_test_tls(p->c, &FACTS);
    assert_string_equal(trace(p), "tls ok \n");
    assert_int_equal(strncmp(p->c->out.p, "EHLO gw.example\r\n", 17), 0);
    assert_non_null(strstr(say(p, "250 mx\r\n"), "MAIL FROM"));
    peer_free(p);
}

static void a_broken_handshake_says_that_plain_text_may_work(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    p->options.tls = SMTP_TLS_PREFERRED;
    greet(p, "250-mx\r\n250 STARTTLS\r\n");
    say(p, "220 go\r\n");
    conversation_test_tls(p->c, NULL);
    assert_string_equal(trace(p),
                        "tls failed handshake failed\nfailed at 3: TLS_FAILED 0 handshake failed (tls only)\nclosed\n");
    peer_free(p);
}

static void required_tls_never_falls_back(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("x\r\n"), 1);
    p->options.tls = SMTP_TLS_REQUIRED;
    greet(p, "250 mx\r\n");
    assert_string_equal(trace(p), "failed at 3: TLS_REQUIRED 0 TLS required but STARTTLS not offered\nclosed\n");
    peer_free(p);
    p = peer_new();
    p->options.tls = SMTP_TLS_REQUIRED;
    start(p);
    say(p, "220 old\r\n");
    say(p, "502 what?\r\n");
    assert_true(p->c->ended);
    peer_free(p);
    p = peer_new();
    p->options.tls = SMTP_TLS_REQUIRED;
    greet(p, "250-mx\r\n250 STARTTLS\r\n");
    say(p, "454 not now\r\n");
    assert_true(p->c->ended);
    peer_free(p);
}

static void octets_behind_the_starttls_reply_end_it(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    p->options.tls = SMTP_TLS_PREFERRED;
    greet(p, "250-mx\r\n250 STARTTLS\r\n");
    say(p, "220 go\r\n250 injected\r\n");
    assert_true(p->c->ended);
    peer_free(p);
}

static void auth_plain_and_login(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("x\r\n"), 1);
    p->options.auth_user = str_lit("user");
    p->options.auth_password = str_lit("pass");
    p->options.auth_plain_text = true;
    greet(p, "250-mx\r\n250 AUTH LOGIN PLAIN\r\n");
    assert_string_equal(p->said, "AUTH PLAIN AHVzZXIAcGFzcw==\r\n");
    assert_non_null(strstr(say(p, "235 ok\r\n"), "MAIL FROM"));
    assert_string_equal(trace(p), "auth ok \nready\n");
    peer_free(p);
    p = peer_new();
    p->options.auth_user = str_lit("user");
    p->options.auth_password = str_lit("pass");
    p->options.auth_plain_text = true;
    greet(p, "250-mx\r\n250 AUTH LOGIN\r\n");
    assert_string_equal(p->said, "AUTH LOGIN\r\n");
    assert_string_equal(say(p, "334 VXNlcm5hbWU6\r\n"), "dXNlcg==\r\n");
    assert_string_equal(say(p, "334 UGFzc3dvcmQ6\r\n"), "cGFzcw==\r\n");
    say(p, "535 5.7.8 no\r\n");
    assert_string_equal(trace(p), "auth failed 5.7.8 no\nfailed at 4: AUTH_FAILED 535 5.7.8 no\nclosed\n");
    peer_free(p);
    p = peer_new();
    peer_job(p, str_lit("x\r\n"), 1);
    p->options.auth_user = str_lit("user");
    greet(p, "250-mx\r\n250 AUTH PLAIN\r\n");
    assert_non_null(strstr(p->said, "MAIL FROM")); /* never without TLS unless allowed */
    peer_free(p);
}

static void an_idle_connection_quits_in_time_or_when_asked(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    greet(p, EHLO_PIPE);
    assert_true(smtp_client_idle(p->client));
    conversation_expire(p->c);
    assert_string_equal(trace(p), "ready\nclosed\n");
    assert_int_equal(strncmp(p->c->out.p, "QUIT\r\n", 6), 0);
    peer_free(p);
    p = peer_new();
    greet(p, EHLO_PIPE);
    conversation_feed_eof(p->c);
    assert_string_equal(trace(p), "ready\nclosed\n");
    peer_free(p);
    p = peer_new();
    greet(p, EHLO_PIPE);
    say(p, "421 too long\r\n");
    assert_string_equal(trace(p), "ready\nclosed\n");
    peer_free(p);
    p = peer_new();
    p->options.max_messages = 1;
    peer_job(p, str_lit("x\r\n"), 1);
    peer_job(p, str_lit("x\r\n"), 1);
    greet(p, EHLO_PIPE);
    say(p, "250 ok\r\n250 ok\r\n354 go\r\n");
    assert_string_equal(say(p, "250 ok\r\n"), "QUIT\r\n");
    peer_free(p);
}

static void no_connection_is_told(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    p->c = conversation_new(&smtp_client_kind, &p->setup);
    conversation_broke(p->c, RC_CONNECT, str_lit("Connection refused"), true);
    assert_string_equal(trace(p), "failed at 0: CONNECT 0 Connection refused\nclosed\n");
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(helo_is_used_when_ehlo_is_not_known),
        cmocka_unit_test(nonsense_is_no_reply),
        cmocka_unit_test(an_endless_reply_is_cut),
        cmocka_unit_test(a_greeting_may_refuse),
        cmocka_unit_test(starttls_comes_before_mail),
        cmocka_unit_test(a_broken_handshake_says_that_plain_text_may_work),
        cmocka_unit_test(required_tls_never_falls_back),
        cmocka_unit_test(octets_behind_the_starttls_reply_end_it),
        cmocka_unit_test(auth_plain_and_login),
        cmocka_unit_test(an_idle_connection_quits_in_time_or_when_asked),
        cmocka_unit_test(no_connection_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
