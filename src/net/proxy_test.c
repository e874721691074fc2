/* PROXY headers, whole, cut at every octet, and wrong. */
#include "net/proxy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_header_is_found_and_a_cut_one_waits(void **state)
{
    static const struct {
        struct str in;
        const char *source;
        unsigned source_port;
        bool local;
    } cases[] = {
        {str_lit("PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n"), "192.0.2.1", 1234, false},
        {str_lit("PROXY TCP6 2001:db8::1 ::1 65535 25\r\n"), "2001:db8::1", 65535, false},
        {str_lit("PROXY UNKNOWN\r\n"), "", 0, true},
        {str_lit("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), "", 0, true},
        {str_lit("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x04\xd2\0\x19"), "192.0.2.1", 1234, false},
        {str_lit("\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x27\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x04\xd2\0\x19\x04\0\0"),
         "2001:db8::1", 1234, false},
        {str_lit("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"), "", 0, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxy_header h = {0};
        char with_more[600], text[46];
        size_t used = 0;

        for (size_t n = 0; n < cases[i].in.n; n++)
            assert_int_equal(proxy_parse(str_first(cases[i].in, n), &h, &used), RC_UNAVAILABLE);
        memcpy(with_more, cases[i].in.p, cases[i].in.n);
        memcpy(with_more + cases[i].in.n, "EHLO x\r\n", 8);
        assert_int_equal(proxy_parse(str_of(with_more, cases[i].in.n + 8), &h, &used), RC_OK);
        assert_int_equal(used, cases[i].in.n);
        assert_string_equal(ip_text(&h.source, text).p, cases[i].source);
        assert_int_equal(h.source.port, cases[i].source_port);
        assert_int_equal(h.local, cases[i].local);
        assert_int_equal(h.destination.port, cases[i].local ? 0 : 25);
    }
}

static void what_is_no_header_is_refused(void **state)
{
    static const struct str cases[] = {
        str_lit("EHLO example.com\r\n"),
        str_lit("PROXY TCP4 192.0.2.1 192.0.2.2 1234\r\n"),
        str_lit("PROXY TCP4 192.0.2.1  192.0.2.2 1234 25\r\n"),
        str_lit("PROXY TCP4 192.0.2.1 192.0.2.2 1234 25 x\r\n"),
        str_lit("PROXY TCP4 ::1 ::2 1234 25\r\n"),
        str_lit("PROXY TCP4 192.0.2.1 192.0.2.2 65536 25\r\n"),
        str_lit("PROXY TCP4 192.0.2.1 192.0.2.2 025 25\r\n"),
        str_lit("PROXY UNKNOWNx\r\n"),
        str_lit("PROXY "
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                "aaaaa"),
        str_lit("\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"),
        str_lit("\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"),
        str_lit("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\xc0\0\x02\x01"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct proxy_header h = {.version = 9};
        size_t used = 77;

        assert_int_equal(proxy_parse(cases[i], &h, &used), RC_SYNTAX);
        assert_int_equal(h.version, 9);
        assert_int_equal(used, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_header_is_found_and_a_cut_one_waits),
                                       cmocka_unit_test(what_is_no_header_is_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
