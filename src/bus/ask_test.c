/* Tests of asking for DNS records: canned answers, and what is said when lookup is away. */
#include "bus/ask.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct seen {
    size_t calls, n, records;
    enum dns_result result;
    bool secure;
    uint64_t preference;
    char first[64];
};

static void note(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct seen *s = ctx;

    s->calls++;
    s->n = n;
    s->result = answers->result;
    s->secure = answers->secure;
    s->records = answers->n;
    if (answers->n && answers->records->data.n < sizeof s->first) {
        s->preference = answers->records->preference;
        memcpy(s->first, answers->records->data.p, answers->records->data.n);
    }
}

static void canned_records_answer(void **state)
{
    struct dns_asker *a = dns_asker_new(NULL, NULL);
    struct dns_question q[] = {{DNS_MX, str_lit("Example.com")}};
    struct seen s = {0};

    (void)state;
    dns_asker_canned(a, "+example.com MX 10 mx.example.com\nexample.com MX 20 b.example.com\nt.test A !bogus\n", false);
    assert_true(dns_ask(a, q, 1, 1000, note, &s) == 0);
    assert_true(s.calls == 1 && s.result == DNS_OK && s.secure && s.records == 2 && s.preference == 10);
    assert_string_equal(s.first, "mx.example.com");
    q[0] = (struct dns_question){DNS_A, str_lit("example.com")};
    dns_ask(a, q, 1, 1000, note, &s);
    assert_true(s.result == DNS_NODATA);
    q[0] = (struct dns_question){DNS_A, str_lit("no.example.com")};
    dns_ask(a, q, 1, 1000, note, &s);
    assert_true(s.result == DNS_NXDOMAIN);
    q[0] = (struct dns_question){DNS_A, str_lit("t.test")};
    dns_ask(a, q, 1, 1000, note, &s);
    assert_true(s.result == DNS_BOGUS);
    dns_asker_free(a);
}

static void canned_answers_may_come_later_and_be_cancelled(void **state)
{
    struct dns_asker *a = dns_asker_new(NULL, NULL);
    struct dns_question q[] = {{DNS_A, str_lit("a.test")}};
    struct seen s = {0};
    uint64_t ask;

    (void)state;
    dns_asker_canned(a, "a.test A 192.0.2.1", true);
    ask = dns_ask(a, q, 1, 1000, note, &s);
    assert_true(ask != 0 && s.calls == 0);
    dns_asker_canned_run(a);
    assert_true(s.calls == 1 && s.result == DNS_OK);
    ask = dns_ask(a, q, 1, 1000, note, &s);
    dns_ask_cancel(a, ask);
    dns_asker_canned_run(a);
    assert_true(s.calls == 1);
    dns_asker_free(a);
}

static void without_lookup_the_answer_is_temporary(void **state)
{
    struct dns_asker *a = dns_asker_new(NULL, NULL);
    struct dns_question q[] = {{DNS_A, str_lit("a.test")}, {DNS_AAAA, str_lit("a.test")}};
    struct seen s = {0};

    (void)state;
    assert_true(dns_ask(a, q, 2, 1000, note, &s) == 0);
    assert_true(s.calls == 1 && s.n == 2 && s.result == DNS_TEMPORARY);
    dns_asker_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canned_records_answer),
        cmocka_unit_test(canned_answers_may_come_later_and_be_cancelled),
        cmocka_unit_test(without_lookup_the_answer_is_temporary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
