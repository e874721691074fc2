/* Held mail that moves to the manager: deliver's end of the bus is played here. */
#include "quarantine/quarantine_testing.h"

#include "smtp/results.h"

#define SETTINGS \
    "system.serial=SER1\nsystem.hostname=gw.test\nmanager.sma.serial=SMA1\nmanager.sma.destination=yes\nquarantine.Legal." \
    "kind=policy\n"
#define ON SETTINGS "pvo.central=yes\n"
#define READY "state=ready\nmigration=chosen\n"

static const char BODY[] = "From: a@out.test\r\nSubject: Your invoice\r\n\r\nPay.\r\n";

struct world {
    struct place p;
    struct bus *deliver;
    const char *lines; /* of STATUS; NULL = the manager does not answer */
    struct bus_migrate_done say;
    bool silent;
    unsigned asked, got;
    char feat[40], meta[4000], body[200];
    uint64_t mid;
};

static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_manager_question *m = in->msg;
    struct world *w = ctx;

    w->asked++;
    if (m->feat.n)
        snprintf(w->feat, sizeof w->feat, "%.*s", STR(m->feat));
    bus_reply(w->deliver, in->from, in->call, BUS_manager_status,
              &(struct bus_manager_status){.answered = w->lines != NULL,
                                           .lines = str_c(w->lines ? w->lines : ""),
                                           .why = w->lines ? STR_NONE : str_lit("no answer")});
}

static void on_work(void *ctx, const struct bus_in *in)
{
    const struct bus_migrate_work *m = in->msg;
    struct world *w = ctx;
    ssize_t n = pread(in->fd, w->body, sizeof w->body - 1, (off_t)m->offset);

    assert_true(n >= (ssize_t)m->body_bytes);
    w->body[m->body_bytes] = '\0';
    close(in->fd);
    snprintf(w->meta, sizeof w->meta, "%.*s", STR(m->meta));
    w->mid = m->mid;
    w->got++;
    if (!w->silent)
        bus_reply(w->deliver, in->from, in->call, BUS_migrate_done, &w->say);
}

static void join(struct world *w)
{
    int fds[2];

    w->deliver = bus_new(w->p.loop, ROLE_deliver, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    bus_attach(w->deliver, fds[0], ROLE_quarantine, 0, 1);
    bus_attach(w->p.bus, fds[1], ROLE_deliver, 0, 1);
    bus_on(w->deliver, BUS_manager_question, on_question, w);
    bus_on(w->deliver, BUS_migrate_work, on_work, w);
}

static void part(struct world *w)
{
    bus_free(w->deliver);
    turns(&w->p, 5);
}

/* The room as a gateway that held messages 41 and 42 itself, under `settings` from now on. */
static void begin(struct world *w, const char *made, const char *settings)
{
    struct letter l = {"pvo", "a@out.test", "b@in.test", BODY, made, 41};

    *w = (struct world){.lines = READY, .say = {.class = RESULT_DELIVERED, .code = 250, .text = str_lit("ok")}};
    place_start(&w->p, SETTINGS);
    post(&w->p, &l);
    l.mid = 42;
    post(&w->p, &l);
    place_close(&w->p);
    conf_source_free(w->p.conf);
    w->p.conf = conf_source_test(settings, NULL);
    place_open(&w->p);
    join(w);
}

static void until(struct world *w, const char *line)
{
    uint64_t end = clock_mono_ms() + 10000;

    while (!logged(&w->p, line) && clock_mono_ms() < end)
        loop_turn(w->p.loop, true);
    if (!logged(&w->p, line))
        fail_msg("no line \"%s\" in\n%s", line, events_test_text(w->p.events).p);
    turns(&w->p, 5);
}

static void wait_for(struct world *w, const unsigned *what, unsigned n)
{
    uint64_t end = clock_mono_ms() + 10000;

    while (*what < n && clock_mono_ms() < end)
        loop_turn(w->p.loop, true);
    assert_true(*what >= n);
}

static void end(struct world *w)
{
    part(w);
    place_end(&w->p);
}

/* CPQ-05, central.md 9: each goes with body, exit and number, leaves behind the 250, is said; the manager hears the end. */
static void test_moved(void **state)
{
    struct world w;

    (void)state;
    begin(&w, HOLD(IN_POLICY), ON);
    until(&w, "Migration to sma: done, 2 messages\n");
    assert_true(logged(&w.p, "Migration to sma: started, 2 messages\n"));
    assert_true(
        logged(&w.p, "MID 41 enqueued for transfer to centralized quarantine \"Policy\" (content filter:hold_invoices)\n"));
    assert_true(logged(&w.p, "Message finished MID 42 done\n"));
    assert_int_equal(w.mid, 42);
    assert_string_equal(w.body, BODY);
    assert_non_null(strstr(w.meta, "\"future\":{\"kept\":[1,2]}"));
    assert_non_null(strstr(w.meta, "\"n\":2,\"total\":2}"));
    assert_int_equal(held_now(&w.p, CPQ_PVO), 0);
    wait_for(&w, &w.asked, 2);
    turns(&w.p, 50);
    assert_string_equal(w.feat, "migration-done");
    assert_non_null(strstr(verb(&w.p, "pvoconfig"), "Migration to the manager: done, 2 of 2 messages\n"));
    end(&w);
}

/* Off: nothing is asked, nothing goes. */
static void test_off(void **state)
{
    struct world w;

    (void)state;
    begin(&w, HOLD(IN_POLICY), SETTINGS);
    for (uint64_t till = clock_mono_ms() + 2500; clock_mono_ms() < till;)
        loop_turn(w.p.loop, true);
    assert_int_equal(w.asked + w.got, 0);
    assert_int_equal(held_now(&w.p, CPQ_PVO), 2);
    end(&w);
}

/* CPQ-65: sent and not answered: nothing is decided about it here, it neither expires nor goes; over a restart it is sent
 * again. */
static void test_doubtful(void **state)
{
    struct world w;

    (void)state;
    begin(&w, HOLD(IN_POLICY), ON);
    w.silent = true;
    wait_for(&w, &w.got, 2);
    assert_int_equal(decide(&w.p, 41, "Policy", HOLD_RELEASE), RC_CONFLICT);
    assert_string_equal(verb(&w.p, "quarantine delete 41"),
                        "It is on its way to the manager: nothing is decided here until that has answered.\n");
    assert_false(expire_run(w.p.q, clock_wall_ms() + 400ULL * 86400000));
    assert_int_equal(held_now(&w.p, CPQ_PVO), 2);
    part(&w);
    place_restart(&w.p);
    w.silent = false;
    join(&w);
    until(&w, "Migration to sma: done, 2 messages\n");
    assert_int_equal(w.got, 4);
    assert_int_equal(logged_times(&w.p, "MID 41 enqueued"), 1);
    end(&w);
}

/* central.md 7.4: what the manager does not take as it is stays here and may be decided; the others go. */
static void test_refused(void **state)
{
    struct world w;

    (void)state;
    begin(&w, HOLD(IN_POLICY), ON);
    w.say = (struct bus_migrate_done){
        .class = RESULT_DELAYED, .reason = REASON_SET_ASIDE, .code = 552, .text = str_lit("too large")};
    until(&w, "Migration to sma: done, 0 messages, 2 more stay here\n");
    assert_int_equal(held_now(&w.p, CPQ_PVO), 2);
    assert_int_equal(decide(&w.p, 41, "Policy", HOLD_DELETE), RC_OK);
    assert_non_null(strstr(verb(&w.p, "pvoconfig"), "1 were not taken and stay here"));
    end(&w);
}

/* The manager is not ready, then refuses for a while, then takes them: one line says that it waits, nothing is lost. */
static void test_waits(void **state)
{
    struct world w;

    (void)state;
    begin(&w, HOLD(IN_POLICY), ON);
    w.lines = "state=suspended\nreason=transfers+20are+20suspended\n";
    wait_for(&w, &w.asked, 2);
    assert_int_equal(w.got, 0);
    w.lines = READY;
    w.say = (struct bus_migrate_done){.class = RESULT_DELAYED, .code = 452, .text = str_lit("full")};
    until(&w, "Migration to sma waits, 0 of 2 messages are there: full\n");
    assert_int_equal(decide(&w.p, 41, "Policy", HOLD_DELETE), RC_OK); /* it said no: it has not got it */
    w.say = (struct bus_migrate_done){.class = RESULT_DELIVERED, .code = 250, .text = str_lit("ok")};
    until(&w, "Migration to sma: done, 1 messages\n");
    end(&w);
}

/* central.md 9, Custom: what the map leaves out stays, with whatever else its mail is in; it goes when the map has a place.
 */
static void test_left_out(void **state)
{
    struct world w;

    (void)state;
    begin(&w, HOLD(IN_POLICY "," IN_VIRUS), ON);
    w.lines = READY "migration-map=Policy+3D\nmigration-map=Legal+3DOther\n";
    wait_for(&w, &w.asked, 1);
    turns(&w.p, 200);
    assert_int_equal(w.got, 0);
    w.lines = READY "migration-map=Policy+3DOther\n";
    part(&w);
    place_restart(&w.p);
    join(&w);
    until(&w, "Migration to sma: done, 2 messages\n");
    assert_int_equal(held_now(&w.p, CPQ_PVO), 0);
    end(&w);
}

/* central.md 9: of two holds one was decided here before: only the other moves, and "never delivered" with it. */
static void test_half_decided(void **state)
{
    struct world w;

    (void)state;
    begin(&w, HOLD(IN_POLICY "," IN_VIRUS), SETTINGS);
    assert_int_equal(decide(&w.p, 41, "Virus", HOLD_DELETE), RC_OK);
    assert_int_equal(decide(&w.p, 42, "Virus", HOLD_RELEASE), RC_OK);
    assert_int_equal(decide(&w.p, 42, "Policy", HOLD_DELETE), RC_OK);
    part(&w);
    place_close(&w.p);
    conf_source_free(w.p.conf);
    w.p.conf = conf_source_test(ON, NULL);
    place_open(&w.p);
    join(&w);
    until(&w, "Migration to sma: done, 1 messages\n");
    assert_null(strstr(w.meta, "a/v verdict:X"));
    assert_non_null(strstr(w.meta, "\"deleted\":true}"));
    end(&w);
}

/* ---- the manager's end ---------------------------------------------------------------------------------------------- */

#define MANAGER \
    "system.role=manager\nsystem.serial=SER1\nappliance.gw1.serial=GW1\nappliance.gw1.pvo=yes\nappliance.gw1.migration=" \
    "custom\n" \
    "appliance.gw1.migration_map=Policy=Legal,Beta=\nquarantine.Legal.kind=policy\n"

static void take(struct place *p, uint64_t mid, const char *holds)
{
    struct incoming *in = incoming_new();
    struct buf text = BUF(CPQ_META_MAX);
    struct letter l = {"pvo", "a@out.test", "b@in.test", BODY, holds, mid};
    struct str own = str_lit("SER1");
    size_t at;

    letter_meta(&l, &text);
    at = str_find_str(buf_str(&text), own);
    memcpy(text.p + at, "GW1\"", 4);
    in->text = arena_str(&in->arena, buf_str(&text));
    ((char *)(uintptr_t)in->text.p)[at + 4] = ' ';
    assert_int_equal(cpq_meta_read(&in->arena, in->text, &in->meta, NULL), RC_OK);
    assert_int_equal(map_holds(p->q, &in->arena, &in->meta, NULL), RC_OK);
    assert_int_equal(incoming_add(p->q, in, str_c(BODY), NULL), RC_OK);
    in->icid = 1;
    memcpy(in->digest, &mid, sizeof mid);
    store_add(p->q, in);
    while (!store_idle(p->q))
        loop_turn(p->loop, true);
    turns(p, 5);
    buf_done(&text);
}

#define MOVED(name, n) \
    "{\"holds\":[{\"quarantine\":\"" name \
    "\",\"kind\":\"policy\",\"reason\":\"r\",\"exit\":9000000000000,\"action\":\"release\"}]," \
    "\"held\":1000,\"migration\":{\"id\":7,\"n\":" n ",\"total\":2}}"

/* central.md 9: names by the map, exit and time as they were; a repeat is not counted; the gauge locks until the end. */
static void test_counted(void **state)
{
    struct place p;
    struct run r;

    (void)state;
    place_start(&p, MANAGER);
    take(&p, 1, MOVED("Policy", "1"));
    assert_true(logged(&p, "Migration from gw1: started, 2 messages\n"));
    assert_true(logged(&p, "quarantined to \"Legal\" (r)"));
    assert_int_equal(board_gauge(p.board, GAUGE_MIGRATIONS), 1);
    take(&p, 1, MOVED("Policy", "1"));
    take(&p, 2, MOVED("Beta", "2"));
    assert_true(logged(&p, "quarantined to \"Unclassified\" (r)"));
    run_get(p.q, CPQ_PVO, enter_name(p.q, str_lit("GW1")), &r);
    assert_int_equal(r.moved, 2);
    assert_int_equal(r.ever, 2);
    assert_int_equal(sql_number(&p.q->sql, Q_hold_next, 0, ""), 9000000000000);
    assert_non_null(strstr(verb(&p, "pvoconfig"), "Migration from gw1: running, 2 of 2 messages\n"));
    place_restart(&p);
    assert_int_equal(board_gauge(p.board, GAUGE_MIGRATIONS), 1);
    run_feat(p.q, CPQ_PVO, str_lit("GW1"), str_lit("migration-done"));
    assert_true(logged(&p, "Migration from gw1: done, 2 messages\n"));
    assert_int_equal(board_gauge(p.board, GAUGE_MIGRATIONS), 0);
    place_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moved),        cmocka_unit_test(test_off),     cmocka_unit_test(test_doubtful),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_waits),   cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_half_decided), cmocka_unit_test(test_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
