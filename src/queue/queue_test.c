/* The journey of messages through the queue, with receive, scan and deliver played by the test. */
#include "queue/queue_testing.h"

/* logs.md 15, case 1: stored, scanned, delivered, finished; receive is told that it is known. */
static void a_message_passes(void **state)
{
    struct fix *f = *state;
    uint64_t mid = fix_store(f, "bob@example.net");
    char line[100];

    fix_until(f, f->n_work == 1 && fix_counts(f).messages == 0 && f->known_to);
    assert_int_equal(f->work[0].mid, mid);
    assert_int_equal(f->work[0].attempt, 1);
    assert_string_equal(f->work[0].destination, "example.net");
    snprintf(line, sizeof line, "MID %llu queued for delivery", (unsigned long long)mid);
    assert_true(fix_log_has(f, line));
    snprintf(line, sizeof line, "Message finished MID %llu done", (unsigned long long)mid);
    assert_true(fix_log_has(f, line));
    fix_pump(f, 3);
    assert_int_equal(board_load(&f->board->slots[0][f->work[0].slot].state), SLOT_FREE);
}

static void recipients_of_one_domain_travel_together(void **state)
{
    struct fix *f = *state;

    fix_store(f, "a@example.net,b@Example.com,c@example.net");
    fix_until(f, f->n_work == 2 && fix_counts(f).messages == 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(f->work[i].n, str_eq(str_c(f->work[i].destination), str_lit("example.net")) ? 2 : 1);
}

/* Bounce profile by default: 60 s doubling to 3600 s, bounce after 72 h (5.4.7). */
static void retries_double_and_end_after_72_hours(void **state)
{
    struct fix *f = *state;
    uint64_t begun, last, gap = 0;

    f->answer = ANSWER_DELAY;
    fix_store_from(f, "", "bob@example.net", "Subject: a notice, so nobody is told\r\n\r\n");
    fix_until(f, f->n_work == 1);
    begun = last = clock_mono_ms();
    while (!fix_log_has(f, "Message finished") && clock_mono_ms() < begun + 80 * 3600 * 1000ull) {
        size_t n = f->n_work;

        clock_test_advance(f->n_work < 10 ? 5000 : 60000);
        fix_pump(f, 3);
        if (f->n_work == n)
            continue;
        gap = clock_mono_ms() - last;
        last = clock_mono_ms();
        if (f->n_work == 3)
            assert_in_range(gap, 120000, 126000);
    }
    assert_in_range(gap, 3600000, 3661000);
    assert_in_range(last - begun, 70 * 3600 * 1000ull, 73 * 3600 * 1000ull);
    assert_in_range(f->n_work, 70, 100);
    assert_true(fix_log_has(f, "5.4.7 - Delivery expired (message too old)"));
    assert_int_equal(fix_counts(f).messages, 0);
}

/* A host that is down is tried by one connection; its other messages wait without using up their tries. */
static void a_destination_that_is_down_waits_as_a_whole(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_NONE;
    for (int i = 0; i < 100; i++)
        fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 20 && fix_counts(f).work == 0);
    for (size_t i = 0; i < 20; i++)
        fix_answer(f, &f->work[i], ANSWER_DOWN);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 20);
    assert_int_equal(fix_log_count(f, "Destination example.net is down"), 1);
    clock_test_advance(61000);
    fix_until(f, f->n_work == 21);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 21);
    f->answer = ANSWER_OK;
    fix_answer(f, &f->work[20], ANSWER_OK);
    fix_until(f, fix_counts(f).messages <= 19);
    clock_test_advance(130000);
    fix_until(f, fix_counts(f).messages == 0);
    assert_true(fix_log_has(f, "Destination example.net is up"));
}

/* Destination controls: recipients in N minutes. */
static int limited(void **state)
{
    return fix_start_with(state, "spool.segment_bytes=4M\ndestination[example.net].recipient_limit=5\n"
                                 "destination[example.net].recipient_minutes=10\n");
}

static void recipients_per_period_are_limited(void **state)
{
    struct fix *f = *state;

    for (int i = 0; i < 12; i++)
        fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 5 && fix_counts(f).work == 0);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 5);
    clock_test_advance(600000);
    fix_until(f, f->n_work == 10);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 10);
}

/* B1, D2: a deliver process dies: what it had not begun is sent again, what was answered counts, in between with a log line.
 */
static void flight_slots_decide_when_deliver_dies(void **state)
{
    struct fix *f = *state;
    struct bus *old;

    f->answer = ANSWER_NONE;
    for (int i = 0; i < 3; i++)
        fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 3);
    board_store(&f->board->slots[0][f->work[1].slot].state, SLOT_DOT_SENT);
    old = f->deliver.bus;
    f->deliver.bus = NULL;
    {
        struct buf b = BUF(1000);
        struct board_slot *s = &f->board->slots[0][f->work[2].slot];

        results_encode(&fix_answers[ANSWER_OK], 1, 1000, &b);
        memcpy(s->results, b.p, b.n);
        board_store(&s->results_bytes, b.n);
        board_store(&s->state, SLOT_ANSWERED);
        buf_done(&b);
    }
    f->life++;
    bus_free(old);
    fix_until(f, fix_counts(f).messages == 2);
    assert_int_equal(fix_log_count(f, "tried again, the answer of the remote host was lost"), 1);
    f->answer = ANSWER_OK;
    fix_join_deliver(f);
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(f->n_work, 5);
}

/* A repeat of what is known does no harm (D3). */
static void a_repeated_announcement_is_ignored(void **state)
{
    struct fix *f = *state;
    uint64_t mid = fix_store(f, "bob@example.net");

    fix_until(f, f->n_work == 1 && fix_counts(f).messages == 0);
    bus_send(f->receive.bus, f->receive.queue, BUS_message_stored,
             &(struct bus_message_stored){f->last.segment, f->last.generation, f->last.offset, mid});
    fix_pump(f, 30);
    assert_int_equal(f->n_work, 1);
}

/* C5: an emptied segment goes back to its owner and is used again. */
static void emptied_segments_are_used_again(void **state)
{
    struct fix *f = *state;
    char *body = malloc(200001);

    memset(body, 'x', 200000);
    body[200000] = '\0';
    for (int i = 0; i < 60; i++) {
        fix_store_from(f, "anna@example.org", "bob@example.net", body);
        fix_until(f, f->pending < 4);
    }
    fix_until(f, f->n_work == 60 && fix_counts(f).messages == 0);
    clock_test_advance(1000);
    fix_until(f, f->n_freed >= 2);
    free(body);
}

/* C7: messages to a host that is down do not pin the segments they came in. */
static void the_last_messages_of_a_segment_move(void **state)
{
    struct fix *f = *state;
    char *body = malloc(100001), line[60];
    uint64_t stuck = 0;

    memset(body, 'x', 100000);
    body[100000] = '\0';
    f->answer = ANSWER_OK;
    for (int i = 0; i < 120; i++) {
        if (i % 30 == 0) {
            fix_until(f, f->n_work == f->stored + f->pending && fix_counts(f).messages == (unsigned)i / 30);
            f->answer = ANSWER_DELAY;
            stuck = fix_store_from(f, "", "bob@slow.example", body);
            fix_until(f, f->n_work == f->stored + f->pending && fix_counts(f).flying == 0);
            f->answer = ANSWER_OK;
        }
        fix_store_from(f, "", "bob@example.net", body);
        fix_until(f, f->pending < 4);
    }
    fix_until(f, f->n_work == 124 && fix_counts(f).messages == 4);
    assert_int_equal(f->n_freed, 0);
    f->answer = ANSWER_DELAY;
    for (int i = 0; i < 400 && f->n_freed < 2; i++) {
        clock_test_advance(1000);
        fix_pump(f, 5);
    }
    assert_true(f->n_freed >= 2);
    fix_queue_stop(f); /* the new places hold over a restart */
    fix_queue_start(f);
    assert_int_equal(fix_counts(f).messages, 4);
    f->answer = ANSWER_OK;
    clock_test_advance(7200 * 1000);
    fix_until(f, fix_counts(f).messages == 0);
    snprintf(line, sizeof line, "Message finished MID %llu done", (unsigned long long)stuck);
    assert_true(fix_log_has(f, line));
    assert_false(fix_log_has(f, "is damaged"));
    free(body);
}

/* C9: a body in a file of its own comes to scan as a descriptor, and is unlinked when its message is done. */
static void a_large_body_goes_with_its_message(void **state)
{
    struct fix *f = *state;
    char *body = malloc(400001), path[200];
    uint64_t mid;

    memset(body, 'x', 400000);
    body[400000] = '\0';
    f->answer = ANSWER_NONE;
    mid = fix_store_from(f, "anna@example.org", "bob@example.net", body);
    fix_until(f, f->n_work == 1);
    snprintf(path, sizeof path, "ls %s/spool/big | grep -q %llu", f->home, (unsigned long long)mid);
    assert_int_equal(system(path), 0);
    fix_answer(f, &f->work[0], ANSWER_OK);
    fix_until(f, fix_counts(f).messages == 0);
    clock_test_advance(2000);
    fix_pump(f, 50);
    clock_test_advance(2000);
    fix_pump(f, 50);
    assert_int_not_equal(system(path), 0);
    free(body);
}

/* Queue limit: 452 for new mail until there is room again. */
static int small(void **state)
{
    return fix_start_with(state, "spool.segment_bytes=4M\nqueue.max_messages=10\n");
}

static void a_full_queue_refuses_mail(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_NONE;
    for (int i = 0; i < 12; i++)
        fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 12);
    clock_test_advance(1000);
    fix_until(f, f->receiving_rc == RC_QUEUE_FULL);
    for (size_t i = 0; i < 12; i++)
        fix_answer(f, &f->work[i], ANSWER_OK);
    clock_test_advance(1000);
    fix_until(f, fix_counts(f).messages == 0);
    clock_test_advance(1000);
    fix_until(f, f->receiving_rc == RC_OK);
}

/* E6: messages of a scan worker that died are scanned again. */
static void messages_of_a_dead_scan_worker_are_scanned_again(void **state)
{
    struct fix *f = *state;

    f->scan_is_deaf = true;
    for (int i = 0; i < 5; i++)
        fix_store(f, "bob@example.net");
    fix_until(f, f->stored == 5);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 0);
    fix_leave_scan(f);
    fix_pump(f, 20);
    f->life++;
    f->scan_is_deaf = false;
    fix_join_scan(f);
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(f->n_work, 5);
    assert_int_equal(f->scanned, 10);
}

/* The second death, of the message alone: it goes behind all others with an alert, and still is not lost. */
static void a_message_that_kills_scan_workers_waits(void **state)
{
    struct fix *f = *state;

    f->scan_is_deaf = true;
    fix_store(f, "bob@example.net");
    for (unsigned deaths = 0; deaths < 3; deaths++) {
        fix_until(f, f->scanned == deaths + 1);
        fix_leave_scan(f);
        fix_pump(f, 20);
        f->life++;
        if (deaths == 2)
            f->scan_is_deaf = false;
        fix_join_scan(f);
    }
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(fix_log_count(f, "ended a scan worker"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_passes, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(recipients_of_one_domain_travel_together, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(retries_double_and_end_after_72_hours, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_destination_that_is_down_waits_as_a_whole, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(recipients_per_period_are_limited, limited, fix_end),
        cmocka_unit_test_setup_teardown(flight_slots_decide_when_deliver_dies, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_repeated_announcement_is_ignored, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(emptied_segments_are_used_again, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(the_last_messages_of_a_segment_move, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_large_body_goes_with_its_message, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_full_queue_refuses_mail, small, fix_end),
        cmocka_unit_test_setup_teardown(messages_of_a_dead_scan_worker_are_scanned_again, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_message_that_kills_scan_workers_waits, fix_start, fix_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
