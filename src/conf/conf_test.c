/* Tests of the settings engine: paths, values, snapshots, sources. */
#include "conf/draft.h"
#include "conf/snapshot.h"
#include "conf/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void lines_make_a_configuration(void **state)
{
    struct err e = ERR_NONE;
    struct conf_source *s = conf_source_test("system.hostname=mx.example.org\n# comment\n interface.Management.address = 127.0.0.1 \n"
                                             "interface[a.b].address6=::1\nalert.recipients=a@b.c,d\\,e@f.g\nalert.repeat_ms=90s\n"
                                             "user.admin.role=administrator",
                                             &e);
    const struct conf *c;
    const struct conf_interface *i;

    (void)state;
    assert_string_equal(e.text, "");
    assert_non_null(s);
    c = conf_now(s);
    assert_true(str_eq(c->system.hostname, str_lit("mx.example.org")));
    assert_int_equal(c->interface.n, 2);
    i = conf_find(&c->interface, str_lit("management"));
    assert_true(i && str_eq(i->address, str_lit("127.0.0.1")));
    assert_true(conf_find(&c->interface, str_lit("a.b")) != NULL);
    assert_true(conf_find(&c->destination, str_lit("default")) != NULL);
    assert_int_equal(c->alert.recipients.n, 2);
    assert_true(str_eq(c->alert.recipients.items[1], str_lit("d,e@f.g")));
    assert_true(c->alert.repeat_ms == 90000);
    assert_true(c->user.items[0].role == 0);
    conf_source_free(s);
}

static void a_bad_line_names_path_and_reason(void **state)
{
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"roles.receive=many", "roles.receive: \"many\" is not a number"},
        {"roles.receive=17", "roles.receive: 17 is not between 0 and 16 processes"},
        {"roles.receive=5m", "roles.receive: \"5m\" has an unknown unit"},
        {"alert.repeat_ms=99999999999999999d", "alert.repeat_ms: \"99999999999999999d\" is too large"},
        {"system.lab=perhaps", "system.lab: \"perhaps\" is neither yes nor no"},
        {"user.x.role=king", "user.x.role: \"king\" is not one of administrator|operator|read_only_operator|guest|technician|help_desk|mail"},
        {"system.hostname=", "system.hostname: 0 octets long, not between 1 and 255"},
        {"system.hostname=a\001b", "system.hostname: holds the control character 1"},
        {"nosuch.thing=1", "nosuch.thing: no section \"nosuch\""},
        {"system.nosuch=1", "system.nosuch: no setting \"nosuch\" in section system"},
        {"user.x.nosuch=1", "user.x.nosuch: no setting \"nosuch\" in section user"},
        {"user[x.role=mail", "user[x.role=mail: no closing bracket"},
        {"system.hostname", "system.hostname: no value given"},
        {"user=1", "user: not a complete path"},
        {"-user.nobody", "user.nobody does not exist"},
        {"-destination.default", "destination.default always exists"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = ERR_NONE;

        assert_null(conf_source_test(cases[i].line, &e));
        assert_string_equal(e.text, cases[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_make_a_configuration),
        cmocka_unit_test(a_bad_line_names_path_and_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
