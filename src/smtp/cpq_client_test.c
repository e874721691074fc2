/* The client's CPQ side against scripted holders: HELLO, XMETA, all recipients or none, odd answers. */
#include "smtp/client_script.h"

#define EHLO_CPQ \
    "250-hold\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 XCPQ 1\r\n"

static const struct smtp_client_cpq cpq = {
    .class_name = {"pvo", 3}, .serial = {"S 1", 3}, .role = {"gateway", 7}, .version = {"1", 1}};

static struct peer *with_job(size_t recipients, const char *ehlo)
{
    struct peer *p = peer_new();
    struct job *j = peer_job(p, str_lit(".x\r\nend"), recipients);

    p->options.cpq = &cpq;
    j->job.meta = str_lit("{\"v\":1}");
    greet(p, ehlo);
    return p;
}

/* One transaction, two round trips; content goes by BDAT, unchanged. */
static void a_message_with_its_metadata(void **state)
{
    struct peer *p = with_job(2, EHLO_CPQ);

    (void)state;
    assert_string_equal(p->said, "XCPQ HELLO proto=1 serial=S+201 role=gateway ver=1 class=pvo\r\n");
    assert_string_equal(
        say(p, "250 2.0.0 XCPQ proto=1\r\n"),
        "MAIL FROM:<me@gw.example> SIZE=7\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nXMETA 7\r\n{\"v\":1}");
    assert_string_equal(say(p, "250 ok\r\n250 ok\r\n250 ok\r\n250 2.0.0 meta ok\r\n"), "BDAT 7 LAST\r\n.x\r\nend");
    say(p, "250 ok:  Message 3 accepted\r\n");
    assert_string_equal(trace(p),
                        "ready\ndot\n0 delivered 250 [] ok:  Message 3 accepted\n1 delivered 250 [] ok:  Message 3 "
                        "accepted\n");
    peer_free(p);
}

/* 7.2, 9: STATUS behind HELLO, which says what there is to say; all of its lines arrive, however many quarantines there are.
 */
static void status_has_as_many_lines_as_there_are_quarantines(void **state)
{
    static const struct smtp_client_cpq asks = {.class_name = {"pvo", 3},
                                                .serial = {"S", 1},
                                                .role = {"gateway", 7},
                                                .version = {"1", 1},
                                                .feat = {"migration-done", 14},
                                                .commands = {"XCPQ STATUS", 11}};
    struct buf lines = BUF(1 << 20);
    struct peer *p = peer_new();
    struct str told;

    (void)state;
    p->options.cpq = &asks;
    greet(p, EHLO_CPQ);
    assert_string_equal(p->said, "XCPQ HELLO proto=1 serial=S role=gateway ver=1 class=pvo feat=migration-done\r\n");
    assert_string_equal(say(p, "250 2.0.0 XCPQ proto=1\r\n"), "XCPQ STATUS\r\n");
    for (int i = 0; i < 3000; i++)
        buf_addf(&lines, "250-quarantine=%06d\r\n", i);
    buf_addf(&lines, "250 2.0.0 end\r\n%c", 0);
    assert_string_equal(say(p, lines.p), "QUIT\r\n");
    told = str_c(trace(p));
    assert_int_equal(told.n, sizeof "ready\nanswered 250 \nclosed\n" - 1 + 54009);
    assert_true(str_find_str(told, str_lit("\nquarantine=002999\n2.0.0 end\nclosed\n")) < told.n);
    buf_done(&lines);
    peer_free(p);
}

/* 7.2: one refused RCPT makes the client RSET. */
static void one_refused_recipient_refuses_all(void **state)
{
    struct peer *p = with_job(2, EHLO_CPQ);

    (void)state;
    peer_job(p, str_lit("two\r\n"), 1)->job.meta = str_lit("{}");
    say(p, "250 2.0.0 XCPQ\r\n");
    assert_string_equal(say(p, "250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n250 2.0.0 meta ok\r\n"),
                        "RSET\r\nMAIL FROM:<me@gw.example> SIZE=5\r\nRCPT TO:<a@x.test>\r\nXMETA 2\r\n{}");
    assert_string_equal(trace(p), "ready\n0 delayed 452 [4.5.3] 4.5.3 too many\n1 delayed 452 [4.5.3] 4.5.3 too many\n");
    assert_string_equal(say(p, "250 reset\r\n250 ok\r\n250 ok\r\n554 5.6.0 metadata invalid\r\n"), "");
    assert_string_equal(trace(p), "0 bounced 554 [5.6.0] 5.6.0 metadata invalid\n");
    peer_free(p);
}

static void without_pipelining_metadata_comes_behind_the_recipients(void **state)
{
    struct peer *p = with_job(1, "250-hold\r\n250-CHUNKING\r\n250 XCPQ 1 2\r\n");

    (void)state;
    assert_string_equal(say(p, "250 2.0.0 XCPQ\r\n"), "MAIL FROM:<me@gw.example>\r\n");
    assert_string_equal(say(p, "250 ok\r\n"), "RCPT TO:<a@x.test>\r\n");
    assert_string_equal(say(p, "250 ok\r\n"), "XMETA 7\r\n{\"v\":1}");
    assert_string_equal(say(p, "250 ok\r\n"), "BDAT 7 LAST\r\n.x\r\nend");
    peer_free(p);
}

static void a_peer_that_is_no_holder_gets_nothing(void **state)
{
    struct peer *p = with_job(1, EHLO_ALL);

    (void)state;
    assert_string_equal(p->said, "");
    assert_string_equal(trace(p), "failed at 2: SYNTAX 0 the other side does not speak XCPQ 1\nclosed\n");
    peer_free(p);
    p = with_job(1, EHLO_CPQ);
    say(p, "550 5.7.1 not enrolled\r\n");
    assert_string_equal(trace(p), "failed at 2: NOT_PERMITTED 550 5.7.1 not enrolled\nclosed\n");
    peer_free(p);
}

/* The final answer is lost: the recipients stay, nobody knows. */
static void a_lost_answer_leaves_all_open(void **state)
{
    struct peer *p = with_job(1, EHLO_CPQ);

    (void)state;
    say(p, "250 2.0.0 XCPQ\r\n");
    say(p, "250 ok\r\n250 ok\r\n250 ok\r\n");
    conversation_feed_eof(p->c);
    assert_non_null(strstr(trace(p), "0 delayed 0 [4.4.2] "));
    peer_free(p);
}

static struct peer *with_commands(const char *lines)
{
    static struct smtp_client_cpq says;
    struct peer *p = peer_new();

    says = cpq;
    says.commands = str_c(lines);
    p->options.cpq = &says;
    greet(p, EHLO_CPQ);
    return p;
}

/* 7.2: commands instead of mail: one after the other, whatever is answered, then the end. */
static void a_connection_that_says_commands(void **state)
{
    struct peer *p = with_commands("XCPQ RESCAN mid=7 verdict=clean rule=\nXCPQ RESCAN mid=8 verdict=clean rule=");

    (void)state;
    assert_string_equal(say(p, "250 2.0.0 XCPQ\r\n"), "XCPQ RESCAN mid=7 verdict=clean rule=\r\n");
    assert_string_equal(say(p, "550 5.1.1 unknown\r\n"), "XCPQ RESCAN mid=8 verdict=clean rule=\r\n");
    assert_string_equal(say(p, "250-a=1\r\n250 2.0.0 end\r\n"), "QUIT\r\n");
    say(p, "221 bye\r\n");
    assert_string_equal(trace(p), "ready\nanswered 550 5.1.1 unknown\nanswered 250 a=1\n2.0.0 end\nclosed\n");
    peer_free(p);
}

/* What was not answered is not told. */
static void a_connection_that_breaks_between_commands(void **state)
{
    struct peer *p = with_commands("XCPQ DROP mid=7\nXCPQ DROP mid=8");

    (void)state;
    say(p, "250 2.0.0 XCPQ\r\n");
    say(p, "250 2.0.0 ok\r\n");
    say(p, "421 4.3.2 suspending\r\n");
    assert_string_equal(trace(p), "ready\nanswered 250 2.0.0 ok\nfailed at 2: CLOSED 421 4.3.2 suspending\nclosed\n");
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_with_its_metadata),
        cmocka_unit_test(status_has_as_many_lines_as_there_are_quarantines),
        cmocka_unit_test(one_refused_recipient_refuses_all),
        cmocka_unit_test(without_pipelining_metadata_comes_behind_the_recipients),
        cmocka_unit_test(a_peer_that_is_no_holder_gets_nothing),
        cmocka_unit_test(a_lost_answer_leaves_all_open),
        cmocka_unit_test(a_connection_that_says_commands),
        cmocka_unit_test(a_connection_that_breaks_between_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
