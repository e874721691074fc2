/* Tests of the settings engine: paths, values, snapshots, sources. */
#include "conf/draft.h"
#include "conf/snapshot.h"
#include "conf/value.h"
#include "conf/xml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void lines_make_a_configuration(void **state)
{
    struct err e = ERR_NONE;
    struct conf_source *s =
        conf_source_test("system.hostname=mx.example.org\n# comment\n interface.Management.address = 127.0.0.1 \n"
                         "interface[a.b].address6=::1\nlogs.headers=a-b,d\\,e\nreceiving.idle_ms=90s\n"
                         "user.admin.role=administrator",
                         &e);
    const struct conf *c;
    const struct conf_interface *i;

    (void)state;
    assert_string_equal(e.text, "");
    assert_non_null(s);
    c = conf_now(s);
    assert_true(str_eq(c->system.hostname, str_lit("mx.example.org")));
    assert_int_equal(c->interface.n, 2);
    i = conf_find(&c->interface, str_lit("management"));
    assert_true(i && str_eq(i->address, str_lit("127.0.0.1")));
    assert_true(conf_find(&c->interface, str_lit("a.b")) != NULL);
    assert_true(conf_find(&c->destination, str_lit("default")) != NULL);
    assert_int_equal(c->logs.headers.n, 2);
    assert_true(str_eq(c->logs.headers.items[1], str_lit("d,e")));
    assert_true(c->receiving.idle_ms == 90000);
    assert_true(c->user.items[0].role == 0);
    conf_source_free(s);
}

static void a_bad_line_names_path_and_reason(void **state)
{
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"roles.receive=many", "roles.receive: \"many\" is not a number"},
        {"roles.receive=17", "roles.receive: 17 is not between 0 and 16 processes"},
        {"roles.receive=5m", "roles.receive: \"5m\" has an unknown unit"},
        {"receiving.idle_ms=99999999999999999d", "receiving.idle_ms: \"99999999999999999d\" is too large"},
        {"system.lab=perhaps", "system.lab: \"perhaps\" is neither yes nor no"},
        {"user.x.role=king",
         "user.x.role: \"king\" is not one of administrator|operator|read_only_operator|guest|technician|help_desk|mail"},
        {"system.hostname=", "system.hostname: 0 octets long, not between 1 and 255"},
        {"system.hostname=a\001b", "system.hostname: holds the control character 1"},
        {"nosuch.thing=1", "nosuch.thing: no section \"nosuch\""},
        {"system.nosuch=1", "system.nosuch: no setting \"nosuch\" in section system"},
        {"user.x.nosuch=1", "user.x.nosuch: no setting \"nosuch\" in section user"},
        {"user[x.role=mail", "user[x.role=mail: no closing bracket"},
        {"system.hostname", "system.hostname: no value given"},
        {"user=1", "user: not a complete path"},
        {"-user.nobody", "user.nobody does not exist"},
        {"-destination.default", "destination.default always exists"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = ERR_NONE;

        assert_null(conf_source_test(cases[i].line, &e));
        assert_string_equal(e.text, cases[i].error);
    }
}

static const char lines_rich[] =
    "system.hostname=mx.example.org\nlogs.headers=a-b,d\\,e\n"
    "user.admin.full_name=J\xc3\xbcrgen <&> #\nuser.admin.password=$argon2id$x\nuser[x.y].role=mail\n"
    "interface.Management.address=";

static void xml_comes_back_identical(void **state)
{
    struct conf_draft *d = conf_draft_new(), *back = conf_draft_new();
    struct conf_header h = {
        .version = 7, .user = str_lit("admin"), .comment = str_lit("-- why > not --"), .time_ms = 1795308070000};
    struct conf_header h2;
    struct buf one = BUF(1 << 24), two = BUF(1 << 24);
    struct err e = ERR_NONE;
    struct arena a;

    (void)state;
    arena_init(&a, 512, 65536);
    assert_int_equal(conf_draft_lines(d, str_c(lines_rich), &e), RC_OK);
    assert_int_equal(
        conf_draft_set(d, str_lit("user.admin.full_name"), str_lit("two\n                              lines#\n"), &e),
        RC_OK);
    conf_xml_write(&d->conf, &h, true, &one);
    assert_int_equal(conf_xml_read(back, buf_str(&one), &e), RC_OK);
    conf_xml_header(&a, buf_str(&one), &h2);
    assert_true(h2.version == 7 && h2.time_ms == h.time_ms && str_eq(h2.user, h.user) && str_eq(h2.comment, h.comment));
    conf_xml_write(&back->conf, &h, true, &two);
    assert_true(str_eq(buf_str(&one), buf_str(&two)));
    assert_true(str_find_str(buf_str(&one), str_lit("Current Time: Sat Nov 21 21:21:10 2026 GMT -->\n")) < one.n ||
                str_find_str(buf_str(&one), str_lit("GMT -->\n")) < one.n);
    assert_true(str_find_str(buf_str(&one), str_lit("\n                         ")) == one.n);
    buf_done(&one);
    buf_done(&two);
    arena_done(&a);
    conf_draft_free(d);
    conf_draft_free(back);
}

static void snapshot_comes_back_identical_and_cut_ones_are_refused(void **state)
{
    struct conf_draft *d = conf_draft_new(), *back = conf_draft_empty();
    struct buf one = BUF(1 << 24), two = BUF(1 << 24);
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(conf_draft_lines(d, str_c(lines_rich), &e), RC_OK);
    conf_encode(&d->conf, NULL, &one);
    assert_int_equal(conf_decode(back, buf_str(&one), &e), RC_OK);
    conf_encode(&back->conf, NULL, &two);
    assert_true(str_eq(buf_str(&one), buf_str(&two)));
    for (size_t i = 0; i < one.n; i++) {
        struct conf_draft *cut = conf_draft_empty();

        assert_int_equal(conf_decode(cut, str_first(buf_str(&one), i), &e), RC_CORRUPT);
        conf_draft_free(cut);
    }
    buf_clear(&two);
    conf_encode(&d->conf, "receive", &two); /* H6: no password hashes outside control */
    assert_true(str_find_str(buf_str(&one), str_lit("$argon2id$x")) < one.n);
    assert_true(str_find_str(buf_str(&two), str_lit("$argon2id$x")) == two.n);
    buf_done(&one);
    buf_done(&two);
    conf_draft_free(d);
    conf_draft_free(back);
}

static void a_bad_file_names_line_and_reason(void **state)
{
    static const struct {
        const char *file, *error;
    } cases[] = {
        {"<config>\n<system>\n</config>", "line 3: Opening and ending tag mismatch: system line 2 and config"},
        {"", "line 1: Document is empty"},
        {"<config>\n<nosuch/></config>", "line 2: no section <nosuch>"},
        {"<nosuch/>", "line 1: the outermost element is not <config>"},
        {"<config>\n<roles>\n<receive>99</receive></roles></config>",
         "line 3: roles.receive: 99 is not between 0 and 16 processes"},
        {"<config><roles>\n\n<x>1</x></roles></config>", "line 3: no setting \"x\" in section roles"},
        {"<config><roles/>\n<roles/></config>", "line 2: section <roles> appears twice"},
        {"<config><roles><scan>1</scan>\n<scan>2</scan></roles></config>", "line 2: roles.scan: appears twice"},
        {"<config>\n<users><user><role>mail</role></user></users></config>",
         "line 2: <users> holds <user> elements that begin with <name>"},
        {"<config><users><user><name>a</name></user>\n<user><name>A</name></user></users></config>",
         "line 2: user \"A\" appears twice"},
        {"<config><users>\n<user><name>a</name><password>********</password></user></users></config>",
         "line 2: user.a.password: a masked passphrase cannot be loaded"},
        {"<config>\nhello<roles/></config>", "line 2: text between elements"},
        {"<config><roles x=\"1\"/></config>", "line 1: attributes are not used here"},
        {"<!DOCTYPE config [<!ENTITY a \"b\">]>\n<config/>", "line 2: declarations inside DOCTYPE are not accepted"},
        {"<config><system><hostname><b/></hostname></system></config>", "line 1: <hostname> holds a value, not elements"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf_draft *d = conf_draft_new();
        struct err e = ERR_NONE;

        assert_int_not_equal(conf_xml_read(d, str_c(cases[i].file), &e), RC_OK);
        assert_string_equal(e.text, cases[i].error);
        conf_draft_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_make_a_configuration),
        cmocka_unit_test(a_bad_line_names_path_and_reason),
        cmocka_unit_test(xml_comes_back_identical),
        cmocka_unit_test(snapshot_comes_back_identical_and_cut_ones_are_refused),
        cmocka_unit_test(a_bad_file_names_line_and_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
