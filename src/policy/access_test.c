/* From where the machine is managed: modes, kinds of list members, proxies (HD-02, HD-03). */
#include "policy/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LISTED \
    "access.allowed=192.0.2.1,198.51.100.0/24,203.0.113.5-203.0.113.77,10.1.,2001:db8::/32,2001:db9::1-2001:db9::ff," \
    "no-address\n" \
    "access.proxies=192.0.2.250\n"

static bool allows(const char *lines, const char *peer, const char *client)
{
    struct err e = ERR_NONE;
    struct conf_source *source = conf_source_test(lines, &e);
    struct address_ip p, c;
    struct access *a;
    bool yes;

    if (!source)
        fail_msg("%s", e.text);
    assert_int_equal(access_new(&conf_now(source)->access, &a, &e), RC_OK);
    assert_true(ip_parse(str_c(peer), &p));
    if (client)
        assert_true(ip_parse(str_c(client), &c));
    yes = access_allows(a, &p, client ? &c : NULL);
    access_free(a);
    conf_source_free(source);
    return yes;
}

static void test_all(void **state)
{
    (void)state;
    assert_true(allows(LISTED, "8.8.8.8", NULL));
    assert_true(allows("", "2001:db8::1", "8.8.8.8"));
}

static void test_restrict(void **state)
{
    static const char lines[] = LISTED "access.mode=restrict\n";
    static const char *in[] = {"192.0.2.1", "198.51.100.255", "203.0.113.5", "203.0.113.77",
                               "10.1.2.3",  "2001:db8:1::5",  "2001:db9::80"};
    static const char *out[] = {"192.0.2.2",   "198.51.101.1",  "203.0.113.78", "10.2.0.1",
                                "192.0.2.250", "2001:db9::100", "::1"};

    (void)state;
    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        if (!allows(lines, in[i], NULL))
            fail_msg("%s was refused", in[i]);
    for (size_t i = 0; i < sizeof out / sizeof *out; i++)
        if (allows(lines, out[i], NULL))
            fail_msg("%s was let in", out[i]);
    assert_true(allows(lines, "192.0.2.1", "8.8.8.8"));  /* a header does not lock a listed peer out */
    assert_false(allows(lines, "8.8.8.8", "192.0.2.1")); /* nor does it let anyone in */
}

static void test_restrict_empty(void **state)
{
    (void)state;
    assert_false(allows("access.mode=restrict\n", "127.0.0.1", NULL));
}

static void test_proxy(void **state)
{
    static const char lines[] = LISTED "access.mode=proxy\n";

    (void)state;
    assert_true(allows(lines, "192.0.2.250", "192.0.2.1"));
    assert_true(allows(lines, "192.0.2.250", NULL));
    assert_false(allows(lines, "192.0.2.250", "8.8.8.8"));
    assert_false(allows(lines, "192.0.2.1", NULL));
    assert_false(allows(lines, "8.8.8.8", "192.0.2.1"));
}

static void test_restrict_or_proxy(void **state)
{
    static const char lines[] = LISTED "access.mode=restrict_or_proxy\n";

    (void)state;
    assert_true(allows(lines, "192.0.2.1", NULL));
    assert_true(allows(lines, "192.0.2.1", "8.8.8.8"));
    assert_true(allows(lines, "192.0.2.250", "192.0.2.1"));
    assert_false(allows(lines, "192.0.2.250", "8.8.8.8"));
    assert_false(allows(lines, "8.8.8.8", NULL));
    assert_false(allows(lines, "8.8.8.8", "192.0.2.1"));
}

static void test_no_list(void **state)
{
    struct address_ip peer;

    (void)state;
    assert_true(ip_parse(str_lit("127.0.0.1"), &peer));
    assert_false(access_allows(NULL, &peer, NULL));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),   cmocka_unit_test(test_restrict),          cmocka_unit_test(test_restrict_empty),
        cmocka_unit_test(test_proxy), cmocka_unit_test(test_restrict_or_proxy), cmocka_unit_test(test_no_list),
    };

    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
