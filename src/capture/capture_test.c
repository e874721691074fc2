/* The octets of a capture file, filters as programs of the kernel. */
#include "capture/capture.h"

#include "base/buf.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void a_file_has_the_form_of_pcap(void **state)
{
    static const unsigned char want[] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 113, 0, 0,
                                         0,
                                         /* 5.000007 s, 19 octets of 20 */
                                         5, 0, 0, 0, 7, 0, 0, 0, 19, 0, 0, 0, 20, 0, 0, 0,
                                         /* outgoing, Ethernet, 6 octets of address, IPv4 */
                                         0, 4, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0, 'a', 'b', 'c'};
    const struct sockaddr_ll from = {
        .sll_pkttype = 4, .sll_hatype = 1, .sll_halen = 6, .sll_addr = {1, 2, 3, 4, 5, 6}, .sll_protocol = htons(0x0800)};
    struct buf b = BUF(1024);

    (void)state;
    pcap_file_begin(&b);
    assert_int_equal(b.n, PCAP_HEADER);
    pcap_file_add(&b, 5000007, &from, str_lit("abc"), 4);
    assert_int_equal(b.n, sizeof want);
    assert_memory_equal(b.p, want, sizeof want);
    assert_int_equal(b.n - PCAP_HEADER, PCAP_RECORD + 3);
    buf_done(&b);
}

static void filters_are_compiled(void **state)
{
    static const char *const good[] = {"", "tcp port 25", "host 192.0.2.1 and not icmp", "ip6 and udp", "(tcp port 25)"};
    static const char *const bad[] = {"tcp prot 25", "port", "ether host 00:01:02:03:04:05", "))"};
    struct sock_fprog p;
    struct err e = ERR_NONE;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(filter_compile(str_c(good[i]), &p, &e), RC_OK);
        assert_true(p.len >= 1);
        filter_free(&p);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(filter_compile(str_c(bad[i]), &p, &e), RC_INVALID);
        assert_non_null(strstr(e.text, "capture filter: "));
    }
}

static void no_ending(void *ctx, struct str why)
{
    (void)ctx;
    (void)why;
    fail();
}

/* A wrong filter, interface or socket is told and leaves no file. */
static void a_capture_that_cannot_start_leaves_nothing(void **state)
{
    char home[] = "/tmp/postern-capture.XXXXXX";
    struct str nowhere = str_lit("nope0");
    struct conf_capture s = {.max_bytes = 65536, .max_seconds = 10, .filter = str_lit("tcp prot 25")};
    struct capture_options o = {.home = mkdtemp(home),
                                .model = str_lit("C100V"),
                                .serial = str_lit("S-1"),
                                .settings = &s,
                                .ended = no_ending,
                                .packets = socket(AF_INET, SOCK_DGRAM, 0),
                                .loop = loop_new()};
    struct capture *c = NULL;
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(capture_start(&o, &c, &e), RC_INVALID);
    s.filter = STR_NONE;
    s.interfaces = (struct strs){&nowhere, 1};
    assert_int_equal(capture_start(&o, &c, &e), RC_NOT_FOUND);
    assert_string_equal(e.text, "The network interface nope0 does not exist");
    s.interfaces.n = 0;
    assert_int_not_equal(capture_start(&o, &c, &e), RC_OK); /* no packet socket */
    assert_null(c);
    assert_false(capture_state(c).running);
    assert_int_equal(rmdir(home), 0);
    close(o.packets);
    loop_free(o.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_has_the_form_of_pcap),
        cmocka_unit_test(filters_are_compiled),
        cmocka_unit_test(a_capture_that_cannot_start_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
