/* SPF beyond the published suite: identities, limits, macros, IDN, what the result tells. The suite is spf_suite_test.c. */
#include "mail/dns_canned.h"
#include "mail/spf.h"
#include "mail/spf_macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;
static struct dns_canned dns;
static struct auth_spf got;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 4096, 8 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static enum auth_result check(const char *records, const char *ip, size_t ip_n, const char *helo, const char *sender)
{
    struct spf_query q = {str_of(ip, ip_n), str_c(helo), str_c(sender), str_lit("mx.example.net"), 1234567890};
    struct dns_source asker = dns_canned(&dns);

    dns = (struct dns_canned){.lines = records, .away = records == NULL};
    spf_check_mailfrom(&arena, &asker, &q, &got);
    return got.result;
}

#define IP4 "\xc0\0\2\1", 4 /* 192.0.2.1 */
#define IP6 "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\x1", 16
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16

static void assert_str(struct str s, const char *want)
{
    if (!str_eq(s, str_c(want)))
        fail_msg("\"%.*s\" is not \"%s\"", STR(s), want);
}

static void the_result_names_identity_domain_and_mechanism(void **state)
{
    const char *zone = "example.org TXT v=spf1 a:mx.example.org -all\nmx.example.org A 192.0.2.1";

    (void)state;
    assert_int_equal(check(zone, IP4, "h.example", "anna@Example.ORG"), AUTH_PASS);
    assert_str(got.identity, "anna@Example.ORG");
    assert_str(got.domain, "example.org");
    assert_str(got.mechanism, "a:mx.example.org");
    assert_true(got.checked && got.has_record);
    assert_int_equal(check(zone, IP6, "h.example", "anna@example.org"), AUTH_FAIL);
    assert_str(got.mechanism, "-all");
    assert_int_equal(check(zone, MAPPED, "h.example", "anna@example.org"), AUTH_PASS);
    assert_int_equal(check(zone, IP4, "h.example", "anna@other.example"), AUTH_NONE);
    assert_false(got.has_record);
}

static void the_null_sender_stands_for_postmaster_at_helo(void **state)
{
    const char *zone = "h.example TXT v=spf1 exists:%{l}.%{o}.%{h}.x.example -all\n"
                       "postmaster.h.example.h.example.x.example A 127.0.0.2";

    (void)state;
    assert_int_equal(check(zone, IP4, "h.example", ""), AUTH_PASS);
    assert_str(got.identity, "postmaster@h.example");
    assert_int_equal(check(zone, IP4, "[192.0.2.1]", ""), AUTH_NONE);
    assert_int_equal(check(zone, IP4, "", ""), AUTH_NONE);
    assert_int_equal(check(zone, "", 0, "h.example", ""), AUTH_NONE);
}

static void nobody_to_ask_is_a_temporary_error(void **state)
{
    (void)state;
    assert_int_equal(check(NULL, IP4, "h.example", "a@example.org"), AUTH_TEMPERROR);
    assert_str(got.problem, "no answer from the DNS for example.org");
    assert_int_equal(
        check("example.org TXT v=spf1 mx -all\nexample.org MX 1 a.example\na.example TEMPORARY", IP4, "h", "a@example.org"),
        AUTH_TEMPERROR);
}

static void ten_terms_may_ask_and_two_may_find_nothing(void **state)
{
    char zone[4096];
    size_t n = 0;

    (void)state;
    n += (size_t)snprintf(zone + n, sizeof zone - n, "example.org TXT v=spf1");
    for (int i = 0; i < 10; i++)
        n += (size_t)snprintf(zone + n, sizeof zone - n, " a:a%d.example", i);
    n += (size_t)snprintf(zone + n, sizeof zone - n, " ip4:192.0.2.1 -all");
    for (int i = 0; i < 11; i++)
        n += (size_t)snprintf(zone + n, sizeof zone - n, "\na%d.example A 198.51.100.1", i);
    assert_int_equal(check(zone, IP4, "h.example", "a@example.org"), AUTH_PASS);
    memcpy(strstr(zone, " ip4:192.0.2.1"), " a:a10.example", 14);
    assert_int_equal(check(zone, IP4, "h.example", "a@example.org"), AUTH_PERMERROR);
    assert_str(got.problem, "more than 10 terms that ask the DNS, the last is a:a10.example");
    assert_int_equal(dns.asked, 11);

    assert_int_equal(
        check("example.org TXT v=spf1 a:x.example exists:y.example ip4:192.0.2.1 -all", IP4, "h", "a@example.org"),
        AUTH_PASS);
    assert_int_equal(
        check("example.org TXT v=spf1 a:x.example mx:y.example exists:z.example +all", IP4, "h", "a@example.org"),
        AUTH_PERMERROR);
    assert_str(got.problem, "too many names without records, the last is z.example");
}

static void loops_end(void **state)
{
    (void)state;
    assert_int_equal(check("example.org TXT v=spf1 include:example.org -all", IP4, "h", "a@example.org"), AUTH_PERMERROR);
    assert_int_equal(check("example.org TXT v=spf1 redirect=example.org", IP4, "h", "a@example.org"), AUTH_PERMERROR);
    assert_true(dns.asked <= 11);
}

/* More than ten MX names are an error, of PTR names the first ten count (4.6.4). */
static void lists_of_names_are_bounded(void **state)
{
    char zone[4096];
    size_t n = (size_t)snprintf(zone, sizeof zone, "example.org TXT v=spf1 ptr:good.example -all");

    (void)state;
    for (int i = 0; i < 10; i++)
        n += (size_t)snprintf(zone + n, sizeof zone - n, "\n1.2.0.192.in-addr.arpa PTR n%d.bad.example", i);
    n += (size_t)snprintf(zone + n, sizeof zone - n,
                          "\n1.2.0.192.in-addr.arpa PTR n.good.example\nn.good.example A 192.0.2.1");
    assert_int_equal(check(zone, IP4, "h", "a@example.org"), AUTH_FAIL);
    assert_int_equal(dns.asked, 12);
    n = (size_t)snprintf(zone, sizeof zone, "example.org TXT v=spf1 mx ~all");
    for (int i = 0; i < 11; i++)
        n += (size_t)snprintf(zone + n, sizeof zone - n, "\nexample.org MX %d m.example", i);
    assert_int_equal(check(zone, IP4, "h", "a@example.org"), AUTH_PERMERROR);
}

static void a_permerror_says_what_is_wrong(void **state)
{
    static const char *const rows[][2] = {
        {"v=spf1 foo -all", "an unknown mechanism in \"foo\""},
        {"v=spf1 a:192.0.2.1 -all", "the top label is a number (an address needs ip4: or ip6:) in \"a:192.0.2.1\""},
        {"v=spf1 ip4:192.0.2.300", "no valid network in \"ip4:192.0.2.300\""},
        {"v=spf1 a/33", "a bad prefix length in \"a/33\""},
        {"v=spf1 include:%{z}.example", "a bad character or macro in \"include:%{z}.example\""},
        {"v=spf1 exp=a.example exp=b.example", "a modifier that stands there twice in \"exp=b.example\""},
        {"v=spf1 include", "nothing behind the mechanism in \"include\""},
        {"v=spf1 all:x", "something unexpected behind the mechanism in \"all:x\""},
        {"v=spf1 \xc3\xa4 -all", "a character that no SPF record may have"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char zone[300];

        snprintf(zone, sizeof zone, "example.org TXT %s", rows[i][0]);
        assert_int_equal(check(zone, IP4, "h", "a@example.org"), AUTH_PERMERROR);
        assert_str(got.problem, rows[i][1]);
    }
}

static void international_domains_are_asked_as_a_labels(void **state)
{
    (void)state;
    assert_int_equal(
        check("xn--bcher-kva.example TXT v=spf1 exists:%{o}.x.example -all\nxn--bcher-kva.example.x.example A 127.0.0.1",
              IP4, "h",
              "a@B\xc3\xbc"
              "cher.example"),
        AUTH_PASS);
    assert_str(got.domain, "xn--bcher-kva.example");
    assert_int_equal(check("", IP4, "h", "a@\xff\xfe.example"), AUTH_NONE);
}

/* Examples of RFC 7208 7.4 and the letters and transformers it leaves out. */
static void macros_expand(void **state)
{
    static const char *const rows[][2] = {
        {"%{s}", "strong-bad@email.example.com"},
        {"%{o}", "email.example.com"},
        {"%{d}", "email.example.com"},
        {"%{d4}", "email.example.com"},
        {"%{d2}", "example.com"},
        {"%{d1}", "com"},
        {"%{dr}", "com.example.email"},
        {"%{d2r}", "example.email"},
        {"%{l}", "strong-bad"},
        {"%{l-}", "strong.bad"},
        {"%{lr-}", "bad.strong"},
        {"%{l1r-}", "strong"},
        {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
        {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
        {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
        {"%{S}", "strong-bad%40email.example.com"},
        {"%{p} %{c} %{r} %{t} %{h}", "unknown 192.0.2.3 mx 99 h.example"},
        {"%%%_%-", "% %20"},
        {"%{d20}", "email.example.com"},
    };
    struct spf_macros m = {.sender = str_lit("strong-bad@email.example.com"),
                           .local = str_lit("strong-bad"),
                           .sender_domain = str_lit("email.example.com"),
                           .domain = str_lit("email.example.com"),
                           .ip = str_of("\xc0\0\2\3", 4),
                           .helo = str_lit("h.example"),
                           .receiver = str_lit("mx"),
                           .now = 99};
    struct str out;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(spf_macro_expand(&arena, str_c(rows[i][0]), &m, true, 1000, &out), RC_OK);
        assert_str(out, rows[i][1]);
    }
    m.ip = str_of(IP6);
    assert_int_equal(spf_macro_expand(&arena, str_lit("%{ir}.%{v}"), &m, false, 1000, &out), RC_OK);
    assert_str(out, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6");
    assert_int_equal(spf_macro_expand(&arena, str_lit("%{c}"), &m, false, 1000, &out), RC_SYNTAX);
    assert_int_equal(spf_macro_expand(&arena, str_lit("%{d0}"), &m, false, 1000, &out), RC_SYNTAX);
    assert_int_equal(spf_macro_expand(&arena, str_lit("%{s}%{s}"), &m, false, 40, &out), RC_TOO_LARGE);
}

static void an_explanation_is_cleaned_of_nothing_but_bounded(void **state)
{
    char zone[2000];
    int n = snprintf(zone, sizeof zone, "example.org TXT v=spf1 -all exp=e.example\ne.example TXT ");

    (void)state;
    assert_int_equal(check("example.org TXT v=spf1 -all exp=e.%{d}\ne.example.org TXT %{i} may not send for %{o}", IP4, "h",
                           "a@example.org"),
                     AUTH_FAIL);
    assert_str(got.explanation, "192.0.2.1 may not send for example.org");
    for (size_t i = (size_t)n; i < (size_t)n + SPF_EXPLANATION_MAX + 1; i++)
        zone[i] = 'x', zone[i + 1] = '\0';
    assert_int_equal(check(zone, IP4, "h", "a@example.org"), AUTH_FAIL);
    assert_int_equal(got.explanation.n, 0);
}

/* The host of least preference number is looked at first, and a match before a failing host counts. */
static void mx_hosts_are_taken_in_order(void **state)
{
    (void)state;
    assert_int_equal(check("example.org TXT v=spf1 mx -all\nexample.org MX 20 bad.example\nexample.org MX 10 good.example\n"
                           "good.example A 192.0.2.1\nbad.example TEMPORARY",
                           IP4, "h", "a@example.org"),
                     AUTH_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_result_names_identity_domain_and_mechanism, setup, teardown),
        cmocka_unit_test_setup_teardown(the_null_sender_stands_for_postmaster_at_helo, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_to_ask_is_a_temporary_error, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_terms_may_ask_and_two_may_find_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(loops_end, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_of_names_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_permerror_says_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(international_domains_are_asked_as_a_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(macros_expand, setup, teardown),
        cmocka_unit_test_setup_teardown(an_explanation_is_cleaned_of_nothing_but_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(mx_hosts_are_taken_in_order, setup, teardown),
    };

    return cmocka_run_group_tests_name("mail: SPF", tests, NULL, NULL);
}
