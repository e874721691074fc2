/*
 * Event files: emit, follow, merge in causal order, torn tails, damage, position over restarts.
 */
#include "event/block.h"
#include "event/merge.h"

#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/postern-events-XXXXXX";
static uint64_t now_ns; /* the stamp of all processes: a test sets it */
static struct buf got = {.max = 1 << 20};
static uint64_t damage;

static uint64_t stamp(void *ctx)
{
    (void)ctx;
    return now_ns;
}

static struct events *process(const char *role, unsigned index)
{
    struct events *ev = events_new(NULL, dir, role, index, NULL, stamp, NULL, NULL);

    assert_non_null(ev);
    return ev;
}

static void say(struct events *ev, uint64_t at_ns, uint64_t mid)
{
    now_ns = at_ns;
    event(ev, message_queued, .mid = mid);
}

static void on_damage(void *ctx, const char *file, uint64_t bytes)
{
    (void)ctx, (void)file;
    damage += bytes;
}

static struct event_merge *merge(void)
{
    struct event_merge *m = event_merge_new(dir);

    event_merge_on_damage(m, on_damage, NULL);
    damage = 0;
    return m;
}

/* MIDs that a round gives, "1 2 3 ". */
static const char *round_at(struct event_merge *m, uint64_t at_ns)
{
    struct event_record rec;

    buf_clear(&got);
    event_merge_round(m, at_ns);
    while (event_merge_next(m, &rec))
        buf_addf(&got, "%llu ", (unsigned long long)event_as(&rec, message_queued)->mid);
    buf_addc(&got, '\0');
    return got.p;
}

static int fresh(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/postern-events-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int gone(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* F2: an event is given when it is older than the round before; so a later round puts two processes in order. */
static void order_of_stamps(void **state)
{
    struct events *a = process("receive", 0), *b = process("queue", 0);
    struct event_merge *m = merge();

    (void)state;
    assert_string_equal(round_at(m, 50), "");
    say(a, 100, 1);
    say(a, 300, 3);
    events_flush(a);
    assert_string_equal(round_at(m, 1000), "");
    assert_true(event_merge_holds(m));
    say(b, 200, 2); /* written later, happened earlier */
    say(b, 1500, 4);
    events_flush(b);
    assert_string_equal(round_at(m, 2000), "1 2 3 ");
    assert_string_equal(round_at(m, 3000), "4 ");
    assert_false(event_merge_holds(m));
    assert_int_equal(event_merge_unread(m), 0);
    event_merge_free(m);
    events_free(a);
    events_free(b);
}

/* Later ones are appended, never dropped. */
static void late(void **state)
{
    struct events *a = process("receive", 0), *b = process("queue", 0);
    struct event_merge *m = merge();

    (void)state;
    round_at(m, 50);
    say(a, 100, 1);
    events_flush(a);
    round_at(m, 1000);
    assert_string_equal(round_at(m, 2000), "1 ");
    say(b, 90, 2);
    events_flush(b);
    assert_string_equal(round_at(m, 3000), "2 ");
    assert_int_equal(event_merge_late(m), 1);
    event_merge_free(m);
    events_free(a);
    events_free(b);
}

/* A restarted process writes a file of its own, its predecessor's torn tail is skipped and counted. */
static void torn_tail(void **state)
{
    struct events *a = process("queue", 0);
    struct event_merge *m = merge();
    char path[200];
    int fd;

    (void)state;
    say(a, 100, 1);
    events_flush(a);
    say(a, 110, 2);
    events_free(a);
    snprintf(path, sizeof path, "%s/queue.0.1.ev", dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 3), 0);
    close(fd);
    round_at(m, 1000);
    assert_string_equal(round_at(m, 1000), "1 ");
    assert_int_equal(damage, 0); /* it might still grow */
    a = process("queue", 0);
    say(a, 500, 3);
    events_flush(a);
    assert_string_equal(round_at(m, 2000), "3 ");
    assert_true(damage > 0);
    event_merge_free(m);
    events_free(a);
}

static void damaged_block(void **state)
{
    struct events *a = process("queue", 0);
    struct event_merge *m = merge();
    char path[200];
    int fd;

    (void)state;
    for (uint64_t i = 1; i <= 3; i++) {
        say(a, 100 * i, i);
        events_flush(a);
    }
    snprintf(path, sizeof path, "%s/queue.0.1.ev", dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "\xff", 1, FILE_HEADER + BLOCK_HEADER + EVENT_HEADER + 1 + BLOCK_HEADER + 2), 1);
    close(fd);
    round_at(m, 1000);
    assert_string_equal(round_at(m, 1000), "1 3 ");
    assert_int_equal(damage, BLOCK_HEADER + EVENT_HEADER + 1);
    event_merge_free(m);
    events_free(a);
}

/* The position is exact to the event, also inside a block, and files behind it go only when it is saved. */
static void position(void **state)
{
    struct events *a = process("receive", 0), *b = process("queue", 0);
    struct event_merge *m = merge();
    struct buf saved = BUF(10000);
    char path[200];

    (void)state;
    for (uint64_t i = 1; i <= 6; i++)
        say(i % 2 ? a : b, 100 * i, i);
    events_flush(a);
    events_flush(b);
    round_at(m, 350);
    assert_string_equal(round_at(m, 360), "1 2 3 ");
    event_merge_save(m, &saved);
    event_merge_free(m);
    m = merge();
    assert_int_equal(event_merge_restore(m, buf_str(&saved), NULL), RC_OK);
    round_at(m, 1000);
    assert_string_equal(round_at(m, 1000), "4 5 6 ");
    events_free(a);
    a = process("receive", 0);
    say(a, 2000, 7);
    events_flush(a);
    round_at(m, 3000);
    assert_string_equal(round_at(m, 3000), "7 ");
    snprintf(path, sizeof path, "%s/receive.0.1.ev", dir);
    event_merge_saved(m);
    assert_int_equal(access(path, F_OK), 0);
    buf_clear(&saved);
    event_merge_save(m, &saved);
    event_merge_saved(m);
    assert_int_not_equal(access(path, F_OK), 0);
    event_merge_free(m);
    events_free(a);
    events_free(b);
    buf_done(&saved);
}

/* Stamps of another run of the machine do not compare with ours: those events come first and at once. */
static void foreign_boot(void **state)
{
    struct events *a = process("receive", 0);
    struct event_merge *m;
    char path[200];
    int fd;

    (void)state;
    say(a, 1000000000000ull, 1);
    events_free(a);
    snprintf(path, sizeof path, "%s/receive.0.1.ev", dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "\1\2\3\4\5\6\7\10", 8, 16), 8);
    close(fd);
    a = process("receive", 0);
    say(a, 100, 2);
    events_flush(a);
    m = merge();
    round_at(m, 1000);
    assert_string_equal(round_at(m, 2000), "2 ");
    event_merge_free(m);
    m = merge();
    assert_string_equal(round_at(m, 1000), "1 ");
    assert_string_equal(round_at(m, 2000), "2 ");
    event_merge_free(m);
    events_free(a);
}

/* F5: what a failing disk does not take is kept and written once, in the next file. */
static void failed_write(void **state)
{
    struct events *a;
    struct event_merge *m = merge();

    (void)state;
    clock_test_set(1795255206000ull, 1000);
    setenv("POSTERN_FAULT", "queue:event.write:1:short", 1);
    io_init("queue");
    a = process("queue", 0);
    say(a, 100, 1);
    say(a, 100 + (1ull << 33), 2); /* too far for one block */
    events_flush(a);
    say(a, 200 + (1ull << 33), 3);
    events_flush(a); /* not tried again within a second */
    clock_test_advance(1500);
    events_flush(a);
    unsetenv("POSTERN_FAULT");
    io_init("queue");
    round_at(m, 1ull << 40);
    assert_string_equal(round_at(m, 1ull << 41), "1 2 3 ");
    event_merge_free(m);
    events_free(a);
    clock_test_set(0, 0);
}

static void plain_text(void **state)
{
    struct events *ev = events_test_new();

    (void)state;
    event(ev, message_start, .mid = 1, .icid = 2);
    event(ev, settings_committed, .pid = 7, .user = str_lit("admin"), .comment = str_lit("x"));
    assert_string_equal(events_test_text(ev).p, "Start MID 1 ICID 2\nPID 7: User admin commit changes: x\n");
    event(ev, message_finished, .mid = 1);
    assert_string_equal(events_test_text(ev).p,
                        "Start MID 1 ICID 2\nPID 7: User admin commit changes: x\nMessage finished MID 1 done\n");
    event(NULL, message_finished, .mid = 1);
    events_free(ev);
}

static void nanoseconds(const char *what, uint64_t from, uint64_t n)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%s: %.0f ns each\n", what, (double)((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - from) / (double)n);
}

/* Figures to watch: emitting in a role, reading in record. */
static void speed(void **state)
{
    struct events *a;
    struct event_merge *m = merge();
    struct event_record rec;
    uint64_t start, n = 200000, seen = 0;

    (void)state;
    a = events_new(NULL, dir, "queue", 0, NULL, NULL, NULL, NULL);
    start = clock_mono_ns();
    for (uint64_t i = 0; i < n; i++) {
        event(a, message_recipient, .mid = i, .icid = i, .recipient = str_lit("bob@example.net"));
        if (i % 100 == 99)
            events_flush(a);
    }
    events_flush(a);
    nanoseconds("emit", start, n);
    start = clock_mono_ns();
    event_merge_round(m, clock_mono_ns());
    event_merge_release_all(m);
    while (event_merge_next(m, &rec))
        seen++;
    nanoseconds("read and merge", start, n);
    assert_int_equal(seen, n);
    event_merge_free(m);
    events_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_of_stamps, fresh, gone),
        cmocka_unit_test_setup_teardown(late, fresh, gone),
        cmocka_unit_test_setup_teardown(torn_tail, fresh, gone),
        cmocka_unit_test_setup_teardown(damaged_block, fresh, gone),
        cmocka_unit_test_setup_teardown(position, fresh, gone),
        cmocka_unit_test_setup_teardown(foreign_boot, fresh, gone),
        cmocka_unit_test_setup_teardown(speed, fresh, gone),
        cmocka_unit_test_setup_teardown(failed_write, fresh, gone),
        cmocka_unit_test(plain_text),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_done(&got);
    return failed;
}
