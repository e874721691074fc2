/* Segments from a gateway to record: listed, fetched, imported, acknowledged; what goes wrong on the way is made good. */
#include "central/pull_world.h"

/* ST-07 to ST-10: what the gateway has is read over the manager's own connection, imported, then acknowledged; once. */
static void segments_are_fetched_imported_and_acknowledged(void **state)
{
    (void)state;
    begin(12, "");
    start();
    assert_true(run(all_acked, 10000));
    for (unsigned i = 1; i <= 12; i++)
        assert_int_equal(w.imported[i], 1);
    assert_int_equal(w.listed_lines, 12);
    assert_int_equal(gateway_testing_connections(w.gateway), 1);
    assert_true(logged("TRANSFER: tracking gate GATE-1.tracking.3-12.seg 20000 bytes 0."));
    assert_true(str_starts(str_c(w.order), str_lit("12 11 10 "))); /* what is new comes first */
    atomic_store(&w.segments, 13);
    assert_true(run(all_acked, 5000));
    assert_int_equal(w.listed_lines, 13);
    assert_true(atomic_load(&w.cuts) >= 2);
    end();
}

/* ST-33: what record has is not fetched again after a restart of this role; what is new is. */
static void a_restart_fetches_what_is_missing_alone(void **state)
{
    (void)state;
    begin(5, "");
    w.have_to = 3;
    start();
    assert_true(run(never, 1500) || w.imported[5]);
    assert_int_equal(w.n_imported, 2);
    assert_int_equal(w.imported[3], 0);
    assert_true(w.acked[4] && w.acked[5] && !w.acked[3]);
    end();
}

/* A segment that was damaged on its way is refused whole and fetched again. */
static bool two_acked(void)
{
    return w.acked[1] && w.acked[3];
}

static void a_damaged_segment_is_refused_and_fetched_again(void **state)
{
    (void)state;
    begin(3, "");
    atomic_store(&w.corrupt_once, 2);
    start();
    assert_true(run(two_acked, 5000));
    run(never, 300);
    assert_int_equal(w.imported[2], 0);
    assert_true(logged("TRANSFER: tracking gate GATE-1.tracking.3-2.seg is damaged and is fetched again: its digest"));
    assert_true(run(all_acked, PULL_AGAIN_MS + 5000));
    assert_int_equal(w.imported[2], 1);
    end();
}

static void a_cut_connection_is_gone_on_from_where_it_was(void **state)
{
    (void)state;
    begin(3, "");
    atomic_store(&w.cut_once, 2);
    start();
    assert_true(run(all_acked, 10000));
    assert_int_equal(w.imported[2], 1);
    assert_in_range(atomic_load(&w.offset_seen), 1, 7777);
    end();
}

static bool lost_told(void)
{
    return w.acked[5] && w.acked[6] && w.listed_lines >= 2;
}

static void what_was_evicted_is_told_to_record(void **state)
{
    (void)state;
    begin(6, "");
    atomic_store(&w.lost_to, 4);
    start();
    assert_true(run(lost_told, 5000));
    assert_int_equal(w.listed_lines, 3); /* a run of lost ones, 5, 6 */
    assert_int_equal(w.n_imported, 2);
    end();
}

/* A full disk of the manager: pulls pause with an alert and go on by themselves. */
static bool imported_all(void)
{
    return w.n_imported == 3;
}

static void a_full_disk_pauses_everything(void **state)
{
    unsigned gets;

    (void)state;
    begin(3, "");
    w.full = 1;
    start();
    run(never, 1500);
    assert_true(logged("Transfers pause: no space left on device"));
    gets = atomic_load(&w.gets);
    run(never, 1000);
    assert_int_equal(atomic_load(&w.gets), gets);
    w.central->paused_until_ms = 0; /* the half minute is over */
    sites_look(w.central);
    assert_true(run(imported_all, 5000));
    assert_true(logged("Transfers go on after "));
    end();
}

/* A record that dies with segments in its hands gets them again; the gateway hears of each once it is imported. */
static void a_record_that_dies_gets_them_again(void **state)
{
    (void)state;
    begin(3, "");
    w.mute = true;
    start();
    run(never, 1000);
    assert_int_equal(w.n_imported, 0);
    assert_false(w.acked[1] || w.acked[2] || w.acked[3]);
    w.mute = false;
    record_comes();
    assert_true(run(all_acked, 5000));
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(w.imported[i], 1);
    end();
}

static void suspended_transfers_fetch_nothing(void **state)
{
    (void)state;
    begin(3, "central.suspended=yes\n");
    start();
    run(never, 1500);
    assert_int_equal(atomic_load(&w.lists), 0);
    assert_int_equal(gateway_testing_connections(w.gateway), 1); /* contact stays */
    end();
}

static bool many_acked(void)
{
    return w.acked[1] && w.acked[SEGMENTS_MOST];
}

/* Days of absence: as fast as it is imported, with few acknowledgements. */
static void a_backlog_is_fetched_without_waiting_for_the_clock(void **state)
{
    uint64_t begun;

    (void)state;
    begin(SEGMENTS_MOST, "central.pull_every_ms=60s\n");
    start();
    begun = clock_mono_ms();
    sites_look(w.central);
    w.central->sites->pull[SEGMENT_TRACKING].list_ms = 0;
    sites_look(w.central);
    assert_true(run(all_acked, 60000) && many_acked());
    print_message("%d segments in %llu ms\n", SEGMENTS_MOST, (unsigned long long)(clock_mono_ms() - begun));
    for (unsigned i = 1; i <= SEGMENTS_MOST; i++)
        assert_int_equal(w.imported[i], 1);
    end();
}

static void watching_fetches_each_second(void **state)
{
    unsigned lists;

    (void)state;
    begin(1, "central.pull_every_ms=60s\n");
    start();
    run(never, 500);
    lists = atomic_load(&w.lists);
    w.central->watched_until_ms = loop_now_ms(w.loop) + 10000;
    sites_look(w.central);
    run(never, 3500);
    assert_in_range(atomic_load(&w.lists) - lists, 2, 5);
    end();
}

static void ranges_join_and_tell_the_first_gap(void **state)
{
    static const unsigned order[] = {5, 1, 3, 2, 9, 4};
    struct ranges r = {0};
    uint64_t epoch, seq;

    (void)state;
    ranges_gap(&r, &epoch, &seq);
    assert_true(epoch == 0 && seq == 0);
    for (size_t i = 0; i < 6; i++)
        ranges_add(&r, 2, order[i]);
    ranges_add(&r, 2, 4);
    ranges_add(&r, 1, 7);
    assert_int_equal(r.n, 3);
    assert_true(r.items[1].first == 1 && r.items[1].last == 5 && r.items[2].first == 9);
    assert_true(ranges_has(&r, 2, 3) && !ranges_has(&r, 2, 6) && !ranges_has(&r, 1, 3));
    ranges_gap(&r, &epoch, &seq);
    assert_true(epoch == 1 && seq == 8);
    ranges_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_join_and_tell_the_first_gap),
        cmocka_unit_test(segments_are_fetched_imported_and_acknowledged),
        cmocka_unit_test(a_restart_fetches_what_is_missing_alone),
        cmocka_unit_test(a_damaged_segment_is_refused_and_fetched_again),
        cmocka_unit_test(a_cut_connection_is_gone_on_from_where_it_was),
        cmocka_unit_test(what_was_evicted_is_told_to_record),
        cmocka_unit_test(a_full_disk_pauses_everything),
        cmocka_unit_test(a_record_that_dies_gets_them_again),
        cmocka_unit_test(suspended_transfers_fetch_nothing),
        cmocka_unit_test(a_backlog_is_fetched_without_waiting_for_the_clock),
        cmocka_unit_test(watching_fetches_each_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
