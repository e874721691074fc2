/* Operator verbs on the queue (cli.md 7.2, 7.3). */
#include "queue/queue_testing.h"

static struct side control;

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct fix *f = ctx;
    const struct bus_verb_reply *r = msg;

    assert_int_equal(rc, RC_OK);
    f->verb_rc = r->rc;
    snprintf(f->verb_text, sizeof f->verb_text, "%.*s", STR(r->text));
}

/* Asks as control does: one word an argument. */
static const char *ask(struct fix *f, const char *line)
{
    struct str rest = str_c(line), verb = STR_NONE, word;
    struct buf args = BUF(1000);

    str_word(&rest, &verb);
    while (str_word(&rest, &word))
        buf_put_str(&args, word);
    f->verb_rc = RC_COUNT;
    bus_call(control.bus, control.queue, BUS_verb_call,
             &(struct bus_verb_call){.verb = verb, .args = buf_str(&args), .user = str_lit("admin")}, 60000, answered, f);
    buf_done(&args);
    fix_until(f, f->verb_rc != RC_COUNT);
    return f->verb_text;
}

static int start(void **state)
{
    int rc = fix_start(state);

    fix_join(*state, &control, ROLE_control);
    return rc;
}

static int end(void **state)
{
    bus_free(control.bus);
    return fix_end(state);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* The pause survives a restart (7.3) and keeps mail from the scanners, not from being accepted. */
static void the_work_queue_can_be_paused(void **state)
{
    struct fix *f = *state;

    assert_true(has(ask(f, "workqueue"), "Status:                       Operational\n"));
    assert_true(has(ask(f, "workqueue pause engine trouble"), "Paused: engine trouble\n"));
    fix_store(f, "bob@example.net");
    fix_until(f, fix_counts(f).work == 1);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 0);
    bus_free(control.bus);
    fix_queue_stop(f);
    fix_queue_start(f);
    fix_join(f, &control, ROLE_control);
    assert_true(has(ask(f, "workqueue status"), "Messages:                     1\n"));
    ask(f, "workqueue resume");
    fix_until(f, fix_counts(f).messages == 0);
}

static void delivery_can_be_suspended(void **state)
{
    struct fix *f = *state;

    assert_string_equal(ask(f, "suspenddel 0"), "Mail delivery suspended.\n");
    fix_store(f, "bob@example.net");
    fix_store(f, "bob@example.com");
    fix_until(f, fix_counts(f).messages == 2 && fix_counts(f).work == 0);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 0);
    ask(f, "suspenddel 0 example.net");
    ask(f, "resumedel example.com");
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 0);
    assert_string_equal(ask(f, "resumedel"), "Mail delivery resumed.\n");
    fix_until(f, fix_counts(f).messages == 0);
}

static void one_domain_can_be_suspended(void **state)
{
    struct fix *f = *state;

    ask(f, "suspenddel 0 Example.net");
    fix_store(f, "bob@example.net");
    fix_store(f, "bob@example.com");
    fix_until(f, fix_counts(f).messages == 1 && f->n_work == 1);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 1);
    ask(f, "resumedel example.net");
    fix_until(f, fix_counts(f).messages == 0);
}

static void recipients_are_shown_and_deleted(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_DELAY;
    fix_store(f, "bob@example.net,carl@example.net,dora@example.com");
    fix_store_from(f, "eve@example.org", "bob@example.net", "x\r\n");
    fix_until(f, f->n_work == 3 && fix_counts(f).flying == 0);
    assert_true(has(ask(f, "showrecipients all"), "Total: 4 recipients.\n"));
    assert_true(has(f->verb_text, "[1]        [1]       carl@example.net\n"));
    assert_true(has(f->verb_text, "anna@example.org"));
    assert_true(has(ask(f, "showrecipients from <EVE@example.org>"), "Total: 1 recipients.\n"));
    assert_true(has(ask(f, "showrecipients host example.com"), "dora@example.com"));
    assert_string_equal(ask(f, "deleterecipients host example.com"), "1 recipients deleted.\n");
    assert_true(fix_log_has(f, "to RID [2]"));
    assert_string_equal(ask(f, "deleterecipients from eve@example.org"), "1 recipients deleted.\n");
    assert_int_equal(fix_counts(f).messages, 1);
    assert_string_equal(ask(f, "deleterecipients all"), "2 recipients deleted.\n");
    assert_int_equal(fix_counts(f).messages, 0);
    assert_int_equal(fix_log_count(f, "Message finished"), 2);
}

static void recipients_can_be_bounced(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_DELAY;
    fix_store(f, "bob@example.net,carl@example.com");
    fix_until(f, f->n_work == 2 && fix_counts(f).flying == 0);
    f->answer = ANSWER_OK;
    assert_string_equal(ask(f, "bouncerecipients all"), "2 recipients bounced.\n");
    fix_until(f, f->n_work == 3 && fix_counts(f).messages == 0);
    assert_string_equal(f->work[2].destination, "example.org");
    assert_int_equal(fix_log_count(f, "was generated for bounce of"), 1);
}

/* The new host holds over a restart. */
static void recipients_can_be_redirected(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_DELAY;
    fix_store(f, "bob@example.net,carl@example.com");
    fix_until(f, f->n_work == 2 && fix_counts(f).flying == 0);
    ask(f, "suspenddel 0");
    assert_string_equal(ask(f, "redirectrecipients host example.net to 192.0.2.7"), "1 recipients redirected.\n");
    bus_free(control.bus);
    fix_queue_stop(f);
    fix_queue_start(f);
    fix_join(f, &control, ROLE_control);
    f->answer = ANSWER_OK;
    ask(f, "resumedel");
    ask(f, "delivernow");
    fix_until(f, fix_counts(f).messages == 0);
    assert_int_equal(f->n_work, 4);
    assert_true(str_eq(str_c(f->work[2].destination), str_lit("[192.0.2.7]")) ||
                str_eq(str_c(f->work[3].destination), str_lit("[192.0.2.7]")));
}

static void hosts_are_listed(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_DOWN;
    fix_store(f, "bob@example.net,carl@example.com");
    fix_store(f, "bob@example.net");
    fix_until(f, f->n_work >= 2 && fix_counts(f).flying == 0);
    assert_true(has(ask(f, "tophosts"), " 1*  example.net "));
    assert_true(has(ask(f, "hoststatus example.net"), "Host up/down:                 down\n"));
    assert_true(has(f->verb_text, "connection refused"));
    ask(f, "hoststatus nowhere.example");
    assert_int_equal(f->verb_rc, RC_NOT_FOUND);
    f->answer = ANSWER_OK;
    ask(f, "delivernow all");
    fix_until(f, fix_counts(f).messages == 0);
    assert_true(has(ask(f, "hoststatus example.net"), "Host up/down:                 up\n"));
}

static void a_message_is_printed(void **state)
{
    struct fix *f = *state;
    char line[60];

    f->answer = ANSWER_NONE;
    snprintf(line, sizeof line, "showmessage %llu", (unsigned long long)fix_store(f, "bob@example.net"));
    fix_until(f, f->n_work == 1);
    assert_true(has(ask(f, line), "\r\n\r\nHello\r\n"));
    ask(f, "showmessage 999999");
    assert_int_equal(f->verb_rc, RC_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_work_queue_can_be_paused, start, end),
        cmocka_unit_test_setup_teardown(delivery_can_be_suspended, start, end),
        cmocka_unit_test_setup_teardown(one_domain_can_be_suspended, start, end),
        cmocka_unit_test_setup_teardown(recipients_are_shown_and_deleted, start, end),
        cmocka_unit_test_setup_teardown(recipients_can_be_bounced, start, end),
        cmocka_unit_test_setup_teardown(recipients_can_be_redirected, start, end),
        cmocka_unit_test_setup_teardown(hosts_are_listed, start, end),
        cmocka_unit_test_setup_teardown(a_message_is_printed, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
