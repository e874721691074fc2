/* The table of ports: rows of the requirements, and what configurations make of them (FW-50, FW-51). */
#include "policy/firewall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Lines "PORT PROTOCOL DIRECTION PEER" of the rows of one id, "; " between them; until the next call. */
static char shown[20000];

static const char *lines_of(const char *id, const char *lines, bool all)
{
    struct err e = ERR_NONE;
    struct conf_source *source = conf_source_test(lines, &e);
    struct buf out = BUF(20000);
    struct firewall_lines l;
    struct arena a;

    if (!source)
        fail_msg("%s", e.text);
    arena_init(&a, 1024, 1 << 20);
    l = firewall_lines(conf_now(source), all, &a);
    for (size_t i = 0; i < l.n; i++) {
        struct str rest = str_c(l.items[i].row->ids), word;
        bool fits = false;

        while (str_word(&rest, &word))
            fits = fits || str_eq(word, str_c(id));
        if (!fits)
            continue;
        buf_addf(&out, "%s%.*s %.*s %s ", out.n ? "; " : "", STR(l.items[i].port), STR(l.items[i].protocol),
                 firewall_direction_text(l.items[i].direction));
        firewall_peer(&l.items[i], &out);
        buf_add(&out, l.items[i].on ? STR_NONE : str_lit(" off"));
    }
    snprintf(shown, sizeof shown, "%.*s", STR(buf_str(&out)));
    buf_done(&out);
    arena_done(&a);
    conf_source_free(source);
    return shown;
}

static void assert_lines(const char *id, const char *lines, const char *expected)
{
    assert_string_equal(lines_of(id, lines, false), expected);
}

/* FW-51: every row of requirements.md that names a port. */
static void every_requirement_has_a_row(void **state)
{
    static const char *const ids[] = {
        "FW-01", "FW-01a", "FW-02", "FW-03", "FW-04",  "FW-05", "FW-06", "FW-07",  "FW-07a", "FW-08",  "FW-09", "FW-10",
        "FW-11", "FW-12",  "FW-13", "FW-14", "FW-15",  "FW-16", "FW-17", "FW-18",  "FW-19",  "FW-19a", "FW-20", "FW-21",
        "FW-22", "FW-23",  "FW-24", "FW-25", "FW-25a", "FW-26", "FW-27", "FW-27a", "FW-28",  "FW-29",  "FW-30", "FW-31",
        "FW-32", "FW-33",  "FW-34", "FW-35", "FW-36",  "FW-37", "FW-38", "FW-39",  "FW-40",  "FW-41",  "FW-42", "FW-43",
        "FW-44", "FW-45",  "FW-46", "FW-47", "FW-48",  "FW-52", "FW-53", "FW-54",  "FW-55",
    };

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (!*lines_of(ids[i], "", true))
            fail_msg("no row for %s", ids[i]);
    assert_string_equal(lines_of("FW-06", "system.role=manager\n", true), ""); /* the manager has a table of its own */
    assert_string_equal(lines_of("FW-45", "system.role=manager\n", true), "6025 TCP in manager, gateways off");
    assert_string_equal(lines_of("FW-45", "", true), "6025 TCP out manager, gateways off");
}

#define INTERFACE "interface.M.address=10.0.0.1\ninterface.M.address6=fd00::1\n"

static void services_of_an_interface(void **state)
{
    (void)state;
    assert_lines("FW-02", INTERFACE, "");
    assert_lines("FW-02", INTERFACE "interface.M.ssh=yes\ninterface.M.ssh_port=2022\n",
                 "2022 TCP in this machine 10.0.0.1 (M); 2022 TCP in this machine fd00::1 (M)");
    assert_lines("FW-01", INTERFACE "interface.M.address6=\ninterface.M.ftp=yes\n", "21 TCP in this machine 10.0.0.1 (M)");
    assert_lines("FW-01a",
                 INTERFACE "interface.M.address6=\ninterface.M.ftp=yes\nftp.passive_first=5000\nftp.passive_last=5010\n",
                 "5000-5010 TCP in 10.0.0.1 (M); 1024+ TCP out FTP clients (M)");
    assert_lines("FW-39", INTERFACE "interface.M.address6=\ninterface.M.https=yes\n",
                 "4431 HTTPS in this machine 10.0.0.1 (M)");
    assert_lines("FW-39", INTERFACE "interface.M.https=yes\nhttp.trailblazer=no\n", "");
    assert_lines("FW-48", INTERFACE "interface.M.address6=\ninterface.M.api_https=yes\n",
                 "6443 HTTPS in this machine 10.0.0.1 (M)");
}

/* FW-06, FW-41, FW-52: a listener belongs to the row of its usual port, to that of 25 otherwise; none is left out. */
static void listeners(void **state)
{
    const char *lines = "system.lab_base=1000\n" INTERFACE "interface.M.address6=\n"
                        "listener.A.interface=M\nlistener.A.port=1025\nlistener.B.interface=M\nlistener.B.port=1587\n"
                        "listener.C.interface=M\nlistener.C.port=1465\nlistener.D.address=10.0.0.7\nlistener.D.port=2600\n"
                        "listener.E.interface=M\nlistener.E.protocol=qmqp\nlistener.E.port=1628\n"
                        "listener.F.interface=M\nlistener.F.port=1026\nlistener.F.enabled=no\n";

    (void)state;
    assert_lines("FW-06", lines, "1025 TCP in this machine 10.0.0.1 (A); 2600 TCP in this machine 10.0.0.7 (D)");
    assert_lines("FW-52", lines, "1587 TCP in this machine 10.0.0.1 (B)");
    assert_non_null(strstr(lines_of("FW-55", lines, false), "1465 TCP in this machine 10.0.0.1 (C)"));
    assert_lines("FW-41", lines, "1628 TCP in this machine 10.0.0.1 (E)");
}

/* FW-46, CPQ-10: the hidden listener on its interface, or the first. */
static void the_hidden_listener(void **state)
{
    (void)state;
    assert_lines("FW-46", INTERFACE, "");
    assert_lines("FW-46", INTERFACE "interface.M.address6=\ninterface.N.address=10.0.0.2\ncpq_listener.enabled=yes\n",
                 "7025 TCP in 10.0.0.1 (cpq_listener)");
    assert_lines("FW-46",
                 INTERFACE "interface.N.address=10.0.0.2\ncpq_listener.enabled=yes\ncpq_listener.interface=N\n"
                           "cpq_listener.port=7030\n",
                 "7030 TCP in 10.0.0.2 (cpq_listener)");
}

/* FW-45, FW-46, FW-54, FW-03 as seen from a gateway and from its manager; by the link alone nothing else is needed. */
static void manager_and_gateways(void **state)
{
    static const char gateway[] = "manager.m.address=mgr\nmanager.m.destination=yes\nmanager.m.spam_port=6026\n";
    static const char manager[] =
        "system.role=manager\ninterface.M.address=10.0.0.9\nappliance.g.address=gw\nappliance.g.pvo=yes\n"
        "appliance.h.address=gw2\nappliance.h.port=2022\n";
    char lines[2000];

    (void)state;
    assert_lines("FW-45", gateway, "6026 TCP out mgr (m)");
    assert_lines("FW-46", gateway, "7025 TCP out mgr (m)");
    assert_lines("FW-54", gateway, "");
    snprintf(lines, sizeof lines, "%smanager.m.link=only\nmanager.m.link_ports=tls:8443,25\n", gateway);
    assert_lines("FW-45", lines, "");
    assert_lines("FW-46", lines, "");
    assert_lines("FW-54", lines, "8443 TCP out mgr (m); 25 TCP out mgr (m)");
    assert_lines("FW-03", manager, "22 TCP out gw (g); 2022 TCP out gw2 (h)");
    assert_lines("FW-45", manager, "");
    snprintf(lines, sizeof lines, "%seuq_listener.enabled=yes\npvo.enabled=yes\nlink_listener.enabled=yes\n", manager);
    assert_lines("FW-45", lines, "6025 TCP in 10.0.0.9 (euq_listener)");
    assert_lines("FW-46", lines, "7025 TCP in 10.0.0.9 (cpq_listener); 7025 TCP out gw (g)");
    assert_lines("FW-54", lines, "25 TCP in 10.0.0.9 (link); 587 TCP in 10.0.0.9 (link)");
    snprintf(lines, sizeof lines, "%sappliance.g.link=only\nappliance.h.link=only\n", manager);
    assert_lines("FW-03", lines, "");
}

static void what_is_asked(void **state)
{
    (void)state;
    assert_lines("FW-05", "route.a.hosts=h1,h2:2525 /pri=1,[fd00::2]:26,USEDNS,/dev/null\n",
                 "25 TCP out any; 2525 TCP out h2 (a); 26 TCP out fd00::2 (a)");
    assert_lines("FW-07", "", "53 UDP/TCP out any (root servers and on)");
    assert_lines("FW-07", "dns.servers=192.0.2.1,fd00::1@5353\ndns.domain_servers=example.org 192.0.2.9\n",
                 "53 UDP/TCP out 192.0.2.1; 5353 UDP/TCP out fd00::1; 53 UDP/TCP out 192.0.2.9 (example.org)");
    assert_lines("FW-19", "ldap_server.d.hosts=l1,[fd00::3]:3268\n", "389 LDAP out l1 (d); 3268 LDAP out fd00::3 (d)");
    assert_lines("FW-20", "ldap_server.d.hosts=l1\n", "");
    assert_lines("FW-20", "ldap_server.d.hosts=l1,l2:3269\nldap_server.d.tls=ssl\nldap_server.d.port=636\n",
                 "636 LDAPS out l1 (d); 3269 LDAPS out l2 (d)");
    assert_lines("FW-15", "ntp.serve=yes\n", ""); /* without a server no clock runs */
    assert_lines("FW-15", "ntp.servers=t1,t2:1123\n", "123 UDP out t1; 1123 UDP out t2");
    assert_lines("FW-15", "ntp.servers=t1\nntp.serve=yes\n", "123 UDP out t1"); /* nobody may ask */
    assert_lines("FW-15", "ntp.servers=t1\nntp.serve=yes\nntp.serve_to=10.0.0.0/8\n", "123 UDP out t1; 123 UDP in 0.0.0.0");
    assert_lines("FW-15", "ntp.servers=t1\nntp.serve=yes\nntp.serve_to=fd00::/8\n", "123 UDP out t1; 123 UDP in ::");
    assert_lines("FW-17", "snmp.enabled=yes\n" INTERFACE "snmp.interface=M\n",
                 "161 UDP in this machine 10.0.0.1 (M); 161 UDP in this machine fd00::1 (M)");
    assert_lines("FW-18", "snmp.trap_targets=n1,n2:1162\n", "");
    assert_lines("FW-18", "snmp.enabled=yes\nsnmp.trap_targets=n1,n2:1162\n", "162 UDP out n1; 1162 UDP out n2");
    assert_non_null(
        strstr(lines_of("FW-55", "snmp.enabled=yes\nsnmp.url=https://w.example/x\n", false), "443 TCP out w.example"));
    assert_non_null(
        strstr(lines_of("FW-55", "snmp.enabled=yes\nsnmp.url=http://w.example:81\n", false), "81 TCP out w.example"));
    assert_lines("FW-04", "log.l.retrieval=scp\nlog.l.host=logs\n", "22 TCP out logs (l)");
    assert_lines("FW-40", "log.l.retrieval=syslog\nlog.l.host=logs\nlog.l.port=1514\n", "1514 UDP out logs (l)");
    assert_lines("FW-40", "log.l.retrieval=syslog\nlog.l.host=logs\nlog.l.protocol=tls\n", "");
    assert_non_null(strstr(lines_of("FW-55", "antispam.enabled=yes\nantispam.rspamd_address=192.0.2.9:11333\n", false),
                           "11333 TCP out 192.0.2.9 (antispam.rspamd_address)"));
    assert_non_null(strstr(lines_of("FW-55", "antivirus.enabled=yes\nantivirus.clamd_address=[2001:db8::9]:3310\n", false),
                           "3310 TCP out 2001:db8::9 (antivirus.clamd_address)"));
    assert_null(strstr(lines_of("FW-55", "antivirus.enabled=yes\nantispam.enabled=yes\n", false), "antivirus."));
    assert_non_null(strstr(lines_of("FW-55", "log.l.retrieval=syslog\nlog.l.host=logs\nlog.l.protocol=tls\n", false),
                           "6514 TCP out logs (l)"));
}

static void outside_services(void **state)
{
    (void)state;
    assert_lines("FW-09", "", "");
    assert_string_equal(lines_of("FW-09", "", true), "80 HTTP out downloads (downloads.ironport.com) off");
    assert_lines("FW-09", "service_host.downloads.hosts=a.example,b.example\nservice_host.downloads.port=8080\n",
                 "8080 HTTP out a.example (downloads); 8080 HTTP out b.example (downloads)");
    assert_lines("FW-27", "service_host.file_reputation.hosts=a.example\n",
                 "32137 or 443 TCP out a.example (file_reputation)");
    assert_lines("FW-35", "service_host.sse_us.hosts=a.example\n", "443 HTTPS in/out a.example (sse_us)");
}

static void lab_hosts(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 1024, 1 << 16);
    assert_true(str_eq(firewall_lab_host(firewall_service(str_lit("tunnel_c")), 0, &a), str_lit("tunnel-c.lab.test")));
    assert_int_equal(firewall_lab_hosts(firewall_service(str_lit("o365"))), 2);
    assert_true(str_eq(firewall_lab_host(firewall_service(str_lit("o365")), 1, &a), str_lit("o365-2.lab.test")));
    assert_int_equal(firewall_lab_hosts(firewall_service(str_lit("exchange"))), 1);
    assert_int_equal(firewall_lab_hosts(firewall_service(str_lit("reputation_ranges"))), 0);
    assert_null(firewall_service(str_lit("nosuch")));
    assert_null(firewall_service(str_lit("")));
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_requirement_has_a_row),
        cmocka_unit_test(services_of_an_interface),
        cmocka_unit_test(listeners),
        cmocka_unit_test(the_hidden_listener),
        cmocka_unit_test(manager_and_gateways),
        cmocka_unit_test(what_is_asked),
        cmocka_unit_test(outside_services),
        cmocka_unit_test(lab_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
