/* A domain that kept us waiting is not asked for a while; the others are, and everybody gets an answer. */
#include "scan/dns_slow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct dns_question questions[] = {
    {DNS_TXT, str_lit("_dmarc.mail.dead.example")},
    {DNS_TXT, str_lit("_dmarc.alive.example")},
    {DNS_A, str_lit("dead.example")},
};

static void a_slow_domain_rests_and_the_others_are_asked(void **state)
{
    static struct dns_slow s;
    const struct dns_answer slow[] = {{.result = DNS_TEMPORARY}, {.result = DNS_NXDOMAIN}, {.result = DNS_TEMPORARY}};
    struct dns_question awake[3];

    (void)state;
    assert_int_equal(dns_slow_awake(&s, NULL, questions, 3, 1000, awake), 3);
    dns_slow_note(&s, NULL, questions, 3, slow, 1000);
    assert_int_equal(dns_slow_awake(&s, NULL, questions, 3, 1000 + DNS_SLOW_REST_MS - 1, awake), 1);
    assert_true(str_eq(awake[0].name, questions[1].name));
    assert_int_equal(dns_slow_awake(&s, NULL, questions, 3, 1000 + DNS_SLOW_REST_MS, awake), 3);
    dns_slow_note(&s, NULL, questions, 3, NULL, 90000); /* nobody answered at all */
    assert_int_equal(dns_slow_awake(&s, NULL, questions, 3, 90001, awake), 0);
}

static void answers_come_back_in_the_order_of_the_questions(void **state)
{
    const struct dns_answer came = {.question = questions[1], .result = DNS_OK, .ttl = 60};
    const struct dns_answer *all;
    struct arena a;

    (void)state;
    arena_init(&a, 1024, 1 << 20);
    all = dns_slow_merge(&a, questions, 3, &questions[1], &came, 1);
    assert_int_equal(all[0].result, DNS_TEMPORARY);
    assert_true(str_eq(all[0].question.name, questions[0].name));
    assert_int_equal(all[1].result, DNS_OK);
    assert_int_equal(all[1].ttl, 60);
    assert_int_equal(all[2].result, DNS_TEMPORARY);
    all = dns_slow_merge(&a, questions, 3, NULL, NULL, 0);
    assert_int_equal(all[1].result, DNS_TEMPORARY);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_domain_rests_and_the_others_are_asked),
        cmocka_unit_test(answers_come_back_in_the_order_of_the_questions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
