/* A message changes by edits, and what comes out is the same by both ways: the current form, and the edits over the
 * original. */
#include "mail/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char text[] = "From: a@example.net\r\nSubject: one\r\nX-Spam: yes\r\n no\r\nX-Spam: 2\r\n\r\nbody\r\n";

/* What spool/rope makes of the edits. */
static struct str applied(struct arena *a, struct str original, struct edits edits)
{
    struct str out = STR_NONE;
    uint64_t at = 0;

    for (size_t i = 0; i < edits.n; i++) {
        const struct edit *e = &edits.items[i];

        assert_true(e->offset >= at && e->offset + e->length <= original.n);
        out = arena_printf(a, "%.*s%.*s%.*s", STR(out), (int)(e->offset - at), original.p + at, STR(e->replacement));
        at = e->offset + e->length;
    }
    return arena_printf(a, "%.*s%.*s", STR(out), STR(str_from(original, at)));
}

static void expect(struct patch *p, const char *wanted)
{
    struct str now = patch_octets(p), same = applied(p->arena, p->original, patch_edits(p));

    assert_int_equal(now.n, strlen(wanted));
    assert_memory_equal(now.p, wanted, now.n);
    assert_int_equal(same.n, now.n);
    assert_memory_equal(same.p, now.p, now.n);
    assert_false(p->failed);
}

static void headers_come_and_go(void **state)
{
    struct arena a;
    struct patch p;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    patch_init(&p, &a, str_c(text));
    assert_false(patch_changed(&p));
    assert_int_equal(patch_edits(&p).n, 0);
    assert_int_equal(patch_header_remove(&p, str_lit("x-spam")), 2);
    patch_header_add(&p, str_lit("X-New"), str_lit("first"), true);
    patch_header_add(&p, str_lit("X-Last"), str_lit("gr\xc3\xbc\xc3\x9f"), false);
    expect(&p, "X-New: first\r\nFrom: a@example.net\r\nSubject: one\r\nX-Last: =?utf-8?Q?gr=C3=BC=C3=9F?=\r\n\r\nbody\r\n");
    assert_int_equal(patch_header_remove(&p, str_lit("X-New")), 1);
    patch_replace(&p, patch_octets(&p).n, 0, str_lit("footer\r\n"));
    expect(&p, "From: a@example.net\r\nSubject: one\r\nX-Last: =?utf-8?Q?gr=C3=BC=C3=9F?=\r\n\r\nbody\r\nfooter\r\n");
    arena_done(&a);
}

/* Many changes at random places: always the same as on a plain string. */
static void changes_anywhere_add_up(void **state)
{
    struct arena a;
    struct patch p;
    char plain[8192];
    size_t n = sizeof text - 1;

    (void)state;
    srand(7);
    arena_init(&a, 4096, 64 << 20);
    patch_init(&p, &a, str_c(text));
    memcpy(plain, text, n);
    for (int i = 0; i < 500; i++) {
        size_t at = (size_t)rand() % (n + 1), gone = (size_t)rand() % 5, more = (size_t)rand() % 6;

        gone = gone < n - at ? gone : n - at;
        memmove(plain + at + more, plain + at + gone, n - at - gone);
        memcpy(plain + at, "abcdef", more);
        n = n - gone + more;
        plain[n] = '\0';
        patch_replace(&p, at, gone, str_of("abcdef", more));
        if (i % 50 == 0)
            expect(&p, plain);
    }
    expect(&p, plain);
    arena_done(&a);
}

static void long_values_are_folded(void **state)
{
    struct arena a;
    struct patch p;
    struct str rest, line;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    patch_init(&p, &a, str_lit("\r\n"));
    patch_header_add(&p, str_lit("X-Long"),
                     arena_printf(&a, "%s",
                                  "word word word word word word word word word word word word word "
                                  "word word word word word word word word word word word end"),
                     true);
    rest = patch_octets(&p);
    for (size_t lines = 0; str_split(&rest, '\n', &line); lines++)
        assert_true(line.n <= 79 && lines < 9);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_come_and_go),
        cmocka_unit_test(changes_anywhere_add_up),
        cmocka_unit_test(long_values_are_folded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
