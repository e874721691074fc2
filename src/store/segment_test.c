/*
 * Export segments and events as JSON: what is written is read back the same, and a file that is not whole is refused.
 */
#include "store/event_json.h"
#include "store/segment.h"

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

static char dir[64];

static int fresh(void **state)
{
    char path[100];

    (void)state;
    strcpy(dir, "/tmp/postern-segment-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/tracking", dir);
    return mkdir(path, 0750);
}

static int gone(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* Values that try the coder: octets of no UTF-8, quotes, controls, NUL, large numbers, nothing. */
static void fill(struct event_record *ev, enum event_type type, unsigned round)
{
    static const struct str strings[] = {
        {NULL, 0},           {"plain", 5}, {"q\"uo\\te\n\t", 9},       {"\x00\x01\x80\xff", 4}, {"gr\xc3\xbc\xc3\x9f", 6},
        {"\xed\xa0\x80", 3}, {"a\0b", 3},  {"\xf0\x9f\x93\xa7\x7f", 5}};
    static const uint64_t numbers[] = {0, 1, 7, 1ull << 53, UINT64_MAX, 1795255206000ull};
    unsigned char *at = ev->fields;

    ev->type = type;
    ev->wall_ms = 1795255206000ull + round;
    ev->stamp = 0;
    for (const struct field *f = event_info(type)->fields; f->type != FIELD_END; f++, round++) {
        if (f->type == FIELD_U64) {
            memcpy(at, &numbers[round % 6], sizeof(uint64_t));
            at += sizeof(uint64_t);
        } else {
            memcpy(at, &strings[round % 8], sizeof(struct str));
            at += sizeof(struct str);
        }
    }
}

static void same(const struct event_record *a, const struct event_record *b)
{
    const unsigned char *x = a->fields, *y = b->fields;

    assert_int_equal(a->type, b->type);
    assert_int_equal(a->wall_ms, b->wall_ms);
    for (const struct field *f = event_info(a->type)->fields; f->type != FIELD_END; f++) {
        if (f->type == FIELD_U64) {
            assert_memory_equal(x, y, sizeof(uint64_t));
            x += sizeof(uint64_t);
            y += sizeof(uint64_t);
        } else {
            assert_true(str_eq(*(const struct str *)(const void *)x, *(const struct str *)(const void *)y));
            x += sizeof(struct str);
            y += sizeof(struct str);
        }
    }
}

/* central.md 5: every row of the table of events, whatever its values, comes back as it was. */
static void events_come_back(void **state)
{
    struct buf line = BUF(1 << 20);
    struct arena a;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++)
        for (unsigned round = 0; round < 24; round++) {
            struct event_record in, out;
            struct err e = ERR_NONE;
            uint64_t number = 0;

            fill(&in, (enum event_type)type, round);
            buf_clear(&line);
            event_json_write(type * 100 + round, &in, &line);
            assert_int_equal(str_find(buf_str(&line), '\n'), line.n - 1);
            assert_int_equal(event_json_read(&a, str_first(buf_str(&line), line.n - 1), &number, &out, &e), RC_OK);
            assert_int_equal(number, type * 100 + round);
            same(&in, &out);
            arena_reset(&a);
        }
    arena_done(&a);
    buf_done(&line);
}

/* A newer gateway may send keys and events we do not know; what is no event is refused. */
static void unknown_and_wrong(void **state)
{
    struct event_record out;
    struct arena a;
    uint64_t number;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(event_json_read(&a, str_lit("{\"n\":3,\"t\":9,\"ev\":\"of_tomorrow\",\"x\":[1]}"), &number, &out, NULL),
                     RC_OK);
    assert_int_equal(out.type, EVENT_NONE);
    assert_int_equal(number, 3);
    assert_int_equal(event_json_read(&a, str_lit("{\"n\":4,\"t\":9,\"ev\":\"message_queued\",\"mid\":5,\"new\":{}}"),
                                     &number, &out, NULL),
                     RC_OK);
    assert_int_equal(event_as(&out, message_queued)->mid, 5);
    assert_int_equal(
        event_json_read(&a, str_lit("{\"n\":4,\"t\":9,\"ev\":\"message_queued\",\"mid\":\"5\"}"), &number, &out, NULL),
        RC_SYNTAX);
    assert_int_equal(event_json_read(&a, str_lit("{\"t\":9,\"ev\":\"message_queued\"}"), &number, &out, NULL), RC_SYNTAX);
    assert_int_equal(event_json_read(&a, str_lit("{\"n\":4,\"t\":9,\"ev\":\"message_sender\",\"sender\":{\"hex\":\"1\"}}"),
                                     &number, &out, NULL),
                     RC_SYNTAX);
    arena_done(&a);
}

/* Messages and connections are exported, dialogue lines and what is not about mail are not. */
static void which_are_exported(void **state)
{
    (void)state;
    assert_true(event_is_exported(EVENT_message_ready));
    assert_true(event_is_exported(EVENT_connection_incoming));
    assert_true(event_is_exported(EVENT_message_finished));
    assert_true(event_is_exported(EVENT_delivery_connection));
    assert_true(event_is_exported(EVENT_content_filters_done));
    assert_false(event_is_exported(EVENT_smtp_sent));
    assert_false(event_is_exported(EVENT_message_archived));
    assert_false(event_is_exported(EVENT_user_login));
    assert_false(event_is_exported(EVENT_status_line));
}

/* --- segments ------------------------------------------------------------------------------------------------------ */

static struct segment_header head_of(uint64_t seq, uint64_t first)
{
    struct segment_header h = {.kind = SEGMENT_TRACKING, .epoch = 1795255206, .seq = seq, .first = first, .start_ms = 5};

    strcpy(h.serial, "42A9C3D17E5B08F46D21-9B3E70C4A5D8");
    return h;
}

static void add(struct segment_writer *w, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct event_record ev;

        event_record_set(&ev, EVENT_message_queued, 1795255206000ull + i,
                         &(struct event_message_queued){.mid = segment_next(w) * 3});
        event_json_write(segment_next(w), &ev, segment_line(w));
        segment_added(w);
        if (segment_wants_flush(w))
            assert_int_equal(segment_flush(w, NULL), RC_OK);
    }
}

static void finish(struct segment_writer *w, char path[SEGMENT_PATH])
{
    char digest[SEGMENT_DIGEST], again[SEGMENT_DIGEST];
    uint64_t bytes, more;

    assert_int_equal(segment_flush(w, NULL), RC_OK);
    w->head.end_ms = 9;
    segment_leave(w);
    assert_int_equal(segment_finish(dir, &w->head, &bytes, digest, NULL), RC_OK);
    assert_int_equal(segment_finish(dir, &w->head, &more, again, NULL), RC_OK); /* a second time: nothing changes */
    assert_int_equal(bytes, more);
    assert_string_equal(digest, again);
    segment_path(path, dir, w->head.kind, w->head.epoch, w->head.seq, false);
}

/* Lines of a whole file; `rc_out` how it ended. */
static uint64_t count(const char *path, enum rc *rc_out)
{
    struct segment_reader *r;
    struct str line;
    struct arena a;
    uint64_t n = 0;

    *rc_out = segment_open(path, &r, NULL);
    if (*rc_out != RC_OK)
        return 0;
    arena_init(&a, 4096, 1 << 20);
    while ((*rc_out = segment_read(r, &line, NULL)) == RC_OK) {
        struct event_record ev;
        uint64_t number;

        assert_int_equal(event_json_read(&a, line, &number, &ev, NULL), RC_OK);
        assert_int_equal(event_as(&ev, message_queued)->mid, number * 3);
        arena_reset(&a);
        n++;
    }
    arena_done(&a);
    segment_close(r);
    return n;
}

/* ST-33: contiguous numbers, many frames, an empty one, one that goes on after a kill at what was known to be good. */
static void written_and_read(void **state)
{
    struct segment_writer w = {.fd = -1};
    struct segment_header h = head_of(1, 1), got, kept;
    char path[SEGMENT_PATH];
    uint64_t length;
    enum rc rc;

    (void)state;
    assert_int_equal(segment_begin(&w, dir, &h, NULL), RC_OK);
    add(&w, 30000);
    finish(&w, path);
    assert_int_equal(count(path, &rc), 30000);
    assert_int_equal(rc, RC_NOT_FOUND);
    assert_int_equal(segment_read_header(path, &got, NULL), RC_OK);
    assert_int_equal(got.last, 30000);
    assert_int_equal(got.events, 30000);

    h = head_of(2, 30001); /* nothing happened: still a segment */
    assert_int_equal(segment_begin(&w, dir, &h, NULL), RC_OK);
    finish(&w, path);
    assert_int_equal(count(path, &rc), 0);
    assert_int_equal(rc, RC_NOT_FOUND);
    assert_int_equal(segment_read_header(path, &got, NULL), RC_OK);
    assert_int_equal(got.last, 30000);

    h = head_of(3, 30001);
    assert_int_equal(segment_begin(&w, dir, &h, NULL), RC_OK);
    add(&w, 100);
    assert_int_equal(segment_flush(&w, NULL), RC_OK);
    kept = w.head;
    length = w.length;
    add(&w, 50); /* killed after these: made again, others perhaps */
    assert_int_equal(segment_flush(&w, NULL), RC_OK);
    segment_leave(&w);
    assert_int_equal(segment_resume(&w, dir, &kept, w.length + 1, NULL), RC_CORRUPT);
    assert_int_equal(segment_resume(&w, dir, &kept, length, NULL), RC_OK);
    add(&w, 7);
    finish(&w, path);
    assert_int_equal(count(path, &rc), 107);
    assert_int_equal(rc, RC_NOT_FOUND);
    segment_writer_done(&w);
}

/* A file cut at any octet, or with any octet changed, is refused: never read as whole. */
static void damaged(void **state)
{
    struct segment_writer w = {.fd = -1};
    struct segment_header h = head_of(1, 1);
    struct buf all = BUF(1 << 20);
    char path[SEGMENT_PATH], bad[SEGMENT_PATH];
    enum rc rc;

    (void)state;
    assert_int_equal(segment_begin(&w, dir, &h, NULL), RC_OK);
    add(&w, 40);
    assert_int_equal(segment_flush(&w, NULL), RC_OK);
    add(&w, 40);
    finish(&w, path);
    assert_int_equal(io_read_file(path, &all, NULL), RC_OK);
    snprintf(bad, sizeof bad, "%s/bad", dir);
    for (size_t n = 0; n < all.n; n++) {
        int fd = open(bad, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        assert_int_equal(io_write("test", fd, str_first(buf_str(&all), n), NULL), RC_OK);
        close(fd);
        count(bad, &rc);
        assert_int_equal(rc, RC_CORRUPT);
    }
    for (size_t n = SEGMENT_HEADER; n < all.n; n++) {
        int fd = open(bad, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        all.p[n] ^= 0x55;
        assert_int_equal(io_write("test", fd, buf_str(&all), NULL), RC_OK);
        all.p[n] ^= 0x55;
        close(fd);
        count(bad, &rc);
        assert_int_equal(rc, RC_CORRUPT);
    }
    buf_done(&all);
    segment_writer_done(&w);
}

static void names(void **state)
{
    uint64_t epoch, seq;
    bool is_open;

    (void)state;
    assert_true(segment_name("12-34.seg", &epoch, &seq, &is_open));
    assert_int_equal(epoch, 12);
    assert_int_equal(seq, 34);
    assert_false(is_open);
    assert_true(segment_name("1-2.open", &epoch, &seq, &is_open) && is_open);
    assert_false(segment_name("1-2.new", &epoch, &seq, &is_open));
    assert_false(segment_name("12.seg", &epoch, &seq, &is_open));
    assert_false(segment_name("-.seg", &epoch, &seq, &is_open));
    assert_false(segment_name("exports.db", &epoch, &seq, &is_open));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_back),
        cmocka_unit_test(unknown_and_wrong),
        cmocka_unit_test(which_are_exported),
        cmocka_unit_test_setup_teardown(written_and_read, fresh, gone),
        cmocka_unit_test_setup_teardown(damaged, fresh, gone),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
