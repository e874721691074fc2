/* The SMTP server conversation: each reply of the specification, order, pipelining, chunks, TLS, AUTH, XCLIENT, PROXY. */
#include "smtp/server_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_unknown_command_gets_500(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_says(f, "FROB\r\n", "500 5.5.1 command not recognized\r\n");
    testing_says(f, "\r\n", "500 5.5.1 command not recognized\r\n");
    testing_says(f, "NOOP\r\n", "250 2.0.0 ok\r\n");
    testing_end(f);
}

static void wrong_order_gets_503(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "RCPT TO:<a@b.test>\r\n", "503 5.5.1 *");
    testing_says(f, "DATA\r\n", "503 5.5.1 *");
    testing_says(f, "MAIL FROM:<a@b.test>\r\n", "250 *");
    testing_says(f, "MAIL FROM:<a@b.test>\r\n", "503 5.5.1 *");
    testing_says(f, "DATA\r\n", "503 5.5.1 *");
    testing_says(f, "STARTTLS\r\n", "503 5.5.1 *");
    testing_end(f);
}

static void bad_syntax_gets_501(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_says(f, "EHLO\r\n", "501 5.5.2 *");
    testing_says(f, "HELO a<b>\r\n", "501 5.5.2 *");
    testing_hello(f);
    testing_says(f, "MAIL TO:<a@b.test>\r\n", "501 5.5.2 *");
    testing_says(f, "MAIL FROM:a@b.test\r\n", "501 5.5.2 *");
    testing_says(f, "MAIL FROM:<a@b.test> SIZE=x\r\n", "501 5.5.2 *");
    testing_says(f, "MAIL FROM:<a@b.test> BODY=9BIT\r\n", "501 5.5.2 *");
    testing_says(f, "MAIL FROM:<a@b.test> RET=TESTING_OFFERS\r\n", "501 5.5.2 *");
    testing_says(f, "MAIL FROM:<a\rb@b.test>\r\n", "501 5.5.2 *");
    testing_says(f, "MAIL FROM:<a@b.test> FROB=1\r\n", "555 5.5.4 FROB *");
    testing_says(f, "MAIL FROM:<\xc3\xa4@b.test>\r\n", "501 5.5.2 *");
    testing_says(f, "MAIL FROM:<a@b.test>\r\n", "250 *");
    testing_says(f, "RCPT TO:<>\r\n", "501 5.5.2 *");
    testing_says(f, "RCPT TO:<a@b.test> NOTIFY=NEVER,DELAY\r\n", "501 5.5.2 *");
    testing_says(f, "RCPT TO:<a@b.test> ORCPT=x\r\n", "501 5.5.2 *");
    testing_says(f, "RSET now\r\n", "501 5.5.2 *");
    testing_says(f, "QUIT now\r\n", "501 5.5.2 *");
    assert_int_equal(f->t.ends, 0);
    testing_end(f);
}

static void a_line_too_long_gets_500_and_the_connection_lives_on(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);
    char line[2600];

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line + 1100, "\r\n", 3);
    testing_says(f, line, "500 5.5.2 line too long\r\n");
    testing_hello(f);
    testing_says(f, line, "500 5.5.1 *"); /* within the longer limit after EHLO, but no command */
    memset(line, 'x', sizeof line);
    memcpy(line + 2500, "\r\n", 3);
    testing_says(f, line, "500 5.5.2 line too long\r\n");
    testing_says(f, "NOOP\r\n", "250 2.0.0 ok\r\n");
    testing_end(f);
}

static void a_size_too_large_gets_552(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "MAIL FROM:<a@b.test> SIZE=100001\r\n", "552 5.3.4 *");
    testing_says(f, "MAIL FROM:<a@b.test> SIZE=100000\r\n", "250 *");
    testing_end(f);
}

static void a_message_too_large_gets_552_after_data(void **state)
{
    struct testing_fixture *f;

    (void)state;
    f = testing_make(TESTING_OFFERS);
    f->t.max_bytes = 10;
    testing_start(f);
    testing_ready(f);
    testing_says(f, "DATA\r\n", "354 go ahead\r\n");
    testing_says(f, "0123456789\r\nmore\r\nand more\r\n", "");
    testing_says(f, ".\r\n", "552 5.3.4 message size exceeds limit\r\n");
    assert_int_equal(f->t.resets, 1);
    testing_says(f, "MAIL FROM:<a@b.test>\r\n", "250 *");
    testing_end(f);
}

static void a_full_disk_gets_452_after_data(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    f->t.body.max = 4;
    testing_ready(f);
    testing_says(f, "DATA\r\n", "354 go ahead\r\n");
    testing_says(f, "0123456789\r\n.\r\n", "452 4.3.1 insufficient system storage\r\n");
    testing_end(f);
}

static void ehlo_offers_what_there_is(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS | SMTP_OFFER_XCLIENT);

    (void)state;
    testing_says(f, "EHLO me.test\r\n",
                 "250-mx.test\r\n250-PIPELINING\r\n250-SIZE "
                 "100000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n"
                 "250-STARTTLS\r\n250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n250-DSN\r\n250 "
                 "ENHANCEDSTATUSCODES\r\n");
    testing_says(f, "HELO me.test\r\n", "250 mx.test\r\n");
    testing_end(f);
}

static void a_group_of_commands_gets_all_replies_at_once(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(
        f, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<x@unknown.test>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n",
        "250 2.1.0 sender <a@b.test> ok\r\n250 2.1.5 ok\r\n550 5.1.1 unknown recipient\r\n354 go ahead\r\n250 2.0.0 ok\r\n"
        "221 2.0.0 mx.test\r\n");
    assert_int_equal(f->t.messages, 1);
    assert_true(str_eq(buf_str(&f->t.body), str_lit("hi\r\n")));
    assert_int_equal(f->t.how, SMTP_END_QUIT);
    testing_end(f);
}

static void data_without_a_valid_recipient_gets_554(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "MAIL FROM:<a@b.test>\r\nRCPT TO:<x@unknown.test>\r\nDATA\r\n",
                 "250 2.1.0 sender <a@b.test> ok\r\n550 5.1.1 unknown "
                 "recipient\r\n554 5.5.1 no valid recipients\r\n");
    testing_end(f);
}

static void parameters_of_mail_and_rcpt_are_read(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "MAIL FROM:<a@b.test> SIZE=5 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1 AUTH=<>\r\n", "250 *");
    assert_int_equal(f->t.mail.size, 5);
    assert_int_equal(f->t.mail.body, 1);
    assert_int_equal(f->t.mail.ret, 2);
    assert_true(f->t.mail.utf8);
    assert_true(str_eq(f->t.mail.envid, str_lit("QQ+1")));
    testing_says(f, "RCPT TO:<c@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y\r\n", "250 *");
    assert_int_equal(f->t.rcpt.notify, 2 | 8);
    assert_true(str_eq(f->t.rcpt.orcpt, str_lit("rfc822;x@y")));
    testing_end(f);
}

static void bdat_takes_chunks(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_ready(f);
    testing_says(f, "BDAT 4\r\nab\r\n", "250 2.0.0 chunk taken\r\n");
    testing_says(f, "RCPT TO:<c@d.test>\r\n", "503 5.5.1 *");
    testing_says(f, "DATA\r\n", "503 5.5.1 *");
    testing_says(f, "BDAT 5 LAST\r\n.\r\ncd", "250 2.0.0 ok\r\n");
    assert_true(str_eq(buf_str(&f->t.body), str_lit("ab\r\n.\r\ncd\r\n")));
    assert_int_equal(f->t.messages, 1);
    testing_says(f, "NOOP\r\n", "250 *");
    testing_end(f);
}

static void octets_of_a_refused_bdat_are_no_commands(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "BDAT 6\r\nNOOP\r\nNOOP\r\n", "503 5.5.1 bad sequence of commands\r\n250 2.0.0 ok\r\n");
    testing_says(f, "BDAT x\r\n", "501 5.5.2 *");
    assert_int_equal(f->t.messages, 0);
    testing_end(f);
}

static void binary_mail_comes_by_bdat_only(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    testing_says(f, "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<c@d.test>\r\n", "250 *");
    testing_says(f, "DATA\r\n", "503 5.5.1 *");
    testing_says(f, "BDAT 3 LAST\r\na\nb", "250 2.0.0 ok\r\n");
    assert_true(str_eq(buf_str(&f->t.body), str_lit("a\nb")));
    testing_end(f);
}

static void a_smuggled_message_stays_text(void **state)
{
    static const char *const ends[] = {"\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\n.\r"};
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct testing_fixture *f = testing_begin(TESTING_OFFERS);

        testing_ready(f);
        testing_says(f, "DATA\r\n", "354 go ahead\r\n");
        snprintf(text, sizeof text, "a%sMAIL FROM:<evil@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nb", ends[i]);
        testing_says(f, text, "");
        testing_says(f, "\r\n.\r\n", "250 2.0.0 ok\r\n");
        assert_int_equal(f->t.messages, 1);
        assert_int_equal(str_find_str(buf_str(&f->t.body), str_lit("\n.\n")), f->t.body.n);
        testing_end(f);
    }
}

static void bare_line_ends_are_refused_where_the_listener_says_so(void **state)
{
    struct testing_fixture *f = testing_make(TESTING_OFFERS);

    (void)state;
    f->t.reject_bare = true;
    testing_start(f);
    testing_ready(f);
    testing_says(f, "DATA\r\n", "354 go ahead\r\n");
    testing_says(f, "a\nb\r\n.\r\n", "554 5.6.0 message contains bare CR, bare LF or NUL\r\n");
    testing_says(f, "NOOP\r\n", "250 *");
    testing_end(f);
}

static void a_handler_may_take_its_time(void **state)
{
    struct testing_fixture *f = testing_make(TESTING_OFFERS);

    (void)state;
    f->t.wait = true;
    testing_start(f);
    assert_int_equal(f->c->out.n, 0);
    testing_says(f, "EHLO early\r\n", "");
    conversation_resume(f->c);
    assert_true(str_starts(buf_str(&f->c->out), str_lit("220 mx.test ESMTP\r\n250-mx.test")));
    testing_says(f, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n",
                 "250 2.1.0 sender <a@b.test> ok\r\n250 2.1.5 ok\r\n354 go ahead\r\n");
    buf_clear(&f->c->out);
    conversation_resume(f->c);
    assert_true(str_eq(buf_str(&f->c->out), str_lit("250 2.0.0 ok\r\n250 2.0.0 ok\r\n")));
    testing_end(f);
}

static void a_peer_that_goes_away_ends_the_transaction(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_ready(f);
    testing_says(f, "DATA\r\nhalf a", "354 *");
    conversation_feed_eof(f->c);
    assert_int_equal(f->t.messages, 0);
    assert_int_equal(f->t.resets, 1);
    assert_int_equal(f->t.how, SMTP_END_LOST);
    testing_end(f);
}

static void a_silent_peer_gets_421(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_hello(f);
    buf_clear(&f->c->out);
    conversation_expire(f->c);
    assert_true(str_starts(buf_str(&f->c->out), str_lit("421 4.4.2 ")));
    assert_int_equal(f->t.how, SMTP_END_TIMEOUT);
    testing_end(f);
}

static void too_many_errors_end_the_connection(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    for (int i = 0; i < 19; i++)
        testing_says(f, "FROB\r\n", "500 *");
    testing_says(f, "FROB\r\n", "500 5.5.1 command not recognized\r\n421 4.7.0 too many errors\r\n");
    assert_int_equal(f->t.ends, 1);
    testing_end(f);
}

static void vrfy_expn_help_and_rset_answer(void **state)
{
    struct testing_fixture *f = testing_begin(TESTING_OFFERS);

    (void)state;
    testing_says(f, "VRFY someone\r\n", "252 2.5.2 *");
    testing_says(f, "EXPN list\r\n", "502 5.5.1 *");
    testing_says(f, "HELP\r\n", "214 2.0.0 *");
    testing_ready(f);
    testing_says(f, "RSET\r\n", "250 2.0.0 reset\r\n");
    testing_says(f, "RCPT TO:<a@b.test>\r\n", "503 *");
    assert_int_equal(f->t.resets, 1);
    testing_end(f);
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
        T(ehlo_offers_what_there_is),
        T(a_group_of_commands_gets_all_replies_at_once),
        T(data_without_a_valid_recipient_gets_554),
        T(parameters_of_mail_and_rcpt_are_read),
        T(bdat_takes_chunks),
        T(octets_of_a_refused_bdat_are_no_commands),
        T(binary_mail_comes_by_bdat_only),
        T(a_smuggled_message_stays_text),
        T(bare_line_ends_are_refused_where_the_listener_says_so),
        T(a_handler_may_take_its_time),
        T(a_peer_that_goes_away_ends_the_transaction),
        T(a_silent_peer_gets_421),
        T(too_many_errors_end_the_connection),
        T(vrfy_expn_help_and_rset_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
