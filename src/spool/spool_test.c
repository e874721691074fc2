/* The spool's writer, reader and recovery: what was acknowledged is there, what failed is not. */
#include "base/clock.h"
#include "base/io.h"
#include "spool/spool_testing.h"

#include <stdio.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(a_record_comes_back_as_it_was),
        SPOOL_TEST(records_of_one_turn_share_one_sync),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
