/* The quarantines as a gateway and an operator see them: what is taken, kept, released and forgotten. */
#include "quarantine/quarantine_testing.h"

#define SETTINGS "system.serial=SER1\nsystem.hostname=gw.test\n"

static const char BODY[] = "From: a@out.test\r\nSubject: Your invoice\r\n\r\nPay.\r\n";

static struct letter letter(uint64_t mid)
{
    return (struct letter){"pvo", "a@out.test", "b@in.test", BODY, HOLD(IN_POLICY), mid};
}

/* A message is taken with its number, said once, and is there after a restart. */
static void test_taken(void **state)
{
    struct place p;
    struct letter l = letter(41);

    (void)state;
    place_start(&p, SETTINGS);
    assert_string_equal(post(&p, &l), "250 ok:  Message 41 accepted\r\n");
    assert_true(logged(&p, "MID 41 quarantined to \"Policy\" (content filter:hold_invoices)"));
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    place_restart(&p);
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    assert_int_equal(logged_times(&p, "quarantined to"), 1);
    place_end(&p);
}

/* CPQ-65: a replay is stored once; other content under a used number is stored too, with an alert. */
static void test_replay(void **state)
{
    struct place p;
    struct letter l = letter(42), other = letter(42);

    (void)state;
    other.body = "Subject: other\r\n\r\nnumbers began again\r\n";
    place_start(&p, SETTINGS);
    assert_string_equal(post(&p, &l), "250 ok:  Message 42 accepted\r\n");
    assert_string_equal(post(&p, &l), "250 ok:  Message 42 accepted (duplicate)\r\n");
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    assert_string_equal(post(&p, &other), "250 ok:  Message 5001 accepted\r\n");
    assert_int_equal(held_now(&p, CPQ_PVO), 2);
    assert_true(logged(&p, "message numbers of SER1 restarted"));
    assert_int_equal(decide(&p, 42, "Policy", HOLD_DELETE), RC_OK);
    assert_string_equal(post(&p, &l), "250 ok:  Message 42 accepted (duplicate)\r\n"); /* its key stays 90 days */
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    place_end(&p);
}

/* central.md 9: a message on its way to the manager that comes back to its own holder is not "taken": it would leave both.
 */
static void test_no_round_trip(void **state)
{
    static const char moved[] = "{\"holds\":[" IN_POLICY "],\"migration\":{\"id\":1,\"n\":1,\"total\":1}}";
    struct letter l = letter(41);
    struct place p;

    (void)state;
    place_start(&p, SETTINGS);
    post(&p, &l);
    l.made = moved;
    assert_string_equal(post(&p, &l), "554 5.6.0 a migration is for the manager\r\n");
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    place_end(&p);
}

/* A released message goes to queue whole, with all it came with, and leaves when queue has it. */
static void test_release(void **state)
{
    struct place p;
    struct letter l = letter(43);

    (void)state;
    place_start(&p, SETTINGS);
    post(&p, &l);
    assert_int_equal(decide(&p, 43, "Policy", HOLD_RELEASE), RC_OK);
    assert_string_equal(p.release, "9 <a@out.test> b@in.test|From: a@out.test\r\nSubject: Your invoice\r\n\r\nPay.\r\n");
    assert_string_equal(p.uid, "U1");
    assert_int_equal(p.carried.original_mid, 43);
    assert_true(logged(&p, "MID 43 released from quarantine \"Policy\" (manual) t=0\nMID 43 released from all quarantines\n"
                           "MID 43 rewritten to MID 9001 by Policy Quarantine\nMessage finished MID 43 done\n"));
    assert_int_equal(held_now(&p, CPQ_PVO), 0);
    place_end(&p);
}

/* Queue is away when a message is released: the release is kept, over a restart, and repeated under the same number. */
static void test_release_waits(void **state)
{
    struct place p;
    struct letter l = letter(44);
    uint64_t id;

    (void)state;
    place_start(&p, SETTINGS);
    p.refuse = true;
    post(&p, &l);
    decide(&p, 44, "Policy", HOLD_RELEASE);
    assert_int_equal(p.taken, 1);
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    id = p.last_id;
    p.refuse = false;
    place_restart(&p);
    turns(&p, 50);
    assert_int_equal(p.taken, 2);
    assert_true(p.last_id == id);
    assert_int_equal(held_now(&p, CPQ_PVO), 0);
    place_end(&p);
}

/* central.md 9: delivered only after release from all; deletion in any one means never delivered. */
static void test_several(void **state)
{
    struct place p;
    struct letter l = letter(45), m = letter(46);

    (void)state;
    l.made = m.made = HOLD(IN_POLICY "," IN_VIRUS);
    place_start(&p, SETTINGS);
    post(&p, &l);
    post(&p, &m);
    assert_int_equal(decide(&p, 45, "Policy", HOLD_RELEASE), RC_OK);
    assert_int_equal(decide(&p, 45, "Policy", HOLD_RELEASE), RC_NOT_FOUND);
    assert_int_equal(p.taken, 0);
    assert_int_equal(decide(&p, 45, "Virus", HOLD_RELEASE), RC_OK);
    assert_int_equal(p.taken, 1);
    decide(&p, 46, "Virus", HOLD_DELETE);
    decide(&p, 46, "Policy", HOLD_RELEASE);
    assert_int_equal(p.taken, 1);
    assert_int_equal(held_now(&p, CPQ_PVO), 0);
    assert_true(logged(&p, "MID 46 deleted from all quarantines\nMessage finished MID 46 done\n"));
    place_end(&p);
}

/* One body, an entry for each recipient; released one by one. */
static void test_spam(void **state)
{
    struct place p;
    struct letter l = {
        "spam", "s@out.test", "b@in.test c@in.test", BODY, "{\"spam\":{\"verdict\":\"positive\",\"score\":97}}", 47};
    struct err e = ERR_NONE;

    (void)state;
    place_start(&p, SETTINGS);
    assert_string_equal(post(&p, &l), "250 ok:  Message 47 accepted\r\n");
    assert_true(logged(&p, "ISQ: Quarantined MID 47"));
    assert_int_equal(held_now(&p, CPQ_SPAM), 1);
    decide_begin(p.q);
    assert_int_equal(decide_entry(p.q, 1, HOLD_RELEASE, BY_HAND, str_lit("admin"), true), RC_OK);
    assert_int_equal(decide_end(p.q, &e), RC_OK);
    turns(&p, 20);
    assert_non_null(strstr(p.release, "10 <s@out.test> b@in.test|From:"));
    assert_true(logged(&p, "ISQ: Reinjected MID 47 as MID 9001"));
    assert_int_equal(held_now(&p, CPQ_SPAM), 1);
    decide_begin(p.q);
    assert_int_equal(decide_entry(p.q, 2, HOLD_DELETE, BY_HAND, str_lit("admin"), false), RC_OK);
    assert_int_equal(decide_end(p.q, &e), RC_OK);
    assert_int_equal(held_now(&p, CPQ_SPAM), 0);
    place_end(&p);
}

/* A large body lies in a file of its own and comes back whole; it goes with its message. */
static void test_large(void **state)
{
    struct place p;
    size_t n = 600000;
    char *body = malloc(n + 1);
    struct letter l = letter(48);

    (void)state;
    memset(body, 'x', n);
    body[n] = '\0';
    l.body = body;
    place_start(&p, SETTINGS);
    assert_string_equal(post(&p, &l), "250 ok:  Message 48 accepted\r\n");
    assert_int_equal(access(store_file(&p, "big/48"), F_OK), 0);
    place_restart(&p);
    decide(&p, 48, "Policy", HOLD_RELEASE);
    assert_int_equal(p.taken, 1);
    assert_int_equal(access(store_file(&p, "big/48"), F_OK), -1);
    place_end(&p);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),   cmocka_unit_test(test_replay),        cmocka_unit_test(test_no_round_trip),
        cmocka_unit_test(test_release), cmocka_unit_test(test_release_waits), cmocka_unit_test(test_several),
        cmocka_unit_test(test_spam),    cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
