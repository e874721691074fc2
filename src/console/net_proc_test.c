/* Rows of /proc/net as the kernel prints them, and lines that are none. */
#include "console/net_proc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void sockets_are_read(void **state)
{
    static const char v4[] =
        "   0: 0100007F:1F90 0200000A:C350 01 0000000A:00000014 00:00000000 00000000  1000        0 12345 1";
    static const char v6[] = "   1: 00000000000000000000000001000000:0019 00000000000000000000000000000000:0000 0A "
                             "00000000:00000003 00:00000000 00000000     0        0 777 1";
    static const char *const bad[] = {
        "", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid",
        "   0: 0100007F 00000000:0000 0A 0:0 00:0 0 0", "   0: 0100007F:1F90 XX:0000 0A 0:0 00:0 0 0",
        "   0: 010000:1F90 00000000:0000 0A 0:0 00:0 0 0"};
    struct proc_socket s;
    char text[46];

    (void)state;
    assert_true(proc_socket_read(str_c(v4), &s));
    assert_string_equal(ip_text(&s.local, text).p, "127.0.0.1");
    assert_int_equal(s.local.port, 8080);
    assert_string_equal(ip_text(&s.remote, text).p, "10.0.0.2");
    assert_int_equal(s.remote.port, 50000);
    assert_string_equal(proc_tcp_state(s.state), "ESTABLISHED");
    assert_int_equal(s.send_queue, 10);
    assert_int_equal(s.receive_queue, 20);
    assert_int_equal(s.user, 1000);
    assert_true(proc_socket_read(str_c(v6), &s));
    assert_string_equal(ip_text(&s.local, text).p, "::1");
    assert_int_equal(s.local.port, 25);
    assert_string_equal(proc_tcp_state(s.state), "LISTEN");
    assert_string_equal(proc_tcp_state(99), "");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(proc_socket_read(str_c(bad[i]), &s));
}

static void interfaces_are_read(void **state)
{
    struct proc_interface x;

    (void)state;
    assert_true(proc_interface_read(str_lit("  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"), &x));
    assert_true(str_eq(x.name, str_lit("eth0")));
    assert_int_equal(x.in_bytes, 1);
    assert_int_equal(x.in_drops, 4);
    assert_int_equal(x.out_bytes, 9);
    assert_int_equal(x.out_drops, 12);
    assert_int_equal(x.collisions, 14);
    assert_false(proc_interface_read(str_lit(" face |bytes    packets"), &x));
    assert_false(proc_interface_read(str_lit("eth0: 1 2 3"), &x));
}

static void routes_are_read(void **state)
{
    struct proc_route r;
    char text[46], flags[8];

    (void)state;
    assert_true(proc_route4_read(str_lit("eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0"), &r));
    assert_string_equal(ip_text(&r.gateway, text).p, "192.0.2.1");
    assert_int_equal(r.bits, 0);
    assert_int_equal(r.metric, 100);
    assert_string_equal(proc_route_flags(r.flags, flags), "UG");
    assert_true(proc_route4_read(str_lit("eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"), &r));
    assert_int_equal(r.bits, 24);
    assert_true(proc_route6_read(str_lit("20010db8000000000000000000000000 20 00000000000000000000000000000000 00 "
                                         "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0"),
                                 &r));
    assert_string_equal(ip_text(&r.to, text).p, "2001:db8::");
    assert_string_equal(ip_text(&r.gateway, text).p, "fe80::1");
    assert_int_equal(r.bits, 32);
    assert_int_equal(r.metric, 1024);
    assert_true(str_eq(r.interface, str_lit("eth0")));
    assert_false(proc_route4_read(str_lit("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask"), &r));
    assert_false(proc_route6_read(str_lit("2001 20 00 00 fe80 0 0 0 0 eth0"), &r));
}

static void counters_are_found(void **state)
{
    static const char text[] =
        "Ip: Forwarding InReceives\nIp: 1 42\nTcp: RtoAlgorithm ActiveOpens\nTcp: 1 7\nTcpExt: A\nTcpExt: 9\n";

    (void)state;
    assert_int_equal(proc_counter(str_c(text), "Ip", "InReceives"), 42);
    assert_int_equal(proc_counter(str_c(text), "Tcp", "ActiveOpens"), 7);
    assert_int_equal(proc_counter(str_c(text), "TcpExt", "A"), 9);
    assert_int_equal(proc_counter(str_c(text), "Tcp", "Nothing"), 0);
    assert_int_equal(proc_counter(STR_NONE, "Tcp", "ActiveOpens"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_read),
        cmocka_unit_test(interfaces_are_read),
        cmocka_unit_test(routes_are_read),
        cmocka_unit_test(counters_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
