/* Metadata of held mail that moves: what was written stays, what was decided since counts. */
#include "mail/cpq_meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define COMMON(class) \
    "{\"v\":1,\"class\":\"" class "\",\"serial\":\"OLD\",\"host\":\"gw.test\",\"mid\":7,\"uid\":\"U\",\"held\":1000," \
                                  "\"direction\":\"in\",\"env_from\":\"a@x.test\",\"rcpts\":[{\"addr\":\"b@y.test\"},{" \
                                  "\"addr\":\"c@y.test\",\"notify\":2}]," \
                                  "\"body\":\"8BITMIME\",\"size\":4,\"sha256\":\"" SHA \
                                  "\",\"hdr\":{\"subject\":\"s\"},\"future\":{\"kept\":[1,2]},"

static const char PVO[] = COMMON(
    "pvo") "\"holds\":[{\"quarantine\":\"Policy\",\"kind\":\"policy\",\"reason\":\"filter:x\",\"rule\":\"x\",\"level\":3,"
           "\"matched\":[{\"part\":\"body\",\"text\":\"pay\"}]},{\"quarantine\":\"Virus\",\"kind\":\"virus\",\"reason\":"
           "\"V\"}]}";
static const char SPAM[] = COMMON("spam") "\"spam\":{\"verdict\":\"suspect\",\"score\":61.5}}";

static void move(struct arena *a, const char *text, const struct cpq_move *x, struct cpq_meta *out)
{
    struct buf b = BUF(CPQ_META_MAX);
    struct cpq_meta was;
    struct err e = ERR_NONE;

    if (cpq_meta_read(a, str_c(text), &was, &e) != RC_OK || cpq_meta_move(a, &was, x, &b, &e) != RC_OK ||
        cpq_meta_read(a, arena_str(a, buf_str(&b)), out, &e) != RC_OK)
        fail_msg("%s", err_text(&e));
    buf_done(&b);
}

static void same(struct str got, const char *want)
{
    if (!str_eq(got, str_c(want)))
        fail_msg("got \"%.*s\", not \"%s\"", STR(got), want);
}

/* central.md 9: one of two holds is left and has been moved to another quarantine with another exit. */
static void test_policy(void **state)
{
    const struct cpq_hold hold = {
        .quarantine = {"Legal", 5}, .reason = {"filter:x", 8}, .rule = {"x", 1}, .exit = 5000, .action = 1};
    struct cpq_move x = {.serial = str_lit("NOW"), .mid = 7, .holds = &hold, .n_holds = 1, .migration = {9, 2, 3, true}};
    struct cpq_meta m;
    struct arena a;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    move(&a, PVO, &x, &m);
    assert_int_equal(m.n_holds, 1);
    same(m.holds[0].quarantine, "Legal");
    same(m.holds[0].reason, "filter:x");
    same(m.holds[0].matched, "[{\"part\":\"body\",\"text\":\"pay\"}]");
    assert_int_equal(m.holds[0].level, 3);
    assert_int_equal(m.holds[0].exit, 5000);
    assert_int_equal(m.holds[0].action, 1);
    same(m.serial, "NOW");
    assert_int_equal(m.held, 1000);
    same(json_get(m.root, "future")->raw, "{\"kept\":[1,2]}");
    assert_int_equal(m.envelope.n_recipients, 2);
    assert_int_equal(m.envelope.recipients[1].notify, 2);
    assert_int_equal(m.migration.run, 9);
    assert_int_equal(m.migration.n, 2);
    assert_int_equal(m.migration.total, 3);
    assert_true(m.migration.deleted);
    arena_done(&a);
}

/* central.md 10: a recipient who has decided is none any more; the verdict and its score stay. */
static void test_spam(void **state)
{
    const struct str left[] = {str_lit("c@y.test")};
    struct cpq_move x = {.serial = str_lit("OLD"),
                         .mid = 7,
                         .recipients = left,
                         .n_recipients = 1,
                         .spam_exit = 77,
                         .migration = {9, 1, 1, false}};
    struct cpq_meta m;
    struct arena a;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    move(&a, SPAM, &x, &m);
    assert_int_equal(m.envelope.n_recipients, 1);
    same(m.envelope.recipients[0].address, "c@y.test");
    same(m.spam_verdict, "suspect");
    same(m.spam_score, "61.5");
    assert_int_equal(m.spam_exit, 77);
    assert_false(m.migration.deleted);
    arena_done(&a);
}

/* A migration that is none, and spam nobody is left for, are refused. */
static void test_refused(void **state)
{
    static const char bad[] = COMMON("spam") "\"spam\":{\"verdict\":\"suspect\"},\"migration\":{\"n\":1}}";
    struct cpq_move x = {.serial = str_lit("OLD"), .mid = 7};
    struct buf b = BUF(CPQ_META_MAX);
    struct err e = ERR_NONE;
    struct cpq_meta m;
    struct arena a;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(cpq_meta_read(&a, str_c(bad), &m, &e), RC_INVALID);
    assert_int_equal(cpq_meta_read(&a, str_c(SPAM), &m, &e), RC_OK);
    assert_int_equal(cpq_meta_move(&a, &m, &x, &b, &e), RC_INVALID);
    buf_done(&b);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_spam),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
