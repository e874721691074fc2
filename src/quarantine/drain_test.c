/* Mail held here while the manager was away: it leaves for it with its key and what was decided here, and is in one place at
 * any time (CPQ-64, central.md 11). */
#include "quarantine/drain.h"
#include "quarantine/quarantine_testing.h"

#define SETTINGS "system.serial=SER1\nsystem.hostname=gw.test\npvo.central=yes\nspam_quarantine.central=yes\n"
#define ONLY_THERE \
    "{\"quarantine\":\"Legal\",\"kind\":\"policy\",\"reason\":\"message filter:law\",\"matched\":[{\"part\":\"body\"}]}"

static void put(struct place *p, uint64_t mid, const char *made)
{
    struct letter l = {"pvo", "a@out.test", "b@in.test", "Subject: x\r\n\r\nheld\r\n", made, mid};

    assert_non_null(strstr(post(p, &l), " accepted"));
}

static bool meta_has(const struct place *p, const char *text)
{
    return strstr(p->meta, text) != NULL;
}

static uint64_t keys(struct place *p)
{
    return sql_number(&p->q->sql, Q_key_held, 0, "ii", (uint64_t)CPQ_PVO, enter_name(p->q, str_lit("SER1")));
}

static void it_leaves_with_all_it_has(void **state)
{
    struct place p;

    (void)state;
    place_start(&p, SETTINGS);
    put(&p, 7, HOLD(IN_POLICY "," ONLY_THERE));
    assert_int_equal(drain_some(p.q, CPQ_PVO, 10), 1);
    turns(&p, 30);
    assert_string_equal(p.destination, "the.cpq.host");
    assert_true(meta_has(&p, "\"mid\":7,") && meta_has(&p, "\"future\":{\"kept\":[1,2]}") &&
                meta_has(&p, "\"drained\":true"));
    assert_true(meta_has(
        &p, "{\"quarantine\":\"Policy\",\"kind\":\"policy\",\"reason\":\"content filter:hold_invoices\",\"exit\":"));
    /* its own quarantine's settings count there, not those of Unclassified here */
    assert_true(meta_has(&p, "{\"quarantine\":\"Legal\",\"kind\":\"policy\",\"reason\":\"message "
                             "filter:law\",\"matched\":[{\"part\":\"body\"}]}"));
    assert_false(meta_has(&p, "fallback"));
    assert_string_equal(p.log_holds, "Policy\tcontent filter:hold_invoices\nLegal\tmessage filter:law\n");
    assert_int_equal(held_now(&p, CPQ_PVO), 0);
    assert_true(logged(&p, "MID 7 rewritten to MID 9001"));
    place_end(&p);
}

static void what_was_held_before_stays(void **state)
{
    struct letter l = {"pvo", "a@out.test", "b@in.test", "Subject: x\r\n\r\nheld\r\n", HOLD(IN_POLICY), 3};
    struct place p;

    (void)state;
    letters_fall_back = false;
    place_start(&p, SETTINGS);
    post(&p, &l);
    letters_fall_back = true;
    assert_int_equal(drain_some(p.q, CPQ_PVO, 10), 0);
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    place_end(&p);
}

/* On its way nobody decides about it here; a decision made before goes along, and one that ends it keeps it here. */
static void decisions_and_leaving_do_not_meet(void **state)
{
    struct place p;

    (void)state;
    place_start(&p, SETTINGS);
    p.refuse = true;
    put(&p, 5, HOLD(IN_POLICY "," IN_VIRUS));
    put(&p, 6, HOLD(IN_POLICY "," IN_VIRUS));
    assert_int_equal(decide(&p, 5, "Policy", HOLD_RELEASE), RC_OK);
    assert_int_equal(decide(&p, 6, "Policy", HOLD_DELETE), RC_OK);
    assert_int_equal(drain_some(p.q, CPQ_PVO, 10), 1);
    turns(&p, 30);
    assert_true(meta_has(&p, "\"Virus\"") && !meta_has(&p, "\"Policy\""));
    assert_int_equal(decide(&p, 5, "Virus", HOLD_RELEASE), RC_NOT_FOUND);
    assert_int_equal(decide(&p, 5, "Virus", HOLD_DELETE), RC_NOT_FOUND);
    assert_int_equal(drain_some(p.q, CPQ_PVO, 10), 0);
    place_end(&p);
}

/* The manager goes away once more: what comes back is the same message, held as before; after it has left it is a new one.
 */
static void it_comes_back(void **state)
{
    struct place p;

    (void)state;
    place_start(&p, SETTINGS);
    p.refuse = true;
    put(&p, 8, HOLD(IN_POLICY));
    assert_int_equal(drain_some(p.q, CPQ_PVO, 10), 1);
    turns(&p, 30);
    put(&p, 8, HOLD(IN_POLICY));
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    assert_int_equal(decide(&p, 8, "Policy", HOLD_RELEASE), RC_OK);
    place_restart(&p);
    p.refuse = false;
    put(&p, 9, HOLD(IN_POLICY));
    assert_int_equal(drain_some(p.q, CPQ_PVO, 10), 1);
    turns(&p, 60);
    assert_int_equal(held_now(&p, CPQ_PVO), 0);
    put(&p, 9, HOLD(IN_POLICY));
    assert_int_equal(held_now(&p, CPQ_PVO), 1);
    assert_int_equal(keys(&p), 1);
    place_end(&p);
}

/* The mark is in the metadata: an index that was lost knows it again. */
static void the_mark_survives(void **state)
{
    char command[300];
    struct place p;

    (void)state;
    place_start(&p, SETTINGS);
    put(&p, 4, HOLD(IN_POLICY));
    place_close(&p);
    snprintf(command, sizeof command, "rm -f %s/index.db*", p.store);
    assert_int_equal(system(command), 0);
    place_open(&p);
    assert_int_equal(drain_some(p.q, CPQ_PVO, 10), 1);
    place_end(&p);
}

static void spam_goes_for_open_recipients(void **state)
{
    struct letter l = {
        "spam", "s@out.test", "b@in.test c@in.test d@in.test", "x\r\n", "{\"spam\":{\"verdict\":\"suspect\",\"score\":60}}",
        62};
    struct place p;
    struct err e = ERR_NONE;

    (void)state;
    place_start(&p, SETTINGS);
    post(&p, &l);
    decide_begin(p.q);
    assert_int_equal(decide_entry(p.q, 2, HOLD_DELETE, BY_HAND, str_lit("admin"), false), RC_OK);
    assert_int_equal(decide_end(p.q, &e), RC_OK);
    assert_int_equal(drain_some(p.q, CPQ_SPAM, 10), 1);
    turns(&p, 30);
    assert_string_equal(p.destination, "the.euq.queue");
    assert_string_equal(p.release, "10 <s@out.test> b@in.test d@in.test|x\r\n");
    assert_true(meta_has(&p, "\"spam\":{\"verdict\":\"suspect\",\"score\":60,\"exit\":"));
    assert_int_equal(held_now(&p, CPQ_SPAM), 0);
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_leaves_with_all_it_has),
                                       cmocka_unit_test(what_was_held_before_stays),
                                       cmocka_unit_test(decisions_and_leaving_do_not_meet),
                                       cmocka_unit_test(it_comes_back),
                                       cmocka_unit_test(the_mark_survives),
                                       cmocka_unit_test(spam_goes_for_open_recipients)};

    letters_fall_back = true;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
