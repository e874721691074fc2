/* Addresses: one form for each, prefixes to the bit. */
#include "net/socket.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void text_goes_there_and_back(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"255.255.255.255", "255.255.255.255"},
        {"0.0.0.0", "0.0.0.0"},
        {"[10.9.100.42]", "10.9.100.42"},
        {"2001:DB8::1", "2001:db8::1"},
        {"[::1]", "::1"},
        {"::ffff:192.0.2.7", "192.0.2.7"},
        {"192.0.2", NULL},
        {"", NULL},
        {"[]", NULL},
        {"192.0.2.256", NULL},
        {"1.2.3.4 ", NULL},
        {"::g", NULL},
        {"[::1", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_ip ip = {0}, back = {0};
        struct sockaddr_storage sa;
        char text[46];

        assert_int_equal(ip_parse(str_c(cases[i].in), &ip), cases[i].out != NULL);
        if (!cases[i].out)
            continue;
        assert_string_equal(ip_text(&ip, text).p, cases[i].out);
        assert_true(ip_to_sockaddr(&ip, &sa) > 0);
        ip_from_sockaddr((struct sockaddr *)&sa, &back);
        assert_true(ip_equal(&ip, &back));
    }
}

static bool in(const char *a, const char *net, unsigned bits)
{
    struct address_ip x, y;

    assert_true(ip_parse(str_c(a), &x) && ip_parse(str_c(net), &y));
    return ip_in(&x, &y, bits);
}

static void prefixes_count_bits(void **state)
{
    (void)state;
    assert_true(in("192.0.2.129", "192.0.2.128", 25));
    assert_false(in("192.0.2.127", "192.0.2.128", 25));
    assert_true(in("192.0.2.127", "0.0.0.0", 0));
    assert_true(in("192.0.2.1", "192.0.2.1", 32));
    assert_false(in("192.0.2.1", "192.0.2.0", 32));
    assert_false(in("192.0.2.1", "192.0.2.1", 33));
    assert_true(in("2001:db8:1:ff::1", "2001:db8::", 47));
    assert_false(in("2001:db8:2::1", "2001:db8::", 47));
    assert_false(in("192.0.2.1", "::", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(text_goes_there_and_back), cmocka_unit_test(prefixes_count_bits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
