/* Outside services: names of the table of ports, hosts that can be written into a firewall. */
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
    assert_non_null(d);
    rc = conf_draft_lines(d, str_c(lines), e);
    if (rc == RC_OK)
        rc = conf_check_services(&d->conf, e);
    conf_draft_free(d);
    return rc;
}

static void names_and_hosts(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(check("", &e), RC_OK);
    assert_int_equal(
        check("service_host.est.hosts=est.sco.cisco.com,192.0.2.1,2001:db8::1\nservice_host.est.port=8443\n", &e), RC_OK);
    assert_int_equal(check("service_host.reputation_ranges.hosts=146.112.62.0/24,2a04:e4c7:ffff::/48\n", &e), RC_OK);
    assert_int_equal(check("service_host.nosuch.hosts=a\n", &e), RC_INVALID);
    assert_string_equal(err_text(&e), "service_host.nosuch: there is no such service");
    assert_int_equal(check("service_host.est.hosts=a b\n", &e), RC_INVALID);
    assert_int_equal(check("service_host.est.hosts=-oProxyCommand\n", &e), RC_INVALID);
    assert_string_equal(err_text(&e), "service_host.est.hosts: \"-oProxyCommand\" is no host name, address or network");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_and_hosts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
