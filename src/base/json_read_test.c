/* JSON is read to the letter of RFC 8259, or not at all. */
#include "base/json_read.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena a;

static int setup(void **state)
{
    (void)state;
    arena_init(&a, 1024, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&a);
    return 0;
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        " ",
        "{",
        "}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "[1,]",
        "[1 2]",
        "{a:1}",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "nul",
        "truex",
        "NaN",
        "{} {}",
        "[1]x",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xe2\x82\"",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,,\"b\":2}",
        "[,1]",
        "{,}",
    };
    const struct json *v;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (json_read(&a, str_c(wrong[i]), &v, NULL) != RC_SYNTAX)
            fail_msg("taken: %s", wrong[i]);
    assert_int_equal(json_read(&a, str_lit("{\"a\":1,\"a\":2}"), &v, NULL), RC_SYNTAX); /* two readers would differ */
    assert_int_equal(json_read(&a, str_lit("\"\\ud800\""), &v, NULL), RC_SYNTAX);
}

static void nesting_has_a_limit(void **state)
{
    const struct json *v;
    char deep[200];

    (void)state;
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_int_equal(json_read(&a, str_of(deep, 200), &v, NULL), RC_SYNTAX);
    assert_int_equal(json_read(&a, str_of(deep + 90, 20), &v, NULL), RC_OK);
}

static void members_are_found_by_name(void **state)
{
    static const char text[] =
        " { \"a\" : 1 , \"b\\\"c\" : [ {\"a\":2}, \"x]}\\\\\", -3.5e1 ] , \"d\" : {\"e\":null,\"f\":true} } ";
    const struct json *all, *list;
    uint64_t n;

    (void)state;
    assert_int_equal(json_read(&a, str_c(text), &all, NULL), RC_OK);
    assert_true(json_is(all, JSON_OBJECT) && all->n == 3);
    assert_true(json_u64(json_get(all, "a"), &n) && n == 1);
    assert_true(json_is(json_get(json_get(all, "d"), "e"), JSON_NULL) &&
                json_is(json_get(json_get(all, "d"), "f"), JSON_TRUE));
    assert_null(json_get(json_get(all, "nosuch"), "a"));
    list = json_get(all, "b\"c");
    assert_true(json_is(list, JSON_ARRAY) && list->n == 3);
    assert_true(json_u64(json_get(list->first, "a"), &n) && n == 2);
    assert_true(str_eq(json_str_of(list->first->next), str_lit("x]}\\")));
    assert_true(json_is(list->first->next->next, JSON_NUMBER));
    assert_false(json_u64(list->first->next->next, &n));
    assert_null(list->first->next->next->next);
}

static void escapes_become_utf8(void **state)
{
    const struct json *v;

    (void)state;
    assert_int_equal(json_read(&a, str_lit("\"a\\n\\/\\u00e9\\u20ac\\ud83d\\ude00\\\"\""), &v, NULL), RC_OK);
    assert_true(str_eq(json_str_of(v), str_lit("a\n/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"")));
    assert_int_equal(json_read(&a, str_lit("17"), &v, NULL), RC_OK);
    assert_int_equal(json_str_of(v).n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_json_is_refused),
        TEST(nesting_has_a_limit),
        TEST(members_are_found_by_name),
        TEST(escapes_become_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
