/* A domain that kept us waiting is not asked for a while, and then again. */
#include "scan/dns_slow.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_slow_domain_rests(void **state)
{
    static struct dns_slow s;

    (void)state;
    assert_false(dns_slow_has(&s, str_lit("dead.example"), 1000));
    dns_slow_add(&s, str_lit("Dead.example"), 1000);
    assert_true(dns_slow_has(&s, str_lit("dead.EXAMPLE"), 1000 + DNS_SLOW_REST_MS - 1));
    assert_false(dns_slow_has(&s, str_lit("dead.example"), 1000 + DNS_SLOW_REST_MS));
    assert_false(dns_slow_has(&s, str_lit("other.example"), 1001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_slow_domain_rests)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
