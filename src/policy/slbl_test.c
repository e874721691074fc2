/* Whose mail a user always or never wants. */
#include "policy/slbl.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char LISTS[] = "bob@example.org\tsafe\tanna@example.net\nbob@example.org\tblock\texample.net\n"
                            "eve@example.org\tblock\t.example.com\neve@example.org\tsafe\t[192.0.2.7]\n"
                            "nonsense\nbob@example.org\tmaybe\tx.example\nbob@example.org\tsafe\tno entry\n";

static enum slbl_list ask(const struct slbl *t, const char *user, const char *sender, const char *from)
{
    return slbl_ask(t, str_c(user), str_c(sender), str_c(from), str_lit("192.0.2.9"));
}

static void the_closest_entry_decides(void **state)
{
    struct slbl *t = slbl_new(str_c(LISTS));

    (void)state;
    assert_int_equal(slbl_users(t), 2);
    assert_int_equal(ask(t, "bob@example.org", "anna@example.net", ""), SLBL_SAFE);
    assert_int_equal(ask(t, "BOB@Example.ORG", "Anna@Example.NET", ""), SLBL_SAFE);
    assert_int_equal(ask(t, "bob@example.org", "carl@example.net", ""), SLBL_BLOCK);
    assert_int_equal(ask(t, "bob@example.org", "carl@sub.example.net", ""), SLBL_NONE);
    assert_int_equal(ask(t, "bob@example.org", "", "anna@example.net"), SLBL_SAFE); /* the From header counts too */
    assert_int_equal(ask(t, "eve@example.org", "x@a.example.com", ""), SLBL_BLOCK);
    assert_int_equal(ask(t, "eve@example.org", "x@example.com", ""), SLBL_NONE);
    assert_int_equal(ask(t, "eve@example.org", "x@badexample.com", ""), SLBL_NONE);
    assert_int_equal(ask(t, "carl@example.org", "anna@example.net", ""), SLBL_NONE);
    assert_int_equal(ask(t, "", "anna@example.net", ""), SLBL_NONE);
    assert_int_equal(slbl_ask(t, str_lit("eve@example.org"), STR_NONE, STR_NONE, str_lit("192.0.2.7")), SLBL_SAFE);
    assert_int_equal(ask(NULL, "bob@example.org", "anna@example.net", ""), SLBL_NONE);
    slbl_free(t);
}

static void entries_have_five_forms(void **state)
{
    static const char *const right[] = {"a@b.example", "b.example",   "sub.b.example",
                                        ".b.example",  "[192.0.2.1]", "[2001:db8::1]"};
    static const char *const wrong[] = {"",    "@b.example", "a@",         "a b@c", "..b",  ".b.", "b..c",
                                        "[x]", "[192.0.2.1", "-b.example", "a\tb",  "a@b@", "*.b"};

    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (slbl_entry_fits(str_c(right[i]), NULL) != RC_OK)
            fail_msg("refused: %s", right[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (slbl_entry_fits(str_c(wrong[i]), NULL) == RC_OK)
            fail_msg("taken: %s", wrong[i]);
}

static void many_users_are_found(void **state)
{
    struct buf b = BUF(8 << 20);
    struct slbl *t;
    char user[40];

    (void)state;
    for (unsigned i = 0; i < 20000; i++)
        buf_addf(&b, "user%u@example.org\t%s\tsender%u@example.net\n", i * 7919 % 20000, i % 2 ? "safe" : "block",
                 i * 7919 % 20000);
    t = slbl_new(buf_str(&b));
    assert_int_equal(slbl_users(t), 20000);
    for (unsigned i = 0; i < 20000; i += 501) {
        char sender[40];

        snprintf(user, sizeof user, "user%u@example.org", i);
        snprintf(sender, sizeof sender, "sender%u@example.net", i);
        assert_true(ask(t, user, sender, "") != SLBL_NONE);
        assert_int_equal(ask(t, user, "sender@example.net", ""), SLBL_NONE);
    }
    slbl_free(t);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_closest_entry_decides),
        cmocka_unit_test(entries_have_five_forms),
        cmocka_unit_test(many_users_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
