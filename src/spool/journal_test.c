/* The queue's journal: what was synced comes back, a torn group does not, a failed sync or a full disk loses nothing. */
#include "spool/journal.h"

#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
    char dir[64];
    struct loop *loop;
    struct journal *j;
    struct journal_options o;
    uint64_t seen[5000];
    unsigned n_seen, failures, told;
    enum rc told_rc;
    unsigned part;
    bool torn;
    struct err err;
};

static void entry(void *ctx, uint64_t kind, struct str octets)
{
    struct bench *b = ctx;

    assert_true(octets.n == 8);
    if (b->n_seen < 5000)
        b->seen[b->n_seen++] = kind;
}

static void failed(void *ctx, enum rc rc, const struct err *e)
{
    (void)rc;
    (void)e;
    ((struct bench *)ctx)->failures++;
}

static void synced(void *ctx, enum rc rc)
{
    struct bench *b = ctx;

    b->told++;
    b->told_rc = rc;
}

static void open_journal(struct bench *b)
{
    b->n_seen = 0;
    b->j = journal_open(b->loop, &b->o, entry, &b->torn, &b->err);
    assert_non_null(b->j);
}

static int start(void **state)
{
    struct bench *b = calloc(1, sizeof *b);

    snprintf(b->dir, sizeof b->dir, "/tmp/journal-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    b->loop = loop_new();
    b->o = (struct journal_options){
        .dir = b->dir, .rotate_bytes = 1 << 20, .reserve_bytes = 1 << 20, .failed = failed, .ctx = b};
    open_journal(b);
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bench *b = *state;
    char command[128];

    unsetenv("POSTERN_FAULT");
    io_init("test");
    journal_close(b->j);
    loop_free(b->loop);
    snprintf(command, sizeof command, "rm -rf %s", b->dir);
    assert_int_equal(system(command), 0);
    free(b);
    return 0;
}

static void add(struct bench *b, uint64_t kind)
{
    journal_add(b->j, kind, str_lit("12345678"));
}

static void sync_all(struct bench *b)
{
    unsigned told = b->told;

    journal_sync(b->j, synced, b);
    while (b->told == told)
        loop_turn(b->loop, true);
}

static void fault(const char *text)
{
    setenv("POSTERN_FAULT", text, 1);
    io_init("test");
}

static void reopen(struct bench *b)
{
    journal_close(b->j);
    open_journal(b);
}

static void entries_come_back_in_order(void **state)
{
    struct bench *b = *state;

    for (uint64_t i = 0; i < 10; i++) {
        add(b, i);
        if (i % 3 == 0)
            loop_turn(b->loop, false);
    }
    sync_all(b);
    assert_true(journal_synced(b->j) == 10 && b->told_rc == RC_OK);
    reopen(b);
    assert_false(b->torn);
    assert_int_equal(b->n_seen, 10);
    for (uint64_t i = 0; i < 10; i++)
        assert_true(b->seen[i] == i);
    add(b, 77);
    reopen(b);
    assert_true(b->n_seen == 11 && b->seen[10] == 77);
}

static void newest_file(struct bench *b, char path[128])
{
    unsigned n = 0;

    do
        snprintf(path, 128, "%s/journal/%08u", b->dir, ++n);
    while (access(path, F_OK) == 0);
    snprintf(path, 128, "%s/journal/%08u", b->dir, n - 1);
}

/* J: torn journal group: cut there. */
static void a_torn_group_is_dropped_whole(void **state)
{
    struct bench *b = *state;
    char path[128];
    struct stat st;

    add(b, 1);
    sync_all(b);
    add(b, 2);
    add(b, 3);
    sync_all(b);
    newest_file(b, path);
    journal_close(b->j);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 3), 0);
    open_journal(b);
    assert_true(b->torn && b->n_seen == 1 && b->seen[0] == 1);
    add(b, 4);
    reopen(b);
    assert_true(b->n_seen == 2 && b->seen[1] == 4);
}

/* B6 for the journal: nothing is lost by a failed sync, and that file is not synced again. */
static void a_failed_sync_moves_on_to_a_new_file(void **state)
{
    struct bench *b = *state;

    add(b, 1);
    sync_all(b);
    fault("test:journal.sync:1:eio");
    add(b, 2);
    sync_all(b);
    assert_int_equal(b->told_rc, RC_OK);
    assert_true(journal_synced(b->j) == 2 && journal_ok(b->j) && b->failures == 0);
    reopen(b);
    assert_true(b->n_seen == 2 && b->seen[0] == 1 && b->seen[1] == 2);
}

/* I3: the reserve is given up so that deliveries can be recorded. */
static void a_full_disk_costs_the_reserve_not_the_entries(void **state)
{
    struct bench *b = *state;
    char path[128];

    snprintf(path, sizeof path, "%s/reserve", b->dir);
    assert_int_equal(access(path, F_OK), 0);
    fault("test:journal.write:1:enospc");
    add(b, 1);
    sync_all(b);
    assert_true(b->told_rc == RC_OK && b->failures == 0);
    assert_int_not_equal(access(path, F_OK), 0);
    reopen(b);
    assert_int_equal(b->n_seen, 1);
}

static void while_nothing_can_be_written_waiters_are_told_and_entries_kept(void **state)
{
    struct bench *b = *state;

    clock_test_set(1000000, 1000000);
    fault("test:journal.write:0:enospc");
    add(b, 1);
    sync_all(b);
    assert_true(b->told_rc == RC_NO_SPACE && b->failures == 1 && !journal_ok(b->j));
    add(b, 2);
    sync_all(b);
    assert_true(b->told_rc != RC_OK && b->failures == 1);
    unsetenv("POSTERN_FAULT");
    io_init("test");
    clock_test_advance(1001);
    sync_all(b);
    assert_true(b->told_rc == RC_OK && journal_ok(b->j) && journal_synced(b->j) == 2);
    reopen(b);
    assert_true(b->n_seen == 2 && b->seen[0] == 1 && b->seen[1] == 2);
}

static void a_short_write_is_written_over(void **state)
{
    struct bench *b = *state;

    fault("test:journal.write:1:short");
    add(b, 1);
    sync_all(b);
    reopen(b);
    assert_true(b->n_seen == 1 && b->seen[0] == 1 && !b->torn);
}

static bool checkpoint(void *ctx, struct journal *j, bool first)
{
    struct bench *b = ctx;

    b->part = first ? 0 : b->part + 1;
    journal_add(j, 1000 + b->part, str_lit("12345678"));
    return b->part < 4;
}

static unsigned files(const struct bench *b)
{
    char path[128];
    unsigned n = 0;

    for (unsigned i = 1; i < 50; i++) {
        snprintf(path, sizeof path, "%s/journal/%08u", b->dir, i);
        n += access(path, F_OK) == 0;
    }
    return n;
}

static void rotation_leaves_one_file_that_begins_with_the_state(void **state)
{
    struct bench *b = *state;

    b->o.checkpoint = checkpoint;
    b->o.rotate_bytes = 1000;
    reopen(b);
    for (uint64_t i = 0; i < 200; i++)
        add(b, 1);
    sync_all(b);
    for (int i = 0; i < 20; i++)
        loop_turn(b->loop, false);
    sync_all(b);
    sync_all(b);
    assert_int_equal(files(b), 1);
    add(b, 5);
    b->o.checkpoint = NULL;
    reopen(b);
    assert_int_equal(b->n_seen, 6);
    for (uint64_t i = 0; i < 5; i++)
        assert_true(b->seen[i] == 1000 + i);
    assert_true(b->seen[5] == 5);
}

int main(void)
{
#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(entries_come_back_in_order),
        JOURNAL_TEST(a_torn_group_is_dropped_whole),
        JOURNAL_TEST(a_failed_sync_moves_on_to_a_new_file),
        JOURNAL_TEST(a_full_disk_costs_the_reserve_not_the_entries),
        JOURNAL_TEST(a_short_write_is_written_over),
        JOURNAL_TEST(rotation_leaves_one_file_that_begins_with_the_state),
        JOURNAL_TEST(while_nothing_can_be_written_waiters_are_told_and_entries_kept), /* stops the clock: last */
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
