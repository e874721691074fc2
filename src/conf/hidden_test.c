/* The hidden listeners as they are out of the box. */
#include "conf/hidden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct conf *with(const char *lines, struct conf_source **source)
{
    *source = conf_source_test(lines, NULL);
    assert_non_null(*source);
    return conf_now(*source);
}

/* CPQ-08, CPQ-12: 7025 on both; on the gateway also what it expects of the manager. Closed until the service is enabled. */
static void test_factory(void **state)
{
    static const char *const roles[] = {"", "system.role=manager\n"};
    struct conf_source *source;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct conf *c = with(roles[i], &source);

        assert_int_equal(c->cpq_listener.port, 7025);
        assert_int_equal(c->euq_listener.port, 6025);
        assert_false(conf_listens_cpq(c));
        assert_false(conf_listens_euq(c));
        conf_source_free(source);
    }
    assert_int_equal(with("manager.m.address=x\n", &source)->manager.items[0].pvo_port, 7025);
    conf_source_free(source);
}

/* central.md 9: each end has its own switch. */
static void test_switches(void **state)
{
    struct conf_source *source;

    (void)state;
    assert_true(conf_listens_cpq(with("cpq_listener.enabled=yes\n", &source)));
    conf_source_free(source);
    assert_true(conf_listens_cpq(with("system.role=manager\npvo.enabled=yes\n", &source)));
    conf_source_free(source);
    assert_false(conf_listens_cpq(with("system.role=manager\ncpq_listener.enabled=yes\n", &source)));
    conf_source_free(source);
    assert_false(conf_listens_euq(with("euq_listener.enabled=yes\n", &source)));
    conf_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_factory), cmocka_unit_test(test_switches)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
