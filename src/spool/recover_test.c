/* Recovery: torn tails, damage, void ranges, forged records; and what a failed write or sync leaves behind (B6). */
#include "base/clock.h"
#include "spool/spool_testing.h"

#include <fcntl.h>
#include <time.h>

struct walk {
    uint64_t mids[20000];
    unsigned n;
};

static void found(void *ctx, const struct spool_head *head, struct str envelope)
{
    struct walk *w = ctx;

    assert_true(envelope.n > 0);
    w->mids[w->n++] = head->mid;
}

static struct spool_found scan(struct fixture *f, uint64_t segment, struct walk *w)
{
    struct spool_voids voids;
    struct spool_found out;

    w->n = 0;
    assert_int_equal(spool_read_voids(f->dir, &f->arena, &voids, &f->err), RC_OK);
    assert_int_equal(spool_scan(f->dir, segment, 0, 0, &voids, found, w, &out, &f->err), RC_OK);
    return out;
}

static bool has(const struct walk *w, uint64_t mid)
{
    for (unsigned i = 0; i < w->n; i++)
        if (w->mids[i] == mid)
            return true;
    return false;
}

/* Changes one octet of the file. */
static void damage(struct fixture *f, uint64_t segment, uint64_t offset)
{
    char path[128], c;
    int fd;

    snprintf(path, sizeof path, "%s/seg/%08u", f->dir, (unsigned)segment);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &c, 1, (off_t)offset), 1);
    c = (char)(c ^ 0x55);
    assert_int_equal(pwrite(fd, &c, 1, (off_t)offset), 1);
    close(fd);
}

/* Groups of one, two and three records with MIDs 1, 2 3, 4 5 6. */
static uint64_t six(struct fixture *f)
{
    uint64_t mid = 0;

    for (int group = 1; group <= 3; group++) {
        for (int i = 0; i < group; i++)
            append_body(f, ++mid, str_lit("e"), pattern(f, 5000));
        settle(f);
    }
    return f->told[0].ref.segment;
}

static void every_record_is_found_in_order(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    struct spool_found out = scan(f, six(f), w);

    assert_true(!out.corrupt && !out.empty && !out.free && out.owner == 0 && w->n == 6);
    for (unsigned i = 0; i < 6; i++)
        assert_true(w->mids[i] == i + 1);
    assert_true(out.generation == f->told[0].ref.generation && out.good_to % 4096 == 0);
}

/* J: receive died: queue takes what lies between what it knew and what was announced. */
static void a_scan_can_be_limited_to_a_range(void **state)
{
    struct fixture *f = *state;
    struct walk w = {.n = 0};
    struct spool_found out;
    uint64_t segment = six(f);

    assert_int_equal(
        spool_scan(f->dir, segment, f->told[1].ref.offset, f->told[4].ref.offset, NULL, found, &w, &out, &f->err), RC_OK);
    assert_true(w.n == 3 && w.mids[0] == 2 && w.mids[2] == 4);
}

/* J: power cut before 250. */
static void a_torn_tail_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    uint64_t segment = six(f);
    struct spool_found out;

    damage(f, segment, f->told[4].ref.offset + 3000); /* second record of the last group, in its body */
    out = scan(f, segment, w);
    assert_false(out.corrupt);
    assert_true(w->n == 4 && has(w, 4) && !has(w, 5) && !has(w, 6));
}

/* J, C4: damage below a synced mark: the readable rest is taken, the file set aside. */
static void damage_below_a_synced_mark_is_corruption(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    uint64_t segment = six(f);
    struct spool_found out;

    damage(f, segment, f->told[1].ref.offset + 10); /* in the header: its length is not known any more */
    out = scan(f, segment, w);
    assert_true(out.corrupt && w->n == 5 && !has(w, 2) && has(w, 3) && has(w, 6));
    assert_int_equal(spool_set_aside(f->dir, segment, &f->err), RC_OK);
    assert_int_equal(count_files(f, "aside"), 1);
    assert_int_equal(spool_scan(f->dir, segment, 0, 0, NULL, found, w, &out, &f->err), RC_NOT_FOUND);
}

static void a_damaged_header_page_does_not_hide_the_mail(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    uint64_t segment = six(f);
    struct spool_found out;

    damage(f, segment, 20);
    out = scan(f, segment, w);
    assert_true(out.corrupt && w->n == 6 && out.generation == f->told[0].ref.generation);
}

/* A peer who knows the format puts a whole record with a late synced mark into his mail, at every aligned place. */
static void what_lies_in_a_body_never_passes_for_a_record(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    char record[128], path[128];
    char *body = arena_alloc(&f->arena, 200000);
    uint64_t segment = six(f);
    struct told *evil;
    int fd;

    snprintf(path, sizeof path, "%s/seg/%08u", f->dir, (unsigned)segment);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, record, 128, (off_t)f->told[5].ref.offset), 128);
    memset(record + 32, 0, 8); /* all of a good record but the salt, which nobody outside can know */
    for (size_t i = 0; i + 128 <= 200000; i += 64)
        memcpy(body + i, record, i % 128 ? 64 : 128);
    evil = append_body(f, 7, str_lit("e"), str_of(body, 200000));
    settle(f);
    append(f, 8, "e", "b");
    settle(f);
    damage(f, segment, evil->ref.offset);
    assert_true(scan(f, segment, w).corrupt);
    assert_true(w->n == 7 && has(w, 8) && !has(w, 7));
    close(fd);
}

static void a_free_segment_holds_no_mail(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    uint64_t segment = six(f);
    struct spool_found out;

    assert_int_equal(spool_mark_free(f->dir, segment, f->told[0].ref.generation, &f->err), RC_OK);
    out = scan(f, segment, w);
    assert_true(out.free && out.empty && w->n == 0);
}

static void segments_are_listed_in_order(void **state)
{
    struct fixture *f = *state;
    const uint64_t *ids;
    size_t n;

    for (uint64_t i = 0; i < 60; i++) {
        append_body(f, i + 1, str_lit("e"), pattern(f, 200000));
        settle(f);
    }
    assert_int_equal(spool_list(f->dir, &f->arena, &ids, &n, &f->err), RC_OK);
    assert_true(n >= 3);
    for (size_t i = 1; i < n; i++)
        assert_true(ids[i] > ids[i - 1]);
}

/* --- faults ------------------------------------------------------------------------------------------------------------ */

/* K4, B6: the sync fails, yet every octet of the group is there and its CRCs fit. */
static void a_group_whose_sync_failed_is_void_though_its_crc_fits(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    uint64_t segment = six(f);
    struct spool_found out;

    fault("test:spool.sync:1:eio");
    append(f, 7, "e", "refused");
    append(f, 8, "e", "refused");
    settle(f);
    fault(NULL);
    assert_true(f->told[6].rc == RC_IO && f->told[7].rc == RC_IO);
    append(f, 9, "e", "next");
    settle(f);
    assert_true(f->told[8].rc == RC_OK && f->told[8].ref.segment != segment);
    assert_true(f->n_closed == 1 && f->closed[0].segment == segment && f->closed[0].from < f->closed[0].to);
    out = scan(f, segment, w);
    assert_true(!out.corrupt && w->n == 6 && !has(w, 7));
    w->n = 0;
    assert_int_equal(spool_scan(f->dir, segment, 0, 0, NULL, found, w, &out, &f->err), RC_OK);
    assert_true(has(w, 7)); /* so it was there, and the void record alone keeps it out */
    scan(f, f->told[8].ref.segment, w);
    assert_true(w->n == 1 && has(w, 9));
}

static void a_segment_with_a_void_record_waits_for_the_failed_one(void **state)
{
    struct fixture *f = *state;
    struct spool_voids voids;
    uint64_t bad, next;

    bad = six(f);
    fault("test:spool.sync:1:eio");
    append(f, 7, "e", "refused");
    settle(f);
    fault(NULL);
    append(f, 8, "e", "b");
    settle(f);
    next = f->told[7].ref.segment;
    fixture_close(f);
    assert_int_equal(spool_mark_free(f->dir, next, f->told[7].ref.generation, &f->err), RC_OK);
    fixture_open(f);
    append(f, 9, "e", "b");
    settle(f);
    assert_true(f->told[8].ref.segment != next);
    assert_int_equal(spool_read_voids(f->dir, &f->arena, &voids, &f->err), RC_OK);
    assert_true(voids.n == 1 && voids.items[0].segment == bad);
}

/* B6: the void record fails too: nothing is certain, so the peer gets no reply. */
static void a_failed_void_record_leaves_the_fate_open(void **state)
{
    struct fixture *f = *state;

    six(f);
    fault("test:spool.sync:0:eio");
    append(f, 7, "e", "b");
    settle(f);
    assert_int_equal(f->told[6].rc, RC_CLOSED);
    append(f, 8, "e", "b");
    settle(f);
    assert_int_equal(f->told[7].rc, RC_IO); /* never written */
    fault(NULL);
    clock_test_set(clock_wall_ms(), clock_mono_ms() + 5000);
    append(f, 9, "e", "b");
    settle(f);
    assert_int_equal(f->told[8].rc, RC_OK);
    assert_true(f->n_closed >= 2);
}

static void a_short_write_refuses_its_group_alone(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    uint64_t segment = six(f);

    fault("test:spool.append:1:short");
    append(f, 7, "e", "b");
    append(f, 8, "e", "b");
    settle(f);
    fault(NULL);
    append(f, 9, "e", "b");
    settle(f);
    assert_true(f->told[6].rc == RC_NO_SPACE && f->told[7].rc == RC_NO_SPACE && f->told[8].rc == RC_OK);
    assert_true(scan(f, segment, w).corrupt == false && w->n == 6);
}

static void a_full_disk_refuses_and_what_was_stored_stays(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    uint64_t segment = six(f);

    fault("test:spool.append:0:enospc");
    append(f, 7, "e", "b");
    settle(f);
    assert_int_equal(f->told[6].rc, RC_CLOSED); /* the void record found no place either */
    append(f, 8, "e", "b");
    settle(f);
    assert_int_equal(f->told[7].rc, RC_NO_SPACE);
    fault(NULL);
    clock_test_set(clock_wall_ms(), clock_mono_ms() + 5000);
    append(f, 9, "e", "b");
    settle(f);
    assert_int_equal(f->told[8].rc, RC_OK);
    assert_true(!scan(f, segment, w).corrupt && w->n == 6);
}

static void without_room_for_a_segment_mail_is_refused_until_there_is(void **state)
{
    struct fixture *f = *state;

    fixture_close(f);
    fault("test:spool.make:0:enospc");
    f->options.segment_bytes = 3 << 20; /* no free file fits */
    fixture_open(f);
    append(f, 1, "e", "b");
    settle(f);
    assert_int_equal(f->told[0].rc, RC_NO_SPACE);
    fault(NULL);
    clock_test_set(clock_wall_ms(), clock_mono_ms() + 5000);
    append(f, 2, "e", "b");
    settle(f);
    assert_int_equal(f->told[1].rc, RC_OK);
}

/* The figure behind "recovery of 100,000 queued messages under 5 s". */
static void ten_thousand_records_are_scanned_fast(void **state)
{
    struct fixture *f = *state;
    struct walk *w = arena_alloc(&f->arena, sizeof *w);
    struct timespec a, b;
    uint64_t took;
    unsigned total = 0;
    const uint64_t *ids;
    size_t n;

    for (uint64_t i = 0; i < 10000; i++) {
        append_body(f, i + 1, pattern(f, 300), pattern(f, 2048));
        if (i % 500 == 499)
            settle(f);
    }
    settle(f);
    assert_int_equal(spool_list(f->dir, &f->arena, &ids, &n, &f->err), RC_OK);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (size_t i = 0; i < n; i++) {
        assert_false(scan(f, ids[i], w).corrupt);
        total += w->n;
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    took = (uint64_t)(b.tv_sec - a.tv_sec) * 1000000u + (uint64_t)(b.tv_nsec / 1000) - (uint64_t)(a.tv_nsec / 1000);
    assert_int_equal(total, 10000);
    print_message("scan: 10000 records of 2 KB in %u us\n", (unsigned)took);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(every_record_is_found_in_order),
        SPOOL_TEST(a_scan_can_be_limited_to_a_range),
        SPOOL_TEST(a_torn_tail_is_dropped),
        SPOOL_TEST(damage_below_a_synced_mark_is_corruption),
        SPOOL_TEST(a_damaged_header_page_does_not_hide_the_mail),
        SPOOL_TEST(what_lies_in_a_body_never_passes_for_a_record),
        SPOOL_TEST(a_free_segment_holds_no_mail),
        SPOOL_TEST(segments_are_listed_in_order),
        SPOOL_TEST(a_group_whose_sync_failed_is_void_though_its_crc_fits),
        SPOOL_TEST(a_segment_with_a_void_record_waits_for_the_failed_one),
        SPOOL_TEST(a_short_write_refuses_its_group_alone),
        SPOOL_TEST(ten_thousand_records_are_scanned_fast),
        SPOOL_TEST(a_failed_void_record_leaves_the_fate_open), /* from here on the clock stands */
        SPOOL_TEST(a_full_disk_refuses_and_what_was_stored_stays),
        SPOOL_TEST(without_room_for_a_segment_mail_is_refused_until_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
