/* Tests of SMTP routes: which row holds, what its hosts say; and which host fits an MTA-STS policy. */
#include "deliver/resolve.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_nearest_row_holds(void **state)
{
    struct err e = ERR_NONE;
    struct conf_source *s =
        conf_source_test("route[x.test].hosts=a\nroute[.x.test].hosts=b\nroute[.test].hosts=c\nroute[ALL].hosts=d\n", &e);
    const struct conf *c = conf_now(s);
    static const char *const CASES[][2] = {{"x.test", "a"}, {"X.TEST", "a"}, {"m.x.test", "b"}, {"m.m.x.test", "b"},
                                           {"y.test", "c"}, {"other", "d"},  {"xx.test", "c"}};

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_true(str_eq(route_row(c, str_c(CASES[i][0]))->hosts.items[0], str_c(CASES[i][1])));
    conf_source_free(s);
}

static void hosts_are_read(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        uint64_t priority;
        int family;
    } GOOD[] = {
        {"mx.test", "mx.test", 25, 0, AF_UNSPEC},
        {"mx.test:2525 /pri=10", "mx.test", 2525, 10, AF_UNSPEC},
        {"192.0.2.1:26", "192.0.2.1", 26, 0, AF_INET},
        {"[192.0.2.1]", "192.0.2.1", 25, 0, AF_INET},
        {"2001:db8::1", "2001:db8::1", 25, 0, AF_INET6},
        {"[2001:db8::1]:2525 /PRI=5", "2001:db8::1", 2525, 5, AF_INET6},
        {"[IPv6:2001:db8::1]", "2001:db8::1", 25, 0, AF_INET6},
    };
    static const char *const BAD[] = {"",           "mx:0",      "mx:99999", "mx:x", "[mx]",
                                      "[192.0.2.1", "mx /pri=x", "mx other", "[",    ":25"};
    struct route_host h;
    enum route_kind kind;

    (void)state;
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        assert_int_equal(route_host_parse(str_c(GOOD[i].text), 25, &h, &kind), RC_OK);
        assert_true(kind == ROUTE_HOSTS && str_eq(h.host, str_c(GOOD[i].host)) && h.port == GOOD[i].port &&
                    h.priority == GOOD[i].priority && h.ip.family == GOOD[i].family);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(route_host_parse(str_c(BAD[i]), 25, &h, &kind), RC_SYNTAX);
    assert_true(route_host_parse(str_lit("USEDNS"), 25, &h, &kind) == RC_OK && kind == ROUTE_MX);
    assert_true(route_host_parse(str_lit("/dev/null"), 25, &h, &kind) == RC_OK && kind == ROUTE_DROP);
}

static void hosts_come_by_priority(void **state)
{
    struct err e = ERR_NONE;
    struct conf_source *s = conf_source_test("route[x.test].hosts=c /pri=20,a,b /pri=10,d /pri=10\n", &e);
    struct arena a;
    struct route r;
    unsigned b_first = 0;

    (void)state;
    arena_init(&a, 1024, 1 << 20);
    for (unsigned i = 0; i < 100; i++) {
        route_find(&a, conf_now(s), str_lit("x.test"), &r);
        assert_int_equal(r.n, 4);
        assert_true(str_eq(r.hosts[0].host, str_lit("a")) && str_eq(r.hosts[3].host, str_lit("c")));
        b_first += str_eq(r.hosts[1].host, str_lit("b"));
    }
    assert_true(b_first > 10 && b_first < 90); /* equal ones share the load */
    arena_done(&a);
    conf_source_free(s);
}

/* A next hop that judging named is asked itself, whatever routes there are; without a port it is a domain like any other. */
static void a_named_next_hop_needs_no_route(void **state)
{
    struct err e = ERR_NONE;
    struct conf_source *s = conf_source_test("route[ALL].hosts=relay.test\n", &e);
    static const struct {
        const char *name, *host;
        uint16_t port;
    } cases[] = {{"mx.test:2525", "mx.test", 2525},
                 {"[192.0.2.1]:26", "192.0.2.1", 26},
                 {"[IPv6:2001:db8::1]:27", "2001:db8::1", 27},
                 {"mx.test", "relay.test", 25},
                 {"[IPv6:2001:db8::1]", "relay.test", 25},
                 {"mx.test:x", "relay.test", 25}};
    struct arena a;

    (void)state;
    arena_init(&a, 1024, 1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route r;

        route_find(&a, conf_now(s), str_c(cases[i].name), &r);
        assert_int_equal(r.n, 1);
        assert_true(r.kind == ROUTE_HOSTS && str_eq(r.hosts[0].host, str_c(cases[i].host)));
        assert_int_equal(r.hosts[0].port, cases[i].port);
    }
    arena_done(&a);
    conf_source_free(s);
}

static void sts_patterns_match_one_label(void **state)
{
    (void)state;
    assert_true(resolve_sts_match(str_lit("mx.x.test"), str_lit("MX.x.test")));
    assert_true(resolve_sts_match(str_lit("*.x.test"), str_lit("mx.x.test")));
    assert_false(resolve_sts_match(str_lit("*.x.test"), str_lit("a.mx.x.test")));
    assert_false(resolve_sts_match(str_lit("*.x.test"), str_lit("x.test")));
    assert_false(resolve_sts_match(str_lit("x.test"), str_lit("mx.x.test")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_row_holds),        cmocka_unit_test(hosts_are_read),
        cmocka_unit_test(hosts_come_by_priority),       cmocka_unit_test(a_named_next_hop_needs_no_route),
        cmocka_unit_test(sts_patterns_match_one_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
