/* Filters run in order: which actions act, when, and what ends the run. Actions here only look on. */
#include "policy/filter_run.h"
#include "policy/filters.h"
#include "policy/rules_testing.h"

static struct buf acted;

static enum rc note(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e)
{
    buf_addf(&acted, "%.*s:", STR(r->filter));
    filter_write_action(a, &acted);
    buf_addc(&acted, ' ');
    if (str_eq(filter_text(a->args, a->n_args, 0), str_lit("X-Add")))
        patch_header_add(&m->patch, str_lit("X-Add"), str_lit("1"), true);
    if (str_eq(str_c(a->row->name), str_lit("drop")))
        message_final(m, FINAL_DROP, r->filter, STR_NONE);
    if (str_eq(filter_text(a->args, a->n_args, 0), str_lit("fails")))
        return err_set(e, RC_UNAVAILABLE, "not now");
    return RC_OK;
}

/* Runs a text of filters; what acted. */
static const char *run(struct fixture *f, const char *text, bool *matched)
{
    struct filters filters = {0};
    struct err e = ERR_NONE;
    struct filter_run r;
    bool any = false;

    if (filter_parse(&f->arena, str_c(text), &filters, &e) != RC_OK)
        fail_msg("%s", e.text);
    buf_done(&acted);
    acted = BUF(65536);
    filter_run_begin(&r, false, STR_NONE, note);
    for (size_t i = 0; i < filters.n && !r.ended; i++) {
        r.filter = filters.items[i].name;
        any |= filter_run_block(&f->m, &filters.items[i].body, &r);
    }
    filter_run_end(&f->m, &r);
    if (matched)
        *matched = any;
    buf_addc(&acted, 0);
    return acted.p;
}

static void actions_of_the_first_true_branch_act_and_add_up(void **state)
{
    struct fixture f;
    bool matched;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, fixture_plain);
    assert_string_equal(
        run(&f,
            "a: if (rcpt-count > 5) { no-op(); } elif (true) { log-entry('1'); log-entry('2'); } else { drop(); }\n"
            "b: if (true) { if (valid) { log-entry('3'); } log-entry('4'); }",
            &matched),
        "a:log-entry(\"1\") a:log-entry(\"2\") b:log-entry(\"3\") b:log-entry(\"4\") ");
    assert_true(matched);
    assert_string_equal(run(&f, "a: if (rcpt-count > 5) { drop(); } else { log-entry('else'); }", &matched),
                        "a:log-entry(\"else\") ");
    assert_false(matched);
    fixture_close(&f);
}

static void of_actions_that_set_something_the_last_acts_at_the_end(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, fixture_plain);
    assert_string_equal(run(&f,
                            "a: if (true) { alt-mailhost('one'); html-convert(); }\n"
                            "b: if (true) { alt-mailhost('two'); log-entry('x'); }",
                            NULL),
                        "b:log-entry(\"x\") b:alt-mailhost(\"two\") a:html-convert() ");
    fixture_close(&f);
}

static void final_actions_and_skip_filters_end_the_run(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, fixture_plain);
    assert_string_equal(run(&f,
                            "a: if (true) { alt-mailhost('h'); if (true) { skip-filters(); } log-entry('x'); }\n"
                            "b: if (true) { drop(); }",
                            NULL),
                        "a:skip-filters() a:alt-mailhost(\"h\") ");
    assert_string_equal(run(&f, "a: if (true) { alt-mailhost('h'); deliver(); no-op(); }\nb: if (true) { drop(); }", NULL),
                        "a:deliver() a:alt-mailhost(\"h\") ");
    assert_string_equal(run(&f, "a: if (true) { alt-mailhost('h'); drop(); }\nb: if (true) { no-op(); }", NULL),
                        "a:drop() ");
    fixture_close(&f);
}

static void later_filters_see_what_earlier_ones_changed(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, fixture_plain);
    assert_string_equal(run(&f,
                            "a: if (not header('X-Add')) { insert-header('X-Add', '1'); }\n"
                            "b: if (header('X-Add')) { log-entry('seen'); }",
                            NULL),
                        "a:insert-header(\"X-Add\", \"1\") b:log-entry(\"seen\") ");
    fixture_close(&f);
}

static void an_action_that_fails_is_logged_and_the_rest_acts(void **state)
{
    struct events *log = events_test_new();
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, fixture_plain);
    f.m.events = log;
    assert_string_equal(run(&f, "a: if (true) { log-entry('fails'); drop(); }", NULL), "a:log-entry(\"fails\") a:drop() ");
    assert_non_null(strstr(events_test_text(log).p, "MID 7 action log-entry of filter 'a' failed: not now"));
    events_free(log);
    fixture_close(&f);
}

static void a_snapshot_has_the_filters_that_are_active_and_valid(void **state)
{
    static const char settings[] = "message_filter.first.text=first: if (true) { no-op(); }\n"
                                   "message_filter.second.text=second: if (true) { no-op(); }\n"
                                   "message_filter.second.active=no\n"
                                   "message_filter.third.text=third: if (dictionary-match('nosuch')) { no-op(); }\n"
                                   "message_filter.fourth.text=fourth: if (true) { add-footer('none'); no-op() }\n"
                                   "message_filter.fifth.text=other: if (true) { no-op(); }\n"
                                   "message_filter.sixth.text=sixth: if (true or dictionary-match('d')) { no-op(); }\n"
                                   "dictionary.d.terms=x\n";
    struct err e = ERR_NONE;
    struct conf_source *source = conf_source_test(settings, &e);
    struct compiled_filters *c = NULL;
    struct arena a;

    (void)state;
    assert_non_null(source);
    arena_init(&a, 4096, 16 << 20);
    assert_int_equal(filters_compile(&a, conf_now(source), &c, &e), RC_INVALID);
    assert_string_equal(e.text, "message filter third: there is no dictionary \"nosuch\"");
    assert_int_equal(c->n, 2);
    assert_true(str_eq(c->items[0]->name, str_lit("first")));
    assert_true(str_eq(c->items[1]->name, str_lit("sixth")));
    assert_int_equal(filters_check(conf_now(source), &e), RC_SYNTAX);
    assert_string_equal(e.text, "message_filter[fourth].text: line 1, column 49: expected ';', found '}'");
    arena_done(&a);
    conf_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_of_the_first_true_branch_act_and_add_up),
        cmocka_unit_test(of_actions_that_set_something_the_last_acts_at_the_end),
        cmocka_unit_test(final_actions_and_skip_filters_end_the_run),
        cmocka_unit_test(later_filters_see_what_earlier_ones_changed),
        cmocka_unit_test(an_action_that_fails_is_logged_and_the_rest_acts),
        cmocka_unit_test(a_snapshot_has_the_filters_that_are_active_and_valid),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_done(&acted);
    return failed;
}
