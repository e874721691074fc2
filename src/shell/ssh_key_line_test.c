/* Lines of authorized_keys: what logs in, what is refused, from where (FW-02). */
#include "shell/ssh_key_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIL0Q"

static struct ssh_key_line parsed(const char *line)
{
    struct ssh_key_line k;
    struct err e = ERR_NONE;

    if (ssh_key_line_parse(str_c(line), &k, &e) != RC_OK)
        fail_msg("%s: %s", line, e.text);
    return k;
}

static void test_plain(void **state)
{
    struct ssh_key_line k = parsed("  ssh-ed25519 " BLOB " anna@example.org on her laptop\n");

    (void)state;
    assert_true(str_eq(k.type, str_lit("ssh-ed25519")));
    assert_true(str_eq(k.blob, str_lit(BLOB)));
    assert_true(str_eq(k.comment, str_lit("anna@example.org on her laptop")));
    assert_false(k.no_pty);
    assert_null(k.from.p);
    assert_int_equal(parsed("ssh-rsa AAAA==").comment.n, 0);
}

static void test_options(void **state)
{
    (void)state;
    assert_true(parsed("restrict ssh-rsa AAAA").no_pty);
    assert_false(parsed("restrict,pty ssh-rsa AAAA").no_pty);
    assert_true(parsed("no-X11-forwarding,no-pty\tssh-rsa AAAA c").no_pty);
    assert_true(
        str_eq(parsed("from=\"192.0.2.0/24,::1\",no-port-forwarding ssh-rsa AAAA").from, str_lit("192.0.2.0/24,::1")));
}

static void test_refused(void **state)
{
    static const char *lines[] = {
        "",
        "# ssh-rsa AAAA",
        "ssh-rsa",
        "ssh-dss AAAA",
        "ssh-rsa-cert-v01@openssh.com AAAA",
        "ssh-rsa AA$A",
        "ssh-rsa ===",
        "command=\"/bin/sh\" ssh-rsa AAAA",
        "cert-authority ssh-rsa AAAA",
        "no-pty, ssh-rsa AAAA",
        ",no-pty ssh-rsa AAAA",
        "from=192.0.2.1 ssh-rsa AAAA",
        "from=\"192.0.2.1 ssh-rsa AAAA",
        "from=\"192.0.2.1\"x ssh-rsa AAAA",
        "from=\"1.1.1.1\",from=\"2.2.2.2\" ssh-rsa AAAA",
        "from ssh-rsa AAAA",
        "no-pty=\"x\" ssh-rsa AAAA",
        "no-pty",
    };
    struct ssh_key_line k;

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (ssh_key_line_parse(str_c(lines[i]), &k, NULL) == RC_OK)
            fail_msg("taken: %s", lines[i]);
    assert_int_equal(ssh_key_line_parse(str_of("ssh-rsa A\0A", 11), &k, NULL), RC_SYNTAX);
}

static bool fits(const char *line, const char *peer)
{
    struct ssh_key_line k = parsed(line);
    struct address_ip ip;

    assert_true(ip_parse(str_c(peer), &ip));
    return ssh_key_line_fits(&k, &ip);
}

static void test_from(void **state)
{
    (void)state;
    assert_true(fits("ssh-rsa AAAA", "192.0.2.1"));
    assert_true(fits("from=\"10.0.0.1,192.0.2.0/24\" ssh-rsa AAAA", "192.0.2.1"));
    assert_false(fits("from=\"10.0.0.1,192.0.2.0/24\" ssh-rsa AAAA", "192.0.3.1"));
    assert_false(fits("from=\"10.0.0.1,192.0.2.0/24\" ssh-rsa AAAA", "2001:db8::1"));
    assert_false(fits("from=\"!192.0.2.7,192.0.2.0/24\" ssh-rsa AAAA", "192.0.2.7"));
    assert_true(fits("from=\"2001:db8::/32\" ssh-rsa AAAA", "2001:db8::1"));
    assert_false(fits("from=\"*.example.org\" ssh-rsa AAAA", "192.0.2.1"));
    assert_false(fits("from=\"192.0.2.1,!*.bad.test\" ssh-rsa AAAA", "192.0.2.1"));
    assert_false(fits("from=\"\" ssh-rsa AAAA", "192.0.2.1"));
    assert_false(fits("from=\"192.0.2.0/33\" ssh-rsa AAAA", "192.0.2.1"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_from),
    };

    return cmocka_run_group_tests_name("ssh_key_line", tests, NULL, NULL);
}
