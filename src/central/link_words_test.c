/* The lines before SSH, both ends: what is served before TLS, what is announced to whom, which servers are left and why. */
#include "base/must.h"
#include "central/link_names.h"
#include "central/link_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* One line to the manager's end; the reply without its last line end. */
static const char *host(struct link_host *h, const char *line, enum link_next *next)
{
    static char text[1000];
    struct buf reply = BUF(900);

    *next = link_host_line(h, str_c(line), &reply);
    must(!reply.failed);
    memcpy(text, reply.p ? reply.p : "", reply.n);
    text[reply.n >= 2 ? reply.n - 2 : 0] = '\0';
    buf_done(&reply);
    return text;
}

/* FW-52, FW-54: no mail on a port of the link; XLINK only under TLS and only for those it is announced to. */
static void a_host_serves_links_alone(void **state)
{
    struct link_host h = {.name = str_lit("mgr.test"), .has_tls = true};
    enum link_next next;

    (void)state;
    assert_string_equal(host(&h, "STARTTLS", &next), "503 5.5.1 bad sequence of commands");
    assert_string_equal(host(&h, "EHLO gw.test", &next), "250-mgr.test\r\n250 STARTTLS");
    assert_string_equal(host(&h, "MAIL FROM:<a@b.test>", &next), "530 5.7.0 must issue a STARTTLS command first");
    assert_string_equal(host(&h, "XLINK proto=1 serial=A", &next), "530 5.7.0 must issue a STARTTLS command first");
    assert_string_equal(host(&h, "STARTTLS now", &next), "501 5.5.4 no parameters allowed");
    assert_string_equal(host(&h, "STARTTLS", &next), "220 2.0.0 ready for TLS");
    assert_int_equal(next, LINK_HANDSHAKE);
    link_host_tls(&h, false);
    assert_string_equal(host(&h, "EHLO gw.test", &next), "250 mgr.test");
    assert_string_equal(host(&h, "XLINK proto=1 serial=A", &next), "550 5.7.1 not permitted");
    link_host_tls(&h, true);
    assert_string_equal(host(&h, "XLINK proto=1 serial=A", &next), "503 5.5.1 bad sequence of commands");
    assert_string_equal(host(&h, "EHLO gw.test", &next), "250-mgr.test\r\n250 XLINK 1");
    assert_string_equal(host(&h, "RCPT TO:<a@b.test>", &next), "550 5.7.1 no mail is taken here");
    assert_string_equal(host(&h, "XLINK proto=2 serial=A", &next), "504 5.5.4 no common version");
    assert_string_equal(host(&h, "XLINK proto=1", &next), "501 5.5.4 serial= or enrol= is expected");
    assert_string_equal(host(&h, "XLINK proto=1 serial=A enrol=B", &next), "501 5.5.4 serial= or enrol= is expected");
    assert_string_equal(host(&h, "XLINK proto=1 serial=../A", &next), "501 5.5.4 that is no serial number");
    assert_int_equal(next, LINK_READ);
    host(&h, "xlink proto=1,2 later=x serial=42AA-BB", &next);
    assert_int_equal(next, LINK_READY);
    assert_string_equal(h.serial, "42AA-BB");
    assert_string_equal(h.token, "");
}

static void a_host_ends_who_talks_on(void **state)
{
    struct link_host h = {.name = str_lit("mgr.test")};
    enum link_next next = LINK_READ;
    unsigned n = 0;

    (void)state;
    while (next == LINK_READ && n++ < 1000)
        host(&h, "NOOP", &next);
    assert_int_equal(next, LINK_END);
    assert_int_equal(n, LINK_LINES_MAX + 1);
}

/* What the gateway says next, or why it leaves. */
static const char *caller(struct link_caller *c, const char *line, enum link_next *next)
{
    static char text[1000];
    struct buf out = BUF(900);

    *next = link_caller_line(c, str_c(line), &out);
    memcpy(text, out.p ? out.p : "", out.n);
    text[out.n >= 2 ? out.n - 2 : 0] = '\0';
    buf_done(&out);
    return *next == LINK_END ? err_text(&c->e) : text;
}

static void a_caller_goes_through(void **state)
{
    struct link_caller c = {.name = str_lit("gw.test"), .serial = str_lit("42AA")};
    struct buf out = BUF(900);
    enum link_next next;

    (void)state;
    assert_string_equal(caller(&c, "220-mgr.test", &next), "");
    assert_string_equal(caller(&c, "220 ESMTP", &next), "EHLO gw.test");
    assert_string_equal(caller(&c, "250-mgr.test", &next), "");
    assert_string_equal(caller(&c, "250-STARTTLS", &next), "");
    assert_string_equal(caller(&c, "250 SIZE 1", &next), "STARTTLS");
    caller(&c, "220 go", &next);
    assert_int_equal(next, LINK_HANDSHAKE);
    link_caller_tls(&c, &out);
    assert_true(str_eq(buf_str(&out), str_lit("EHLO gw.test\r\n")));
    buf_done(&out);
    caller(&c, "250-mgr.test", &next);
    assert_string_equal(caller(&c, "250 XLINK 2 1", &next), "XLINK proto=1 serial=42AA");
    caller(&c, "220 2.0.0 link ready", &next);
    assert_int_equal(next, LINK_READY);
}

static struct link_caller fresh(void)
{
    return (struct link_caller){.name = str_lit("gw.test"), .serial = str_lit("42AA")};
}

/* central.md 8: a missing STARTTLS or a foreign banner moves to the next port and is reported as such. */
static void a_caller_leaves_with_a_reason(void **state)
{
    static const char no_tls[] = "STARTTLS is not offered: TLS removed on the way, or no link there";
    struct link_caller c = fresh();
    enum link_next next;

    (void)state;
    assert_string_equal(caller(&c, "SSH-2.0-OpenSSH_9\x01", &next), "foreign banner: SSH-2.0-OpenSSH_9?");
    c = fresh();
    assert_string_equal(caller(&c, "554 no service", &next), "refused: 554 no service");
    c = fresh();
    assert_string_equal(caller(&c, "200 imap?", &next), "foreign banner: 200 imap?");
    c = fresh();
    caller(&c, "220 hi", &next);
    assert_string_equal(caller(&c, "250 STARTTLS", &next), "STARTTLS");
    c = fresh();
    caller(&c, "220 STARTTLS", &next);
    assert_string_equal(caller(&c, "250 SIZE", &next), no_tls);
    c = fresh();
    c.state = CALLER_HELLO_TLS;
    assert_string_equal(caller(&c, "250 XLINK 2", &next), "XLINK is not announced to us");
}

static void ports_and_channels_have_names(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        enum link_carrier carrier;
        uint16_t port;
    } rows[] = {
        {"443", true, LINK_TLS, 443},   {"587", true, LINK_SMTP, 587},
        {"25", true, LINK_SMTP, 25},    {"22", true, LINK_SSH, 22},
        {"8443", true, LINK_TLS, 8443}, {"SSH:2222", true, LINK_SSH, 2222},
        {"smtp:1", true, LINK_SMTP, 1}, {"0", false, 0, 0},
        {"65536", false, 0, 0},         {"http:80", false, 0, 0},
        {"tls:", false, 0, 0},          {"", false, 0, 0},
    };
    struct link_port p;
    char path[LINK_PATH_MAX], home[200];
    struct err e = ERR_NONE;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(link_port_parse(str_c(rows[i].text), &p), rows[i].ok);
        if (rows[i].ok) {
            assert_int_equal(p.carrier, rows[i].carrier);
            assert_int_equal(p.port, rows[i].port);
        }
    }
    assert_int_equal(link_channel_find(str_lit("mgmt.gateway"), 22), LINK_MGMT);
    assert_int_equal(link_channel_find(str_lit("mgmt.gateway"), 23), LINK_CHANNELS);
    assert_int_equal(link_channel_find(str_lit("localhost"), 22), LINK_CHANNELS);
    assert_int_equal(link_path("/h", str_lit("42AA-BB"), "mgmt", path, &e), RC_OK);
    assert_string_equal(path, "/h/run/link/42AA-BB/mgmt");
    assert_int_equal(link_path("/h", str_lit("../x"), "mgmt", path, &e), RC_INVALID);
    memset(home, 'h', sizeof home - 1);
    home[sizeof home - 1] = '\0';
    assert_int_equal(link_path(home, str_lit("42AA-BB"), "mgmt", path, &e), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_serves_links_alone),     cmocka_unit_test(a_host_ends_who_talks_on),
        cmocka_unit_test(a_caller_goes_through),         cmocka_unit_test(a_caller_leaves_with_a_reason),
        cmocka_unit_test(ports_and_channels_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
