/* Tests of SMTP client transactions against scripted peers: what it says, what it concludes from odd replies. */
#include "smtp/client_script.h"

static void a_message_takes_two_round_trips_when_the_peer_pipelines(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("Subject: x\r\n\r\nHi\r\n"), 1);
    peer_job(p, str_lit("Two\r\n"), 1);
    start(p);
    say(p, "220 mx.example\r\n");
    assert_string_equal(say(p, EHLO_ALL), "MAIL FROM:<me@gw.example> SIZE=18\r\nRCPT TO:<a@x.test>\r\nDATA\r\n");
    assert_string_equal(say(p, "250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n"), "Subject: x\r\n\r\nHi\r\n.\r\n");
    assert_string_equal(trace(p), "ready\ndot\n");
    assert_string_equal(say(p, "250 2.0.0 queued as 1\r\n"),
                        "MAIL FROM:<me@gw.example> SIZE=5\r\nRCPT TO:<a@x.test>\r\nDATA\r\n");
    assert_string_equal(trace(p), "0 delivered 250 [2.0.0] 2.0.0 queued as 1\n");
    say(p, "250 ok\r\n250 ok\r\n354 go\r\n");
    assert_string_equal(say(p, "250 ok\r\n"), "");
    assert_true(smtp_client_idle(p->client));
    peer_free(p);
}

static void without_pipelining_each_command_waits(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("Hi\r\n"), 2);
    start(p);
    say(p, "220-first line\r\n220 second\r\n");
    assert_string_equal(say(p, "250 mx.example\r\n"), "MAIL FROM:<me@gw.example>\r\n");
    assert_string_equal(say(p, "250 ok\r\n"), "RCPT TO:<a@x.test>\r\n");
    assert_string_equal(say(p, "550 5.1.1 no such user\r\n"), "RCPT TO:<b@x.test>\r\n");
    assert_string_equal(say(p, "250 ok\r\n"), "DATA\r\n");
    assert_string_equal(say(p, "354 go\r\n"), "Hi\r\n.\r\n");
    say(p, "250 done\r\n");
    assert_string_equal(trace(p), "ready\ndot\n0 bounced 550 [5.1.1] 5.1.1 no such user\n1 delivered 250 [] done\n");
    peer_free(p);
}

static void lines_that_begin_with_a_dot_are_stuffed(void **state)
{
    struct peer *p = peer_new();
    struct job *j = peer_job(p, str_lit(".a\r\nb.\r\n..\r\n\r\n.\r\n.x"), 1);

    (void)state;
    j->job.has_dot = true;
    greet(p, EHLO_PIPE);
    assert_string_equal(say(p, "250 ok\r\n250 ok\r\n354 go\r\n"), "..a\r\nb.\r\n...\r\n\r\n..\r\n..x\r\n.\r\n");
    peer_free(p);
}

/* C6: without a right CRC the final dot never leaves. */
static void a_damaged_body_cuts_the_connection_before_the_dot(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("0123456789\r\n"), 1);
    p->corrupt_at = 12;
    greet(p, EHLO_PIPE);
    trace(p);
    assert_string_equal(say(p, "250 ok\r\n250 ok\r\n354 go\r\n"), "");
    assert_true(p->c->ended);
    assert_string_equal(
        trace(p),
        "0 delayed 0 [4.4.2] message could not be read\nfailed at 5: CORRUPT 0 message could not be read\nclosed\n");
    peer_free(p);
}

static void wake_nothing(struct conversation *c)
{
    (void)c; /* with a runtime behind it, FLUSH really waits */
}

static void a_large_body_is_flushed_in_pieces(void **state)
{
    struct peer *p = peer_new();
    char *body = malloc(200000);
    size_t sent = 0, rounds = 0;

    (void)state;
    memset(body, 'x', 200000);
    memcpy(body + 199998, "\r\n", 2);
    peer_job(p, str_of(body, 200000), 1);
    greet(p, EHLO_PIPE);
    p->c->wake = wake_nothing;
    conversation_feed(p->c, str_lit("250 ok\r\n250 ok\r\n354 go\r\n"));
    for (bool more = true; more; rounds++) {
        more = p->c->at.what == STEP_FLUSH;
        assert_true(p->c->out.n <= 64 * 1024 + 3);
        sent += p->c->out.n;
        buf_clear(&p->c->out);
        conversation_run(p->c);
    }
    assert_int_equal(sent, 200003);
    assert_int_equal(rounds, 4);
    p->c->wake = NULL;
    free(body);
    peer_free(p);
}

static void when_no_recipient_is_left_a_354_gets_an_empty_message_and_rset(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("Hi\r\n"), 1);
    peer_job(p, str_lit("Hi\r\n"), 1);
    greet(p, EHLO_PIPE);
    trace(p);
    assert_string_equal(say(p, "250 ok\r\n450 4.2.1 busy\r\n354 go\r\n"), ".\r\n");
    assert_string_equal(say(p, "554 nothing there\r\n"), "MAIL FROM:<me@gw.example>\r\nRCPT TO:<a@x.test>\r\nDATA\r\n");
    assert_string_equal(trace(p), "0 delayed 450 [4.2.1] 4.2.1 busy\n");
    assert_string_equal(say(p, "250 ok\r\n550 no\r\n503 no recipients\r\n"), "");
    assert_string_equal(trace(p), "0 bounced 550 [] no\n");
    p->next = 0;
    smtp_client_wake(p->client);
    assert_int_equal(strncmp(p->c->out.p, "RSET\r\nMAIL", 10), 0);
    peer_free(p);
}

static void a_refused_sender_is_the_answer_for_everyone(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("Hi\r\n"), 2);
    greet(p, EHLO_PIPE);
    trace(p);
    say(p, "550-5.7.1 go\r\n550 5.7.1 away\r\n503 x\r\n503 x\r\n503 x\r\n");
    assert_string_equal(trace(p),
                        "0 bounced 550 [5.7.1] 5.7.1 go\n5.7.1 away\n1 bounced 550 [5.7.1] 5.7.1 go\n5.7.1 away\n");
    assert_true(smtp_client_idle(p->client));
    peer_free(p);
}

static void a_421_ends_it_and_open_recipients_wait(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("Hi\r\n"), 2);
    greet(p, EHLO_PIPE);
    trace(p);
    say(p, "250 ok\r\n550 5.1.1 no\r\n421 4.3.2 closing\r\n");
    assert_string_equal(trace(p), "0 bounced 550 [5.1.1] 5.1.1 no\n1 delayed 421 [4.3.2] 4.3.2 closing\n"
                                  "failed at 5: CLOSED 421 4.3.2 closing\nclosed\n");
    peer_free(p);
}

static void a_job_nothing_was_said_about_is_given_back(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("Hi\r\n"), 1);
    greet(p, EHLO_PIPE);
    trace(p);
    conversation_feed_eof(p->c);
    assert_string_equal(trace(p), "failed at 5: CLOSED 0 connection closed by the other side (job back)\nclosed\n");
    peer_free(p);
}

static void a_lost_answer_to_the_dot_delays(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("Hi\r\n"), 1);
    greet(p, EHLO_PIPE);
    say(p, "250 ok\r\n250 ok\r\n354 go\r\n");
    trace(p);
    conversation_expire(p->c);
    assert_string_equal(trace(p), "0 delayed 0 [4.4.2] timed out\nfailed at 5: TIMEOUT 0 timed out\nclosed\n");
    peer_free(p);
}

static void too_large_for_the_peer_is_not_even_tried(void **state)
{
    struct peer *p = peer_new();
    char big[10001] = {0};

    (void)state;
    peer_job(p, str_of(big, sizeof big), 1);
    greet(p, EHLO_ALL);
    assert_string_equal(trace(p), "ready\n0 bounced 0 [5.3.4] message is larger than the next hop takes\n");
    assert_string_equal(p->said, "");
    peer_free(p);
}

static void eight_bit_needs_8bitmime(void **state)
{
    struct peer *p = peer_new();
    struct job *j = peer_job(p, str_lit("\xe4\r\n"), 1);

    (void)state;
    j->job.has_8bit = true;
    greet(p, EHLO_PIPE);
    assert_non_null(strstr(trace(p), "0 bounced 0 [5.6.3]"));
    peer_free(p);
    p = peer_new();
    j = peer_job(p, str_lit("\xe4\r\n"), 1);
    j->job.has_8bit = true;
    greet(p, EHLO_ALL);
    assert_non_null(strstr(p->said, "BODY=8BITMIME"));
    peer_free(p);
}

static void eight_bit_is_converted_where_it_can_be(void **state)
{
    struct peer *p = peer_new();
    struct job *j = peer_job(p, str_lit("\xe4\r\n"), 1);

    (void)state;
    j->job.has_8bit = true;
    j->seven = str_lit("=E4\r\n");
    greet(p, "250-mx\r\n250-SIZE 5\r\n250 PIPELINING\r\n");
    assert_string_equal(p->said, "MAIL FROM:<me@gw.example> SIZE=5\r\nRCPT TO:<a@x.test>\r\nDATA\r\n");
    assert_string_equal(say(p, "250 ok\r\n250 ok\r\n354 go\r\n"), "=E4\r\n.\r\n");
    peer_free(p);
    p = peer_new();
    j = peer_job(p, str_lit("\xe4\r\n"), 1);
    j->job.has_8bit = true;
    j->seven = str_lit("=E4\r\n");
    greet(p, "250-mx\r\n250 SIZE 4\r\n");
    assert_non_null(strstr(trace(p), "0 bounced 0 [5.3.4]"));
    peer_free(p);
    p = peer_new();
    j = peer_job(p, str_lit("\xe4\r\n"), 1);
    j->job.has_8bit = true;
    j->no_seven = RC_UNAVAILABLE;
    greet(p, EHLO_PIPE);
    assert_non_null(strstr(trace(p), "0 delayed 0 [4.3.0]"));
    peer_free(p);
}

static void an_internationalised_recipient_needs_smtputf8_the_others_go(void **state)
{
    struct peer *p = peer_new();
    struct job *j = peer_job(p, str_lit("x\r\n"), 2);

    (void)state;
    j->recipients[0].address = str_lit("j\xc3\xbcrgen@x.test");
    j->envelope.smtputf8 = 1;
    greet(p, EHLO_PIPE);
    assert_string_equal(p->said, "MAIL FROM:<me@gw.example>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n");
    say(p, "250 ok\r\n250 ok\r\n354 go\r\n");
    say(p, "250 ok\r\n");
    assert_non_null(strstr(trace(p), "0 bounced 0 [5.6.7]"));
    peer_free(p);
    p = peer_new();
    j = peer_job(p, str_lit("x\r\n"), 1);
    j->recipients[0].address = str_lit("j\xc3\xbcrgen@x.test");
    j->envelope.smtputf8 = 1;
    greet(p, EHLO_ALL);
    assert_string_equal(p->said, "MAIL FROM:<me@gw.example> SIZE=3 SMTPUTF8\r\nRCPT TO:<j\xc3\xbcrgen@x.test>\r\nDATA\r\n");
    peer_free(p);
}

static void bare_line_ends_only_go_as_bdat(void **state)
{
    struct peer *p = peer_new();
    struct job *j = peer_job(p, str_lit("a\nb\r\n.\r\n"), 1);

    (void)state;
    j->job.has_bare = j->job.has_dot = true;
    greet(p, "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n");
    assert_string_equal(p->said, "MAIL FROM:<me@gw.example> BODY=BINARYMIME\r\nRCPT TO:<a@x.test>\r\n");
    assert_string_equal(say(p, "250 ok\r\n250 ok\r\n"), "BDAT 8 LAST\r\na\nb\r\n.\r\n");
    say(p, "250 ok\r\n");
    assert_non_null(strstr(trace(p), "0 delivered 250"));
    peer_free(p);
    p = peer_new();
    j = peer_job(p, str_lit("a\nb\r\n"), 1);
    j->job.has_bare = true;
    greet(p, EHLO_ALL);
    assert_non_null(strstr(trace(p), "0 bounced 0 [5.6.3]"));
    peer_free(p);
}

static void dsn_parameters_go_to_peers_that_offer_dsn(void **state)
{
    struct peer *p = peer_new();
    struct job *j = peer_job(p, str_lit("x\r\n"), 1);

    (void)state;
    j->envelope.ret = RET_HDRS;
    j->envelope.envid = str_lit("QQ+1");
    j->recipients[0].notify = NOTIFY_SUCCESS | NOTIFY_FAILURE;
    j->recipients[0].orcpt = str_lit("rfc822;a+b@x.test");
    greet(p, EHLO_ALL);
    assert_string_equal(p->said, "MAIL FROM:<me@gw.example> SIZE=3 RET=HDRS ENVID=QQ+2B1\r\n"
                                 "RCPT TO:<a@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb@x.test\r\nDATA\r\n");
    peer_free(p);
}

static void many_recipients_go_in_several_transactions(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("x\r\n"), 3);
    p->options.max_recipients = 2;
    greet(p, EHLO_PIPE);
    say(p, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    assert_string_equal(say(p, "250 one\r\n"), "MAIL FROM:<me@gw.example>\r\nRCPT TO:<c@x.test>\r\nDATA\r\n");
    say(p, "250 ok\r\n250 ok\r\n354 go\r\n");
    trace(p);
    say(p, "452 full\r\n");
    assert_string_equal(trace(p), "0 delivered 250 [] one\n1 delivered 250 [] one\n2 delayed 452 [] full\n");
    peer_free(p);
}

/* An attacker's "220 ok\r\n250 ..." in one packet must not be taken for what the peer says under TLS (CVE-2011-0411). */
static void a_refusal_in_the_middle_of_a_body_is_heard(void **state)
{
    struct peer *p = peer_new();

    (void)state;
    peer_job(p, str_lit("x\r\n"), 1);
    greet(p, EHLO_PIPE);
    say(p, "250 ok\r\n250 ok\r\n354 go\r\n");
    trace(p);
    say(p, "552 5.3.4 too much\r\n");
    conversation_feed_eof(p->c);
    assert_string_equal(trace(p), "0 bounced 552 [5.3.4] 5.3.4 too much\nclosed\n");
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_takes_two_round_trips_when_the_peer_pipelines),
        cmocka_unit_test(without_pipelining_each_command_waits),
        cmocka_unit_test(lines_that_begin_with_a_dot_are_stuffed),
        cmocka_unit_test(a_damaged_body_cuts_the_connection_before_the_dot),
        cmocka_unit_test(a_large_body_is_flushed_in_pieces),
        cmocka_unit_test(when_no_recipient_is_left_a_354_gets_an_empty_message_and_rset),
        cmocka_unit_test(a_refused_sender_is_the_answer_for_everyone),
        cmocka_unit_test(a_421_ends_it_and_open_recipients_wait),
        cmocka_unit_test(a_job_nothing_was_said_about_is_given_back),
        cmocka_unit_test(a_lost_answer_to_the_dot_delays),
        cmocka_unit_test(too_large_for_the_peer_is_not_even_tried),
        cmocka_unit_test(eight_bit_needs_8bitmime),
        cmocka_unit_test(eight_bit_is_converted_where_it_can_be),
        cmocka_unit_test(an_internationalised_recipient_needs_smtputf8_the_others_go),
        cmocka_unit_test(bare_line_ends_only_go_as_bdat),
        cmocka_unit_test(dsn_parameters_go_to_peers_that_offer_dsn),
        cmocka_unit_test(many_recipients_go_in_several_transactions),
        cmocka_unit_test(a_refusal_in_the_middle_of_a_body_is_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
