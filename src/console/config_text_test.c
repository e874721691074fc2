/* Texts that configuration commands import and export: the host access table, items of a section. */
#include "console/hat_text.h"
#include "console/item_text.h"

#include "conf/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char start[] = "interface.Management.address=127.0.0.1\n"
                            "listener.In.interface=Management\n"
                            "listener.Second.interface=Management\n"
                            "listener.Second.port=26\n"
                            "mail_flow_policy.ACCEPTED\n"
                            "mail_flow_policy.THROTTLED.max_messages=10\n"
                            "mail_flow_policy.THROTTLED.banner=say \"hi\" \\\\ there\n"
                            "mail_flow_policy.THROTTLED.tls=required\n"
                            "mail_flow_policy.THROTTLED.sender_dns_exceptions=a.test,b.test\n"
                            "mail_flow_policy.BLOCKED.behavior=reject\n"
                            "sender_group.BLOCKLIST.listener=In\n"
                            "sender_group.BLOCKLIST.policy=BLOCKED\n"
                            "sender_group.BLOCKLIST.members=192.0.2.0/24,.bad.test,2001:db8::1,dnslist[bl.test]\n"
                            "sender_group.BLOCKLIST.comment=never (ever)\n"
                            "sender_group[Second/BLOCKLIST].listener=Second\n"
                            "sender_group[Second/BLOCKLIST].members=10.0.0.1\n"
                            "sender_group.SHARED.members=ALL\n"
                            "sender_group.SHARED.policy=THROTTLED\n";

static struct conf_draft *draft(void)
{
    struct conf_draft *d = conf_draft_new();
    struct err e = ERR_NONE;

    assert_non_null(d);
    if (conf_draft_lines(d, str_c(start), &e) != RC_OK)
        fail_msg("%s", err_text(&e));
    return d;
}

static struct buf text_of(const struct conf_draft *d, const char *listener)
{
    struct buf b = BUF(1 << 20);

    hat_text_write(&d->conf, str_c(listener), &b);
    assert_false(b.failed);
    return b;
}

static void a_table_reads_back_to_itself(void **state)
{
    static const char *const listeners[] = {"In", "Second"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct conf_draft *d = draft();
        struct buf before = text_of(d, listeners[i]), after;
        struct err e = ERR_NONE;

        if (hat_text_read(d, str_c(listeners[i]), buf_str(&before), &e) != RC_OK)
            fail_msg("%s\n%.*s", err_text(&e), STR(buf_str(&before)));
        after = text_of(d, listeners[i]);
        assert_true(str_eq(buf_str(&before), buf_str(&after)));
        assert_int_equal(conf_find(&d->conf.mail_flow_policy, str_lit("THROTTLED"))->max_messages, 10);
        assert_true(
            str_eq(conf_find(&d->conf.mail_flow_policy, str_lit("THROTTLED"))->banner, str_lit("say \"hi\" \\\\ there")));
        assert_int_equal(conf_find(&d->conf.mail_flow_policy, str_lit("THROTTLED"))->sender_dns_exceptions.n, 2);
        buf_done(&before);
        buf_done(&after);
        conf_draft_free(d);
    }
}

static void a_group_of_several_listeners_stays_with_the_others(void **state)
{
    struct conf_draft *d = draft();
    const struct conf_sender_group *g;

    (void)state;
    assert_int_equal(hat_groups_drop(d, str_lit("Second"), NULL), RC_OK);
    g = conf_find(&d->conf.sender_group, str_lit("SHARED"));
    assert_non_null(g);
    assert_int_equal(g->listener.n, 1);
    assert_true(str_eq(g->listener.items[0], str_lit("In")));
    assert_non_null(conf_find(&d->conf.sender_group, str_lit("BLOCKLIST")));
    assert_null(conf_find(&d->conf.sender_group, str_lit("Second/BLOCKLIST")));
    conf_draft_free(d);
}

static void the_forms_of_the_appliance_are_read(void **state)
{
    static const char text[] = "# remark\r\n$NEWONE\r\n    RELAY {}\r\n$LIMITED ACCEPT {}\r\n\r\nFRIENDS:\r\n"
                               "    10.0.0.1, 10.0.0.2\r\n    host.test\r\n    $NEWONE (our friends)\r\nUNKNOWNLIST:\r\n"
                               "    ALL\r\n    $ACCEPTED\r\n";
    struct conf_draft *d = draft();
    const struct conf_sender_group *g;
    struct err e = ERR_NONE;
    struct str group, listener;

    (void)state;
    if (hat_text_read(d, str_lit("In"), str_c(text), &e) != RC_OK)
        fail_msg("%s", err_text(&e));
    g = conf_find(&d->conf.sender_group, str_lit("FRIENDS"));
    assert_non_null(g);
    assert_int_equal(g->members.n, 3);
    assert_true(str_eq(g->comment, str_lit("our friends")));
    assert_int_equal(conf_find(&d->conf.mail_flow_policy, str_lit("NEWONE"))->behavior, 1);
    assert_true(conf_opens_relay(&d->conf, NULL, 0, &group, &listener)); /* HD-07: told before it is kept */
    assert_true(str_eq(group, str_lit("FRIENDS")) && str_eq(listener, str_lit("In")));
    conf_draft_free(d);
}

static void a_wrong_line_is_named(void **state)
{
    static const struct {
        const char *text, *what;
    } cases[] = {
        {"\nnonsense\n", "line 2: "},
        {"$P\nACCEPT {\nno_such = 1\n}\n", "line 3: no_such is no setting"},
        {"$P\nACCEPT {\nmax_messages = many\n}\n", "line 3: "},
        {"$P\nMAYBE {\n}\n", "line 2: MAYBE is none of"},
        {"$P\nACCEPT {\nbanner = \"open\n}\n", "line 3: a quote"},
        {"G:\n10.0.0.1\n", "the last block is not ended"},
        {"G:\n$ACCEPTED\nG:\n$ACCEPTED\n", "line 3: A sender group named G exists already"},
        {"A/B:\n$ACCEPTED\n", "line 1: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf_draft *d = draft();
        struct err e = ERR_NONE;

        assert_int_not_equal(hat_text_read(d, str_lit("In"), str_c(cases[i].text), &e), RC_OK);
        if (!str_starts(str_c(err_text(&e)), str_c(cases[i].what)))
            fail_msg("%s: %s", cases[i].text, err_text(&e));
        conf_draft_free(d);
    }
}

static void items_read_back_to_themselves(void **state)
{
    const struct conf_section *section = conf_section_find(str_lit("destination"));
    struct conf_draft *d = conf_draft_new(), *other = conf_draft_new();
    struct buf b = BUF(1 << 20);
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(
        conf_draft_lines(d, str_lit("destination[example.com].tls=required\ndestination[.b.test].dane=none"), &e), RC_OK);
    item_text_write(&d->conf, section, &b);
    if (item_text_read(other, section, buf_str(&b), &e) != RC_OK)
        fail_msg("%s", err_text(&e));
    assert_true(conf_section_equal(&d->conf, &other->conf, section));
    assert_int_equal(item_text_read(other, section, str_lit("[x.test]\ntls = perhaps\n"), &e), RC_INVALID);
    assert_true(str_starts(str_c(err_text(&e)), str_lit("line 2: ")));
    assert_int_equal(item_text_read(other, section, str_lit("tls = none\n"), NULL), RC_SYNTAX);
    buf_done(&b);
    conf_draft_free(d);
    conf_draft_free(other);
}

static void a_name_is_changed_wherever_it_stands(void **state)
{
    const struct conf_section *section = conf_section_find(str_lit("listener"));
    struct conf_draft *d = draft();
    struct buf path = BUF(1000);

    (void)state;
    assert_true(conf_named_by(&d->conf, section, str_lit("in"), &path));
    assert_true(str_eq(buf_str(&path), str_lit("sender_group.BLOCKLIST.listener")));
    assert_int_equal(conf_draft_rename(d, section, str_lit("In"), str_lit("Second"), NULL), RC_EXISTS);
    assert_int_equal(conf_draft_rename(d, section, str_lit("None"), str_lit("X"), NULL), RC_NOT_FOUND);
    assert_int_equal(conf_draft_rename(d, section, str_lit("In"), str_lit("Outside"), NULL), RC_OK);
    assert_true(str_eq(conf_find(&d->conf.sender_group, str_lit("BLOCKLIST"))->listener.items[0], str_lit("Outside")));
    buf_clear(&path);
    assert_false(conf_named_by(&d->conf, section, str_lit("In"), &path));
    assert_int_equal(conf_check(&d->conf, NULL, false, NULL), RC_OK);
    buf_done(&path);
    conf_draft_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_reads_back_to_itself),
        cmocka_unit_test(a_group_of_several_listeners_stays_with_the_others),
        cmocka_unit_test(the_forms_of_the_appliance_are_read),
        cmocka_unit_test(a_wrong_line_is_named),
        cmocka_unit_test(items_read_back_to_themselves),
        cmocka_unit_test(a_name_is_changed_wherever_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
