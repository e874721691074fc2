/* The SMTP server conversation: each reply of the specification, order, pipelining, chunks, TLS, AUTH, XCLIENT, PROXY. */
#include "smtp/server_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct testing t;
    struct conversation *c;
};

enum { ALL = SMTP_OFFER_TLS | SMTP_OFFER_AUTH | SMTP_OFFER_UTF8 | SMTP_OFFER_CHUNKING };

static struct fixture *make(unsigned offers)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->t.ctx.handler = &testing_handler;
    f->t.offers = offers;
    f->t.max_bytes = 100000;
    f->t.body = BUF(1 << 20);
    return f;
}

static void start(struct fixture *f)
{
    f->c = conversation_test_new(&testing_kind, &f->t);
    conversation_run(f->c);
}

static struct fixture *begin(unsigned offers)
{
    struct fixture *f = make(offers);

    start(f);
    assert_true(str_starts(buf_str(&f->c->out), str_lit("220 mx.test ESMTP")));
    buf_clear(&f->c->out);
    return f;
}

static void end(struct fixture *f)
{
    conversation_test_free(f->c);
    assert_int_equal(f->t.ends, 1);
    buf_done(&f->t.body);
    free(f);
}

/* Says it and compares all replies; "*" at the end of `wanted` = whatever follows. */
static void says(struct fixture *f, const char *command, const char *wanted)
{
    struct str want = str_c(wanted), got;

    buf_clear(&f->c->out);
    conversation_feed(f->c, str_c(command));
    got = buf_str(&f->c->out);
    if (str_ends(want, str_lit("*")))
        want.n--, got = str_first(got, want.n);
    if (!str_eq(got, want))
        fail_msg("said %s\ngot  <%.*s>\nwant <%.*s>", command, STR(buf_str(&f->c->out)), STR(want));
}

static void hello(struct fixture *f)
{
    says(f, "EHLO me.test\r\n", "250-mx.test\r\n*");
}

static void ready(struct fixture *f)
{
    hello(f);
    says(f, "MAIL FROM:<a@b.test>\r\n", "250 2.1.0 sender <a@b.test> ok\r\n");
    says(f, "RCPT TO:<c@d.test>\r\n", "250 2.1.5 ok\r\n");
}

static void an_unknown_command_gets_500(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    says(f, "FROB\r\n", "500 5.5.1 command not recognized\r\n");
    says(f, "\r\n", "500 5.5.1 command not recognized\r\n");
    says(f, "NOOP\r\n", "250 2.0.0 ok\r\n");
    end(f);
}

static void wrong_order_gets_503(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "RCPT TO:<a@b.test>\r\n", "503 5.5.1 *");
    says(f, "DATA\r\n", "503 5.5.1 *");
    says(f, "MAIL FROM:<a@b.test>\r\n", "250 *");
    says(f, "MAIL FROM:<a@b.test>\r\n", "503 5.5.1 *");
    says(f, "DATA\r\n", "503 5.5.1 *");
    says(f, "STARTTLS\r\n", "503 5.5.1 *");
    end(f);
}

static void bad_syntax_gets_501(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    says(f, "EHLO\r\n", "501 5.5.2 *");
    says(f, "HELO a<b>\r\n", "501 5.5.2 *");
    hello(f);
    says(f, "MAIL TO:<a@b.test>\r\n", "501 5.5.2 *");
    says(f, "MAIL FROM:a@b.test\r\n", "501 5.5.2 *");
    says(f, "MAIL FROM:<a@b.test> SIZE=x\r\n", "501 5.5.2 *");
    says(f, "MAIL FROM:<a@b.test> BODY=9BIT\r\n", "501 5.5.2 *");
    says(f, "MAIL FROM:<a@b.test> RET=ALL\r\n", "501 5.5.2 *");
    says(f, "MAIL FROM:<a\rb@b.test>\r\n", "501 5.5.2 *");
    says(f, "MAIL FROM:<a@b.test> FROB=1\r\n", "555 5.5.4 FROB *");
    says(f, "MAIL FROM:<\xc3\xa4@b.test>\r\n", "501 5.5.2 *");
    says(f, "MAIL FROM:<a@b.test>\r\n", "250 *");
    says(f, "RCPT TO:<>\r\n", "501 5.5.2 *");
    says(f, "RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY\r\n", "501 5.5.2 *");
    says(f, "RCPT TO:<a@b.test> ORCPT=x\r\n", "501 5.5.2 *");
    says(f, "RSET now\r\n", "501 5.5.2 *");
    says(f, "QUIT now\r\n", "501 5.5.2 *");
    assert_int_equal(f->t.ends, 0);
    end(f);
}

static void a_line_too_long_gets_500_and_the_connection_lives_on(void **state)
{
    struct fixture *f = begin(ALL);
    char line[2600];

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line + 1100, "\r\n", 3);
    says(f, line, "500 5.5.2 line too long\r\n");
    hello(f);
    says(f, line, "500 5.5.1 *"); /* within the longer limit after EHLO, but no command */
    memset(line, 'x', sizeof line);
    memcpy(line + 2500, "\r\n", 3);
    says(f, line, "500 5.5.2 line too long\r\n");
    says(f, "NOOP\r\n", "250 2.0.0 ok\r\n");
    end(f);
}

static void a_size_too_large_gets_552(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "MAIL FROM:<a@b.test> SIZE=100001\r\n", "552 5.3.4 *");
    says(f, "MAIL FROM:<a@b.test> SIZE=100000\r\n", "250 *");
    end(f);
}

static void a_message_too_large_gets_552_after_data(void **state)
{
    struct fixture *f;

    (void)state;
    f = make(ALL);
    f->t.max_bytes = 10;
    start(f);
    ready(f);
    says(f, "DATA\r\n", "354 go ahead\r\n");
    says(f, "0123456789\r\nmore\r\nand more\r\n", "");
    says(f, ".\r\n", "552 5.3.4 message size exceeds limit\r\n");
    assert_int_equal(f->t.resets, 1);
    says(f, "MAIL FROM:<a@b.test>\r\n", "250 *");
    end(f);
}

static void a_full_disk_gets_452_after_data(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    f->t.body.max = 4;
    ready(f);
    says(f, "DATA\r\n", "354 go ahead\r\n");
    says(f, "0123456789\r\n.\r\n", "452 4.3.1 insufficient system storage\r\n");
    end(f);
}

static void without_the_required_tls_530(void **state)
{
    struct fixture *f = make(ALL);
    struct tls_facts facts = {.version = str_lit("TLSv1.3"), .cipher = str_lit("X")};

    (void)state;
    f->t.tls_required = true;
    start(f);
    hello(f);
    says(f, "MAIL FROM:<a@b.test>\r\n", "530 5.7.0 must issue a STARTTLS command first\r\n");
    says(f, "VRFY a\r\n", "530 5.7.0 *");
    says(f, "NOOP\r\n", "250 *");
    says(f, "STARTTLS\r\n", "220 2.0.0 *");
    buf_clear(&f->c->out);
    conversation_test_tls(f->c, &facts);
    hello(f);
    says(f, "MAIL FROM:<a@b.test>\r\n", "250 *");
    end(f);
}

static void auth_without_tls_gets_538(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "538 5.7.11 *");
    says(f, "AUTH LOGIN\r\n", "538 5.7.11 *");
    end(f);
}

static void under_tls(struct fixture *f)
{
    static const struct tls_facts facts = {.version = {"TLSv1.3", 7}, .cipher = {"X", 1}};

    hello(f);
    says(f, "STARTTLS\r\n", "220 2.0.0 *");
    conversation_test_tls(f->c, &facts);
    hello(f);
}

static void auth_plain_and_login_work_under_tls(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    under_tls(f);
    says(f, "AUTH PLAIN AG1hbGxvcnkAc2VjcmV0\r\n", "535 5.7.8 *");
    says(f, "AUTH PLAIN\r\n", "334 \r\n");
    says(f, "AGFsaWNlAHdyb25n\r\n", "535 5.7.8 *");
    says(f, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    says(f, "*\r\n", "501 5.7.0 *");
    says(f, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    says(f, "!!!\r\n", "501 5.5.2 *");
    says(f, "AUTH CRAM-MD5\r\n", "504 5.5.4 *");
    says(f, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
    says(f, "YWxpY2U=\r\n", "334 UGFzc3dvcmQ6\r\n");
    says(f, "c2VjcmV0\r\n", "235 2.7.0 *");
    assert_true(str_eq(((struct smtp_server *)f->c)->user, str_lit("alice")));
    says(f, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "503 5.5.1 *");
    end(f);
}

static void auth_for_another_identity_is_refused(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    under_tls(f);
    says(f, "AUTH PLAIN Ym9iAGFsaWNlAHNlY3JldA==\r\n", "535 5.7.8 *");
    end(f);
}

static void text_behind_starttls_is_never_taken(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "STARTTLS\r\nMAIL FROM:<a@b.test>\r\n", "554 5.5.1 *");
    assert_int_equal(f->t.ends, 1);
    end(f);
}

static void ehlo_offers_what_there_is(void **state)
{
    struct fixture *f = begin(ALL | SMTP_OFFER_XCLIENT);

    (void)state;
    says(f, "EHLO me.test\r\n",
         "250-mx.test\r\n250-PIPELINING\r\n250-SIZE "
         "100000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n"
         "250-STARTTLS\r\n250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n250-DSN\r\n250 "
         "ENHANCEDSTATUSCODES\r\n");
    says(f, "HELO me.test\r\n", "250 mx.test\r\n");
    end(f);
}

static void a_group_of_commands_gets_all_replies_at_once(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<x@unknown.test>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n",
         "250 2.1.0 sender <a@b.test> ok\r\n250 2.1.5 ok\r\n550 5.1.1 unknown recipient\r\n354 go ahead\r\n250 2.0.0 ok\r\n"
         "221 2.0.0 mx.test\r\n");
    assert_int_equal(f->t.messages, 1);
    assert_true(str_eq(buf_str(&f->t.body), str_lit("hi\r\n")));
    assert_int_equal(f->t.how, SMTP_END_QUIT);
    end(f);
}

static void data_without_a_valid_recipient_gets_554(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "MAIL FROM:<a@b.test>\r\nRCPT TO:<x@unknown.test>\r\nDATA\r\n",
         "250 2.1.0 sender <a@b.test> ok\r\n550 5.1.1 unknown "
         "recipient\r\n554 5.5.1 no valid recipients\r\n");
    end(f);
}

static void parameters_of_mail_and_rcpt_are_read(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "MAIL FROM:<a@b.test> SIZE=5 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1 AUTH=<>\r\n", "250 *");
    assert_int_equal(f->t.mail.size, 5);
    assert_int_equal(f->t.mail.body, 1);
    assert_int_equal(f->t.mail.ret, 2);
    assert_true(f->t.mail.utf8);
    assert_true(str_eq(f->t.mail.envid, str_lit("QQ+1")));
    says(f, "RCPT TO:<c@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y\r\n", "250 *");
    assert_int_equal(f->t.rcpt.notify, 2 | 8);
    assert_true(str_eq(f->t.rcpt.orcpt, str_lit("rfc822;x@y")));
    end(f);
}

static void bdat_takes_chunks(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    ready(f);
    says(f, "BDAT 4\r\nab\r\n", "250 2.0.0 chunk taken\r\n");
    says(f, "RCPT TO:<c@d.test>\r\n", "503 5.5.1 *");
    says(f, "DATA\r\n", "503 5.5.1 *");
    says(f, "BDAT 5 LAST\r\n.\r\ncd", "250 2.0.0 ok\r\n");
    assert_true(str_eq(buf_str(&f->t.body), str_lit("ab\r\n.\r\ncd\r\n")));
    assert_int_equal(f->t.messages, 1);
    says(f, "NOOP\r\n", "250 *");
    end(f);
}

static void octets_of_a_refused_bdat_are_no_commands(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "BDAT 6\r\nNOOP\r\nNOOP\r\n", "503 5.5.1 bad sequence of commands\r\n250 2.0.0 ok\r\n");
    says(f, "BDAT x\r\n", "501 5.5.2 *");
    assert_int_equal(f->t.messages, 0);
    end(f);
}

static void binary_mail_comes_by_bdat_only(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<c@d.test>\r\n", "250 *");
    says(f, "DATA\r\n", "503 5.5.1 *");
    says(f, "BDAT 3 LAST\r\na\nb", "250 2.0.0 ok\r\n");
    assert_true(str_eq(buf_str(&f->t.body), str_lit("a\nb")));
    end(f);
}

static void a_smuggled_message_stays_text(void **state)
{
    static const char *const ends[] = {"\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\n.\r"};
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct fixture *f = begin(ALL);

        ready(f);
        says(f, "DATA\r\n", "354 go ahead\r\n");
        snprintf(text, sizeof text, "a%sMAIL FROM:<evil@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nb", ends[i]);
        says(f, text, "");
        says(f, "\r\n.\r\n", "250 2.0.0 ok\r\n");
        assert_int_equal(f->t.messages, 1);
        assert_int_equal(str_find_str(buf_str(&f->t.body), str_lit("\n.\n")), f->t.body.n);
        end(f);
    }
}

static void bare_line_ends_are_refused_where_the_listener_says_so(void **state)
{
    struct fixture *f = make(ALL);

    (void)state;
    f->t.reject_bare = true;
    start(f);
    ready(f);
    says(f, "DATA\r\n", "354 go ahead\r\n");
    says(f, "a\nb\r\n.\r\n", "554 5.6.0 message contains bare CR, bare LF or NUL\r\n");
    says(f, "NOOP\r\n", "250 *");
    end(f);
}

static void xclient_changes_the_peer_and_begins_anew(void **state)
{
    struct fixture *f = begin(ALL | SMTP_OFFER_XCLIENT);

    (void)state;
    hello(f);
    says(f, "XCLIENT ADDR=192.0.2.9 NAME=Mail.Example.COM LOGIN=bob\r\n", "220 mx.test ESMTP\r\n");
    assert_string_equal(f->t.peer, "192.0.2.9");
    assert_string_equal(f->t.peer_name, "mail.example.com");
    assert_string_equal(f->t.login, "bob");
    assert_int_equal(f->t.connects, 2);
    says(f, "XCLIENT ADDR=IPV6:2001:db8::1 NAME=[UNAVAILABLE]\r\n", "220 *");
    assert_string_equal(f->t.peer, "2001:db8::1");
    says(f, "XCLIENT ADDR=nonsense\r\n", "501 5.5.2 *");
    says(f, "XCLIENT\r\n", "501 5.5.2 *");
    end(f);
}

static void xclient_from_anybody_else_is_refused(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    says(f, "XCLIENT ADDR=192.0.2.9\r\n", "550 5.7.1 insufficient authorization\r\n");
    end(f);
}

static void a_proxy_header_comes_before_the_greeting(void **state)
{
    struct fixture *f = make(ALL);

    (void)state;
    f->t.proxy = SMTP_PROXY_REQUIRED;
    start(f);
    assert_int_equal(f->c->out.n, 0);
    says(f, "PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\r\n", "220 *");
    assert_string_equal(f->t.peer, "192.0.2.7");
    end(f);
}

static void a_peer_that_must_send_proxy_and_does_not_is_dropped(void **state)
{
    struct fixture *f = make(ALL);

    (void)state;
    f->t.proxy = SMTP_PROXY_REQUIRED;
    start(f);
    says(f, "EHLO me\r\n", "");
    assert_int_equal(f->t.ends, 1);
    end(f);
}

static void an_optional_proxy_header_may_be_missing(void **state)
{
    struct fixture *f = make(ALL);

    (void)state;
    f->t.proxy = SMTP_PROXY_OPTIONAL;
    start(f);
    assert_int_equal(f->c->out.n, 0);
    conversation_expire(f->c);
    assert_true(str_starts(buf_str(&f->c->out), str_lit("220 ")));
    hello(f);
    end(f);
}

static void a_handler_may_take_its_time(void **state)
{
    struct fixture *f = make(ALL);

    (void)state;
    f->t.wait = true;
    start(f);
    assert_int_equal(f->c->out.n, 0);
    says(f, "EHLO early\r\n", "");
    conversation_resume(f->c);
    assert_true(str_starts(buf_str(&f->c->out), str_lit("220 mx.test ESMTP\r\n250-mx.test")));
    says(f, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n",
         "250 2.1.0 sender <a@b.test> ok\r\n250 2.1.5 ok\r\n354 go ahead\r\n");
    buf_clear(&f->c->out);
    conversation_resume(f->c);
    assert_true(str_eq(buf_str(&f->c->out), str_lit("250 2.0.0 ok\r\n250 2.0.0 ok\r\n")));
    end(f);
}

static void a_peer_that_goes_away_ends_the_transaction(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    ready(f);
    says(f, "DATA\r\nhalf a", "354 *");
    conversation_feed_eof(f->c);
    assert_int_equal(f->t.messages, 0);
    assert_int_equal(f->t.resets, 1);
    assert_int_equal(f->t.how, SMTP_END_LOST);
    end(f);
}

static void a_silent_peer_gets_421(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    hello(f);
    buf_clear(&f->c->out);
    conversation_expire(f->c);
    assert_true(str_starts(buf_str(&f->c->out), str_lit("421 4.4.2 ")));
    assert_int_equal(f->t.how, SMTP_END_TIMEOUT);
    end(f);
}

static void too_many_errors_end_the_connection(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    for (int i = 0; i < 19; i++)
        says(f, "FROB\r\n", "500 *");
    says(f, "FROB\r\n", "500 5.5.1 command not recognized\r\n421 4.7.0 too many errors\r\n");
    assert_int_equal(f->t.ends, 1);
    end(f);
}

static void vrfy_expn_help_and_rset_answer(void **state)
{
    struct fixture *f = begin(ALL);

    (void)state;
    says(f, "VRFY someone\r\n", "252 2.5.2 *");
    says(f, "EXPN list\r\n", "502 5.5.1 *");
    says(f, "HELP\r\n", "214 2.0.0 *");
    ready(f);
    says(f, "RSET\r\n", "250 2.0.0 reset\r\n");
    says(f, "RCPT TO:<a@b.test>\r\n", "503 *");
    assert_int_equal(f->t.resets, 1);
    end(f);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_unknown_command_gets_500),
        T(wrong_order_gets_503),
        T(bad_syntax_gets_501),
        T(a_line_too_long_gets_500_and_the_connection_lives_on),
        T(a_size_too_large_gets_552),
        T(a_message_too_large_gets_552_after_data),
        T(a_full_disk_gets_452_after_data),
        T(without_the_required_tls_530),
        T(auth_without_tls_gets_538),
        T(auth_plain_and_login_work_under_tls),
        T(auth_for_another_identity_is_refused),
        T(text_behind_starttls_is_never_taken),
        T(ehlo_offers_what_there_is),
        T(a_group_of_commands_gets_all_replies_at_once),
        T(data_without_a_valid_recipient_gets_554),
        T(parameters_of_mail_and_rcpt_are_read),
        T(bdat_takes_chunks),
        T(octets_of_a_refused_bdat_are_no_commands),
        T(binary_mail_comes_by_bdat_only),
        T(a_smuggled_message_stays_text),
        T(bare_line_ends_are_refused_where_the_listener_says_so),
        T(xclient_changes_the_peer_and_begins_anew),
        T(xclient_from_anybody_else_is_refused),
        T(a_proxy_header_comes_before_the_greeting),
        T(a_peer_that_must_send_proxy_and_does_not_is_dropped),
        T(an_optional_proxy_header_may_be_missing),
        T(a_handler_may_take_its_time),
        T(a_peer_that_goes_away_ends_the_transaction),
        T(a_silent_peer_gets_421),
        T(too_many_errors_end_the_connection),
        T(vrfy_expn_help_and_rset_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
