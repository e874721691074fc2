/* The spool's writer and reader: what was acknowledged is there, what failed is not, and one sync serves many. */
#include "base/clock.h"
#include "base/io.h"
#include "spool/layout.h"
#include "spool/spool_testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static void a_record_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct told *t = append(f, 7, "envelope", "body of the message\r\n");
    struct spool_head head;
    struct str envelope;
    char body[100];
    uint32_t crc = 0;

    settle(f);
    assert_int_equal(t->rc, RC_OK);
    assert_int_equal(spool_read_head(f->reader, t->ref, &f->arena, &head, &envelope, &f->err), RC_OK);
    assert_true(head.mid == 7 && str_eq(envelope, str_lit("envelope")) && head.body_bytes == 21);
    assert_int_equal(spool_read_body(f->reader, &head, 0, body, 21, &crc, &f->err), RC_OK);
    assert_memory_equal(body, "body of the message\r\n", 21);
    assert_true(crc == head.body_crc);
}

static void records_of_one_turn_share_one_sync(void **state)
{
    struct fixture *f = *state;
    uint64_t syncs, records;

    for (uint64_t i = 0; i < 20; i++)
        append(f, i + 1, "e", "b");
    settle(f);
    spool_writer_counts(f->writer, &syncs, &records);
    assert_true(syncs == 1 && records == 20);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(f->told[i].rc, RC_OK);
}

/* All sizes about the edges of chunks, pages and the inline limit. */
static void bodies_of_all_sizes_come_back(void **state)
{
    static const size_t sizes[] = {0,     1,      4095,   4096,   4097,   16384,  65535,  65536,
                                   65537, 131072, 200000, 262143, 262144, 262145, 300000, 1000000};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        append_body(f, i + 1, str_lit("e"), pattern(f, sizes[i]));
    settle(f);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct spool_head head = read_back(f, &f->told[i], pattern(f, sizes[i]));

        assert_int_equal(head.big, sizes[i] > SPOOL_INLINE_MAX);
    }
}

static void a_body_given_in_pieces_is_the_same(void **state)
{
    struct fixture *f = *state;
    struct str body = pattern(f, 400000);
    struct spool_body *b = spool_body_new(f->writer);
    struct told *t = &f->told[f->n_told++];

    for (size_t at = 0, n = 1; at < body.n; at += n, n = n * 3 % 7001 + 1)
        assert_int_equal(spool_body_add(b, str_first(str_from(body, at), n), &f->err), RC_OK);
    assert_true(spool_body_bytes(b) == body.n);
    assert_true(spool_body_start(b).n >= 65536 && str_starts(body, spool_body_start(b)));
    spool_append(f->writer, 0, 5, BODY_HAS_DOT, str_lit("e"), b, fixture_done, t);
    settle(f);
    assert_true(read_back(f, t, body).flags == BODY_HAS_DOT);
}

/* I1: when 64 MiB are in use, bodies spill from 16 KiB on. */
static void bodies_spill_early_when_memory_is_short(void **state)
{
    struct fixture *f = *state;
    struct spool_body *hold[300];

    for (size_t i = 0; i < 300; i++) {
        hold[i] = spool_body_new(f->writer);
        assert_int_equal(spool_body_add(hold[i], pattern(f, 250000), &f->err), RC_OK);
    }
    append_body(f, 1, str_lit("e"), pattern(f, 20000));
    append_body(f, 2, str_lit("e"), pattern(f, 10000));
    settle(f);
    assert_true(read_back(f, &f->told[0], pattern(f, 20000)).big);
    assert_false(read_back(f, &f->told[1], pattern(f, 10000)).big);
    for (size_t i = 0; i < 300; i++)
        spool_body_free(hold[i]);
}

static void a_large_body_can_be_opened_and_removed(void **state)
{
    struct fixture *f = *state;
    struct told *t = append_body(f, 3, str_lit("e"), pattern(f, 300000));
    struct spool_head head;
    struct stat st;
    int fd;

    settle(f);
    head = read_back(f, t, pattern(f, 300000));
    assert_int_equal(spool_open_big(f->reader, &head, &fd, &f->err), RC_OK);
    assert_true(fstat(fd, &st) == 0 && st.st_size == 300000);
    close(fd);
    assert_int_equal(spool_remove_big(f->dir, &head, &f->err), RC_OK);
    assert_int_equal(spool_open_big(f->reader, &head, &fd, &f->err), RC_NOT_FOUND);
}

static void a_refused_large_body_leaves_no_file(void **state)
{
    struct fixture *f = *state;

    append(f, 1, "e", "b");
    settle(f);
    fault("test:spool.sync:1:eio");
    append_body(f, 2, str_lit("e"), pattern(f, 300000));
    settle(f);
    assert_int_equal(f->told[1].rc, RC_IO);
    fault("test:spool.big_sync:1:eio");
    append_body(f, 3, str_lit("e"), pattern(f, 300000));
    settle(f);
    fault(NULL);
    assert_int_equal(f->told[2].rc, RC_IO);
    assert_int_equal(count_files(f, "big"), 0);
}

static void segments_follow_one_another(void **state)
{
    struct fixture *f = *state;

    for (uint64_t i = 0; i < 60; i++) {
        append_body(f, i + 1, str_lit("e"), pattern(f, 200000));
        if (i % 5 == 4)
            settle(f);
    }
    assert_true(f->n_closed >= 2);
    for (unsigned i = 0; i < 60; i++)
        read_back(f, &f->told[i], pattern(f, 200000));
    assert_true(f->board->receivers[0].segment == f->told[59].ref.segment);
    assert_true(f->board->receivers[0].generation == f->told[59].ref.generation);
    assert_true(f->closed[0].segment == f->told[0].ref.segment && f->closed[0].from == f->closed[0].to);
}

static void an_emptied_segment_is_used_again_with_a_new_generation(void **state)
{
    struct fixture *f = *state;
    uint64_t first;
    bool again = false;

    for (uint64_t i = 0; i < 150; i++) {
        append_body(f, i + 1, str_lit("e"), pattern(f, 200000));
        settle(f);
        for (; f->n_freed < f->n_closed; f->n_freed++) {
            struct spool_void *c = &f->closed[f->n_freed];

            assert_int_equal(spool_mark_free(f->dir, c->segment, c->generation, &f->err), RC_OK);
            spool_writer_reuse(f->writer, c->segment, false);
        }
        for (uint64_t k = 0; k < i && !again; k++)
            again =
                f->told[k].ref.segment == f->told[i].ref.segment && f->told[k].ref.generation != f->told[i].ref.generation;
    }
    assert_true(again);
    first = f->told[0].ref.segment;
    assert_int_equal(spool_mark_free(f->dir, first, f->told[0].ref.generation, &f->err), RC_CORRUPT);
    assert_true(count_files(f, "seg") <= 5);
}

/* K4, C6: whoever reads slowly from a segment that was recycled never gets other mail as his. */
static void a_recycled_segment_is_noticed_by_a_slow_reader(void **state)
{
    struct fixture *f = *state;
    struct told *t = append_body(f, 1, str_lit("e"), pattern(f, 200000));
    struct spool_head head;
    struct str envelope, other = pattern(f, 200000);
    char *body = arena_alloc(&f->arena, 200000);
    uint32_t crc = 0;
    int fd;
    char path[128];

    settle(f);
    assert_int_equal(spool_read_head(f->reader, t->ref, &f->arena, &head, &envelope, &f->err), RC_OK);
    assert_int_equal(spool_read_body(f->reader, &head, 0, body, 100000, &crc, &f->err), RC_OK);
    snprintf(path, sizeof path, "%s/seg/%08u", f->dir, (unsigned)t->ref.segment);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, other.p + 7, 199000, (off_t)t->ref.offset), 199000); /* the next life's mail */
    close(fd);
    assert_int_equal(spool_read_body(f->reader, &head, 100000, body, 100000, &crc, &f->err), RC_OK);
    assert_false(crc == head.body_crc);
    assert_int_equal(spool_read_head(f->reader, t->ref, &f->arena, &head, &envelope, &f->err), RC_CORRUPT);
}

static void a_reference_to_another_generation_is_refused(void **state)
{
    struct fixture *f = *state;
    struct spool_ref ref = append(f, 1, "e", "b")->ref;
    struct spool_head head;
    struct str envelope;

    settle(f);
    ref = f->told[0].ref;
    ref.generation++;
    assert_int_equal(spool_read_head(f->reader, ref, &f->arena, &head, &envelope, &f->err), RC_CORRUPT);
    ref.generation--;
    ref.offset += 64;
    assert_int_equal(spool_read_head(f->reader, ref, &f->arena, &head, &envelope, &f->err), RC_CORRUPT);
    ref.segment = 999;
    assert_int_equal(spool_read_head(f->reader, ref, &f->arena, &head, &envelope, &f->err), RC_NOT_FOUND);
}

static void a_copy_is_the_same_message_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct spool_head small, big;

    append_body(f, 1, str_lit("small"), pattern(f, 100000));
    append_body(f, 2, str_lit("large"), pattern(f, 500000));
    settle(f);
    small = read_back(f, &f->told[0], pattern(f, 100000));
    big = read_back(f, &f->told[1], pattern(f, 500000));
    spool_append_copy(f->writer, f->reader, &small, str_lit("small"), fixture_done, &f->told[2]);
    spool_append_copy(f->writer, f->reader, &big, str_lit("large"), fixture_done, &f->told[3]);
    f->n_told = 4;
    settle(f);
    assert_true(f->told[2].ref.offset != small.ref.offset);
    assert_true(read_back(f, &f->told[2], pattern(f, 100000)).mid == 1);
    assert_true(read_back(f, &f->told[3], pattern(f, 500000)).mid == 2);
}

static void nothing_is_written_before_numbers_may_be_taken(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    f->board->numbers_ready = 0;
    fixture_open(f);
    append(f, 1, "e", "b");
    for (int i = 0; i < 5; i++)
        loop_turn(f->loop, false);
    assert_false(f->told[0].done);
    f->board->numbers_ready = 1;
    settle(f);
    assert_int_equal(f->told[0].rc, RC_OK);
}

static void what_is_not_written_at_the_end_is_refused(void **state)
{
    struct fixture *f = *state;

    append(f, 1, "e", "b");
    settle(f);
    append(f, 2, "e", "b");
    fixture_close(f);
    assert_true(f->told[1].done && f->told[1].rc == RC_SHUTTING_DOWN);
    fixture_open(f);
    append(f, 3, "e", "b");
    settle(f);
    read_back(f, &f->told[0], str_lit("b"));
    read_back(f, &f->told[2], str_lit("b"));
}

/* As if its process had not ended in order: the header page says in use. */
static void mark_in_use(struct fixture *f, uint64_t segment)
{
    char path[128];
    struct segment_header h;
    int fd;

    snprintf(path, sizeof path, "%s/seg/%08u", f->dir, (unsigned)segment);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &h, sizeof h, 0), sizeof h);
    h.state = SEGMENT_IN_USE;
    layout_seal_segment(&h);
    assert_int_equal(pwrite(fd, &h, sizeof h, 0), sizeof h);
    close(fd);
}

/* A killed process leaves a segment that it had made ready: the next one of its column uses it. */
static void the_spare_of_a_killed_process_is_used(void **state)
{
    struct fixture *f = *state;
    uint64_t spare;

    while (!(spare = board_load(&f->board->receivers[0].spare)))
        loop_turn(f->loop, true);
    fixture_close(f);
    mark_in_use(f, spare);
    fixture_open(f);
    append(f, 1, "e", "b");
    settle(f);
    assert_true(f->told[0].ref.segment == spare);
    assert_int_equal(count_files(f, "seg"), 1);
}

static void an_envelope_that_is_too_large_is_refused(void **state)
{
    struct fixture *f = *state;

    append_body(f, 1, pattern(f, (1 << 20) + 1), str_lit("b"));
    settle(f);
    assert_int_equal(f->told[0].rc, RC_TOO_LARGE);
}

static void too_little_space_is_said_before_the_mail_comes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(spool_space(f->writer, 1000), RC_OK);
    assert_int_equal(spool_space(f->writer, (uint64_t)1 << 60), RC_NO_SPACE);
}

/* --- B3: the commit window --------------------------------------------------------------------------------------------- */

static unsigned turns_until(struct fixture *f, const struct told *t)
{
    unsigned n = 0;

    for (; !t->done && n < 50; n++) {
        loop_turn(f->loop, false);
        usleep(100);
    }
    return n;
}

static void a_recent_transaction_is_waited_for_two_milliseconds_at_most(void **state)
{
    struct fixture *f = *state;
    uint64_t first, second, syncs, records;

    append(f, 99, "e", "b");
    settle(f); /* a segment is there */
    clock_test_set(1000000, 1000000);
    loop_turn(f->loop, false);
    spool_transaction_begin(f->writer, &first);
    spool_transaction_begin(f->writer, &second);
    spool_append(f->writer, first, 1, 0, str_lit("e"), NULL, fixture_done, &f->told[1]);
    f->n_told = 2;
    assert_int_equal(turns_until(f, &f->told[1]), 50); /* the second may come any moment */
    spool_append(f->writer, second, 2, 0, str_lit("e"), NULL, fixture_done, &f->told[2]);
    f->n_told = 3;
    settle(f);
    spool_writer_counts(f->writer, &syncs, &records);
    assert_true(syncs == 2 && records == 3);

    spool_transaction_begin(f->writer, &first);
    spool_append(f->writer, 0, 3, 0, str_lit("e"), NULL, fixture_done, &f->told[3]);
    f->n_told = 4;
    assert_int_equal(turns_until(f, &f->told[3]), 50);
    clock_test_advance(2);
    assert_in_range(turns_until(f, &f->told[3]), 0, 49);

    clock_test_advance(51); /* the first is slow by now: nobody waits for it */
    spool_append(f->writer, 0, 4, 0, str_lit("e"), NULL, fixture_done, &f->told[4]);
    f->n_told = 5;
    assert_in_range(turns_until(f, &f->told[4]), 0, 49);
    spool_transaction_end(f->writer, first);
    spool_transaction_end(f->writer, first);
}

static void a_full_group_does_not_wait(void **state)
{
    struct fixture *f = *state;
    uint64_t token, syncs, records;

    append(f, 99, "e", "b");
    settle(f);
    spool_transaction_begin(f->writer, &token); /* the clock stands: recent for ever */
    for (uint64_t i = 0; i < 64; i++)
        append(f, i + 1, "e", "b");
    settle(f);
    spool_writer_counts(f->writer, &syncs, &records);
    assert_true(syncs == 2 && records == 65);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(a_record_comes_back_as_it_was),
        SPOOL_TEST(records_of_one_turn_share_one_sync),
        SPOOL_TEST(bodies_of_all_sizes_come_back),
        SPOOL_TEST(a_body_given_in_pieces_is_the_same),
        SPOOL_TEST(bodies_spill_early_when_memory_is_short),
        SPOOL_TEST(a_large_body_can_be_opened_and_removed),
        SPOOL_TEST(a_refused_large_body_leaves_no_file),
        SPOOL_TEST(segments_follow_one_another),
        SPOOL_TEST(an_emptied_segment_is_used_again_with_a_new_generation),
        SPOOL_TEST(a_recycled_segment_is_noticed_by_a_slow_reader),
        SPOOL_TEST(a_reference_to_another_generation_is_refused),
        SPOOL_TEST(a_copy_is_the_same_message_elsewhere),
        SPOOL_TEST(nothing_is_written_before_numbers_may_be_taken),
        SPOOL_TEST(what_is_not_written_at_the_end_is_refused),
        SPOOL_TEST(the_spare_of_a_killed_process_is_used),
        SPOOL_TEST(an_envelope_that_is_too_large_is_refused),
        SPOOL_TEST(too_little_space_is_said_before_the_mail_comes),
        SPOOL_TEST(a_recent_transaction_is_waited_for_two_milliseconds_at_most), /* stops the clock */
        SPOOL_TEST(a_full_group_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
