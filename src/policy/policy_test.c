/* HAT and RAT: order of groups, every kind of member, policies, specificity of recipients. */
#include "policy/hat.h"
#include "policy/ip_table.h"
#include "policy/rat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char lines[] =
    "mail_flow_policy.ACCEPTED.behavior=accept\n"
    "mail_flow_policy.TRUSTED.behavior=accept\n"
    "mail_flow_policy.BLOCKED.behavior=reject\n"
    "mail_flow_policy.REFUSED.behavior=tcprefuse\n"
    "mail_flow_policy.RELAYED.behavior=relay\n"
    "listener.In.type=public\n"
    "listener.Out.type=private\n"
    "listener.Bare.type=public\n"
    "sender_group.In/ALLOWLIST.policy=TRUSTED\n"
    "sender_group.In/ALLOWLIST.listener=In\n"
    "sender_group.In/ALLOWLIST.members=192.0.2.1,198.51.100.0/24,.good.test,mx.one.test,2001:db8::/32\n"
    "sender_group.BLOCKLIST.policy=BLOCKED\n"
    "sender_group.BLOCKLIST.listener=In\n"
    "sender_group.BLOCKLIST.members=192.0.2.0/24,10.1.,203.0.113.5-203.0.113.77,dnslist[bl.test],nx.domain\n"
    "sender_group.CODED.policy=REFUSED\n"
    "sender_group.CODED.listener=In\n"
    "sender_group.CODED.members=dnslist[codes.test:127.0.0.4]\n"
    "sender_group.LOST.policy=RELAYED\n"
    "sender_group.LOST.listener=Out\n"
    "sender_group.LOST.members=10.0.0.0/8\n"
    "sender_group.REST.policy=ACCEPTED\n"
    "sender_group.REST.listener=In\n"
    "sender_group.REST.members=ALL\n";

struct fixture {
    struct conf_source *source;
    struct arena arena;
    struct hat *hat;
};

static void open_hat(struct fixture *f, const char *listener)
{
    struct err e = ERR_NONE;
    const struct conf *conf;

    f->source = conf_source_test(lines, &e);
    if (!f->source)
        fail_msg("%s", e.text);
    conf = conf_now(f->source);
    arena_init(&f->arena, 4096, 1 << 20);
    assert_int_equal(hat_compile(&f->arena, conf, conf_find(&conf->listener, str_c(listener)), &f->hat, &e), RC_OK);
}

static void close_hat(struct fixture *f)
{
    arena_done(&f->arena);
    conf_source_free(f->source);
}

/* "GROUP what policy" of a peer. */
static const char *match(struct fixture *f, const char *ip, const char *host, const uint8_t *answers)
{
    static char text[300];
    static const uint8_t unlisted[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    struct hat_peer peer = {.host = str_c(host), .no_name = !host, .lists = answers ? answers : unlisted};
    struct hat_match m;

    assert_true(ip_parse(str_c(ip), &peer.ip));
    if (hat_match(f->hat, &peer, &m) != RC_OK)
        return "asks";
    snprintf(text, sizeof text, "%.*s %.*s %.*s", STR(m.group), STR(m.what), STR(m.policy->name));
    return text;
}

static void the_first_member_that_fits_decides(void **state)
{
    struct fixture f;

    (void)state;
    open_hat(&f, "In");
    assert_string_equal(match(&f, "192.0.2.1", "a.test", NULL), "ALLOWLIST 192.0.2.1 TRUSTED");
    assert_string_equal(match(&f, "192.0.2.2", "a.test", NULL), "BLOCKLIST 192.0.2.0/24 BLOCKED");
    assert_string_equal(match(&f, "198.51.100.200", "a.test", NULL), "ALLOWLIST 198.51.100.0/24 TRUSTED");
    assert_string_equal(match(&f, "2001:db8::99", "a.test", NULL), "ALLOWLIST 2001:db8::/32 TRUSTED");
    assert_string_equal(match(&f, "192.0.2.2", "x.y.good.test", NULL), "ALLOWLIST .good.test TRUSTED");
    assert_string_equal(match(&f, "8.8.8.8", "mx.one.test", NULL), "ALLOWLIST mx.one.test TRUSTED");
    assert_string_equal(match(&f, "8.8.8.8", "good.test", NULL), "REST ALL ACCEPTED");
    assert_string_equal(match(&f, "10.1.2.3", "a.test", NULL), "BLOCKLIST 10.1. BLOCKED");
    assert_string_equal(match(&f, "10.2.2.3", "a.test", NULL), "REST ALL ACCEPTED");
    close_hat(&f);
}

static void a_range_holds_its_ends_and_nothing_beyond(void **state)
{
    struct fixture f;

    (void)state;
    open_hat(&f, "In");
    for (int i = 0; i < 256; i++) {
        char ip[32];

        snprintf(ip, sizeof ip, "203.0.113.%d", i);
        assert_string_equal(match(&f, ip, "a.test", NULL),
                            i >= 5 && i <= 77 ? "BLOCKLIST 203.0.113.5-203.0.113.77 BLOCKED" : "REST ALL ACCEPTED");
    }
    close_hat(&f);
}

static void dns_lists_are_asked_only_when_they_matter(void **state)
{
    static const uint8_t unknown[2] = {0, 0}, listed[2] = {2, 1}, coded[2] = {1, 2};
    const struct hat_list *lists;
    struct address_ip ip;
    struct fixture f;
    size_t n;

    (void)state;
    open_hat(&f, "In");
    lists = hat_lists(f.hat, &n);
    assert_int_equal(n, 2);
    assert_int_equal(lists[1].code[3], 4);
    assert_string_equal(match(&f, "192.0.2.1", "a.test", unknown), "ALLOWLIST 192.0.2.1 TRUSTED");
    assert_string_equal(match(&f, "8.8.8.8", "a.test", unknown), "asks");
    assert_string_equal(match(&f, "8.8.8.8", "a.test", listed), "BLOCKLIST dnslist[bl.test] BLOCKED");
    assert_string_equal(match(&f, "8.8.8.8", "a.test", coded), "CODED dnslist[codes.test:127.0.0.4] REFUSED");
    assert_true(ip_parse(str_lit("192.0.2.9"), &ip));
    assert_true(str_eq(hat_list_name(&f.arena, &lists[0], &ip), str_lit("9.2.0.192.bl.test")));
    close_hat(&f);
}

static void a_peer_without_name_is_nx_domain(void **state)
{
    struct fixture f;

    (void)state;
    open_hat(&f, "In");
    assert_string_equal(match(&f, "8.8.8.8", NULL, NULL), "BLOCKLIST nx.domain BLOCKED");
    close_hat(&f);
}

static void without_a_group_public_accepts_and_private_refuses(void **state)
{
    struct fixture f;

    (void)state;
    open_hat(&f, "Bare");
    assert_string_equal(match(&f, "8.8.8.8", "a.test", NULL), " ALL ACCEPTED");
    close_hat(&f);
    open_hat(&f, "Out");
    assert_string_equal(match(&f, "10.9.9.9", "a.test", NULL), "LOST 10.0.0.0/8 RELAYED");
    assert_string_equal(match(&f, "8.8.8.8", "a.test", NULL), " ALL none");
    close_hat(&f);
}

static void networks_of_all_lengths_are_found(void **state)
{
    struct arena a;
    struct ip_table t;
    struct address_ip ip;
    char text[64];

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    ip_table_begin(&t, &a);
    for (unsigned bits = 0; bits <= 32; bits++) {
        snprintf(text, sizeof text, "170.170.170.170/%u", bits);
        assert_int_equal(ip_table_add(&t, str_c(text), 100 - bits, NULL), RC_OK);
    }
    assert_int_equal(ip_table_add(&t, str_lit("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 7, NULL), RC_OK);
    assert_int_equal(ip_table_build(&t, NULL), RC_OK);
    assert_true(ip_parse(str_lit("170.170.170.170"), &ip));
    assert_int_equal(ip_table_find(&t, &ip), 68);
    assert_true(ip_parse(str_lit("170.170.170.171"), &ip));
    assert_int_equal(ip_table_find(&t, &ip), 69);
    assert_true(ip_parse(str_lit("1.1.1.1"), &ip));
    assert_int_equal(ip_table_find(&t, &ip), 100);
    assert_true(ip_parse(str_lit("fe80::1"), &ip));
    assert_int_equal(ip_table_find(&t, &ip), 7);
    arena_done(&a);
}

static void what_is_no_address_is_told(void **state)
{
    static const char *const bad[] = {"",         "1.2.3",     "1.2.3.4/33", "1.2.3.4-", "1.2.3.9-1.2.3.4", "1.2.3.4-::1",
                                      "1.2.3.4.", "host.test", "300.1.",     "::/129"};
    struct arena a;
    struct ip_table t;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    ip_table_begin(&t, &a);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (ip_table_add(&t, str_c(bad[i]), 0, NULL) != RC_SYNTAX)
            fail_msg("taken: %s", bad[i]);
    assert_true(hat_member_fits(str_lit("ALL")));
    assert_true(hat_member_fits(str_lit("dnslist[bl.test]")));
    assert_true(hat_member_fits(str_lit(".test")));
    assert_false(hat_member_fits(str_lit("dnslist[]")));
    assert_false(hat_member_fits(str_lit("1.2.3.4/99")));
    arena_done(&a);
}

static void the_most_specific_recipient_entry_decides(void **state)
{
    static const struct str list[] = {{"example.com", 11},
                                      {"bad@example.com reject No such user", 35},
                                      {".sub.example.com", 16},
                                      {".deep.sub.example.com reject", 28},
                                      {"abuse@", 6},
                                      {"box@[192.0.2.1]", 15},
                                      {"closed.test reject", 18},
                                      {"Open@closed.test", 16},
                                      {"ALL reject we do not relay", 26}};
    struct arena a;
    struct rat *r;
    struct rat_result x;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(rat_compile(&a, (struct strs){list, 9}, &r, NULL), RC_OK);
    assert_true(rat_match(r, str_lit("a"), str_lit("example.com")).accept);
    x = rat_match(r, str_lit("bad"), str_lit("example.com"));
    assert_true(!x.accept && x.ours && str_eq(x.text, str_lit("No such user")));
    assert_true(rat_match(r, str_lit("a"), str_lit("x.sub.example.com")).accept);
    assert_false(rat_match(r, str_lit("a"), str_lit("x.deep.sub.example.com")).accept);
    assert_true(rat_match(r, str_lit("Abuse"), str_lit("anything.test")).accept);
    assert_true(rat_match(r, str_lit("box"), str_lit("[192.0.2.1]")).accept);
    assert_true(rat_match(r, str_lit("open"), str_lit("closed.test")).accept);
    x = rat_match(r, str_lit("other"), str_lit("closed.test"));
    assert_true(!x.accept && x.ours);
    x = rat_match(r, str_lit("a"), str_lit("elsewhere.test"));
    assert_true(!x.accept && !x.ours && str_eq(x.text, str_lit("we do not relay")));
    arena_done(&a);
}

static void an_empty_table_takes_nothing(void **state)
{
    struct arena a;
    struct rat *r;

    (void)state;
    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(rat_compile(&a, (struct strs){NULL, 0}, &r, NULL), RC_OK);
    assert_false(rat_match(r, str_lit("a"), str_lit("b.test")).accept);
    arena_done(&a);
}

static void exceptions_are_addresses_or_domains(void **state)
{
    static const struct str list[] = {{"a@b.test", 8}, {"c.test", 6}, {".d.test", 7}};
    struct strs l = {list, 3};

    (void)state;
    assert_true(address_listed(l, str_lit("A"), str_lit("b.test")));
    assert_false(address_listed(l, str_lit("x"), str_lit("b.test")));
    assert_true(address_listed(l, str_lit("x"), str_lit("c.test")));
    assert_true(address_listed(l, str_lit("x"), str_lit("e.d.test")));
    assert_false(address_listed(l, str_lit("x"), str_lit("d.test")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_member_that_fits_decides),
        cmocka_unit_test(a_range_holds_its_ends_and_nothing_beyond),
        cmocka_unit_test(dns_lists_are_asked_only_when_they_matter),
        cmocka_unit_test(a_peer_without_name_is_nx_domain),
        cmocka_unit_test(without_a_group_public_accepts_and_private_refuses),
        cmocka_unit_test(networks_of_all_lengths_are_found),
        cmocka_unit_test(what_is_no_address_is_told),
        cmocka_unit_test(the_most_specific_recipient_entry_decides),
        cmocka_unit_test(an_empty_table_takes_nothing),
        cmocka_unit_test(exceptions_are_addresses_or_domains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
