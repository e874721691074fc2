/* Results of a delivery survive the flight board: codes always, texts as far as there is room. */
#include "smtp/results.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct delivery_result two[] = {
    {.recipient = 0,
     .class = RESULT_BOUNCED,
     .reason = REASON_5XX,
     .code = 550,
     .enhanced = {"5.1.1", 5},
     .text = {"5.1.1 User unknown\nGo away", 27 - 1},
     .mta = {"mx.example.net", 14}},
    {.recipient = 300, .class = RESULT_DELIVERED, .code = 250, .enhanced = {"2.0.0", 5}, .text = {"2.0.0 Ok", 8}},
};

static void all_fields_come_back(void **state)
{
    struct buf b = BUF(10000);
    struct arena a;
    const struct delivery_result *got;
    size_t n;

    (void)state;
    arena_init(&a, 1024, 1 << 20);
    results_encode(two, 2, 1000, &b);
    assert_int_equal(results_decode(&a, buf_str(&b), &got, &n), RC_OK);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(got[i].recipient, two[i].recipient);
        assert_int_equal(got[i].class, two[i].class);
        assert_int_equal(got[i].reason, two[i].reason);
        assert_int_equal(got[i].code, two[i].code);
        assert_true(str_eq(got[i].enhanced, two[i].enhanced));
        assert_true(str_eq(got[i].text, two[i].text));
        assert_true(str_eq(got[i].mta, two[i].mta));
    }
    for (size_t cut = 1; cut < b.n; cut++) {
        enum rc rc = results_decode(&a, str_first(buf_str(&b), cut), &got, &n);

        assert_true(rc == RC_CORRUPT || n < 2);
    }
    arena_done(&a);
    buf_done(&b);
}

/* D2: a flight slot of 1000 octets holds the codes of a full piece of work whatever the peer answered. */
static void texts_are_cut_and_codes_kept(void **state)
{
    static char text[64][600];
    struct delivery_result many[64];
    struct buf b = BUF(100000);
    struct arena a;
    const struct delivery_result *got;
    size_t n;

    (void)state;
    arena_init(&a, 1024, 1 << 20);
    for (size_t i = 0; i < 64; i++) {
        memset(text[i], 'a' + (int)(i % 26), sizeof text[i]);
        many[i] = (struct delivery_result){.recipient = i + 5000,
                                           .class = RESULT_DELAYED,
                                           .code = 450 + i % 9,
                                           .enhanced = str_lit("4.7.250"),
                                           .text = str_of(text[i], sizeof text[i]),
                                           .mta = str_lit("a-long-host-name.example.net")};
    }
    for (size_t max = 1000; max < 40000; max = max * 3 / 2) {
        buf_clear(&b);
        results_encode(many, 64, max, &b);
        assert_true(b.n <= max);
        assert_int_equal(results_decode(&a, buf_str(&b), &got, &n), RC_OK);
        assert_int_equal(n, 64);
        for (size_t i = 0; i < 64; i++) {
            assert_int_equal(got[i].code, many[i].code);
            assert_true(str_eq(got[i].enhanced, many[i].enhanced));
            assert_true(str_starts(many[i].text, got[i].text));
        }
    }
    arena_done(&a);
    buf_done(&b);
}

static void one_answer_for_all_is_short(void **state)
{
    struct delivery_result many[64];
    struct buf b = BUF(100000);

    (void)state;
    for (size_t i = 0; i < 64; i++)
        many[i] =
            (struct delivery_result){.recipient = i, .code = 250, .enhanced = str_lit("2.0.0"), .text = str_lit("2.0.0 Ok")};
    results_encode(many, 64, 1000, &b);
    assert_true(b.n < 64 * 2 + 20);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_come_back),
        cmocka_unit_test(texts_are_cut_and_codes_kept),
        cmocka_unit_test(one_answer_for_all_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
