/* What a new life of queue knows: nothing lost, nothing twice, soon. */
#include "queue/queue_testing.h"

#include <time.h>

static uint64_t real_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void restart(struct fix *f)
{
    fix_queue_stop(f);
    fix_queue_start(f);
}

/* Messages in every place come back: waiting for scan, waiting for a retry, ready. */
static void every_message_comes_back(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_DELAY;
    for (int i = 0; i < 10; i++)
        fix_store(f, "bob@example.net,carl@example.com");
    fix_until(f, f->n_work == 20 && fix_counts(f).flying == 0);
    f->q->work_paused = true;
    for (int i = 0; i < 7; i++)
        fix_store(f, "bob@example.net");
    fix_until(f, fix_counts(f).work == 7);
    restart(f);
    assert_int_equal(fix_counts(f).messages, 17);
    assert_int_equal(fix_counts(f).recipients, 27);
    assert_int_equal(fix_counts(f).work, 7);
    f->answer = ANSWER_OK;
    fix_until(f, fix_counts(f).messages == 10);
    assert_int_equal(f->n_work, 27);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 27); /* the others wait for their retry */
    clock_test_advance(60000);
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(f->n_work, 47);
    assert_int_equal(f->work[46].attempt, 2);
}

/* Recipients that are final stay so. */
static void final_recipients_are_not_tried_again(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_MIXED;
    fix_store_from(f, "", "r0@example.net,r1@example.net,r2@example.net,r3@example.net", "x\r\n");
    fix_until(f, f->n_work == 1 && fix_counts(f).flying == 0);
    restart(f);
    assert_int_equal(fix_counts(f).recipients, 1);
    f->answer = ANSWER_OK;
    clock_test_advance(60000);
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(f->work[1].n, 1);
    assert_int_equal(f->work[1].recipients[0], 1);
}

/* D2, J: queue dies while deliver works: nothing is sent twice, the answer is read from the board. */
static void work_in_flight_is_left_to_deliver(void **state)
{
    struct fix *f = *state;
    struct board_slot *slot;
    struct buf b = BUF(1000);

    f->answer = ANSWER_NONE;
    fix_store(f, "bob@example.net");
    fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 2);
    restart(f);
    fix_pump(f, 50);
    assert_int_equal(f->n_work, 2);
    slot = &f->board->slots[0][f->work[0].slot];
    results_encode(&fix_answers[ANSWER_OK], 1, 1000, &b);
    memcpy(slot->results, b.p, b.n);
    board_store(&slot->results_bytes, b.n);
    board_store(&slot->state, SLOT_ANSWERED);
    clock_test_advance(1000);
    fix_until(f, fix_counts(f).messages == 1);
    bus_free(f->deliver.bus); /* the other one: deliver dies with it */
    f->deliver.bus = NULL;
    f->life++;
    f->answer = ANSWER_OK;
    fix_until(f, f->q->deliverers[0] == NULL);
    fix_join_deliver(f);
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(f->n_work, 3);
    buf_done(&b);
}

/* Queue dies between the slot and the word to deliver: the next one finds out that nobody has the work. */
static void work_that_never_left_is_sent_again(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_NONE;
    fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 1);
    board_store(&f->board->slots[0][f->work[0].slot].state, SLOT_ASSIGNED);
    f->answer = ANSWER_OK;
    restart(f);
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(f->n_work, 2);
}

/* J: a power cut after 250, queue never told: the record in the segment is enough. */
static void unannounced_records_are_found(void **state)
{
    struct fix *f = *state;

    f->quiet = true;
    for (int i = 0; i < 5; i++)
        fix_store(f, "bob@example.net");
    fix_until(f, f->stored == 5);
    fix_pump(f, 20);
    assert_int_equal(fix_counts(f).messages, 0);
    fix_queue_stop(f);
    spool_writer_free(f->writer);
    f->writer = NULL;
    memset(f->board->receivers, 0, sizeof f->board->receivers); /* a new boot */
    board_store(&f->board->numbers_ready, 0);
    fix_queue_start(f);
    assert_int_equal(fix_counts(f).messages, 5);
    assert_int_equal(fix_log_count(f, "recovered from the spool, the sender may not have been told"), 5);
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(f->n_work, 5);
    restart(f);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 5);
}

/* D3: receive dies: up to `answered` certain, up to `answering` with a log line, beyond it void. */
static void marks_decide_when_receive_dies(void **state)
{
    struct fix *f = *state;
    uint64_t offsets[4];

    f->quiet = true;
    for (int i = 0; i < 4; i++) {
        fix_store(f, "bob@example.net");
        fix_until(f, f->stored == (unsigned)i + 1);
        offsets[i] = f->last.offset;
    }
    board_store(&f->board->receivers[0].answered, offsets[0]);
    board_store(&f->board->receivers[0].answering, offsets[2]);
    bus_free(f->receive.bus);
    f->receive.bus = NULL;
    fix_until(f, f->n_work == 3);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 3);
    assert_int_equal(fix_log_count(f, "recovered from the spool, the sender may not have been told"), 2);
    f->life++;
    fix_join_receive(f);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 3);
}

/* The same when queue had heard of it in time: its peer may send it again, and the log says why there are two. */
static void an_announced_message_may_be_unanswered_too(void **state)
{
    struct fix *f = *state;
    uint64_t first;

    fix_store(f, "bob@example.net");
    fix_until(f, f->stored == 1);
    first = f->last.offset;
    fix_store(f, "bob@example.net");
    fix_until(f, fix_counts(f).messages == 0 && f->n_work == 2);
    board_store(&f->board->receivers[0].answered, first);
    bus_free(f->receive.bus);
    f->receive.bus = NULL;
    fix_until(f, fix_log_count(f, "recovered from the spool, the sender may not have been told") == 1);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 2);
    f->life++;
    fix_join_receive(f);
    fix_pump(f, 20);
    assert_int_equal(fix_log_count(f, "recovered from the spool, the sender may not have been told"), 1);
}

/* C5: a segment that its process still writes is never given away, however often queue starts anew. */
static void an_open_segment_is_left_alone(void **state)
{
    struct fix *f = *state;

    for (unsigned i = 1; i <= 4; i++) {
        fix_store(f, "bob@example.net");
        fix_until(f, f->n_work == i && fix_counts(f).messages == 0);
        restart(f);
        clock_test_advance(20000);
        fix_pump(f, 100);
        assert_int_equal(f->n_freed, 0);
    }
}

/* Receive died and came back while no queue was there: what the first one had announced is found all the same. */
static void a_receive_process_that_died_unseen_loses_nothing(void **state)
{
    struct fix *f = *state;
    struct spool_options so = {.dir = f->q->dir, .segment_bytes = 4 << 20, .column = 0};
    char dir[200];

    snprintf(dir, sizeof dir, "%s/spool", f->home);
    so.dir = dir;
    fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 1 && fix_counts(f).messages == 0);
    fix_queue_stop(f);
    f->quiet = true;
    fix_store(f, "carl@example.net");
    fix_until(f, f->stored == 2);
    board_store(&f->board->receivers[0].answering, f->last.offset);
    board_store(&f->board->receivers[0].answered, f->last.offset);
    spool_writer_free(f->writer);
    f->writer = spool_writer_new(f->loop, f->board, &so, fix_closed, f, NULL);
    fix_store(f, "dora@example.net"); /* the new process stores mail before queue is back */
    fix_until(f, f->stored == 3);
    board_store(&f->board->receivers[0].answering, f->last.offset);
    board_store(&f->board->receivers[0].answered, f->last.offset);
    fix_queue_start(f);
    fix_until(f, f->n_work == 2);
    f->quiet = false;
    bus_send(
        f->receive.bus, f->receive.queue, BUS_message_stored,
        &(struct bus_message_stored){f->last.segment, f->last.generation, f->last.offset, board_last(f->board, NUMBER_MID)});
    fix_until(f, f->n_work == 3 && fix_counts(f).messages == 0);
    clock_test_advance(20000);
    fix_pump(f, 100);
    fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 4 && fix_counts(f).messages == 0);
}

/* J: after a power cut the log names what may go out twice; after an orderly end it does not. */
static void after_a_power_cut_ready_messages_are_named(void **state)
{
    struct fix *f = *state;
    char cmd[200];

    f->answer = ANSWER_NONE;
    fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 1);
    for (int cut = 0; cut < 2; cut++) {
        fix_queue_stop(f);
        snprintf(cmd, sizeof cmd, "sed -i /CLEAN/d %s/spool/numbers", f->home);
        if (cut)
            assert_int_equal(system(cmd), 0);
        memset(f->board->slots[0], 0, sizeof f->board->slots[0]);
        board_store(&f->board->numbers_ready, 0);
        fix_queue_start(f);
        assert_int_equal(fix_log_count(f, " recovered, "), cut);
    }
}

/* D1: numbers go on at the ceiling after a crash, and never repeat. */
static void numbers_never_repeat(void **state)
{
    struct fix *f = *state;
    uint64_t last = board_next(f->board, NUMBER_MID);
    char cmd[200];

    snprintf(cmd, sizeof cmd, "cp %s/spool/numbers %s/numbers.crash", f->home, f->home);
    assert_int_equal(system(cmd), 0);
    fix_queue_stop(f);
    snprintf(cmd, sizeof cmd, "cp %s/numbers.crash %s/spool/numbers", f->home, f->home);
    assert_int_equal(system(cmd), 0);
    memset(f->board->numbers, 0, sizeof f->board->numbers);
    board_store(&f->board->numbers_ready, 0);
    fix_queue_start(f);
    assert_true(board_next(f->board, NUMBER_MID) > last);
    assert_in_range(board_last(f->board, NUMBER_MID), 100000, 100100);
}

/* Issue 2: at most 300 octets a queued message, recovery of 100,000 under 5 s (here under sanitizers too, so a part of it).
 */
static void a_long_queue_is_small_and_back_soon(void **state)
{
    enum { MANY = 20000 };
    struct fix *f = *state;
    struct queue_counts c;
    uint64_t begun;

    f->answer = ANSWER_NONE;
    for (int i = 0; i < MANY; i++) {
        char to[64];

        snprintf(to, sizeof to, "user%d@host%d.example.net", i, i % 50);
        fix_store(f, to);
        if (i % 64 == 63)
            fix_until(f, f->pending < 64);
    }
    fix_until(f, f->stored == MANY && fix_counts(f).messages == MANY);
    c = fix_counts(f);
    print_message("%llu octets a message\n", (unsigned long long)(c.octets / c.messages));
    assert_true(c.octets / c.messages <= 300);
    fix_queue_stop(f);
    begun = real_ms();
    fix_queue_start(f);
    begun = real_ms() - begun;
    print_message("recovered %d in %llu ms\n", MANY, (unsigned long long)begun);
    assert_int_equal(fix_counts(f).messages, MANY);
    assert_true(begun < 5000);
}

/* The journal is rewritten while mail goes on; what is read back is the same. */
static int short_journal(void **state)
{
    return fix_start_with(state, "spool.segment_bytes=4M\nspool.journal_bytes=1M\n");
}

static void a_rotated_journal_says_the_same(void **state)
{
    struct fix *f = *state;
    uint64_t recipients;

    f->answer = ANSWER_MIXED;
    for (int i = 0; i < 12000; i++) {
        fix_store_from(f, "", i % 100 ? "a@example.net" : "a@example.net,b@example.net,c@example.com,d@example.net",
                       "x\r\n");
        if (i % 64 == 63)
            fix_until(f, f->pending < 64);
    }
    fix_until(f, f->stored == 12000 && fix_counts(f).flying == 0 && fix_counts(f).work == 0);
    fix_until(f, f->n_work == 12000 + 120 && fix_counts(f).messages == 120);
    recipients = fix_counts(f).recipients;
    restart(f);
    assert_int_equal(fix_counts(f).messages, 120);
    assert_int_equal(fix_counts(f).recipients, recipients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_message_comes_back, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(final_recipients_are_not_tried_again, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(work_in_flight_is_left_to_deliver, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(work_that_never_left_is_sent_again, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(unannounced_records_are_found, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(marks_decide_when_receive_dies, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(an_announced_message_may_be_unanswered_too, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(an_open_segment_is_left_alone, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_receive_process_that_died_unseen_loses_nothing, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(after_a_power_cut_ready_messages_are_named, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(numbers_never_repeat, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_long_queue_is_small_and_back_soon, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_rotated_journal_says_the_same, short_journal, fix_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
