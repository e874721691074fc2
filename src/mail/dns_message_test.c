/* DNS messages: questions as octets, replies of name servers, and what a broken one gets. */
#include "mail/dns_message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1024, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void a_question_is_built(void **state)
{
    static const char want[] = "\x12\x34\x01\x20\0\1\0\0\0\0\0\1\3www\7example\3org\0\0\xf\0\1\0\0\x29\4\xd0\0\0\0\0\0\0";
    static const char *const bad[] = {"a..b", "x\\", "\\999",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"};
    struct buf b = BUF(1024);

    (void)state;
    assert_int_equal(dns_message_ask(&b, 0x1234, str_lit("www.example.org"), 15, NULL), RC_OK);
    assert_int_equal(b.n, sizeof want - 1);
    assert_memory_equal(b.p, want, b.n);
    buf_clear(&b);
    assert_int_equal(dns_message_ask(&b, 0x1234, str_lit("www.example.org."), 15, NULL), RC_OK);
    assert_memory_equal(b.p, want, b.n);
    buf_clear(&b);
    assert_int_equal(dns_message_ask(&b, 1, str_lit("a\\.b\\100.c"), 1, NULL), RC_OK);
    assert_memory_equal(b.p + 12, "\4a.bd\1c", 8);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        buf_clear(&b);
        assert_int_equal(dns_message_ask(&b, 1, str_c(bad[i]), 1, NULL), RC_INVALID);
    }
    buf_done(&b);
}

#define HEAD "\0\7\x85\xa0\0\1"
#define QUESTION "\7example\0\0\xff\0\1" /* begins at 12 */
#define OWNER "\xc0\x0c"

/* One record of each type behind the question; its text. */
static void records_are_shown(void **state)
{
    static const struct {
        const char *wire;
        size_t n;
        uint16_t type;
        const char *text;
    } cases[] = {
        {"\0\4\xc0\0\2\1", 6, 1, "192.0.2.1"},
        {"\0\20\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 18, 28, "2001:db8::1"},
        {"\0\7\0\12\2mx" OWNER, 9, 15, "10 mx.example."},
        {"\0\5\2ns" OWNER, 7, 2, "ns.example."},
        {"\0\3\0\0\0", 5, 15, "0 ."},
        {"\0\13\3a\"b\6c d\x1b"
         "e\x80",
         13, 16, "\"a\\\"b\" \"c d\\027e\\128\""},
        {"\0\x1e\2ns" OWNER "\2hm" OWNER "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5", 32, 6,
         "ns.example. hm.example. 1 2 3 4 5"},
        {"\0\12\0\1\0\2\0\31\1h" OWNER, 12, 33, "1 2 25 h.example."},
        {"\0\5\3\1\1\xab\xcd", 7, 52, "3 1 1 ABCD"},
        {"\0\17\0\5issueca.test", 16, 257, ""},
        {"\0\2\1\2", 4, 4711, "\\# 2 0102"},
        {"\0\3\1\2\3", 5, 1, "\\# 3 010203"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b = BUF(4096);
        struct dns_message m;
        struct err e = ERR_NONE;

        buf_add(&b, str_lit(HEAD "\0\1\0\0\0\0" QUESTION OWNER));
        buf_put_u8(&b, (uint8_t)(cases[i].type >> 8));
        buf_put_u8(&b, (uint8_t)cases[i].type);
        buf_add(&b, str_lit("\0\1\0\0\1\x2c"));
        buf_add(&b, str_of(cases[i].wire, cases[i].n));
        if (!*cases[i].text) { /* CAA */
            assert_int_equal(dns_message_parse(&arena, str_first(buf_str(&b), b.n - 1), &m, &e), RC_CORRUPT);
            b.p[b.n - cases[i].n + 1] = 14;
            assert_int_equal(dns_message_parse(&arena, buf_str(&b), &m, &e), RC_OK);
            assert_string_equal(m.section[DNS_ANSWER].entries[0].text.p, "0 issue \"ca.test\"");
        } else {
            assert_int_equal(dns_message_parse(&arena, buf_str(&b), &m, &e), RC_OK);
            assert_string_equal(m.section[DNS_ANSWER].entries[0].text.p, cases[i].text);
        }
        assert_string_equal(m.section[DNS_ANSWER].entries[0].owner.p, "example.");
        assert_int_equal(m.section[DNS_ANSWER].entries[0].ttl, 300);
        assert_true(m.reply && m.authoritative && m.recursion && m.authentic && !m.truncated);
        buf_done(&b);
    }
}

static void the_answer_to_a_type_is_found(void **state)
{
    /* example. CNAME c.example.; c.example. MX 5 example.; the name c lies at 37 */
    static const char in[] = HEAD "\0\2\0\0\0\1" QUESTION OWNER "\0\5\0\1\0\0\0\1\0\4\1c" OWNER
                                  "\xc0\x25\0\17\0\1\0\0\0\2\0\4\0\5" OWNER "\0\0\x29\4\xd0\1\0\0\0\0\0";
    struct dns_message m;
    size_t from = 0;
    const struct dns_entry *x;

    (void)state;
    assert_int_equal(dns_message_parse(&arena, str_of(in, sizeof in - 1), &m, NULL), RC_OK);
    x = dns_message_next(&m, 15, &from);
    assert_non_null(x);
    assert_string_equal(x->owner.p, "c.example.");
    assert_string_equal(x->target.p, "example.");
    assert_int_equal(x->preference, 5);
    assert_null(dns_message_next(&m, 15, &from));
    assert_true(m.edns && m.edns_size == 1232 && m.rcode == 16 && m.section[DNS_ADDITIONAL].n == 0);
}

static void a_broken_reply_is_refused(void **state)
{
    static const struct {
        const char *in;
        size_t n;
    } bad[] = {
        {"", 0},
        {HEAD "\0\0\0\0\0", 11},
        {HEAD "\0\0\0\0\0\0", 12}, /* the question is missing */
        {HEAD "\0\0\0\0\0\0"
              "\xc0\x0c\0\1\0\1",
         18},                                                                    /* points at itself */
        {HEAD "\0\1\0\0\0\0" QUESTION OWNER "\0\1\0\1\0\0\0\1\0\5\1\2\3\4", 41}, /* data beyond the end */
        {HEAD "\xff\xff\0\0\0\0" QUESTION, 25},                                  /* more records than octets */
        {HEAD "\0\0\0\0\0\0"
              "\xff\xff\0\1\0\1",
         18},
        {HEAD "\0\0\0\0\0\0"
              "\x7f"
              "abc\0\0\1\0\1",
         21},
    };
    struct dns_message m;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dns_message_parse(&arena, str_of(bad[i].in, bad[i].n), &m, NULL), RC_CORRUPT);
}

static void types_have_names(void **state)
{
    (void)state;
    assert_int_equal(dns_message_type_of(str_lit("mx")), 15);
    assert_int_equal(dns_message_type_of(str_lit("TYPE65280")), 65280);
    assert_int_equal(dns_message_type_of(str_lit("TYPE0")), 0);
    assert_int_equal(dns_message_type_of(str_lit("example.org")), 0);
    assert_string_equal(dns_message_type(&arena, 257).p, "CAA");
    assert_string_equal(dns_message_type(&arena, 999).p, "TYPE999");
    assert_string_equal(dns_message_rcode(3), "NXDOMAIN");
    assert_string_equal(dns_message_rcode(16), "BADVERS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_built),
        cmocka_unit_test(records_are_shown),
        cmocka_unit_test(the_answer_to_a_type_is_found),
        cmocka_unit_test(a_broken_reply_is_refused),
        cmocka_unit_test(types_have_names),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
