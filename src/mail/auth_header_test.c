/* Authentication-Results: what we write reads back the same, strangers' texts stay inside their value, forged fields are
 * told. */
#include "mail/auth_header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void assert_str(struct str s, const char *want)
{
    if (!str_eq(s, str_c(want)))
        fail_msg("\"%.*s\" is not \"%s\"", STR(s), want);
}

static void a_field_of_all_methods_is_written(void **state)
{
    struct auth_dkim dkim[] = {
        {.result = AUTH_PASS,
         .domain = str_lit("example.org"),
         .selector = str_lit("s1"),
         .identity = str_lit("@example.org"),
         .algorithm = str_lit("rsa-sha256"),
         .b = str_lit("dGVzdHRl")},
        {.result = AUTH_FAIL, .domain = str_lit("list.example"), .reason = str_lit("body hash did not verify")},
    };
    struct auth_results r = {
        .spf_helo = {.checked = true, .result = AUTH_NONE, .domain = str_lit("mx.example.org")},
        .spf_mailfrom = {.checked = true, .result = AUTH_PASS, .identity = str_lit("anna@example.org")},
        .dkim = dkim,
        .n_dkim = 2,
        .dkim_checked = true,
        .dmarc = {.checked = true, .result = AUTH_PASS, .from_domain = str_lit("example.org")},
        .arc = {.result = AUTH_NONE},
        .arc_checked = true,
    };
    struct buf b = BUF(4096);

    (void)state;
    auth_header_field(&r, str_lit("gw.example.net"), &b);
    assert_str(
        buf_str(&b),
        "Authentication-Results: gw.example.net;\r\n"
        "\tspf=none smtp.helo=mx.example.org;\r\n"
        "\tspf=pass smtp.mailfrom=anna@example.org;\r\n"
        "\tdkim=pass header.d=example.org header.i=@example.org header.s=s1 header.a=rsa-sha256 header.b=dGVzdHRl;\r\n"
        "\tdkim=fail reason=\"body hash did not verify\" header.d=list.example;\r\n"
        "\tdmarc=pass header.from=example.org;\r\n"
        "\tarc=none\r\n");
    buf_clear(&b);
    auth_header_value(&(struct auth_results){0}, str_lit("gw.example.net"), &b);
    assert_str(buf_str(&b), "gw.example.net; none");
    buf_done(&b);
}

static void a_stranger_cannot_write_a_result(void **state)
{
    struct auth_dkim dkim = {
        .result = AUTH_FAIL, .domain = str_lit("x; dmarc=pass"), .reason = str_lit("a\"; spf=pass (\r\n")};
    struct auth_results r = {
        .spf_mailfrom = {.checked = true,
                         .result = AUTH_FAIL,
                         .identity = str_lit("\"a; dkim=pass\\\r\nX: y\"@example.org")},
        .dkim = &dkim,
        .n_dkim = 1,
    };
    struct auth_header h;
    struct buf b = BUF(4096);
    size_t at = 0;
    const struct auth_method *m;

    (void)state;
    auth_header_value(&r, str_lit("gw"), &b);
    assert_int_equal(auth_header_parse(&arena, buf_str(&b), &h, NULL), RC_OK);
    assert_int_equal(h.n_methods, 2);
    m = auth_header_find(&h, str_lit("spf"), &at);
    assert_non_null(m);
    assert_str(auth_method_property(m, str_lit("smtp"), str_lit("mailfrom")), "\"a; dkim=pass\\??X: y\"@example.org");
    m = auth_header_find(&h, str_lit("dkim"), &at);
    assert_str(auth_method_property(m, str_lit("header"), str_lit("d")), "x; dmarc=pass");
    assert_str(m->reason, "a?; spf=pass (??");
    assert_null(auth_header_find(&h, str_lit("dmarc"), &(size_t){0}));
    buf_done(&b);
}

/* Examples in the manner of RFC 8601 appendix B, and the form of ARC. */
static void values_of_others_are_read(void **state)
{
    struct auth_header h;
    size_t at = 0;
    const struct auth_method *m;

    (void)state;
    assert_int_equal(auth_header_parse(&arena, str_lit(" example.org 1; none"), &h, NULL), RC_OK);
    assert_str(h.authserv_id, "example.org");
    assert_int_equal(h.n_methods, 0);
    assert_int_equal(
        auth_header_parse(&arena,
                          str_lit("i=3; foo.example.net (foo);\r\n  DKIM = fail reason=\"bad signature\" (2 bits (or so)) "
                                  "header.d=example.com header.s = k1; auth/1=pass (cram-md5) smtp.auth=a=b@x"),
                          &h, NULL),
        RC_OK);
    assert_int_equal(h.instance, 3);
    m = auth_header_find(&h, str_lit("dkim"), &at);
    assert_str(m->result, "fail");
    assert_str(m->reason, "bad signature");
    assert_str(auth_method_property(m, str_lit("header"), str_lit("s")), "k1");
    m = auth_header_find(&h, str_lit("auth"), &at);
    assert_str(auth_method_property(m, str_lit("smtp"), str_lit("auth")), "a=b@x");
    assert_null(auth_header_find(&h, str_lit("auth"), &at));
}

static void broken_values_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      ";",
                                      "(x",
                                      "a b c; none",
                                      "a; dkim",
                                      "a; dkim=",
                                      "a; dkim=pass header.d",
                                      "a; dkim=pass x=\"y",
                                      "a; =pass",
                                      "a; dkim=pass (x"};
    struct auth_header h;
    struct err e = ERR_NONE;
    struct buf b = BUF(65536);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (auth_header_parse(&arena, str_c(bad[i]), &h, &e) != RC_SYNTAX)
            fail_msg("\"%s\" was read", bad[i]);
    buf_add(&b, str_lit("a"));
    for (int i = 0; i <= AUTH_METHODS_MAX; i++)
        buf_add(&b, str_lit("; x=y"));
    assert_int_equal(auth_header_parse(&arena, buf_str(&b), &h, &e), RC_LIMIT);
    buf_done(&b);
}

static void forged_fields_are_told(void **state)
{
    static const char *const ours[] = {"gw.example.org; spf=pass",
                                       " GW.Example.org 1; none",
                                       "\"gw.example.org\"; x=y",
                                       "(c) gw.example.org (d)\r\n\t; none",
                                       "gw.example.org",
                                       "gw.example.org spf=pass",
                                       ""};
    static const char *const others[] = {"gw.example.net; none", "gw.example.organization; none", "x; gw.example.org=pass"};

    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(auth_header_is_ours(str_c(ours[i]), str_lit("gw.example.org")));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(auth_header_is_ours(str_c(others[i]), str_lit("gw.example.org")));
}

static void words_are_found_both_ways(void **state)
{
    enum auth_result r;
    enum dmarc_policy p;

    (void)state;
    for (unsigned i = 0; i < AUTH_RESULT_COUNT; i++)
        assert_true(auth_result_of(str_c(auth_result_log((enum auth_result)i)), &r) && r == i);
    assert_false(auth_result_of(str_lit("maybe"), &r));
    assert_true(dmarc_policy_of(str_lit("REJECT"), &p) && p == DMARC_REJECT);
    assert_false(dmarc_policy_of(str_lit(""), &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_field_of_all_methods_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stranger_cannot_write_a_result, setup, teardown),
        cmocka_unit_test_setup_teardown(values_of_others_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_values_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(forged_fields_are_told, setup, teardown),
        cmocka_unit_test(words_are_found_both_ways),
    };

    return cmocka_run_group_tests_name("mail: Authentication-Results", tests, NULL, NULL);
}
