/* Copies of outbreak mail that the manager holds: kept, bounded, gone. */
#include "quarantine/rescan_testing.h"

/* Kept whole, once, over a restart; only of what outbreak filters hold. */
static void test_copies_are_kept(void **state)
{
    struct ends n;

    (void)state;
    ends_start(&n, SETTINGS);
    assert_int_equal(give(&n, 5, HOLD(IN_OUTBREAK), BODY), RC_OK);
    assert_int_equal(give(&n, 3, HOLD(IN_OUTBREAK), BODY), RC_OK);
    assert_int_equal(give(&n, 5, HOLD(IN_OUTBREAK), BODY), RC_OK);
    assert_int_equal(give(&n, 6, HOLD(IN_POLICY), BODY), RC_NOT_FOUND);
    assert_int_equal(copies(&n), 2);
    assert_int_equal(copies_bytes(n.p.q), 2 * strlen(BODY));
    assert_int_equal(logged_times(&n.p, "Outbreak Filters: a copy of MID "), 2);
    assert_int_equal(held_now(&n.p, CPQ_PVO), 0); /* a copy is no mail */
    ends_restart(&n);
    assert_int_equal(copies(&n), 2);
    assert_non_null(copy_find(n.p.q, 3));
    assert_int_equal(copy_find(n.p.q, 5)->exit_ms, 1999999999999);
    ends_end(&n);
}

static void test_copies_leave(void **state)
{
    struct ends n;
    struct bus *receive;
    struct bus_peer *to;

    (void)state;
    ends_start(&n, SETTINGS "outbreak.copies_margin_ms=60s\n");
    for (uint64_t mid = 1; mid <= 3; mid++)
        give(&n, mid, HOLD(IN_OUTBREAK), BODY);
    receive = neighbour(&n.p, ROLE_receive, &to);
    bus_send(receive, to, BUS_copy_drop, &(struct bus_copy_drop){.mid = 2});
    bus_send(receive, to, BUS_copy_drop, &(struct bus_copy_drop){.mid = 77});
    turns(&n.p, 10);
    assert_int_equal(copies(&n), 2);
    assert_true(logged(&n.p, "Outbreak Filters: copy of MID 2 removed (it left the quarantine)"));
    copies_expire(n.p.q, 1999999999999 + 60000);
    assert_int_equal(copies(&n), 2);
    copies_expire(n.p.q, 1999999999999 + 60001);
    assert_int_equal(copies(&n), 0);
    assert_int_not_equal(access(path_of_copy(&n, 1), F_OK), 0);
    assert_true(logged(&n.p, "Outbreak Filters: copy of MID 3 removed (it is too old)"));
    bus_free(receive);
    ends_end(&n);
}

/* The oldest make room. */
static void test_copies_have_a_limit(void **state)
{
    static char large[600000] = "Subject: x\r\n\r\n";
    struct ends n;

    (void)state;
    memset(large + strlen(large), 'x', sizeof large - strlen(large) - 1);
    ends_start(&n, SETTINGS "outbreak.copies_max_bytes=1M\n");
    give(&n, 1, HOLD(IN_OUTBREAK), large);
    give(&n, 2, HOLD(IN_OUTBREAK), large);
    assert_int_equal(copies(&n), 1);
    assert_null(copy_find(n.p.q, 1));
    assert_true(logged(&n.p, "Outbreak Filters: copy of MID 1 removed (no space)"));
    ends_end(&n);
}

/* A torn or damaged file is no copy; what an unfinished write left goes at the start. */
static void test_damaged_copies_go(void **state)
{
    struct ends n;
    FILE *f;

    (void)state;
    ends_start(&n, SETTINGS);
    for (uint64_t mid = 1; mid <= 3; mid++)
        give(&n, mid, HOLD(IN_OUTBREAK), BODY);
    assert_int_equal(truncate(path_of_copy(&n, 1), 100), 0);
    f = fopen(path_of_copy(&n, 2), "r+");
    assert_int_equal(fseek(f, -3, SEEK_END), 0);
    fputc('?', f);
    fclose(f);
    f = fopen(store_file(&n.p, "copies/9.new"), "w");
    fclose(f);
    ends_restart(&n);
    assert_int_equal(copies(&n), 2);
    assert_int_not_equal(access(store_file(&n.p, "copies/9.new"), F_OK), 0);
    n.verdict = (struct bus_outbreak_answer){.rc = RC_OK};
    rescan_all(n.p.q);
    wait_until(&n, &n.says, 1);
    assert_string_equal(n.said, "the.cpq.host: XCPQ RESCAN mid=3 verdict=clean rule=|");
    assert_true(logged(&n.p, "Outbreak Filters: copy of MID 2 removed (damaged)"));
    ends_end(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_kept),
        cmocka_unit_test(test_copies_leave),
        cmocka_unit_test(test_copies_have_a_limit),
        cmocka_unit_test(test_damaged_copies_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
