/* Each hardening check on small configurations: where it passes, where it fails, and what it says. */
#include "policy/hardening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* "PASS", "FAIL" or "N/A", and what was found, of one check; both until the next call. */
static char found[5000];

static const char *check(const char *id, const char *lines, const char *taken, const char *why)
{
    static const char *const words[] = {"PASS", "FAIL", "N/A"};
    struct err e = ERR_NONE;
    struct conf_source *source = conf_source_test(lines, &e);
    struct arena a;
    struct hardening_facts f;
    struct hardening_results r;
    const char *verdict = "none";

    if (!source)
        fail_msg("%s", e.text);
    arena_init(&a, 1024, 1 << 20);
    f = (struct hardening_facts){.c = conf_now(source), .a = &a};
    f.ports = hardening_tls_ports(f.c, &a);
    if (f.ports.n) {
        f.ports.items[0].taken = taken;
        f.ports.items[0].why = why;
    }
    r = hardening_run(&f);
    for (size_t i = 0; i < r.n; i++)
        if (str_eq(str_c(r.items[i].id), str_c(id))) {
            verdict = words[r.items[i].verdict];
            snprintf(found, sizeof found, "%.*s", STR(r.items[i].found));
            assert_true((*r.items[i].cure != '\0') == (r.items[i].verdict == HARDENING_FAIL));
        }
    arena_done(&a);
    conf_source_free(source);
    return verdict;
}

#define assert_check(id, lines, verdict, text) \
    do { \
        assert_string_equal(check(id, lines, NULL, NULL), verdict); \
        if (!strstr(found, text)) \
            fail_msg("%s not in: %s", text, found); \
    } while (0)

#define INSIDE "interface.In.address=10.1.2.3\ninterface.In.ssh=yes\n"
#define OUTSIDE "interface.Out.address=192.0.2.1\n"
#define LISTENER "listener.Mail.type=public\nlistener.Mail.interface="

static void hd_01_ssh_outside(void **state)
{
    (void)state;
    assert_check("HD-01", "", "PASS", "SSH is off");
    assert_check("HD-01", INSIDE OUTSIDE LISTENER "Out\n", "PASS", "without public listener and public address");
    assert_check("HD-01", INSIDE LISTENER "In\n", "FAIL", "interface In, port 22 (it has the public listener Mail)");
    assert_check("HD-01", INSIDE LISTENER "In\nlistener.Mail.enabled=no\n", "PASS", "");
    assert_check("HD-01", INSIDE "listener.Mail.type=public\nlistener.Mail.address=10.1.2.3\n", "FAIL", "Mail");
    assert_check("HD-01", OUTSIDE "interface.Out.ssh=yes\n", "FAIL", "interface Out, port 22 (it has a public address)");
    assert_check("HD-01", "interface.Any.ssh=yes\n", "FAIL", "it is on every address");
    assert_check("HD-01", "interface.Six.address=\ninterface.Six.address6=2001:db8::1\ninterface.Six.ssh=yes\n", "FAIL",
                 "Six");
    assert_check("HD-01", "interface.Six.address=\ninterface.Six.address6=fd00::1\ninterface.Six.ssh=yes\n", "PASS", "");
    assert_check("HD-01", OUTSIDE "interface.Out.ssh=yes\naccess.mode=restrict\naccess.allowed=10.0.0.0/8\n", "PASS",
                 "listed addresses only");
    assert_check("HD-01", OUTSIDE "interface.Out.ssh=yes\naccess.mode=restrict\naccess.allowed=0.0.0.0/0\n", "FAIL", "Out");
}

static void hd_02_and_03_addresses(void **state)
{
    (void)state;
    assert_check("HD-02", INSIDE, "PASS", "off on every interface");
    assert_check("HD-03", INSIDE, "FAIL", "every address may connect");
    assert_check("HD-02", "interface.In.api_https=yes\n", "FAIL", "every address may connect");
    assert_check("HD-03", "interface.In.api_https=yes\n", "PASS", "off");
    assert_check("HD-03", INSIDE "access.mode=restrict\naccess.allowed=10.1.1.1,10.1.1.2\n", "PASS", "2 listed addresses");
    assert_check("HD-02", "interface.In.https=yes\naccess.mode=proxy\naccess.proxies=10.1.1.1\n", "PASS", "1 proxies");
    assert_check("HD-03", INSIDE "access.mode=restrict\naccess.allowed=::/0\n", "FAIL", "every");
    assert_check("HD-03", INSIDE "access.mode=restrict\naccess.allowed=0.0.0.0-255.255.255.255\n", "FAIL", "every");
}

static void hd_04_to_06_web(void **state)
{
    (void)state;
    assert_check("HD-04", "", "PASS", "is checked");
    assert_check("HD-04", "access.host_header=no\n", "FAIL", "is not checked");
    assert_check("HD-05", "", "PASS", "and on");
    assert_check("HD-05", "access.host_header=no\n", "PASS", "switched off on purpose");
    assert_check("HD-06", "", "PASS", "");
    assert_check("HD-06", "access.xss=no\n", "FAIL", "scripting is off");
    assert_check("HD-06", "access.csrf=no\n", "FAIL", "forgery off");
}

#define GROUP "sender_group.Friends.members=192.0.2.9\nsender_group.Friends.policy=P\n"

static void hd_07_relay_rules(void **state)
{
    (void)state;
    assert_check("HD-07", LISTENER "Out\n" GROUP "mail_flow_policy.P.behavior=accept\n", "PASS", "");
    assert_check("HD-07", LISTENER "Out\n" GROUP "mail_flow_policy.P.behavior=relay\n", "FAIL",
                 "sender group Friends on the public listener Mail");
    assert_check("HD-07", LISTENER "Out\nlistener.Mail.type=private\n" GROUP "mail_flow_policy.P.behavior=relay\n", "PASS",
                 "");
}

static void hd_08_logins(void **state)
{
    (void)state;
    assert_check("HD-08", LISTENER "Out\n" GROUP "mail_flow_policy.P.auth=off\n", "N/A", "nobody outside relays");
    assert_check("HD-08", LISTENER "Out\n" GROUP "mail_flow_policy.P.auth=preferred\n", "PASS", "under TLS only");
    assert_check("HD-08", LISTENER "Out\n" GROUP "mail_flow_policy.P.auth=required\n", "FAIL", "policy P on listener Mail");
    assert_check("HD-08", LISTENER "Out\n" GROUP "mail_flow_policy.P.auth=required\ncertificate.C.cert_file=c\n", "PASS",
                 "");
    assert_check("HD-08",
                 LISTENER "Out\n" GROUP "mail_flow_policy.P.auth=required\nmail_flow_policy.P.tls=off\ncertificate.C\n",
                 "FAIL", "without TLS");
}

static void hd_11_tls(void **state)
{
    const char *https = "interface.In.https=yes\nhttp.trailblazer=no\n";

    (void)state;
    assert_check("HD-11", "", "PASS", "no service uses TLS");
    assert_check("HD-11", https, "PASS", "1 ports asked refuse");
    assert_string_equal(check("HD-11", https, "null suites", NULL), "FAIL");
    assert_string_equal(found, "https In, port 443 takes: null suites");
    assert_string_equal(check("HD-11", https, NULL, "no answer"), "FAIL");
    assert_string_equal(found, "https In, port 443 could not be asked: no answer");
}

static void which_ports_are_asked(void **state)
{
    struct err e = ERR_NONE;
    struct conf_source *source =
        conf_source_test("system.lab_base=1000\n"
                         "interface.In.https=yes\ninterface.In.api_https=yes\ninterface.In.http=yes\n"
                         "interface.In.address6=::1\nlistener.Mail.interface=In\nlistener.Mail.port=1025\n"
                         "listener.Q.interface=In\nlistener.Q.protocol=qmqp\nlistener.Q.port=628\n"
                         "listener.S.interface=In\nlistener.S.port=1587\n",
                         &e);
    struct arena a;
    struct hardening_ports p;

    (void)state;
    assert_non_null(source);
    arena_init(&a, 1024, 1 << 20);
    p = hardening_tls_ports(conf_now(source), &a);
    assert_int_equal(p.n, 10); /* two addresses each: smtp, submission, https, trailblazer, api_https */
    assert_true(str_eq(p.items[0].name, str_lit("smtp Mail")) && p.items[0].starttls && p.items[0].port == 1025);
    assert_true(str_eq(p.items[2].name, str_lit("submission S")));
    assert_true(str_eq(p.items[4].name, str_lit("https In")) && !p.items[4].starttls);
    arena_done(&a);
    conf_source_free(source);
}

static void what_is_not_there_yet(void **state)
{
    (void)state;
    assert_check("HD-10", "", "N/A", "no support access");
    assert_check("HD-12", "", "N/A", "not in a cloud site");
    assert_check("HD-13", "", "PASS", "are off");
}

static void sc_01_plain_services(void **state)
{
    (void)state;
    assert_check("SC-01", INSIDE "interface.In.ftp=yes\ninterface.In.http=yes\n", "PASS", "");
    assert_check("SC-01", OUTSIDE "interface.Out.ftp=yes\n", "FAIL", "FTP on Out");
    assert_check("SC-01", OUTSIDE "interface.Out.http=yes\ninterface.Out.api_http=yes\n", "FAIL",
                 "HTTP on Out, API over HTTP on Out");
    assert_check("SC-01", OUTSIDE "listener.Q.interface=Out\nlistener.Q.protocol=qmqp\n", "FAIL", "QMQP listener Q");
    assert_check("SC-01", OUTSIDE "listener.Q.interface=Out\nlistener.Q.protocol=qmqp\nlistener.Q.enabled=no\n", "PASS", "");
    assert_check("SC-01", "listener.Q.address=192.0.2.7\nlistener.Q.protocol=qmqp\n", "FAIL", "QMQP");
    assert_check("SC-01", "listener.Q.address=10.0.0.1\nlistener.Q.protocol=qmqp\nlistener.Q.type=private\n", "PASS", "");
}

#define SNMP "snmp.enabled=yes\nsnmp.auth_passphrase=12345678\nsnmp.privacy_passphrase=12345678\n"

static void sc_02_snmp(void **state)
{
    (void)state;
    assert_check("SC-02", "snmp.community=public\n", "PASS", "SNMP is off");
    assert_check("SC-02", SNMP, "PASS", "v3 with authPriv alone");
    assert_check("SC-02", SNMP "snmp.community=public\n", "FAIL", "a community is set");
    assert_check("SC-02", SNMP "snmp.community=public\nsnmp.v2c=yes\n", "FAIL", "v1 and v2c are answered");
    assert_check("SC-02", SNMP "snmp.level=authNoPriv\n", "FAIL", "without privacy");
    assert_check("SC-02", SNMP "snmp.trap_targets=10.0.0.1\n", "FAIL", "traps are sent as v2c");
    assert_check("SC-02", SNMP "snmp.trap_targets=10.0.0.1\nsnmp.trap_version=v3\n", "PASS", "");
}

static void sc_03_passphrases(void **state)
{
    (void)state;
    assert_check("SC-03", "", "PASS", "8 or more characters");
    assert_check("SC-03", "access.lockout_tries=0\n", "FAIL", "lock no account");
}

static void sc_04_lab_names(void **state)
{
    (void)state;
    assert_check("SC-04", "service_host.est.hosts=est.sco.cisco.com\n", "PASS", "");
    assert_check("SC-04", "service_host.est.hosts=est.lab.test\n", "FAIL", "in use: est.lab.test");
    assert_check("SC-04", "ntp.servers=ntp.lab.test\n", "FAIL", "ntp.lab.test");
    assert_check("SC-04", "log.a.retrieval=syslog\nlog.a.host=logs.lab.test\n", "FAIL", "logs.lab.test");
    assert_check("SC-04", "log.a.host=logs.lab.test\n", "PASS", "");
}

static void as_text_and_json(void **state)
{
    const struct hardening_result items[] = {{"HD-01", HARDENING_FAIL, str_lit("a \"b\""), "do it"},
                                             {"HD-10", HARDENING_NA, str_lit("none"), ""}};
    const struct hardening_results r = {items, 2, 1};
    struct buf out = BUF(4096);

    (void)state;
    hardening_text(r, &out);
    buf_addc(&out, '\0');
    assert_string_equal(out.p, "HD-01  FAIL  a \"b\"  Cure: do it\nHD-10  N/A   none\n1 of 2 checks failed.\n");
    buf_clear(&out);
    hardening_json(r, &out);
    buf_addc(&out, '\0');
    assert_string_equal(out.p,
                        "{\"failed\":1,\"checks\":[{\"id\":\"HD-01\",\"result\":\"FAIL\",\"found\":\"a \\u0022b\\u0022\","
                        "\"cure\":\"do it\"},{\"id\":\"HD-10\",\"result\":\"N/A\",\"found\":\"none\",\"cure\":\"\"}]}");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hd_01_ssh_outside),     cmocka_unit_test(hd_02_and_03_addresses),
        cmocka_unit_test(hd_04_to_06_web),       cmocka_unit_test(hd_07_relay_rules),
        cmocka_unit_test(hd_08_logins),          cmocka_unit_test(hd_11_tls),
        cmocka_unit_test(which_ports_are_asked), cmocka_unit_test(what_is_not_there_yet),
        cmocka_unit_test(sc_01_plain_services),  cmocka_unit_test(sc_02_snmp),
        cmocka_unit_test(sc_03_passphrases),     cmocka_unit_test(sc_04_lab_names),
        cmocka_unit_test(as_text_and_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
