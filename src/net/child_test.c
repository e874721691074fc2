/* Programs that are kept alive, ended, and run once. */
#include "net/child.h"

#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct loop *loop;
    char lines[256], how[128];
    unsigned begun, died;
    bool stopped;
    int status;
};

static void on_line(void *ctx, struct str line)
{
    struct world *w = ctx;
    size_t n = strlen(w->lines);

    snprintf(w->lines + n, sizeof w->lines - n, "%.*s|", STR(line));
}

static void on_began(void *ctx, int pid)
{
    struct world *w = ctx;

    assert_true(pid > 1);
    w->begun++;
}

static void on_died(void *ctx, const char *how, struct str last_line, uint64_t restart_ms)
{
    struct world *w = ctx;

    w->died++;
    assert_true(restart_ms >= 100);
    snprintf(w->how, sizeof w->how, "%s: %.*s", how, STR(last_line));
}

static void on_stopped(void *ctx)
{
    struct world *w = ctx;

    w->stopped = true;
}

static const struct child_events events = {.began = on_began, .line = on_line, .died = on_died};

#define UNTIL(w, condition) \
    for (uint64_t until_ = clock_mono_ms() + 5000; !(condition) && clock_mono_ms() < until_;) \
    loop_turn((w)->loop, true)

static struct child *start(struct world *w, const char *script)
{
    const struct child_program p = {.words = {"/bin/sh", "-c", script}, .environment = {"GREETING=hello"}};
    struct child *c;

    *w = (struct world){.loop = loop_new()};
    c = child_new(w->loop, &events, w);
    child_start(c, &p);
    return c;
}

static void stop(struct world *w, struct child *c)
{
    child_stop(c, on_stopped, w);
    UNTIL(w, w->stopped);
    assert_true(w->stopped);
    assert_int_equal(child_pid(c), 0);
    child_free(c);
    loop_free(w->loop);
}

static void its_output_comes_in_lines_and_it_is_started_again(void **state)
{
    struct world w;
    struct child *c = start(&w, "echo $GREETING $HOME; echo two >&2; exit 3");

    (void)state;
    UNTIL(&w, w.begun == 2);
    assert_int_equal(w.begun, 2);
    assert_string_equal(w.how, "ended with status 3: two");
    assert_int_equal(strncmp(w.lines, "hello|two|", 10), 0);
    assert_true(child_deaths(c) >= 1);
    stop(&w, c);
}

static void it_has_no_descriptor_of_ours(void **state)
{
    struct world w;
    struct child *c = start(&w, "ls /proc/self/fd | tr '\\n' ' '; echo; exec sleep 100");

    (void)state;
    UNTIL(&w, *w.lines);
    assert_string_equal(w.lines, "0 1 2 3|"); /* 3 is ls reading the directory */
    stop(&w, c);
    assert_int_equal(w.died, 0);
}

static void a_new_program_takes_the_place_of_the_old(void **state)
{
    const struct child_program p = {.words = {"/bin/sh", "-c", "echo second; exec sleep 100"}};
    struct world w;
    struct child *c = start(&w, "echo first; exec sleep 100");
    int first = child_pid(c);

    (void)state;
    UNTIL(&w, *w.lines);
    child_start(c, &p);
    UNTIL(&w, strstr(w.lines, "second"));
    assert_string_equal(w.lines, "first|second|");
    assert_true(kill(first, 0) != 0 && errno == ESRCH);
    assert_int_equal(w.died, 0);
    stop(&w, c);
}

static void what_cannot_be_started_died(void **state)
{
    const struct child_program p = {.words = {"/nonexistent/program"}};
    struct world w = {.loop = loop_new()};
    struct child *c = child_new(w.loop, &events, &w);

    (void)state;
    child_start(c, &p);
    UNTIL(&w, w.died);
    assert_non_null(strstr(w.how, "cannot execute /nonexistent/program"));
    stop(&w, c);
}

static void done(void *ctx, int status, struct str output)
{
    struct world *w = ctx;

    w->status = status;
    w->stopped = true;
    snprintf(w->lines, sizeof w->lines, "%.*s", STR(output));
}

static void a_program_runs_once(void **state)
{
    const struct child_program p = {.words = {"/bin/sh", "-c", "echo a; echo b"}};
    const struct child_program slow = {.words = {"/bin/sleep", "100"}};
    struct world w = {.loop = loop_new()};

    (void)state;
    child_run(w.loop, &p, 5000, done, &w);
    UNTIL(&w, w.stopped);
    assert_int_equal(w.status, 0);
    assert_string_equal(w.lines, "a\nb\n");
    w.stopped = false;
    child_run(w.loop, &slow, 50, done, &w);
    UNTIL(&w, w.stopped);
    assert_true(w.stopped && w.status != 0);
    loop_free(w.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_output_comes_in_lines_and_it_is_started_again),
        cmocka_unit_test(it_has_no_descriptor_of_ours),
        cmocka_unit_test(a_new_program_takes_the_place_of_the_old),
        cmocka_unit_test(what_cannot_be_started_died),
        cmocka_unit_test(a_program_runs_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
