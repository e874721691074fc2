/* Settings of quarantines stand still while a migration runs (central.md 9). */
#include "admin/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define GATEWAY "pvo.central=yes\n"
#define MANAGER "system.role=manager\n"

/* May `old` become `now` while so many migrations run? */
static enum rc judge(uint64_t running, const char *old, const char *now, struct err *e)
{
    struct admin a = {.board = board_map(board_create())};
    struct conf_source *from = conf_source_test(old, NULL), *to = conf_source_test(now, NULL);
    enum rc rc;

    assert_non_null(from);
    assert_non_null(to);
    board_gauge_set(a.board, 0, GAUGE_MIGRATIONS, running);
    rc = admin_check_lock(&a, conf_now(to), conf_now(from), e);
    conf_source_free(from);
    conf_source_free(to);
    return rc;
}

static void test_locked(void **state)
{
    static const char *const changes[] = {"quarantine.Alpha.retention_ms=1h\n", "quarantine.Alpha.users=admin\n",
                                          "quarantine.Alpha.kind=policy\nquarantine.Beta.kind=policy\n", ""};
    const char *was[] = {GATEWAY "quarantine.Alpha.kind=policy\n", MANAGER "quarantine.Alpha.kind=policy\n"};
    const char *role[] = {GATEWAY, MANAGER};
    char now[300];

    (void)state;
    for (size_t r = 0; r < 2; r++)
        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
            struct err e = ERR_NONE;

            snprintf(now, sizeof now, "%s%s", role[r], changes[i]);
            assert_int_equal(judge(1, was[r], now, &e), RC_CONFLICT);
            assert_non_null(strstr(err_text(&e), "locked while a migration runs"));
            assert_int_equal(judge(0, was[r], now, &e), RC_OK);
        }
}

/* Other settings are free, and disabling is the way out, with the quarantines that return by it. */
static void test_not_locked(void **state)
{
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(judge(1, GATEWAY, GATEWAY "system.hostname=x.test\n", &e), RC_OK);
    assert_int_equal(judge(1, GATEWAY, "quarantine.Back.kind=policy\n", &e), RC_OK);
    assert_int_equal(judge(1, MANAGER, MANAGER "appliance.g.migration=none\n", &e), RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_locked), cmocka_unit_test(test_not_locked)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
