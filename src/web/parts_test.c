/* The parts that need no connection: targets, names, routes, layouts, escaping, cipher lists, failed logins. */
#include "web/inside.h"

#include "base/must.h"

#include <gnutls/gnutls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct target parse(struct arena *a, const char *raw)
{
    struct target t = {0};

    assert_true(target_parse(a, str_c(raw), &t));
    return t;
}

static void is(struct str got, const char *want)
{
    if (!str_eq(got, str_c(want)))
        fail_msg("got '%.*s', want '%s'", STR(got), want);
}

static void a_target_is_read_once(void **state)
{
    struct arena a;
    struct target t;
    (void)state;

    arena_init(&a, 1024, 1 << 20);
    t = parse(&a, "//xml//status/?a=1&b=x+y%3d&b=2&&envelopeSenderfilterValue=a+b@x&search=q%2Bq&c");
    is(t.path, "/xml/status");
    assert_int_equal(t.n_parameters, 6);
    is(target_find(&t, str_lit("b"))->value, "x y=");
    is(target_find(&t, str_lit("envelopeSenderfilterValue"))->value, "a+b@x");
    is(target_find(&t, str_lit("search"))->value, "q+q");
    is(target_find(&t, str_lit("c"))->value, "");
    assert_null(target_find(&t, str_lit("d")));
    is(parse(&a, "/").path, "/");
    arena_done(&a);
}

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
    static const char *const bad[] = {"",       "x",      "http://h/", "/a/../b", "/a/%2e%2e/b", "/./a", "/a%2fb",
                                      "/a%00b", "/a%zzb", "/a?b=%4",   "/a b",    "/a\tb",       "/a#b", "*"};
    struct arena a;
    struct target t;
    (void)state;

    arena_init(&a, 1024, 1 << 20);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (target_parse(&a, str_c(bad[i]), &t))
            fail_msg("'%s' was taken", bad[i]);
    arena_done(&a);
}

static void basic_credentials(void **state)
{
    struct str user, password;
    struct arena a;
    (void)state;

    arena_init(&a, 1024, 1 << 20);
    assert_true(basic_parse(&a, str_lit("Basic YWRtaW46cGE6c3M="), &user, &password));
    is(user, "admin");
    is(password, "pa:ss");
    assert_true(basic_parse(&a, str_lit("basic Og=="), &user, &password));
    assert_int_equal(user.n + password.n, 0);
    assert_false(basic_parse(&a, str_lit("Bearer YWRtaW46cGE6c3M="), &user, &password));
    assert_false(basic_parse(&a, str_lit("Basic YWRt*W4="), &user, &password));
    assert_false(basic_parse(&a, str_lit("Basic YWRtaW4="), &user, &password)); /* no colon */
    assert_false(basic_parse(&a, str_lit("Basic AGE6Yg=="), &user, &password)); /* NUL */
    arena_done(&a);
}

static void is_host(const char *header, const char *want)
{
    struct str name = STR_NONE;

    assert_int_equal(host_parse(str_c(header), &name), want != NULL);
    if (want)
        is(name, want);
}

static void host_values(void **state)
{
    (void)state;
    is_host("gw1.corp.test", "gw1.corp.test");
    is_host("gw1.corp.test.:8443", "gw1.corp.test");
    is_host("[2001:db8::1]:443", "2001:db8::1");
    is_host("192.0.2.1", "192.0.2.1");
    is_host("", NULL);
    is_host("a@b", NULL);
    is_host("a:99999", NULL);
    is_host("a/b", NULL);
    is_host("[::1", NULL);
    is_host("[]", NULL);
    is_host("[ ::1]", NULL);
    is_host("<script>", NULL);
}

static struct str ours(struct conf_source *s, const char *host, const char *local, char text[46])
{
    struct address_ip ip;

    must(ip_parse(str_c(local), &ip));
    return names_ours(conf_now(s), str_c(host), &ip, text);
}

/* HD-04: a Host is taken when it is a name or an address of this machine. */
static void names_of_this_machine(void **state)
{
    struct conf_source *s = conf_source_test("system.hostname=gw1.corp.test\ninterface[M].address=0.0.0.0\n"
                                             "interface[N].address=192.0.2.7\ninterface[N].hostname=mx.corp.test\n"
                                             "access.host_names=console.corp.test\n",
                                             NULL);
    char text[46];
    (void)state;

    is(ours(s, "GW1.corp.test", "10.0.0.1", text), "gw1.corp.test");
    is(ours(s, "mx.corp.test", "10.0.0.1", text), "mx.corp.test");
    is(ours(s, "console.corp.test", "10.0.0.1", text), "console.corp.test");
    is(ours(s, "10.0.0.1", "10.0.0.1", text), "10.0.0.1");
    is(ours(s, "192.0.2.7", "10.0.0.1", text), "192.0.2.7");
    is(ours(s, "localhost", "127.0.0.1", text), "localhost");
    is(ours(s, "localhost", "10.0.0.1", text), "");
    is(ours(s, "0.0.0.0", "10.0.0.1", text), "");
    is(ours(s, "evil.test", "10.0.0.1", text), "");
    conf_source_free(s);
}

/* HD-02: of what proxies add only what listed ones saw counts. */
static void whom_a_proxy_speaks_for(void **state)
{
    struct conf_source *s = conf_source_test("access.proxies=192.0.2.0/24\n", NULL);
    struct access *a = NULL;
    struct address_ip ip;
    char text[46];
    (void)state;

    assert_int_equal(access_new(&conf_now(s)->access, &a, NULL), RC_OK);
    assert_true(names_client(a, str_lit("10.9.9.9, 10.0.0.1 , 192.0.2.5"), &ip));
    is(ip_text(&ip, text), "10.0.0.1");
    assert_false(names_client(a, str_lit("10.0.0.1, unknown"), &ip));
    assert_false(names_client(a, str_lit("192.0.2.1"), &ip));
    assert_false(names_client(a, STR_NONE, &ip));
    access_free(a);
    conf_source_free(s);
}

static void *handler_of(struct conf_source *s, unsigned listener, const char *path)
{
    struct route_found f = web_route_find(conf_now(s), listener, METHOD_GET, str_c(path));

    return f.route ? (void *)(uintptr_t)f.route->handler : NULL;
}

#define HANDLER(f) ((void *)(uintptr_t)(f))

static void routes_by_base_and_listener(void **state)
{
    struct conf_source *s = conf_source_test("system.role=gateway\nhttp.prefix=/mail/\n", NULL);
    struct conf_source *off = conf_source_test("system.role=manager\nhttp.trailblazer=no\n", NULL);
    (void)state;

    assert_ptr_equal(handler_of(s, LISTENER_http, "/xml/status"), HANDLER(web_xml_status));
    assert_ptr_equal(handler_of(s, LISTENER_api_http, "/xml/status"), HANDLER(web_xml_status));
    assert_ptr_equal(handler_of(s, LISTENER_https, "/api/v1.0/health"), HANDLER(web_health));
    assert_ptr_equal(handler_of(s, LISTENER_https, "/mail/api/v1.0/health/percentage_cpu_load"), HANDLER(web_health));
    assert_ptr_equal(handler_of(s, LISTENER_https, "/esa/api/v2.0/health"), HANDLER(web_health));
    assert_ptr_equal(handler_of(s, LISTENER_https, "/api/v2.0/health"), HANDLER(web_health));
    assert_null(handler_of(s, LISTENER_https, "/sma/api/v2.0/health"));
    assert_null(handler_of(s, LISTENER_https, "/api/v1.0x/health"));
    assert_null(handler_of(s, LISTENER_https, "/api/v1.0/health/a/b"));
    assert_null(handler_of(s, LISTENER_api_https, "/"));
    /* trailblazer off: programs find the API on its own ports only, figures stay */
    assert_null(handler_of(off, LISTENER_https, "/sma/api/v2.0/health"));
    assert_ptr_equal(handler_of(off, LISTENER_api_https, "/sma/api/v2.0/health"), HANDLER(web_health));
    assert_ptr_equal(handler_of(off, LISTENER_https, "/xml/status"), HANDLER(web_xml_status));
    assert_int_equal(web_route_find(conf_now(s), LISTENER_http, METHOD_POST, str_lit("/xml/status")).methods, METHOD_GET);
    conf_source_free(s);
    conf_source_free(off);
}

/* --- layouts -------------------------------------------------------------------------------------------------------------
 */

static const char FIGURES[] =
    "{\"timestamp_ms\":1741334913000,\"birth_ms\":1726730185000,\"last_reset_ms\":0,\"system_status\":\"Online\","
    "\"oldest_message\":{\"secs\":12,\"mid\":412},\"counters\":{\"inj_msgs\":{\"reset\":7,\"uptime\":8,\"lifetime\":9}},"
    "\"rates\":{\"inj_msgs\":{\"last_1_min\":6000,\"last_5_min\":1200,\"last_15_min\":400}},"
    "\"gauges\":{\"ram_utilization\":10,\"disk_utilization\":20,\"total_utilization\":7,\"swap_utilization\":1,"
    "\"log_available_kb\":406847488,\"msgs_in_work_queue\":4,\"msgs_in_quarantine\":2,\"kbytes_used\":1,\"kbytes_free\":999}"
    ","
    "\"current_ids\":{\"mid\":412,\"icid\":5,\"dcid\":6}}";

static void has(const struct buf *b, const char *text)
{
    if (str_find_str(buf_str(b), str_c(text)) == b->n)
        fail_msg("no '%s' in:\n%.*s", text, STR(buf_str(b)));
}

static void lacks(const struct buf *b, const char *text)
{
    if (str_find_str(buf_str(b), str_c(text)) < b->n)
        fail_msg("'%s' in:\n%.*s", text, STR(buf_str(b)));
}

/* api.md 8.1: shell plugins read this line by line. */
static void xml_status_is_laid_out_by_lines(void **state)
{
    json_t *f = json_loads(FIGURES, 0, NULL);
    struct buf b = BUF(65536);
    (void)state;

    setenv("TZ", "UTC", 1);
    status_xml(f, str_lit("gw1.corp.test"), &b);
    has(&b, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?>\n"
            "<status build=\"phoebe 15.5.0-048\" hostname=\"gw1.corp.test\" timestamp=\"20250307080833\">\n"
            "  <birth_time timestamp=\"20240919071625 (169d 0h 52m 8s)\" />\n"
            "  <last_counter_reset timestamp=\"20240919071625\" />\n"
            "  <system status=\"online\" />\n"
            "  <oldest_message secs=\"12\" mid=\"412\" />\n"
            "  <features>\n"
            "    <feature name=\"");
    has(&b, "\" time_remaining=\"Dormant/Perpetual\" />\n  </features>\n"
            "  <counters>\n"
            "    <counter name=\"inj_msgs\"\n"
            "             reset=\"7\"\n"
            "             uptime=\"8\"\n"
            "             lifetime=\"9\" />\n"
            "    <counter name=\"inj_recips\"\n");
    has(&b, "  </counters>\n"
            "  <current_ids message_id=\"412\"\n"
            "               injection_conn_id=\"5\"\n"
            "               delivery_conn_id=\"6\" />\n"
            "  <rates>\n"
            "    <rate name=\"inj_msgs\"\n"
            "          last_1_min=\"6000\"\n"
            "          last_5_min=\"1200\"\n"
            "          last_15_min=\"400\" />\n");
    has(&b, "  <gauges>\n    <gauge name=\"ram_utilization\" current=\"10\" />\n    <gauge name=\"total_utilization\" "
            "current=\"7\" />\n");
    has(&b, "    <gauge name=\"log_available\" current=\"388G\" />\n");
    has(&b, "    <gauge name=\"kbytes_in_quarantine\" current=\"0\" />\n  </gauges>\n</status>\n");
    buf_done(&b);
    json_decref(f);
}

static void figures_that_are_missing_are_zero_but_the_queue_is_never_of_no_size(void **state)
{
    json_t *f = json_object();
    struct buf b = BUF(65536);
    (void)state;

    status_xml(f, str_lit("a\"<\xc3\xbc\x01\xff"), &b);
    has(&b, "hostname=\"a&#34;&#60;&#252;?&#65533;\"");
    has(&b, "<gauge name=\"kbytes_used\" current=\"0\" />");
    has(&b, "<gauge name=\"kbytes_free\" current=\"1\" />");
    for (size_t i = 0; i < b.n; i++)
        assert_true((unsigned char)b.p[i] < 0x80);
    buf_done(&b);
    json_decref(f);
}

static void health_is_numbers(void **state)
{
    json_t *f = json_loads(FIGURES, 0, NULL);
    struct buf b = BUF(65536);
    (void)state;

    health_json(f, STR_NONE, STR_NONE, &b);
    is(buf_str(&b), "{\"data\":{\"percentage_ram_utilization\":10,\"percentage_diskio\":20,\"resource_conservation\":0,"
                    "\"percentage_cpu_load\":7,\"percentage_swap_utilization\":1,\"percentage_queue_utilization\":0.1,"
                    "\"messages_in_workqueue\":4,\"messages_in_pvo_quarantines\":2}}");
    buf_clear(&b);
    health_json(f, str_lit("percentage_cpu_load"), str_lit("/api/v1.0/health/percentage_cpu_load"), &b);
    is(buf_str(&b), "{\"data\":{\"percentage_cpu_load\":7},\"uri\":\"/api/v1.0/health/percentage_cpu_load\"}");
    buf_done(&b);
    json_decref(f);
}

/* HD-06 */
static void text_of_others_is_made_harmless(void **state)
{
    struct buf b = BUF(65536);
    (void)state;

    json_text(&b, str_lit("a\"\\<script>\n\xf0\x9f\x98\x80\xed\xa0\x80"));
    is(buf_str(&b), "\"a\\\"\\\\\\u003cscript\\u003e\\u000a\\ud83d\\ude00\\ufffd\"");
    buf_done(&b);
}

/* HD-11: whatever the list says, GnuTLS takes it, and neither anonymous nor old ones come in. */
static void cipher_lists(void **state)
{
    static const char *const lists[] = {"HIGH:MEDIUM:@SECLEVEL=1",
                                        "",
                                        "ALL:aNULL:eNULL:EXPORT:ADH",
                                        "HIGH:!AES128:!kRSA:-SHA1",
                                        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384",
                                        "x\ny:;'%NONE",
                                        "NULL"};
    (void)state;

    for (size_t i = 0; i < 2 * sizeof lists / sizeof *lists; i++) {
        struct buf b = BUF(16384);
        gnutls_priority_t p;
        const unsigned *list;

        priorities_write(i % 2, str_c(lists[i / 2]), &b);
        assert_int_equal(gnutls_priority_init(&p, b.p, NULL), GNUTLS_E_SUCCESS);
        lacks(&b, "+ANON");
        lacks(&b, "NULL");
        lacks(&b, "+VERS-TLS1.1");
        for (int k = gnutls_priority_protocol_list(p, &list) - 1; k >= 0; k--)
            assert_true(list[k] == GNUTLS_TLS1_3 || (list[k] == GNUTLS_TLS1_2 && i % 2 == 0));
        for (int k = gnutls_priority_kx_list(p, &list) - 1; k >= 0; k--)
            assert_true(list[k] != GNUTLS_KX_ANON_DH && list[k] != GNUTLS_KX_ANON_ECDH && list[k] != GNUTLS_KX_PSK);
        gnutls_priority_deinit(p);
        buf_done(&b);
    }
}

static void a_list_of_suites_allows_these_alone(void **state)
{
    struct buf b = BUF(16384);
    (void)state;

    priorities_write(0, str_lit("ECDHE-RSA-CHACHA20-POLY1305"), &b);
    has(&b, ":-CIPHER-ALL:+CHACHA20-POLY1305:");
    buf_clear(&b);
    priorities_write(0, str_lit("HIGH:!AES128"), &b);
    has(&b, ":-AES-128-CBC");
    lacks(&b, "-CIPHER-ALL");
    buf_done(&b);
}

/* api.md 12: ten failures in a minute. */
static void failures_shut_an_address_out_ever_longer(void **state)
{
    struct failures *f = failures_new();
    struct address_ip a, b, near;
    uint64_t now = 1000000;
    (void)state;

    must(ip_parse(str_lit("2001:db8::1"), &a) && ip_parse(str_lit("2001:db8::ffff:1"), &near) &&
         ip_parse(str_lit("192.0.2.1"), &b));
    for (int i = 0; i < 9; i++)
        failures_add(f, &a, now);
    assert_int_equal(failures_wait_s(f, &a, now), 0);
    failures_add(f, &near, now);
    assert_int_equal(failures_wait_s(f, &a, now), 60);
    assert_int_equal(failures_wait_s(f, &b, now), 0);
    now += 60000;
    assert_int_equal(failures_wait_s(f, &a, now), 0);
    for (int i = 0; i < 10; i++)
        failures_add(f, &a, now);
    assert_int_equal(failures_wait_s(f, &a, now), 120);
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < 10; i++)
            failures_add(f, &a, now);
    assert_int_equal(failures_wait_s(f, &a, now), 900);
    failures_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_read_once),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(basic_credentials),
        cmocka_unit_test(host_values),
        cmocka_unit_test(names_of_this_machine),
        cmocka_unit_test(whom_a_proxy_speaks_for),
        cmocka_unit_test(routes_by_base_and_listener),
        cmocka_unit_test(xml_status_is_laid_out_by_lines),
        cmocka_unit_test(figures_that_are_missing_are_zero_but_the_queue_is_never_of_no_size),
        cmocka_unit_test(health_is_numbers),
        cmocka_unit_test(text_of_others_is_made_harmless),
        cmocka_unit_test(cipher_lists),
        cmocka_unit_test(a_list_of_suites_allows_these_alone),
        cmocka_unit_test(failures_shut_an_address_out_ever_longer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
