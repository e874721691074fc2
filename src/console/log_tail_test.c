/*
 * tail (cli.md 8): the last lines, then what is added, over roll-overs; grep -t the same through a pattern.
 */
#include "console/log_grep.h"
#include "console/log_tail.h"
#include "console/log_testing.h"

static void (*const *script)(void); /* what happens to the files between two looks */

static void roll(const char *name)
{
    char from[200], to[200];

    snprintf(from, sizeof from, "%s/log/mail_logs/mail.current", home);
    snprintf(to, sizeof to, "%s/log/mail_logs/%s", home, name);
    assert_int_equal(rename(from, to), 0);
}

static bool next_step(void *ctx, unsigned wait_ms)
{
    (void)ctx;
    assert_int_equal(wait_ms, TAIL_POLL_MS);
    if (!*script)
        return true;
    (*script++)();
    return false;
}

static const struct log_out following = {.line = gather, .stop = next_step}, once = {.line = gather};

static const char *tail(size_t lines, const struct log_out *out)
{
    forget();
    assert_int_equal(log_tail(home, str_lit("mail_logs"), lines, out, NULL), RC_OK);
    return shown_text();
}

static void last_lines_over_files(void **state)
{
    (void)state;
    put("mail.@20261121T100000.s", "w", "1\n2\n3\n");
    put("mail.@20261122T100000.s", "w", "4\n5\n");
    put("mail.current", "w", "6\n7\n");
    assert_string_equal(tail(1, &once), "7\n");
    assert_string_equal(tail(2, &once), "6\n7\n");
    assert_string_equal(tail(5, &once), "3\n4\n5\n6\n7\n");
    assert_string_equal(tail(10, &once), "1\n2\n3\n4\n5\n6\n7\n");
    assert_string_equal(tail(0, &once), "");
}

static void add_part(void)
{
    put("mail.current", "a", "new li");
}
static void add_rest(void)
{
    put("mail.current", "a", "ne\nnext\n");
}
static void roll_once(void)
{
    put("mail.current", "a", "before\n");
    roll("mail.@20261123T100000.s");
    put("mail.current", "w", "after\n");
}
static void roll_twice(void)
{
    put("mail.current", "a", "a\n");
    roll("mail.@20261123T110000.s");
    put("mail.current", "w", "b\n");
    roll("mail.@20261123T120000.s");
    put("mail.current", "w", "c\n");
}
static void roll_half(void)
{
    put("mail.current", "a", "d\n");
    roll("mail.@20261123T130000.s");
}
static void roll_rest(void)
{
    put("mail.current", "w", "e\n");
}
static void nothing(void)
{
}

static void follows_over_rollover(void **state)
{
    static void (*const steps[])(void) = {nothing,   add_part,  add_rest, roll_once, roll_twice,
                                          roll_half, roll_rest, nothing,  NULL};

    (void)state;
    put("mail.current", "w", "old\n");
    script = steps;
    assert_string_equal(tail(10, &following), "old\nnew line\nnext\nbefore\nafter\na\nb\nc\nd\ne\n");
}

static void begins_with_no_file(void **state)
{
    static void (*const steps[])(void) = {nothing, roll_rest, add_rest, NULL};

    (void)state;
    script = steps;
    assert_string_equal(tail(10, &following), "e\nne\nnext\n");
    assert_int_equal(log_tail(home, str_lit("none"), 10, &following, NULL), RC_NOT_FOUND);
}

static void stops_when_told(void **state)
{
    static void (*const steps[])(void) = {add_rest, add_rest, add_rest, NULL};

    (void)state;
    put("mail.current", "w", "");
    script = steps;
    forget();
    lines_wanted = 3;
    assert_int_equal(log_tail(home, str_lit("mail_logs"), 10, &following, NULL), RC_OK);
    assert_string_equal(shown_text(), "ne\nnext\nne\n");
}

static void grep_of_the_tail(void **state)
{
    static void (*const steps[])(void) = {add_rest, roll_once, NULL};
    struct log_grep what = {.pattern = str_lit("e[xf]"), .tail = true};

    (void)state;
    put("mail.current", "w", "exit\nleave\n");
    script = steps;
    forget();
    assert_int_equal(log_grep(home, str_lit("mail_logs"), &what, &following, NULL), RC_OK);
    assert_string_equal(shown_text(), "exit\nnext\nbefore\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(last_lines_over_files, fresh, gone),
        cmocka_unit_test_setup_teardown(follows_over_rollover, fresh, gone),
        cmocka_unit_test_setup_teardown(begins_with_no_file, fresh, gone),
        cmocka_unit_test_setup_teardown(stops_when_told, fresh, gone),
        cmocka_unit_test_setup_teardown(grep_of_the_tail, fresh, gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
