/* Tests of reputation of senders and of masquerading tables. */
#include "policy/hat.h"
#include "policy/masquerade.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct reputation from_txt(const char *text)
{
    struct dns_record record = {.data = str_c(text)};
    struct dns_answer a = {.result = DNS_OK, .records = &record, .n = 1};

    return reputation_of(&a, false);
}

/* FW-07a */
static void scores_come_from_records(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {{"-3.4", "-3.4"},  {"sbrs=10.0", "10.0"},
                 {" 0 ", "0.0"},    {"+2.05", "2.0"},
                 {"-10", "-10.0"},  {"10.1", "None"},
                 {"-10.5", "None"}, {"11", "None"},
                 {"hello", "None"}, {"1.", "None"},
                 {"", "None"},      {"1.2x", "None"},
                 {"--1", "None"},   {"99999999999999999999", "None"},
                 {"-0.4", "-0.4"}};
    struct dns_record low = {.data = {"\x7f\0\x39\2", 4}}, high = {.data = {"\x7f\0\xc9\2", 4}};
    struct dns_answer a = {.result = DNS_OK, .records = &low, .n = 1};
    struct reputation r;
    char text[8];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r = from_txt(cases[i].text);
        assert_true(str_eq(reputation_text(&r, text), str_c(cases[i].shown)));
    }
    r = reputation_of(&a, true);
    assert_true(str_eq(reputation_text(&r, text), str_lit("-4.3")));
    a.records = &high;
    assert_int_equal(reputation_of(&a, true).state, REPUTATION_NONE);
    a.result = DNS_TEMPORARY;
    r = reputation_of(&a, true);
    assert_true(str_eq(reputation_text(&r, text), str_lit("unable to retrieve")));
    a.result = DNS_NXDOMAIN;
    assert_int_equal(reputation_of(&a, true).state, REPUTATION_NONE);
}

static void ranges_hold_their_ends(void **state)
{
    static const char *const bad[] = {"sbrs[]",    "sbrs[1:0]", "sbrs[0:11]", "sbrs[-1.0:1.0", "sbrs[a:b]",
                                      "sbrs[1.0]", "sbrs",      "none",       "sbrs[1::2]"};
    struct reputation_range range;
    struct reputation r = {REPUTATION_NUMBER, -30};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(reputation_range_read(str_c(bad[i]), &range));
    assert_true(reputation_range_read(str_lit("sbrs[-10.0:-3.0]"), &range));
    assert_true(reputation_fits(&range, &r));
    r.tenths = -29;
    assert_false(reputation_fits(&range, &r));
    r.state = REPUTATION_NONE;
    assert_false(reputation_fits(&range, &r));
    assert_true(reputation_range_read(str_lit("SBRS[None]"), &range));
    assert_true(reputation_fits(&range, &r));
    r.state = REPUTATION_FAILED;
    assert_false(reputation_fits(&range, &r));
    assert_true(hat_member_fits(str_lit("sbrs[none]")));
    assert_false(hat_member_fits(str_lit("sbrs[2:1]")));
}

/* FW-07a: the first member in order decides, score or not. */
static void scores_choose_the_sender_group(void **state)
{
    static const struct {
        enum reputation_state state;
        int tenths;
        const char *group, *what;
    } cases[] = {{REPUTATION_NUMBER, -100, "LOW", "sbrs[-10.0:-3.0]"},
                 {REPUTATION_NUMBER, -30, "LOW", "sbrs[-10.0:-3.0]"},
                 {REPUTATION_NUMBER, 55, "HIGH", "sbrs[5.0:10.0]"},
                 {REPUTATION_NONE, 0, "FRESH", "sbrs[none]"},
                 {REPUTATION_PRIVATE, 0, "FRESH", "sbrs[none]"},
                 {REPUTATION_FAILED, 0, "REST", "ALL"},
                 {REPUTATION_OFF, 0, "REST", "ALL"},
                 {REPUTATION_NUMBER, 0, "REST", "ALL"}};
    struct err e = ERR_NONE;
    struct conf_source *conf = conf_source_test("listener.In.type=public\n"
                                                "sender_group.FIRST.members=192.0.2.1\n"
                                                "sender_group.LOW.members=sbrs[-10.0:-3.0]\n"
                                                "sender_group.HIGH.members=sbrs[5.0:10.0]\n"
                                                "sender_group.FRESH.members=sbrs[none]\n"
                                                "sender_group.REST.members=ALL\n",
                                                &e);
    struct hat_peer peer = {0};
    struct hat_match match;
    struct arena a;
    struct hat *h;

    (void)state;
    assert_non_null(conf);
    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(hat_compile(&a, conf_now(conf), &conf_now(conf)->listener.items[0], &h, &e), RC_OK);
    assert_true(ip_parse(str_lit("192.0.2.9"), &peer.ip));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        peer.reputation = (struct reputation){cases[i].state, cases[i].tenths};
        assert_int_equal(hat_match(h, &peer, &match), RC_OK);
        assert_true(str_eq(match.group, str_c(cases[i].group)));
        assert_true(str_eq(match.what, str_c(cases[i].what)));
    }
    assert_true(ip_parse(str_lit("192.0.2.1"), &peer.ip));
    assert_int_equal(hat_match(h, &peer, &match), RC_OK);
    assert_true(str_eq(match.group, str_lit("FIRST")));
    arena_done(&a);
    conf_source_free(conf);
}

static void private_addresses_are_not_asked_about(void **state)
{
    static const struct {
        const char *ip;
        bool private;
    } cases[] = {{"10.0.0.1", true},  {"172.16.0.1", true},   {"172.32.0.1", false}, {"192.168.9.9", true},
                 {"127.0.0.1", true}, {"192.0.2.1", false},   {"fd00::1", true},     {"fe80::1", true},
                 {"::1", true},       {"2001:db8::1", false}, {"169.254.1.1", true}, {"::2", false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_ip ip;

        assert_true(ip_parse(str_c(cases[i].ip), &ip));
        assert_int_equal(reputation_private(&ip), cases[i].private);
    }
}

static void masquerading_takes_the_closest_line(void **state)
{
    static const char *const texts[] = {"@.example.com @example.com", "@lab.example.com @science.test",
                                        "joe@lab.example.com info@example.com", "broken", "@.b.example.com a@b@c"};
    struct str lines[5];
    static const struct {
        const char *from, *to;
    } cases[] = {{"x@lab.example.com", "x@science.test"},
                 {"JOE@Lab.Example.com", "info@example.com"},
                 {"y@a.b.example.com", "y@example.com"},
                 {"z@example.com", ""},
                 {"z@other.test", ""},
                 {"", ""},
                 {"\"a b\"@lab.example.com", "\"a b\"@science.test"}};
    struct arena a;

    (void)state;
    for (size_t i = 0; i < 5; i++)
        lines[i] = str_c(texts[i]);
    arena_init(&a, 1024, 1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(str_eq(masquerade_find(&a, (struct strs){lines, 5}, str_c(cases[i].from)), str_c(cases[i].to)));
    assert_true(masquerade_line_fits(lines[0]) && masquerade_line_fits(lines[2]));
    assert_false(masquerade_line_fits(lines[3]));
    assert_false(masquerade_line_fits(lines[4]));
    assert_false(masquerade_line_fits(str_lit("@a.test @b.test more")));
    assert_false(masquerade_line_fits(str_lit("@.a.test @.b.test")));
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_come_from_records),
        cmocka_unit_test(ranges_hold_their_ends),
        cmocka_unit_test(scores_choose_the_sender_group),
        cmocka_unit_test(private_addresses_are_not_asked_about),
        cmocka_unit_test(masquerading_takes_the_closest_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
