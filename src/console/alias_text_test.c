/* Aliases as text: what is written reads back, what is wrong is named by its line. */
#include "console/alias_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf text_of(const struct conf_draft *d)
{
    struct buf b = BUF(1 << 20);

    alias_text_write(&d->conf, &b);
    assert_false(b.failed);
    return b;
}

static void what_is_written_reads_back(void **state)
{
    static const char start[] = "alias[sales@x.test].to=a@x.test,b@y.test\n"
                                "alias[sales@x.test].comment=listeners: all, # of them\n"
                                "alias[root].to=admin@x.test\n"
                                "alias[root].listener=In,Out\n"
                                "alias[\"a, b: c\"@x.test].to=\"x\\, y\"@z.test,/dev/null,b@[IPv6:2001:db8::1]\n"
                                "alias[@[192.0.2.1]].to=/dev/null\n";
    struct conf_draft *d = conf_draft_new(), *other = conf_draft_new();
    struct err e = ERR_NONE;
    struct buf before, after;

    (void)state;
    if (conf_draft_lines(d, str_c(start), &e) != RC_OK)
        fail_msg("%s", e.text);
    before = text_of(d);
    if (alias_text_read(other, buf_str(&before), &e) != RC_OK)
        fail_msg("%s", e.text);
    after = text_of(other);
    assert_int_equal(other->conf.alias.n, 4);
    assert_true(str_eq(buf_str(&before), buf_str(&after)));
    assert_true(str_eq(other->conf.alias.items[2].to.items[0], str_lit("\"x, y\"@z.test")));
    assert_true(str_eq(other->conf.alias.items[0].comment, str_lit("listeners: all, # of them")));
    assert_int_equal(other->conf.alias.items[1].listener.n, 2);
    buf_done(&before);
    buf_done(&after);
    conf_draft_free(d);
    conf_draft_free(other);
}

static void a_file_of_another_system(void **state)
{
    struct conf_draft *d = conf_draft_new();
    struct err e = ERR_NONE;

    (void)state;
    assert_int_equal(
        alias_text_read(d,
                        str_lit("# aliases\r\n\r\npostmaster:\troot@x.test,\r\n   second@x.test\r\n\tthird@x.test\r\n"
                                "@old.test :new@x.test"),
                        &e),
        RC_OK);
    assert_int_equal(d->conf.alias.n, 2);
    assert_int_equal(d->conf.alias.items[0].to.n, 3);
    assert_true(str_eq(d->conf.alias.items[0].to.items[2], str_lit("third@x.test")));
    assert_true(str_eq(d->conf.alias.items[1].name, str_lit("@old.test")));
    conf_draft_free(d);
}

static void what_is_wrong_is_named_by_its_line(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"a@x.test: b@y.test\nnot an alias\n", "line 2: not `alias: target, target`"},
        {"a@x.test: b@y.test,\n  bob\n", "line 1: \"bob\" is no address and not /dev/null"},
        {"\na@x.test:\n", "line 2: the alias names no address"},
        {"a b: c@x.test\n", "line 1: \"a b\" is no address, user or @domain"},
        {"a@x.test: b@y.test\nA@X.test: c@y.test\n", "line 2: a second alias A@X.test"},
        {"a@x.test: :include:/etc/passwd\n",
         "line 1: \":include:/etc/passwd\" is no address and not /dev/null: Bad local part"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct conf_draft *d = conf_draft_new();
        struct err e = ERR_NONE;

        assert_int_not_equal(alias_text_read(d, str_c(cases[i].text), &e), RC_OK);
        assert_string_equal(e.text, cases[i].error);
        conf_draft_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_file_of_another_system),
        cmocka_unit_test(what_is_wrong_is_named_by_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
