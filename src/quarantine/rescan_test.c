/* Rescans as their neighbours see them: rules change, scan judges, the manager and gateways hear. */
#include "conf/snapshot.h"
#include "quarantine/rescan_testing.h"

/* ---- verdicts on copies ------------------------------------------------------------------------------------------------
 */

static void change_rules(struct ends *n, const char *rule)
{
    struct err e = ERR_NONE;
    char settings[1000];
    struct conf_source *to = n->p.conf;
    struct conf_source *from;
    struct buf blob = BUF(16 << 20);

    snprintf(settings, sizeof settings, "%s%s", SETTINGS, rule);
    from = conf_source_test(settings, &e);
    assert_non_null(from);
    conf_encode(conf_now(from), NULL, &blob);
    assert_int_equal(conf_source_feed(to, conf_now(to)->version + 1, buf_str(&blob), &e), RC_OK);
    conf_source_free(from);
    buf_done(&blob);
}

/* A change of rules, and no other, has copies scanned; the manager hears the verdict, and hears it once. */
static void test_new_rules_are_told(void **state)
{
    struct ends n;

    (void)state;
    ends_start(&n, SETTINGS);
    give(&n, 5, HOLD(IN_OUTBREAK), BODY);
    change_rules(&n, "outbreak.copies_max_bytes=2G\nsystem.hostname=other.test\n");
    turns(&n.p, 50);
    assert_int_equal(n.scans, 0);
    n.verdict = (struct bus_outbreak_answer){.rc = RC_OK};
    change_rules(&n, "outbreak_rule.R1.subjects=snake\n");
    wait_until(&n, &n.says, 1);
    assert_true(logged(&n.p, "Outbreak Filters: rules changed, 1 held messages are scanned again"));
    assert_true(logged(&n.p, "Outbreak Filters: MID 5 scanned again, verdict negative\n"));
    assert_string_equal(n.said, "the.cpq.host: XCPQ RESCAN mid=5 verdict=clean rule=|");
    assert_non_null(copy_find(n.p.q, 5)); /* until DROP */
    ends_restart(&n);
    turns(&n.p, 100);
    assert_int_equal(n.scans, 1);
    ends_end(&n);
}

/* Held by another rule or for another time: the exit moves. Held as before: no word. */
static void test_exits_are_told(void **state)
{
    struct ends n;
    uint64_t received;

    (void)state;
    ends_start(&n, SETTINGS);
    give(&n, 5, HOLD(IN_OUTBREAK), BODY);
    received = copy_find(n.p.q, 5)->received_ms;
    n.verdict = (struct bus_outbreak_answer){
        .rc = RC_OK, .held = 1, .level = 4, .rule = str_lit("R1"), .keep_ms = 1999999999999 - received + 30000};
    rescan_all(n.p.q);
    wait_until(&n, &n.scans, 1);
    assert_string_equal(n.said, "");
    n.verdict.rule = str_lit("R 2");
    rescan_all(n.p.q);
    wait_until(&n, &n.says, 1);
    assert_string_equal(n.said, "the.cpq.host: XCPQ RESCAN mid=5 verdict=hold rule=R+202 exit=1999999999999|");
    n.verdict.keep_ms = 3600000;
    rescan_all(n.p.q);
    wait_until(&n, &n.says, 2);
    assert_int_equal(copy_find(n.p.q, 5)->exit_ms, received + 3600000);
    rescan_all(n.p.q);
    wait_until(&n, &n.scans, 4);
    assert_int_equal(n.says, 2);
    ends_restart(&n);
    assert_int_equal(copy_find(n.p.q, 5)->exit_ms, received + 3600000);
    ends_end(&n);
}

/* Nobody hears: it is said again, after a restart too; a manager that does not hold the message ends it. */
static void test_words_are_repeated(void **state)
{
    struct ends n;

    (void)state;
    ends_start(&n, SETTINGS);
    give(&n, 5, HOLD(IN_OUTBREAK), BODY);
    give(&n, 6, HOLD(IN_OUTBREAK), BODY);
    n.answers = NULL;
    n.verdict = (struct bus_outbreak_answer){.rc = RC_OK};
    rescan_all(n.p.q);
    wait_until(&n, &n.says, 1);
    wait_until(&n, &n.scans, 2);
    assert_true(logged(&n.p, "new verdicts wait for the manager: no way"));
    assert_non_null(strstr(verb(&n.p, "outbreakstatus"), "Verdicts that wait for the manager:   2"));
    n.answers = "550 5.7.1 the service is off for this gateway\n550 5.1.1 unknown\n";
    wait_until(&n, &n.says, 2);
    assert_int_equal(copies(&n), 1);
    assert_true(logged(&n.p, "Outbreak Filters: copy of MID 6 removed (the manager does not hold it)"));
    n.said[0] = '\0';
    n.answers = "250 2.0.0 ok\n";
    ends_restart(&n);
    wait_until(&n, &n.says, 3);
    assert_string_equal(n.said, "the.cpq.host: XCPQ RESCAN mid=5 verdict=clean rule=|");
    ends_end(&n);
}

/* A worker that has the old settings is asked again; one that dies of it thrice leaves it held; filters that do not look say
 * nothing. */
static void test_workers_that_cannot(void **state)
{
    struct ends n;

    (void)state;
    ends_start(&n, SETTINGS);
    give(&n, 5, HOLD(IN_OUTBREAK), BODY);
    n.verdict = (struct bus_outbreak_answer){.rc = RC_UNAVAILABLE};
    rescan_all(n.p.q);
    wait_until(&n, &n.scans, 2);
    n.verdict = (struct bus_outbreak_answer){.rc = RC_NOT_IMPLEMENTED};
    wait_until(&n, &n.scans, 3);
    assert_string_equal(n.asked, "5  a@out.test 42|5  a@out.test 42|5  a@out.test 42|");
    n.mute = true;
    rescan_all(n.p.q);
    for (unsigned i = 1; i <= 3; i++) {
        wait_until(&n, &n.scans, 3 + i);
        bus_free(n.scan);
        n.scan = neighbour(&n.p, ROLE_scan, NULL);
        bus_on(n.scan, BUS_outbreak_question, on_question, &n);
        turns(&n.p, 10);
    }
    assert_true(logged(&n.p, "Outbreak Filters: MID 5 cannot be scanned again: "));
    assert_int_equal(copies(&n), 1);
    assert_string_equal(n.said, "");
    ends_end(&n);
}

/* ---- what lies here ----------------------------------------------------------------------------------------------------
 */

static void test_local_mail(void **state)
{
    struct letter outbreak = {"pvo", "a@out.test", "b@in.test", BODY, HOLD(IN_OUTBREAK), 21};
    struct letter policy = {"pvo", "a@out.test", "b@in.test", "Subject: other\r\n\r\n", HOLD(IN_POLICY), 22};
    struct ends n;

    (void)state;
    ends_start(&n, SETTINGS);
    post(&n.p, &outbreak);
    post(&n.p, &policy);
    n.verdict = (struct bus_outbreak_answer){.rc = RC_OK, .held = 1, .rule = str_lit("R2"), .keep_ms = 7200000};
    assert_string_equal(verb(&n.p, "outbreakupdate"), "1 held message will be scanned again.\n");
    wait_until(&n, &n.scans, 1);
    assert_true(logged(&n.p, "MID 21 exit from quarantine \"Outbreak\" moved to "));
    assert_non_null(strstr(verb(&n.p, "quarantine search --json"), "\"reason\":\"Outbreak rule:R2\""));
    n.verdict = (struct bus_outbreak_answer){.rc = RC_OK};
    verb(&n.p, "outbreakupdate force");
    wait_until(&n, &n.scans, 2);
    turns(&n.p, 30);
    assert_true(logged(&n.p, "MID 21 released from quarantine \"Outbreak\" (outbreak rule) t=0\n"));
    assert_non_null(strstr(n.p.carried_release, "\"by\":\"rule\""));
    assert_int_equal(held_now(&n.p, CPQ_PVO), 1);
    assert_string_equal(n.said, "");
    verb(&n.p, "outbreakupdate");
    turns(&n.p, 30);
    assert_int_equal(n.scans, 2);
    assert_int_equal(verb(&n.p, "outbreakupdate now")[0], '\0');
    assert_int_equal(n.p.reply_rc, RC_SYNTAX);
    ends_end(&n);
}

/* It was judged by the rules before and comes when the round is over. */
static void test_mail_that_comes_late(void **state)
{
    struct letter late = {"pvo", "a@out.test", "b@in.test", BODY, HOLD(IN_OUTBREAK), 21};
    struct ends n;

    (void)state;
    ends_start(&n, SETTINGS);
    n.verdict = (struct bus_outbreak_answer){.rc = RC_OK};
    rescan_all(n.p.q);
    turns(&n.p, 30);
    post(&n.p, &late);
    wait_until(&n, &n.scans, 1);
    give(&n, 7, HOLD(IN_OUTBREAK), BODY);
    wait_until(&n, &n.says, 1);
    assert_string_equal(n.said, "the.cpq.host: XCPQ RESCAN mid=7 verdict=clean rule=|");
    ends_end(&n);
}

/* ---- a manager ----------------------------------------------------------------------------------------------------------
 */

/* RESCAN of its gateway moves the exit and releases; what has left is told to the gateway until it has heard. The socket
 * file stands for the port: the serial number must be ours, and the mail counts as another's once ours has changed. */
static void test_the_managers_side(void **state)
{
    struct letter one = {"pvo", "a@out.test", "b@in.test", BODY, HOLD(IN_OUTBREAK "," IN_POLICY), 31};
    struct letter moved = {"pvo", "a@out.test", "b@in.test", BODY, HOLD(IN_POLICY), 33};
    struct ends n;
    int fd;

    (void)state;
    ends_start(&n, SETTINGS);
    post(&n.p, &one);
    fd = ready_client(&n.p, "pvo");
    assert_string_equal(ask(&n.p, fd, "XCPQ RESCAN mid=31 verdict=hold rule=R+2B9 exit=1888888888888"), "250 2.0.0 ok\r\n");
    assert_true(
        logged(&n.p, "MID 31 exit from quarantine \"Outbreak\" moved to Fri Nov  9 03:21:28 2029 (Outbreak rule:R+9)"));
    assert_string_equal(ask(&n.p, fd, "XCPQ RESCAN mid=32 verdict=clean rule="),
                        "550 5.1.1 no such message in the Outbreak quarantine\r\n");
    assert_int_equal(strncmp(ask(&n.p, fd, "XCPQ RESCAN mid=31 verdict=hold rule=x"), "501 ", 4), 0);
    assert_int_equal(strncmp(ask(&n.p, fd, "XCPQ DROP mid=31"), "504 ", 4), 0);
    post(&n.p, &moved);
    verb(&n.p, "quarantine move Outbreak 33 from=Policy"); /* by hand: no rule lets it out */
    assert_non_null(strstr(verb(&n.p, "quarantine search quarantine=Outbreak"), "2 messages."));
    assert_int_equal(strncmp(ask(&n.p, fd, "XCPQ RESCAN mid=33 verdict=clean rule="), "550 ", 4), 0);
    change_rules(&n, "system.serial=SER9\n");
    assert_string_equal(ask(&n.p, fd, "XCPQ RESCAN mid=31 verdict=clean rule="), "250 2.0.0 ok\r\n");
    assert_true(logged(&n.p, "released from quarantine \"Outbreak\" (outbreak rule)"));
    assert_int_equal(held_now(&n.p, CPQ_PVO), 2); /* Policy holds it still */
    n.answers = NULL;
    wait_until(&n, &n.says, 1);
    assert_string_equal(n.said, "the.cpq.release.host/ser1: XCPQ DROP mid=31|");
    assert_int_equal(strncmp(ask(&n.p, fd, "XCPQ RESCAN mid=31 verdict=clean rule="), "550 ", 4), 0);
    close(fd);
    n.answers = "250 2.0.0 ok\n";
    ends_restart(&n);
    wait_until(&n, &n.says, 2);
    ends_restart(&n);
    turns(&n.p, 100);
    assert_int_equal(n.says, 2);
    ends_end(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_rules_are_told), cmocka_unit_test(test_exits_are_told),
        cmocka_unit_test(test_words_are_repeated), cmocka_unit_test(test_workers_that_cannot),
        cmocka_unit_test(test_local_mail),         cmocka_unit_test(test_mail_that_comes_late),
        cmocka_unit_test(test_the_managers_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
