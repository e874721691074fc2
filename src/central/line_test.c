/* Jobs over one connection for each gateway: order, hello first, what is refused, how the end of a connection is survived.
 */
#include "central/gateway_testing.h"
#include "central/inside.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct world {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct central *central;
    struct gateway_testing *gateway;
    char *key, *public_key;
    char settings[4000];
    atomic_int hellos;
    atomic_bool slow;
    char heard[4000]; /* our hello */
    unsigned done;
    char order[200];
    enum rc rc;
    struct err e;
    bool ended;
} w;

static int verbs(void *ctx, struct str command, struct str input, struct buf *reply)
{
    const char *serial = ctx;

    if (str_eq(command, str_lit("hello"))) {
        snprintf(w.heard, sizeof w.heard, "%.*s", STR(input));
        atomic_fetch_add(&w.hellos, 1);
        buf_addf(reply, "OK {\"proto\":1,\"serial\":\"%s\",\"time\":%llu,\"epoch\":7,\"new\":[1]}\n", serial,
                 (unsigned long long)clock_wall_ms() + (strcmp(serial, "LATE") ? 0 : 9000));
        return 0;
    }
    while (atomic_load(&w.slow))
        usleep(1000);
    buf_addf(reply, "OK {\"echo\":\"%.*s\"}\n", STR(command));
    return 0;
}

static void settings(const char *host_key, const char *serial, const char *more)
{
    char pem[2000];

    snprintf(pem, sizeof pem, "%s", w.key);
    for (char *p = pem; *p; p++)
        *p = *p == '\n' ? ' ' : *p; /* a setting is one line; libssh takes this too */
    snprintf(w.settings, sizeof w.settings,
             "system.serial=MANAGER-1\nsystem.role=manager\nssh_identity.key=%s\nappliance.gate.address=127.0.0.1\n"
             "appliance.gate.port=%u\nappliance.gate.serial=%s\nappliance.gate.host_key=%s\nappliance.gate.tracking=yes\n%s",
             pem, gateway_testing_port(w.gateway), serial, host_key, more);
}

static void begin(const char *says_serial, const char *enrolled, const char *more)
{
    struct err e = ERR_NONE;

    memset(&w, 0, sizeof w);
    gateway_testing_key(&w.key, &w.public_key);
    w.gateway = gateway_testing_new(&(struct gateway_testing_options){
        .user = "manager", .public_key = w.public_key, .verb = verbs, .ctx = (void *)(uintptr_t)says_serial});
    w.loop = loop_new();
    w.bus = bus_new(w.loop, ROLE_central, 0);
    w.events = events_test_new();
    settings(gateway_testing_host_key(w.gateway), enrolled, more);
    w.conf = conf_source_test(w.settings, &e);
    if (!w.conf)
        fail_msg("%s", err_text(&e));
    w.central = central_new(&(struct central_options){.loop = w.loop,
                                                      .bus = w.bus,
                                                      .conf = w.conf,
                                                      .events = w.events,
                                                      .home = "/tmp",
                                                      .connect_ms = 3000,
                                                      .step_ms = 3000});
}

static void stopped(void *ctx)
{
    (void)ctx;
    w.ended = true;
}

static void end(void)
{
    central_stop(w.central, stopped, NULL);
    while (!w.ended)
        loop_turn(w.loop, true);
    central_free(w.central);
    conf_source_free(w.conf);
    bus_free(w.bus);
    events_free(w.events);
    loop_free(w.loop);
    gateway_testing_free(w.gateway);
    free(w.key);
    free(w.public_key);
}

static enum rc say(struct ssh_line *l, void *ctx, struct err *e)
{
    struct buf reply = BUF(1000);
    enum rc rc = ssh_line_verb(l, str_c(ctx), STR_NONE, &reply, -1, e);

    buf_done(&reply);
    return rc;
}

static void done(void *ctx, enum rc rc, const struct err *e)
{
    w.done++;
    w.rc = rc;
    w.e = *e;
    snprintf(w.order + strlen(w.order), sizeof w.order - strlen(w.order), "%s ", (char *)ctx);
}

static void job(const char *word, enum line_urgency urgency)
{
    line_job(w.central, str_lit("gate"), urgency, say, done, (void *)(uintptr_t)word);
}

static void until(unsigned n)
{
    uint64_t begun = clock_mono_ms();

    while (w.done < n && clock_mono_ms() - begun < 10000) {
        struct loop_timer t = {0};

        loop_timer_set(w.loop, &t, 20, stopped, NULL);
        loop_turn(w.loop, true);
        loop_timer_cancel(w.loop, &t);
    }
    w.ended = false;
    assert_int_equal(w.done, n);
}

static bool logged(const char *text)
{
    return str_find_str(events_test_text(w.events), str_c(text)) < events_test_text(w.events).n;
}

/* ST-08, ST-10: whatever is asked of a gateway goes over one connection that the manager opened. */
static void all_jobs_share_one_connection_with_one_hello(void **state)
{
    (void)state;
    begin("GATE-1", "GATE-1", "euq_listener.enabled=yes\nappliance.gate.spam=yes\n");
    for (unsigned i = 1; i <= 5; i++) {
        job("a", LINE_BULK);
        until(i);
        assert_int_equal(w.rc, RC_OK);
    }
    assert_int_equal(gateway_testing_connections(w.gateway), 1);
    assert_int_equal(atomic_load(&w.hellos), 1);
    assert_non_null(strstr(w.heard, "\"proto\":1,\"serial\":\"MANAGER-1\",\"ver\":\""));
    assert_non_null(strstr(w.heard, "\"tracking\":{\"on\":true}"));
    assert_non_null(strstr(w.heard, "\"spam\":{\"on\":true,\"port\":6025}"));
    assert_non_null(strstr(w.heard, "\"pvo\":{\"on\":false,\"port\":7025}"));
    assert_true(logged("Gateway gate (GATE-1): connected, hello took "));
    end();
}

static void what_is_soon_goes_before_bulk(void **state)
{
    (void)state;
    begin("GATE-1", "GATE-1", "");
    atomic_store(&w.slow, true);
    job("first", LINE_BULK);
    while (!atomic_load(&w.hellos))
        usleep(1000);
    usleep(50000);
    job("bulk", LINE_BULK);
    job("soon", LINE_SOON);
    job("soon2", LINE_SOON);
    job("bulk2", LINE_BULK);
    atomic_store(&w.slow, false);
    until(5);
    assert_string_equal(w.order, "first soon soon2 bulk bulk2 ");
    end();
}

static void a_connection_that_died_is_made_again_unseen(void **state)
{
    (void)state;
    begin("GATE-1", "GATE-1", "");
    job("a", LINE_BULK);
    until(1);
    gateway_testing_cut(w.gateway);
    job("b", LINE_BULK);
    until(2);
    assert_int_equal(w.rc, RC_OK);
    assert_int_equal(gateway_testing_connections(w.gateway), 2);
    assert_int_equal(atomic_load(&w.hellos), 2);
    line_renew(w.central, str_lit("gate"));
    usleep(50000);
    job("c", LINE_BULK);
    until(3);
    assert_int_equal(gateway_testing_connections(w.gateway), 3);
    end();
}

/* A gateway that lies about its serial number is refused with text. */
static void another_serial_number_is_refused(void **state)
{
    (void)state;
    begin("OTHER-9", "GATE-1", "");
    job("a", LINE_BULK);
    until(1);
    assert_int_equal(w.rc, RC_NOT_PERMITTED);
    assert_string_equal(w.e.text, "the appliance says serial number OTHER-9, enrolled is GATE-1");
    assert_true(logged("Gateway gate is refused: the appliance says serial number OTHER-9, enrolled is GATE-1"));
    end();
}

static void another_host_key_is_refused(void **state)
{
    struct err e = ERR_NONE;
    char *pem, *other;

    (void)state;
    begin("GATE-1", "GATE-1", "");
    gateway_testing_key(&pem, &other);
    central_stop(w.central, stopped, NULL);
    while (!w.ended)
        loop_turn(w.loop, true);
    w.ended = false;
    central_free(w.central);
    conf_source_free(w.conf);
    settings(other, "GATE-1", "");
    w.conf = conf_source_test(w.settings, &e);
    w.central = central_new(
        &(struct central_options){.loop = w.loop, .bus = w.bus, .conf = w.conf, .events = w.events, .home = "/tmp"});
    job("a", LINE_BULK);
    until(1);
    assert_int_equal(w.rc, RC_NOT_PERMITTED);
    assert_true(logged("Gateway gate is refused: host key SHA256:"));
    assert_int_equal(atomic_load(&w.hellos), 0);
    free(pem);
    free(other);
    end();
}

static void a_clock_that_is_off_is_warned_about(void **state)
{
    (void)state;
    begin("LATE", "LATE", "");
    job("a", LINE_BULK);
    until(1);
    assert_int_equal(w.rc, RC_OK);
    assert_true(logged("Gateway gate: its clock is "));
    assert_true(logged(" ms ahead of ours"));
    end();
}

static void what_cannot_be_reached_says_why(void **state)
{
    (void)state;
    begin("GATE-1", "GATE-1", "appliance.gate.link=only\nappliance.new.address=127.0.0.1\n");
    job("a", LINE_BULK);
    until(1);
    assert_int_equal(w.rc, RC_CONNECT);
    assert_string_equal(w.e.text, "the link of this appliance is down");
    line_job(w.central, str_lit("new"), LINE_SOON, say, done, (void *)(uintptr_t) "a");
    until(2);
    assert_string_equal(w.e.text, "no host key is known: the connection was never established");
    line_job(w.central, str_lit("nobody"), LINE_SOON, say, done, (void *)(uintptr_t) "a");
    until(3);
    assert_int_equal(w.rc, RC_NOT_FOUND);
    end();
}

/* With what waits and what is under way: each job ends once, the threads are gone. */
static void the_end_of_the_role_ends_every_job(void **state)
{
    (void)state;
    begin("GATE-1", "GATE-1", "");
    atomic_store(&w.slow, true);
    for (int i = 0; i < 5; i++)
        job("a", LINE_BULK);
    while (!atomic_load(&w.hellos))
        usleep(1000);
    central_stop(w.central, stopped, NULL);
    while (!w.ended)
        loop_turn(w.loop, true);
    assert_int_equal(w.done, 5);
    atomic_store(&w.slow, false);
    end();
}

static char once_key[1000];

static void once_done(void *ctx, enum rc rc, const struct err *e, const char *host_key)
{
    snprintf(once_key, sizeof once_key, "%s", host_key ? host_key : "");
    done(ctx, rc, e);
}

static void a_connection_for_one_job_shows_the_host_key_first(void **state)
{
    struct ssh_dial dial;

    (void)state;
    begin("GATE-1", "GATE-1", "");
    dial = (struct ssh_dial){
        .address = "127.0.0.1", .port = gateway_testing_port(w.gateway), .user = "manager", .key = w.key, .host_key = ""};
    line_once(w.central, &dial, NULL, once_done, (void *)(uintptr_t) "key");
    until(1);
    assert_int_equal(w.rc, RC_OK);
    assert_string_equal(once_key, gateway_testing_host_key(w.gateway));
    dial.host_key = once_key;
    line_once(w.central, &dial, say, once_done, (void *)(uintptr_t) "x");
    until(2);
    assert_int_equal(w.rc, RC_OK);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_jobs_share_one_connection_with_one_hello),
        cmocka_unit_test(what_is_soon_goes_before_bulk),
        cmocka_unit_test(a_connection_that_died_is_made_again_unseen),
        cmocka_unit_test(another_serial_number_is_refused),
        cmocka_unit_test(another_host_key_is_refused),
        cmocka_unit_test(a_clock_that_is_off_is_warned_about),
        cmocka_unit_test(what_cannot_be_reached_says_why),
        cmocka_unit_test(the_end_of_the_role_ends_every_job),
        cmocka_unit_test(a_connection_for_one_job_shows_the_host_key_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
