/* The rope. */
#include "spool/rope.h"
#include "spool/spool_testing.h"

#include <stdio.h>

static struct spool_head store(struct fixture *f, const char *body)
{
    struct told *t = append(f, 9, "e", body);
    struct spool_head head;
    struct str envelope;

    settle(f);
    assert_int_equal(spool_read_head(f->reader, t->ref, &f->arena, &head, &envelope, &f->err), RC_OK);
    return head;
}

/* Reads in pieces of `step` octets. */
static struct str read_all(struct fixture *f, struct rope *r, size_t step)
{
    char *out = arena_alloc(&f->arena, 4096);
    size_t n = 0, got;

    do {
        assert_int_equal(rope_read(r, out + n, step, &got, &f->err), RC_OK);
        n += got;
    } while (got);
    return str_of(out, n);
}

static void edits_are_applied_while_reading(void **state)
{
    struct fixture *f = *state;
    struct spool_head head = store(f, "Subject: old\r\n\r\nbody\r\n");
    const struct edit edits[] = {
        {0, 0, str_lit("X: 1\r\n")}, {9, 3, str_lit("new text")}, {16, 4, STR_NONE}, {22, 0, str_lit("end\r\n")}};
    struct rope r;

    for (size_t step = 1; step < 40; step++) {
        struct str out;

        rope_init(&r, f->reader, &head, (struct edits){edits, 4});
        out = read_all(f, &r, step);
        assert_true(str_eq(out, str_lit("X: 1\r\nSubject: new text\r\n\r\n\r\nend\r\n")));
        assert_true(out.n == rope_bytes(&r));
    }
}

static void without_edits_the_body_comes_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct spool_head head = store(f, "plain body\r\n");
    struct edits none;
    struct rope r;

    assert_int_equal(edits_decode(&f->arena, STR_NONE, head.body_bytes, &none, &f->err), RC_OK);
    rope_init(&r, f->reader, &head, none);
    assert_true(str_eq(read_all(f, &r, 7), str_lit("plain body\r\n")));
}

static void a_wrong_body_never_reaches_its_end(void **state)
{
    struct fixture *f = *state;
    struct spool_head head = store(f, "plain body\r\n");
    const struct edit all = {0, 12, str_lit("other")};
    char out[64];
    struct rope r;
    size_t got;

    head.body_crc ^= 1;
    rope_init(&r, f->reader, &head, (struct edits){&all, 1});
    assert_int_equal(rope_read(&r, out, sizeof out, &got, &f->err), RC_OK);
    assert_int_equal(rope_read(&r, out, sizeof out, &got, &f->err), RC_CORRUPT);
}

static void edit_lists_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct edit lists[][2] = {{{5, 3, STR_NONE}, {7, 1, STR_NONE}},
                                           {{0, 1, STR_NONE}, {10, 1, STR_NONE}},
                                           {{2, 1, str_lit("ok")}, {9, 1, str_lit("ok")}}};

    for (size_t i = 0; i < 3; i++) {
        struct buf b = BUF(1000);
        struct edits out;

        edits_encode((struct edits){lists[i], 2}, &b);
        assert_int_equal(edits_decode(&f->arena, buf_str(&b), 10, &out, &f->err), i == 2 ? RC_OK : RC_CORRUPT);
        assert_int_equal(edits_decode(&f->arena, str_first(buf_str(&b), b.n - 1), 10, &out, &f->err), RC_CORRUPT);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(edits_are_applied_while_reading),
        SPOOL_TEST(without_edits_the_body_comes_as_it_is),
        SPOOL_TEST(a_wrong_body_never_reaches_its_end),
        SPOOL_TEST(edit_lists_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
