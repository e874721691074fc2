/* JSON is read to the letter of RFC 8259, or not at all. */
#include "base/json_read.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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
    struct json v;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (json_whole(str_c(wrong[i]), &v))
            fail_msg("taken: %s", wrong[i]);
}

static void nesting_has_a_limit(void **state)
{
    char deep[200];
    struct json v;

    (void)state;
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_false(json_whole(str_of(deep, 200), &v));
    assert_true(json_whole(str_of(deep + 90, 20), &v));
}

static void members_are_found_by_name(void **state)
{
    static const char text[] =
        " { \"a\" : 1 , \"b\\\"c\" : [ {\"a\":2}, \"x]}\\\\\", -3.5e1 ] , \"d\" : {\"e\":null,\"f\":true}, \"a\":9 } ";
    struct json all, rest, value;
    struct str name;
    double d;

    (void)state;
    assert_true(json_whole(str_c(text), &all));
    assert_int_equal(json_type(all), JSON_OBJECT);
    assert_true(json_number(json_member(all, "a"), &d));
    assert_true(d == 1);
    assert_int_equal(json_type(json_member(json_member(all, "d"), "e")), JSON_NULL);
    assert_int_equal(json_type(json_member(json_member(all, "d"), "f")), JSON_TRUE);
    assert_int_equal(json_type(json_member(all, "nosuch")), JSON_NONE);
    assert_int_equal(json_type(json_member(json_member(all, "nosuch"), "a")), JSON_NONE);
    rest = all;
    assert_true(json_next(&rest, &name, &value) && json_next(&rest, &name, &value));
    assert_int_equal(json_type(value), JSON_ARRAY);
    assert_true(json_next(&rest, &name, &value) && json_next(&rest, &name, &value));
    assert_true(str_eq(name, str_lit("a")) && str_eq(value.text, str_lit("9")));
    assert_false(json_next(&rest, &name, &value));
    rest = json_member(all, "b\\\"c");
    assert_true(json_next(&rest, &name, &value));
    assert_int_equal(json_type(value), JSON_OBJECT);
    assert_true(json_next(&rest, &name, &value));
    assert_true(str_eq(value.text, str_lit("\"x]}\\\\\"")));
    assert_true(json_next(&rest, &name, &value) && json_number(value, &d));
    assert_true(d == -35);
    assert_false(json_next(&rest, &name, &value));
}

static void escapes_become_utf8(void **state)
{
    struct arena a;
    struct json v;

    (void)state;
    arena_init(&a, 256, 4096);
    assert_true(json_whole(str_lit("\"a\\n\\/\\u00e9\\u20ac\\ud83d\\ude00\\ud800z\\\"\""), &v));
    assert_true(str_eq(json_string(&a, v), str_lit("a\n/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbdz\"")));
    assert_true(json_whole(str_lit("17"), &v));
    assert_int_equal(json_string(&a, v).n, 0);
    arena_done(&a);
}

static void numbers_are_finite(void **state)
{
    struct json v;
    double d;

    (void)state;
    assert_true(json_whole(str_lit("1e999"), &v));
    assert_false(json_number(v, &d));
    assert_true(json_whole(str_lit("\"1\""), &v));
    assert_false(json_number(v, &d));
    assert_true(json_whole(str_lit("-0.25"), &v) && json_number(v, &d));
    assert_true(d == -0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_json_is_refused), cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(members_are_found_by_name),  cmocka_unit_test(escapes_become_utf8),
        cmocka_unit_test(numbers_are_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
