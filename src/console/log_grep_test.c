/*
 * grep over the files of a log (cli.md 8): which lines, in which order, in which form.
 */
#include "console/log_grep.h"
#include "console/log_testing.h"

#include "console/log_match.h"

static const struct log_out to_buffer = {.line = gather};

static const char *grep_with(struct log_grep what)
{
    struct err e = ERR_NONE;

    forget();
    if (log_grep(home, str_lit("mail_logs"), &what, &to_buffer, &e) != RC_OK)
        return "failed";
    return shown_text();
}

#define grep(...) grep_with((struct log_grep){__VA_ARGS__})

static void three_files(void)
{
    put("mail.@20261121T100000.s", "w", "one\ntwo\nthree\n");
    put("mail.@20261122T090000.s", "w", "four\nfive\n");
    put("mail.current", "w", "six\nseven CPQ ICID 31\nEight\n\nlast");
    put("other.txt", "w", "one\n");
}

/* logs.md 13: saved files in the order of their times, then the open one; nothing else in the folder counts. */
static void all_files_in_time_order(void **state)
{
    (void)state;
    three_files();
    assert_string_equal(grep(.pattern = str_lit("o")), "one\ntwo\nfour\n");
    assert_string_equal(grep(.pattern = str_lit("e$")), "one\nthree\nfive\n");
    assert_string_equal(grep(.pattern = str_lit("CPQ ICID")), "seven CPQ ICID 31\n");
    assert_string_equal(grep(.pattern = str_lit("nowhere")), "");
}

static void options(void **state)
{
    (void)state;
    three_files();
    assert_string_equal(grep(.pattern = str_lit("EIGHT")), "");
    assert_string_equal(grep(.pattern = str_lit("EIGHT"), .ignore_case = true), "Eight\n");
    assert_string_equal(grep(.pattern = str_lit("e"), .count = true), "4\n");
    assert_string_equal(grep(.pattern = str_lit("e"), .invert = true), "two\nfour\nsix\nEight\n\nlast\n");
    assert_string_equal(grep(.pattern = str_lit("e"), .invert = true, .count = true), "6\n");
    assert_string_equal(grep(.pattern = str_lit("^$")), "\n");
    assert_string_equal(grep(.pattern = str_lit("st$")), "last\n");
    assert_string_equal(grep(.pattern = str_lit("x*"), .count = true), "10\n");
}

static void context_of_hits(void **state)
{
    (void)state;
    three_files();
    assert_string_equal(grep(.pattern = str_lit("two"), .context = 1), "one\ntwo\nthree\n");
    assert_string_equal(grep(.pattern = str_lit("t[wh]"), .context = 1), "one\ntwo\nthree\nfour\n");
    assert_string_equal(grep(.pattern = str_lit("one|six"), .context = 1), "one\ntwo\n--\nfive\nsix\nseven CPQ ICID 31\n");
    assert_string_equal(grep(.pattern = str_lit("one|five"), .context = 2),
                        "one\ntwo\nthree\nfour\nfive\nsix\nseven CPQ ICID 31\n");
    assert_string_equal(grep(.pattern = str_lit("last"), .context = 3), "seven CPQ ICID 31\nEight\n\nlast\n");
}

/* Whatever the pattern can match, a line is the most it sees: the two ways of searching agree. */
static void patterns_see_one_line(void **state)
{
    (void)state;
    three_files();
    assert_string_equal(grep(.pattern = str_lit("o[^x]*f")), "");
    assert_string_equal(grep(.pattern = str_lit("one\\stwo")), "");
    assert_string_equal(grep(.pattern = str_lit("(?P<a>e)(?P=a)")), "three\n");
    assert_string_equal(grep(.pattern = str_lit("^(?!.*e)")), "two\nfour\nsix\nEight\n\nlast\n");
    assert_string_equal(grep(.pattern = str_lit("\\Atwo\\Z")), "two\n");
    assert_string_equal(grep(.pattern = str_lit("(?i)eight")), "Eight\n");
    assert_string_equal(grep(.pattern = str_lit("[[:upper:]]ight")), "Eight\n");
    assert_string_equal(grep(.pattern = str_lit("t.{3}e|i[vx]")), "three\nfive\nsix\n");
}

static void bad_patterns_and_logs(void **state)
{
    struct err e = ERR_NONE;
    struct log_grep what = {.pattern = str_lit("a(b")};
    static const char *const names[] = {"nowhere", "../log/mail_logs", ".", "", "mail_logs/x"};

    (void)state;
    assert_int_equal(log_grep(home, str_lit("mail_logs"), &what, &to_buffer, &e), RC_SYNTAX);
    assert_string_equal(err_text(&e), "invalid regular expression: missing closing parenthesis (at character 4)");
    what.pattern = str_lit("a");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(log_grep(home, str_c(names[i]), &what, &to_buffer, &e), RC_NOT_FOUND);
}

/* A pattern that explodes costs a line, not the session. */
static void limits(void **state)
{
    struct err e = ERR_NONE;
    struct log_grep what = {.pattern = str_lit("^(a+)+$")};
    char text[400] = "";

    (void)state;
    for (int i = 0; i < 60; i++)
        strcat(text, "aaa");
    strcat(text, "!\nfine\naaa\n");
    put("mail.current", "w", text);
    forget();
    assert_int_equal(log_grep(home, str_lit("mail_logs"), &what, &to_buffer, &e), RC_LIMIT);
    assert_string_equal(shown_text(), "aaa\n");
    assert_true(strstr(err_text(&e), "1 lines were not searched"));
}

static void stops_when_told(void **state)
{
    struct log_grep what = {.pattern = str_lit("e")};

    (void)state;
    three_files();
    forget();
    lines_wanted = 2;
    assert_int_equal(log_grep(home, str_lit("mail_logs"), &what, &to_buffer, NULL), RC_OK);
    assert_string_equal(shown_text(), "one\nthree\n");
}

/* Lines over block borders, and lines longer than a block. */
static void long_files(void **state)
{
    static char line[700000];
    char want[40];

    (void)state;
    put("mail.current", "w", "");
    for (int i = 0; i < 40000; i++) {
        snprintf(line, sizeof line, "Sat Nov 21 10:00:06 2026 Info: MID %d queued for delivery\n", i);
        put("mail.current", i ? "a" : "w", line);
    }
    memset(line, 'y', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    put("mail.current", "a", line);
    put("mail.current", "a", "MID 5 again\n");
    assert_string_equal(grep(.pattern = str_lit("MID 5 ")),
                        "Sat Nov 21 10:00:06 2026 Info: MID 5 queued for delivery\nMID 5 again\n");
    assert_string_equal(grep(.pattern = str_lit("MID [0-9]+ queued"), .count = true), "40000\n");
    assert_string_equal(grep(.pattern = str_lit("yyy"), .count = true), "1\n");
    snprintf(want, sizeof want, "%d\n", 40002);
    assert_string_equal(grep(.pattern = str_lit("zz"), .invert = true, .count = true), want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_files_in_time_order, fresh, gone),
        cmocka_unit_test_setup_teardown(options, fresh, gone),
        cmocka_unit_test_setup_teardown(context_of_hits, fresh, gone),
        cmocka_unit_test_setup_teardown(patterns_see_one_line, fresh, gone),
        cmocka_unit_test_setup_teardown(bad_patterns_and_logs, fresh, gone),
        cmocka_unit_test_setup_teardown(limits, fresh, gone),
        cmocka_unit_test_setup_teardown(stops_when_told, fresh, gone),
        cmocka_unit_test_setup_teardown(long_files, fresh, gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
