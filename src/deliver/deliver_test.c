/* Tests of delivery over real sockets on loopback: routes, kept connections, results, failures, the flight board. */
#include "deliver/deliver_testing.h"

#define BODY str_lit("Subject: x\r\n\r\nhello\r\n")

static void a_message_goes_by_its_route_and_every_step_is_told(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\n", NULL);
    work(&w, 7, "x.test", "a@x.test b@x.test", BODY);
    turn_until(&w, &w.done, 1);
    assert_string_equal(w.results, "0 delivered 250 2.0.0 2.0.0 queued 1|1 delivered 250 2.0.0 2.0.0 queued 1|");
    assert_int_equal(w.outcome, 0);
    assert_int_equal(board_load(&w.board->slots[0][7].state), SLOT_ANSWERED);
    assert_true(board_load(&w.board->slots[0][7].results_bytes) > 0);
    assert_non_null(strstr(events_of(&w), "New SMTP DCID 1 interface 127.0.0.1 address 127.0.0.1 port "));
    assert_non_null(strstr(events_of(&w), "Delivery start DCID 1 MID 7 to RID [0, 1]\n"
                                          "Message done DCID 1 MID 7 to RID [0, 1] \n"
                                          "MID 7 RID [0, 1] Response '2.0.0 queued 1'\n"));
    assert_non_null(strstr(buf_str(&w.fake.got).p, "Subject: x\n\nhello\n.\n"));
    world_end(&w);
}

static void configured_headers_stand_in_the_log(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\nlogs.headers=Subject,X-None,From\n", NULL);
    work(&w, 1, "x.test", "a@x.test", str_lit("From: me\r\nSUBJECT: a\r\n b\r\n\r\nhello\r\n"));
    turn_until(&w, &w.done, 1);
    assert_non_null(strstr(events_of(&w), "Message done DCID 1 MID 1 to RID [0] [('subject', 'a b'), ('from', 'me')]\n"));
    world_end(&w);
}

static void each_recipient_has_its_own_result(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\n", NULL);
    work(&w, 1, "x.test", "u550@x.test ok@x.test u450@x.test", BODY);
    turn_until(&w, &w.done, 1);
    assert_string_equal(w.results, "0 bounced 550 5.1.1 5.1.1 no such user|1 delivered 250 2.0.0 2.0.0 queued 1|"
                                   "2 delayed 450 4.2.1 4.2.1 later|");
    assert_non_null(strstr(events_of(&w), "Bounced: DCID 1 MID 1 to RID 0 - 5.1.1 - Bad destination email address "
                                          "('550', ['5.1.1 no such user'])\n"));
    assert_non_null(strstr(events_of(&w), "Delayed: DCID 1 MID 1 to RID 2 - 4.3.2 - Not accepting messages at this time "
                                          "('450', ['4.2.1 later'])\n"));
    world_end(&w);
}

/* A1: reuse is the main path. */
static void one_connection_carries_many_messages(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\n", NULL);
    for (unsigned i = 1; i <= 5; i++) {
        work(&w, i, "x.test", "a@x.test", BODY);
        turn_until(&w, &w.done, i);
    }
    assert_int_equal(w.fake.connections, 1);
    assert_int_equal(w.fake.messages, 5);
    world_end(&w);
}

static void a_connection_ends_after_its_messages(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\ndestination.default.max_messages_per_connection=2\n", NULL);
    for (unsigned i = 1; i <= 5; i++) {
        work(&w, i, "x.test", "a@x.test", BODY);
        turn_until(&w, &w.done, i);
    }
    assert_int_equal(w.fake.connections, 3);
    turn_until(&w, &w.fake.quits, 2);
    world_end(&w);
}

/* A peer that closes between messages costs a connection, not a try. */
static void a_kept_connection_that_was_closed_is_replaced(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\n", NULL);
    w.fake.close_after = 1;
    for (unsigned i = 1; i <= 3; i++) {
        work(&w, i, "x.test", "a@x.test", BODY);
        turn_until(&w, &w.done, i);
    }
    assert_int_equal(w.fake.messages, 3);
    assert_null(strstr(w.results, "delayed"));
    world_end(&w);
}

/* FW-07, RFC 5321 5.1: the best MX is down, the next takes it. */
static void the_next_mx_is_tried_when_the_first_is_down(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.2", "delivery.port=%d\n",
                "x.test MX 10 down.test\nx.test MX 20 up.test\ndown.test A 127.0.0.3\nup.test A 127.0.0.2\n");
    work(&w, 1, "x.test", "a@x.test", BODY);
    turn_until(&w, &w.done, 1);
    assert_int_equal(w.fake.messages, 1);
    assert_non_null(strstr(events_of(&w), "Connection Error: DCID 0 domain: x.test IP: 127.0.0.3 port: "));
    assert_int_equal(w.down, 0);
    world_end(&w);
}

static void without_mx_the_address_is_used(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.2", "delivery.port=%d\n", "x.test A 127.0.0.2\n");
    work(&w, 1, "x.test", "a@x.test", BODY);
    turn_until(&w, &w.done, 1);
    assert_int_equal(w.fake.messages, 1);
    world_end(&w);
}

static void an_address_literal_needs_no_name(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.2", "delivery.port=%d\n", "");
    work(&w, 1, "[127.0.0.2]", "a@[127.0.0.2]", BODY);
    turn_until(&w, &w.done, 1);
    assert_int_equal(w.fake.messages, 1);
    world_end(&w);
}

/* What DNS says decides at once (5xx) or later (4xx), and nothing is sent. */
static void dns_failures_bounce_or_wait(void **state)
{
    static const struct {
        const char *zone;
        unsigned outcome, down;
        const char *result;
    } CASES[] = {
        {"", 0, 0, "0 bounced 0 5.1.2 Domain x.test does not exist|"},
        {"x.test MX 0 \n", 0, 0, "0 bounced 0 5.1.10 Domain x.test accepts no mail (null MX)|"},
        {"x.test TXT only\n", 0, 0, "0 bounced 0 5.1.2 Domain x.test has no mail host|"},
        {"x.test MX 10 gone.test\n", 0, 0, "0 bounced 0 5.1.2 The mail hosts of x.test have no address|"},
        {"x.test MX 10 gw.test\ngw.test A 127.0.0.2\n", 0, 0,
         "0 bounced 0 5.4.6 Mail for x.test loops back to this system|"},
        {"x.test MX !temporary\n", 1, 1, "0 delayed 0 4.4.3 DNS temporary failure for x.test: as the test wants|"},
        {"x.test MX !bogus\n", 1, 1, "0 delayed 0 4.4.3 DNS temporary failure for x.test: as the test wants|"},
        {"x.test MX 10 m.test\nm.test A !bogus\n", 1, 1,
         "0 delayed 0 4.4.3 DNS temporary failure for x.test: as the test wants|"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct world w = {0};

        world_start(&w, "127.0.0.2", "delivery.port=%d\nsystem.hostname=gw.test\n", CASES[i].zone);
        work(&w, 1, "x.test", "a@x.test", BODY);
        turn_until(&w, &w.done, 1);
        assert_string_equal(w.results, CASES[i].result);
        assert_int_equal(w.outcome, CASES[i].outcome);
        assert_int_equal(w.down, CASES[i].down);
        assert_int_equal(w.fake.connections, 0);
        world_end(&w);
    }
}

static void nobody_there_gives_all_work_back(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.2", "delivery.port=%d\n", "x.test A 127.0.0.3\n");
    work(&w, 1, "x.test", "a@x.test", BODY);
    work(&w, 2, "x.test", "b@x.test", BODY);
    turn_until(&w, &w.done, 2);
    assert_int_equal(w.outcome, 1);
    assert_true(w.down >= 1);
    assert_int_equal(board_load(&w.board->slots[0][1].state), SLOT_ASSIGNED);
    world_end(&w);
}

static void a_refusing_greeting_is_a_host_that_is_down(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\n", NULL);
    w.fake.greeting = "554 5.7.1 not you";
    work(&w, 1, "x.test", "a@x.test", BODY);
    turn_until(&w, &w.done, 1);
    assert_int_equal(w.outcome, 1);
    assert_string_equal(w.reason, "5.7.1 not you");
    world_end(&w);
}

static void broken_optional_tls_goes_on_in_plain_text(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\n", NULL);
    w.fake.ehlo = "250-fake\r\n250 STARTTLS";
    w.fake.starttls_breaks = true;
    work(&w, 1, "x.test", "a@x.test", BODY);
    turn_until(&w, &w.done, 1);
    assert_int_equal(w.fake.messages, 1);
    assert_int_equal(w.fake.connections, 2);
    assert_non_null(strstr(events_of(&w), "DCID 1 TLS failed: "));
    world_end(&w);
}

static void required_tls_keeps_the_mail(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\ndestination[x.test].tls=required\n", NULL);
    work(&w, 1, "x.test", "a@x.test", BODY);
    turn_until(&w, &w.done, 1);
    assert_int_equal(w.outcome, 1);
    assert_int_equal(w.fake.messages, 0);
    world_end(&w);
}

/* DANE: TLSA records of a validated host forbid plain text, bogus ones forbid the host (RFC 7672 2.1, 2.2). */
static void tlsa_records_forbid_plain_text(void **state)
{
    static const char *const TLSA[] = {"+_%d._tcp.m.test TLSA 030101aabbcc\n", "_%d._tcp.m.test TLSA !bogus\n"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world w = {0};
        char zone[300], line[100];

        world_start(&w, "127.0.0.2", "delivery.port=%d\n", "");
        snprintf(line, sizeof line, TLSA[i], w.fake.port);
        snprintf(zone, sizeof zone, "+x.test MX 10 m.test\n+m.test A 127.0.0.2\n%s", line);
        dns_asker_canned(w.ask, zone, false);
        work(&w, 1, "x.test", "a@x.test", BODY);
        turn_until(&w, &w.done, 1);
        assert_int_equal(w.outcome, 1);
        assert_int_equal(w.fake.messages, 0);
        world_end(&w);
    }
}

/* An idle connection of one destination gives way when all are in use. */
static void connections_are_shared_between_destinations(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\ndelivery.max_connections=1\ndelivery.idle_ms=60s\n", NULL);
    work(&w, 1, "x.test", "a@x.test", BODY);
    turn_until(&w, &w.done, 1);
    work(&w, 2, "y.test", "a@y.test", BODY);
    turn_until(&w, &w.done, 2);
    assert_int_equal(w.fake.connections, 2);
    assert_int_equal(w.fake.messages, 2);
    world_end(&w);
}

static void dev_null_takes_all(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.1", "route[x.test].hosts=/dev/null\nroute[ALL].hosts=127.0.0.1:%d\n", NULL);
    work(&w, 1, "x.test", "a@x.test", BODY);
    turn_until(&w, &w.done, 1);
    assert_string_equal(w.results, "0 dropped 0 2.0.0 /dev/null|");
    assert_int_equal(w.fake.connections, 0);
    world_end(&w);
}

/* C6: what lies in the file is not what was accepted. */
static void a_damaged_message_is_not_sent(void **state)
{
    struct world w = {0};
    char command[200];

    (void)state;
    world_start(&w, "127.0.0.1", "route[ALL].hosts=127.0.0.1:%d\n", NULL);
    work(&w, 1, "x.test", "a@x.test", str_lit("Subject: DAMAGE\r\n\r\nhello\r\n"));
    snprintf(command, sizeof command, "sed -i s/DAMAGE/damage/ %s/seg/*", w.dir);
    assert_int_equal(system(command), 0);
    turn_until(&w, &w.done, 1);
    assert_int_equal(w.outcome, 2);
    assert_int_equal(w.fake.messages, 0);
    world_end(&w);
}

/* cli.md 7.2: what hoststatus shows of a destination is told when it was looked up. */
static void queue_is_told_what_was_looked_up(void **state)
{
    struct world w = {0};
    char want[200];

    (void)state;
    world_start(&w, "127.0.0.2", "delivery.port=%d\n",
                "x.test MX 20 b.test\nx.test MX 10 a.test\na.test A 127.0.0.2\nb.test A 127.0.0.4\n");
    work(&w, 1, "x.test", "a@x.test", BODY);
    turn_until(&w, &w.done, 1);
    snprintf(want, sizeof want, "10 127.0.0.2 %u\n20 127.0.0.4 %u\n/10 a.test\n20 b.test\n//|", w.fake.port, w.fake.port);
    assert_string_equal(w.facts, want);
    world_end(&w);
}

/* cli.md 7.3: what is under way when a suspension is over goes back to queue, as not tried; the host is not down. */
static void connections_of_a_suspended_destination_are_closed(void **state)
{
    struct world w = {0};

    (void)state;
    world_start(&w, "127.0.0.2", "delivery.port=%d\ndestination[default].max_connections=1\n", "x.test A 127.0.0.2\n");
    work(&w, 1, "x.test", "silent@x.test", BODY);
    work(&w, 2, "x.test", "b@x.test", BODY);
    while (str_find_str(buf_str(&w.fake.got), str_lit("silent")) == w.fake.got.n)
        loop_turn(w.loop, true);
    bus_send(w.queue_bus, w.to_deliver, BUS_destination_close, &(struct bus_destination_close){0});
    turn_until(&w, &w.done, 2);
    assert_int_equal(w.down, 0);
    assert_int_equal(w.fake.connections, 1);
    assert_null(strstr(w.results, "delivered"));
    work(&w, 3, "x.test", "c@x.test", BODY);
    turn_until(&w, &w.done, 3);
    assert_non_null(strstr(w.results, "delivered"));
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_by_its_route_and_every_step_is_told),
        cmocka_unit_test(configured_headers_stand_in_the_log),
        cmocka_unit_test(each_recipient_has_its_own_result),
        cmocka_unit_test(one_connection_carries_many_messages),
        cmocka_unit_test(a_connection_ends_after_its_messages),
        cmocka_unit_test(a_kept_connection_that_was_closed_is_replaced),
        cmocka_unit_test(the_next_mx_is_tried_when_the_first_is_down),
        cmocka_unit_test(without_mx_the_address_is_used),
        cmocka_unit_test(an_address_literal_needs_no_name),
        cmocka_unit_test(dns_failures_bounce_or_wait),
        cmocka_unit_test(nobody_there_gives_all_work_back),
        cmocka_unit_test(a_refusing_greeting_is_a_host_that_is_down),
        cmocka_unit_test(broken_optional_tls_goes_on_in_plain_text),
        cmocka_unit_test(required_tls_keeps_the_mail),
        cmocka_unit_test(tlsa_records_forbid_plain_text),
        cmocka_unit_test(connections_are_shared_between_destinations),
        cmocka_unit_test(dev_null_takes_all),
        cmocka_unit_test(a_damaged_message_is_not_sent),
        cmocka_unit_test(queue_is_told_what_was_looked_up),
        cmocka_unit_test(connections_of_a_suspended_destination_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
