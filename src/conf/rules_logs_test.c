/* What is refused about log subscriptions and alerts before it is in force. */
#include "conf/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static enum rc check(const char *lines, struct err *e)
{
    struct conf_draft *d = conf_draft_new();
    enum rc rc;

    *e = ERR_NONE;
    assert_int_equal(conf_draft_lines(d, str_c(lines), e), RC_OK);
    rc = conf_check_logs(&d->conf, e);
    conf_draft_free(d);
    return rc;
}

static void logs_and_alerts(void **state)
{
    static const struct {
        const char *lines, *error;
    } cases[] = {
        {"log[a/b].type=mail", "log.a/b: a name of letters, digits, _ and - is needed"},
        {"log[.x].type=mail", "log..x: a name of letters, digits, _ and - is needed"},
        {"log.x.file=../y", "log.x.file: \"../y\" is no stem of a file name"},
        {"log.x.rollover=sometimes", "log.x.rollover: \"sometimes\" is no roll-over time"},
        {"log.x.rollover=weekly 09:00", "log.x.rollover: \"weekly 09:00\" is no roll-over time"},
        {"alert[nobody].classes=All", "alert[nobody]: not a mail address"},
        {"alert[a@b.test].classes=System,Weather", "alert[a@b.test].classes: there is no kind of alert \"Weather\""},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(check(cases[i].lines, &e), RC_OK);
        assert_string_equal(e.text, cases[i].error);
    }
    assert_int_equal(
        check("log.x.file=y\nlog.x.rollover=weekly mon 09:00\nlog.z.rollover=2h30m\nlog.w.rollover=daily 03:00\n"
              "alert[a@b.test].classes=system,Directory Harvest\n",
              &e),
        RC_OK);
}

static void number_of_logs(void **state)
{
    struct buf lines = BUF(1 << 16);
    struct err e;

    (void)state;
    for (int i = 0; i < 65; i++) {
        buf_addf(&lines, "log.l%d.type=mail\n%c", i, 0);
        lines.n--;
        assert_int_equal(check(lines.p, &e), i < 64 ? RC_OK : RC_LIMIT);
    }
    buf_done(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_and_alerts),
        cmocka_unit_test(number_of_logs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
