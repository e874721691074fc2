/* Tests of views, buffers, arenas, field coding and checksums. */
#include "base/arena.h"
#include "base/board.h"
#include "base/crc32c.h"
#include "base/fields.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void numbers_are_whole_or_refused(void **state)
{
    uint64_t v = 7;

    (void)state;
    assert_true(str_u64(str_lit("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
    assert_false(str_u64(str_lit("18446744073709551616"), &v));
    assert_false(str_u64(str_lit("1 "), &v));
    assert_false(str_u64(STR_NONE, &v));
}

static void split_gives_every_part(void **state)
{
    struct str rest = str_lit("a,,b"), part;
    int n = 0;

    (void)state;
    while (str_split(&rest, ',', &part))
        n++;
    assert_int_equal(n, 3);
    assert_true(str_eq(part, str_lit("b")));
}

static void a_full_buffer_fails_once_and_keeps_its_content(void **state)
{
    struct buf b = BUF(4);

    (void)state;
    buf_add(&b, str_lit("abc"));
    buf_add(&b, str_lit("de"));
    assert_true(b.failed);
    assert_int_equal(b.n, 3);
    buf_done(&b);
}

static void an_arena_ends_at_its_cap(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 64, 256);
    assert_non_null(arena_alloc(&a, 200));
    assert_null(arena_alloc(&a, 100));
    assert_null(arena_alloc(&a, SIZE_MAX - 3));
    arena_done(&a);
}

static void varints_come_back(void **state)
{
    static const uint64_t values[] = {0, 1, 127, 128, 300, UINT64_MAX};
    struct buf b = BUF(1000);
    struct str in;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        buf_put_varint(&b, values[i]);
    in = buf_str(&b);
    for (size_t i = 0; i < 6; i++) {
        uint64_t v;

        assert_true(get_varint(&in, &v));
        assert_true(v == values[i]);
    }
    assert_int_equal(in.n, 0);
    buf_done(&b);
}

static void fields_come_back_and_cut_ones_are_refused(void **state)
{
    static const struct field table[] = {{"n", FIELD_U64}, {"s", FIELD_STR}, {NULL, FIELD_END}};
    struct {
        uint64_t n;
        struct str s;
    } in = {77, str_lit("text")}, out;
    struct buf b = BUF(1000);

    (void)state;
    fields_encode(table, &in, &b);
    assert_true(fields_decode(table, buf_str(&b), &out));
    assert_true(out.n == 77 && str_eq(out.s, in.s));
    assert_false(fields_decode(table, str_first(buf_str(&b), b.n - 1), &out));
    buf_done(&b);
}

static void crc32c_has_its_check_value(void **state)
{
    (void)state;
    assert_true(crc32c(0, str_lit("123456789")) == 0xe3069283u);
    assert_true(crc32c(crc32c(0, str_lit("1234")), str_lit("56789")) == 0xe3069283u);
}

static void board_numbers_rise(void **state)
{
    struct board *b = board_map(board_create());

    (void)state;
    assert_non_null(b);
    board_raise(b, NUMBER_MID, 100);
    assert_true(board_next(b, NUMBER_MID) == 101);
    board_raise(b, NUMBER_MID, 50);
    assert_true(board_next(b, NUMBER_MID) == 102);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_whole_or_refused),
        cmocka_unit_test(split_gives_every_part),
        cmocka_unit_test(a_full_buffer_fails_once_and_keeps_its_content),
        cmocka_unit_test(an_arena_ends_at_its_cap),
        cmocka_unit_test(varints_come_back),
        cmocka_unit_test(fields_come_back_and_cut_ones_are_refused),
        cmocka_unit_test(crc32c_has_its_check_value),
        cmocka_unit_test(board_numbers_rise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
