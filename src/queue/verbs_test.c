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
    snprintf(f->verb_json, sizeof f->verb_json, "%.*s", STR(r->json));
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

/* What deliver found out is what hoststatus shows; an internal destination shows its peer instead. */
static void host_status_shows_what_deliver_found(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_NONE;
    fix_store(f, "bob@example.net,x@the.cpq.host");
    fix_until(f, f->n_work == 2);
    bus_send(f->deliver.bus, f->deliver.queue, BUS_destination_facts,
             &(struct bus_destination_facts){.destination = str_lit("example.net"),
                                             .expires_ms = clock_wall_ms() + 60000,
                                             .addresses = str_lit("10 192.0.2.1 25\n10 192.0.2.2 25\n20 2001:db8::1 25\n"),
                                             .mx = str_lit("10 mx1.example.net\n20 mx2.example.net\n")});
    bus_send(f->deliver.bus, f->deliver.queue, BUS_destination_facts,
             &(struct bus_destination_facts){.destination = str_lit("example.net"),
                                             .tls_error = str_lit("certificate has expired")});
    bus_send(f->deliver.bus, f->deliver.queue, BUS_destination_facts,
             &(struct bus_destination_facts){.destination = str_lit("the.cpq.host"),
                                             .expires_ms = clock_wall_ms() + 60000,
                                             .addresses = str_lit("0 192.0.2.9 7025\n"),
                                             .tls = str_lit("TLSv1.3 TLS_AES_256_GCM_SHA384")});
    fix_pump(f, 5);
    assert_true(has(ask(f, "hoststatus Example.NET"), "     10           192.0.2.1\n                  192.0.2.2\n"
                                                      "     20           2001:db8::1\n"));
    assert_true(has(f->verb_text, "     10           mx1.example.net\n     20           mx2.example.net\n"));
    assert_true(has(f->verb_text, "Last TLS Error:\n----------\ncertificate has expired\n(at "));
    assert_true(has(f->verb_text, "Current Outbound Connections           1\n"));
    assert_true(has(ask(f, "hoststatus the.cpq.host"), "Peer:                         192.0.2.9\n"
                                                       "Port:                         7025\n"
                                                       "TLS:                          TLSv1.3 TLS_AES_256_GCM_SHA384\n"));
    assert_false(has(f->verb_text, "MX Records"));
    assert_true(has(ask(f, "hoststatus the.euq.queue"), "Peer:                         unknown\n"));
    assert_int_equal(f->verb_rc, RC_OK);
}

/* A list comes in pages that go on where the one before ended; the last has the count of all. */
static void a_long_list_comes_in_pages(void **state)
{
    struct fix *f = *state;
    char line[100], token[60];
    unsigned pages = 0, messages = 0;
    const char *at;

    ask(f, "suspenddel 0");
    for (unsigned i = 0; i < 2100; i++)
        fix_store(f, "bob@example.net");
    fix_until(f, fix_counts(f).messages == 2100 && fix_counts(f).work == 0);
    for (strcpy(token, "0.0"); *token; pages++) {
        snprintf(line, sizeof line, "showrecipients all at %s", token);
        ask(f, line);
        assert_int_equal(f->verb_rc, RC_OK);
        assert_int_equal(has(f->verb_text, "MID/"), pages == 0);
        for (at = f->verb_json; (at = strstr(at, "{\"mid\":")); at++)
            messages++;
        *token = 0;
        sscanf(f->verb_json, "{\"next\":\"%50[0-9.]", token);
    }
    assert_int_equal(messages, 2100);
    assert_int_equal(pages, 3);
    assert_true(has(f->verb_text, "Total: 2100 recipients.\n"));
    ask(f, "showrecipients all at x");
    assert_int_equal(f->verb_rc, RC_SYNTAX);
}

static void the_oldest_message_and_one_removed(void **state)
{
    struct fix *f = *state;
    char line[100];
    uint64_t first, second;

    assert_string_equal(ask(f, "oldmessage"), "There are no messages in the queue.\n");
    ask(f, "suspenddel 0");
    first = fix_store(f, "bob@example.net");
    fix_until(f, fix_counts(f).messages == 1 && fix_counts(f).work == 0);
    clock_test_advance(3723000);
    second = fix_store_from(f, "eve@example.org", "carl@example.net",
                            "Subject: a \x1b[2J\r\n thing\r\n\r\nFrom here\r\n>From\r\n");
    fix_until(f, fix_counts(f).messages == 2 && fix_counts(f).work == 0);
    snprintf(line, sizeof line, "MID %llu: 1 hour 2 mins 3 secs old\nSubject: Hello\n", (unsigned long long)first);
    assert_true(has(ask(f, "oldmessage"), line));
    snprintf(line, sizeof line, "removemessage %llu show", (unsigned long long)second);
    assert_true(has(ask(f, line), "secs old\nSubject: a \\x1b[2J thing\n"));
    snprintf(line, sizeof line, "archivemessage %llu", (unsigned long long)second);
    assert_true(has(ask(f, line), "From eve@example.org "));
    assert_true(has(f->verb_text, "\n\n>From here\n>From\n\n"));
    snprintf(line, sizeof line, "removemessage %llu", (unsigned long long)first);
    ask(f, line);
    assert_int_equal(f->verb_rc, RC_OK);
    assert_int_equal(fix_counts(f).messages, 1);
    assert_true(fix_log_has(f, "Deleted: MID"));
    ask(f, line);
    assert_int_equal(f->verb_rc, RC_NOT_FOUND);
}

static void on_close(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;
    const struct bus_destination_close *m = in->msg;

    assert_true(!m->destination.n || str_eq(m->destination, str_lit("example.net")));
    for (size_t i = 0; i < f->n_work; i++)
        if (f->work[i].open)
            fix_done(f, &f->work[i], 1, NULL, 0);
}

/* 7.3: wait, then close by force, then say that it is done. */
static void suspending_closes_what_is_still_open(void **state)
{
    struct fix *f = *state;
    uint64_t begun;

    bus_on(f->deliver.bus, BUS_destination_close, on_close, f);
    f->answer = ANSWER_NONE;
    fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 1);
    begun = clock_mono_ms();
    assert_string_equal(ask(f, "suspenddel 1 example.net"), "Mail delivery suspended.\n");
    assert_true(clock_mono_ms() - begun >= 1000 && clock_mono_ms() - begun < 2000);
    assert_int_equal(fix_counts(f).flying, 0);
    assert_int_equal(fix_counts(f).messages, 1);
    assert_string_equal(ask(f, "stopped"), "Delivery is suspended to: example.net. Use resumedel to resume.\n");
    fix_store(f, "bob@example.com");
    fix_until(f, f->n_work == 2);
    begun = clock_mono_ms();
    ask(f, "suspenddel 1");
    assert_true(clock_mono_ms() - begun >= 1000);
    assert_int_equal(fix_counts(f).flying, 0);
    f->answer = ANSWER_OK;
    ask(f, "resumedel");
    ask(f, "delivernow all");
    fix_until(f, fix_counts(f).messages == 0);
}

/* The table of names grows while destinations are added: each is still found, once. */
static void many_destinations_are_told_apart(void **state)
{
    struct fix *f = *state;
    char to[100], line[100];

    ask(f, "suspenddel 0");
    for (unsigned i = 0; i < 1500; i++) {
        snprintf(to, sizeof to, "bob@d%u.example", i % 750);
        fix_store(f, to);
    }
    fix_until(f, fix_counts(f).messages == 1500 && fix_counts(f).work == 0);
    assert_int_equal(fix_counts(f).destinations, 750);
    for (unsigned i = 0; i < 750; i++) {
        snprintf(line, sizeof line, "deleterecipients host d%u.example", i);
        assert_string_equal(ask(f, line), "2 recipients deleted.\n");
    }
    assert_int_equal(fix_counts(f).messages, 0);
}

static void rates_go_on_from_the_sample_before(void **state)
{
    struct fix *f = *state;

    ask(f, "workqueue rate");
    assert_true(has(f->verb_json, "{\"next\":\"0 0\",\"pending\":0,"));
    fix_store(f, "bob@example.net");
    fix_until(f, fix_counts(f).messages == 0 && f->n_work == 1);
    assert_true(has(ask(f, "workqueue rate next 0 0"), "            0             1             1\n"));
    assert_false(has(f->verb_text, "Pending"));
    assert_true(has(ask(f, "hostrate example.net"), "CrtCnc"));
    assert_true(has(f->verb_json, "{\"next\":\"1 0 0\","));
    fix_store(f, "bob@example.net");
    fix_until(f, fix_counts(f).messages == 0 && f->n_work == 2);
    assert_true(
        has(ask(f, "hostrate example.net next 1 0 0"), "  up             0         0         1         0         0\n"));
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
        cmocka_unit_test_setup_teardown(host_status_shows_what_deliver_found, start, end),
        cmocka_unit_test_setup_teardown(a_long_list_comes_in_pages, start, end),
        cmocka_unit_test_setup_teardown(the_oldest_message_and_one_removed, start, end),
        cmocka_unit_test_setup_teardown(suspending_closes_what_is_still_open, start, end),
        cmocka_unit_test_setup_teardown(many_destinations_are_told_apart, start, end),
        cmocka_unit_test_setup_teardown(rates_go_on_from_the_sample_before, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
