/* The pure parts of the room: chronyd's configuration, chronyc's output. */
#include "clock/config.h"
#include "clock/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Configuration and keys, one behind the other; valid until the next call. */
static const char *files_for(const char *lines)
{
    static char text[8192];
    struct err e = ERR_NONE;
    struct conf_source *source = conf_source_test(lines, &e);
    struct buf b = BUF(sizeof text - 1);

    assert_non_null(source);
    clock_config_text(conf_now(source), "/home", &b);
    buf_addf(&b, "--\n");
    clock_keys_text(&conf_now(source)->ntp, &b);
    snprintf(text, sizeof text, "%.*s", STR(buf_str(&b)));
    buf_done(&b);
    conf_source_free(source);
    return text;
}

static void has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no \"%s\" in\n%s", line, text);
}

static void has_not(const char *text, const char *line)
{
    if (strstr(text, line))
        fail_msg("\"%s\" in\n%s", line, text);
}

/* FW-15: servers as they are written; what is none is left out; no port is open. */
static void servers(void **state)
{
    const char *text;

    (void)state;
    text = files_for("ntp.servers=ntp.example.org,192.0.2.1:1123,[2001:db8::1]:99,2001:db8::2,-f,a b,x:0\n");
    has(text,
        "server ntp.example.org port 123 iburst\nserver 192.0.2.1 port 1123 iburst\nserver 2001:db8::1 port 99 iburst\n"
        "server 2001:db8::2 port 123 iburst\nport 0\n");
    has_not(text, "allow");
    has_not(text, "bindacqaddress");
    has(text, "bindcmdaddress /home/clock/chronyd.sock\ncmdport 0\n");
    has(text, "makestep 1.0 3\n--\n");
}

/* FW-15: neighbours, only those named; the interface of questions; the key beside, not inside. */
static void service_interface_and_key(void **state)
{
    const char *text;

    (void)state;
    text = files_for("interface[Data].address=192.0.2.9\nntp.servers=a\nntp.interface=Data\nntp.serve=yes\nntp.port=1230\n"
                     "ntp.serve_to=192.0.2.0/24,evil\\nallow all\nntp.key_id=5\nntp.key=SHA1:0a0b\n");
    has(text, "server a port 123 iburst key 5\nbindacqaddress 192.0.2.9\nport 1230\nallow 192.0.2.0/24\nbindcmd");
    has(text, "--\n5 SHA1 HEX:0a0b\n");
    has_not(text, "bindaddress");
    has(files_for("system.lab=yes\nntp.servers=a\nntp.serve=yes\n"), "bindaddress 127.0.0.1\nbindaddress ::1\n");
    has_not(files_for("ntp.servers=a\nntp.key_id=5\nntp.key=nothing\n"), "key 5");
}

static void report_is_read(void **state)
{
    struct clock_report r;
    struct buf b = BUF(4096);

    (void)state;
    clock_report_read(
        str_lit("7F000001,127.0.0.1,11,1795926097.9,-0.000001700,-0.0,0.0,-0.087,-0.000,0.350,0.0,0.0,4.0,Normal\n"
                "^,*,127.0.0.1,10,2,37,1,-0.000000023,-0.0,0.0\n^,?,ntp.example.org,0,3,0,4294967295,0.0,0.0,0.0\nnoise\n"),
        &r);
    assert_true(r.tracking && r.synchronised);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.sources[0].reach, 037);
    assert_int_equal(r.sources[1].state, '?');
    clock_report_text(&r, &b);
    buf_addc(&b, '\0');
    has(b.p, "The clock follows 127.0.0.1 (stratum 11), offset -0.000001700 s, leap second: Normal.\n");
    has(b.p, "no answer");
    clock_report_read(str_lit("00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Not synchronised\n"), &r);
    assert_true(r.tracking && !r.synchronised);
    clock_report_read(STR_NONE, &r);
    assert_false(r.tracking);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers),
        cmocka_unit_test(service_interface_and_key),
        cmocka_unit_test(report_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
