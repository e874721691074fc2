/* Entries of the archives of engines. */
#include "scan/stages_testing.h"

/* An entry of an mbox file, with its lines told from those that begin one; what is too long is cut behind a line. */
static void copies_for_archives_are_mbox_entries(void **state)
{
    struct fix *f = *state;
    struct buf b = BUF(1 << 20), big = BUF(1 << 20);

    given(f, "", "Subject: s\r\n\r\nFrom here\r\n>From there\r\nFromage");
    archive_entry(&f->m, message_octets(&f->m), &b);
    assert_true(str_starts(buf_str(&b), str_lit("From anna@example.net ")));
    assert_true(str_ends(buf_str(&b), str_lit("\nSubject: s\n\n>From here\n>>From there\nFromage\n\n")));
    buf_clear(&b);
    buf_add(&big, str_lit("Subject: s\r\n\r\n"));
    while (big.n < 400000)
        buf_add(&big, str_lit("0123456789\r\n"));
    buf_addc(&big, '\0');
    given(f, "", big.p);
    archive_entry(&f->m, message_octets(&f->m), &b);
    assert_in_range(b.n, 230 << 10, 240 << 10);
    assert_true(str_ends(buf_str(&b),
                         arena_printf(&f->arena, "\n0123456789\n[cut here, the message has %zu octets]\n\n", big.n - 1)));
    buf_done(&b);
    buf_done(&big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(copies_for_archives_are_mbox_entries)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
