/* Where released mail goes: gateways are asked by SSH for each connection; an alternate and a last answer stand in for one
 * that cannot be. */
#include "central/central.h"
#include "central/gateway_testing.h"

#include "base/clock.h"
#include "base/must.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct place {
    struct loop *loop;
    struct bus *bus, *deliver;
    struct bus_peer *to_central;
    struct conf_source *conf;
    struct events *events;
    struct central *central;
    struct gateway_testing *gateway[2];
    char home[64], *key, *public_key;
    atomic_uint asked;
    const char *volatile says[2]; /* what get-config cpq answers on each */
    bool ended;
    unsigned answers;
    struct bus_gateway_answer last;
    char why[600], address[200], serial[100], host[100];
} p;

/* ---- two gateways -------------------------------------------------------------------------------------------------------
 */

static int verb(void *ctx, struct str command, struct str input, struct buf *reply)
{
    size_t which = (size_t)(uintptr_t)ctx;

    (void)input;
    if (str_eq(command, str_lit("hello"))) {
        buf_addf(reply, "OK {\"proto\":1,\"serial\":\"GATE-%zu\",\"time\":%llu}\n", which + 1,
                 (unsigned long long)clock_wall_ms());
    } else if (str_eq(command, str_lit("get-config cpq"))) {
        atomic_fetch_add(&p.asked, 1);
        buf_addf(reply, "%s\n", p.says[which]);
    } else {
        buf_add(reply, str_lit("OK\n"));
    }
    return 0;
}

static void one_line(char *out, size_t size, const char *pem)
{
    snprintf(out, size, "%s", pem);
    for (; *out; out++)
        *out = *out == '\n' ? ' ' : *out;
}

static void begin(const char *more)
{
    char pem[2000], settings[6000];
    struct err e = ERR_NONE;
    int fds[2];

    memset(&p, 0, sizeof p);
    snprintf(p.home, sizeof p.home, "/tmp/postern-port-XXXXXX");
    assert_non_null(mkdtemp(p.home));
    gateway_testing_key(&p.key, &p.public_key);
    one_line(pem, sizeof pem, p.key);
    for (size_t i = 0; i < 2; i++)
        p.gateway[i] = gateway_testing_new(&(struct gateway_testing_options){
            .user = "manager", .public_key = p.public_key, .verb = verb, .ctx = (void *)(uintptr_t)i});
    p.loop = loop_new();
    p.bus = bus_new(p.loop, ROLE_central, 0);
    p.deliver = bus_new(p.loop, ROLE_deliver, 0);
    p.events = events_test_new();
    snprintf(
        settings, sizeof settings,
        "system.serial=MANAGER-1\nsystem.role=manager\nssh_identity.key=%s\n"
        "appliance.one.address=127.0.0.1\nappliance.one.port=%u\nappliance.one.serial=GATE-1\n"
        "appliance.one.former=GATE-0\nappliance.one.host_key=%s\n"
        "appliance.two.address=127.0.0.1\nappliance.two.port=%u\nappliance.two.serial=GATE-2\nappliance.two.host_key=%s\n%s",
        pem, gateway_testing_port(p.gateway[0]), gateway_testing_host_key(p.gateway[0]), gateway_testing_port(p.gateway[1]),
        gateway_testing_host_key(p.gateway[1]), more);
    p.conf = conf_source_test(settings, &e);
    if (!p.conf)
        fail_msg("%s", err_text(&e));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    bus_attach(p.bus, fds[0], ROLE_deliver, 0, 1);
    p.to_central = bus_attach(p.deliver, fds[1], ROLE_central, 0, 1);
    p.central = central_new(&(struct central_options){.loop = p.loop,
                                                      .bus = p.bus,
                                                      .conf = p.conf,
                                                      .events = p.events,
                                                      .home = p.home,
                                                      .connect_ms = 3000,
                                                      .step_ms = 3000});
}

static void stopped(void *ctx)
{
    (void)ctx;
    p.ended = true;
}

static void end(void)
{
    char command[200];

    central_stop(p.central, stopped, NULL);
    while (!p.ended)
        loop_turn(p.loop, true);
    central_free(p.central);
    conf_source_free(p.conf);
    bus_free(p.bus);
    bus_free(p.deliver);
    events_free(p.events);
    loop_free(p.loop);
    for (size_t i = 0; i < 2; i++)
        if (p.gateway[i])
            gateway_testing_free(p.gateway[i]);
    free(p.key);
    free(p.public_key);
    snprintf(command, sizeof command, "rm -rf %s", p.home);
    assert_int_equal(system(command), 0);
}

/* ---- deliver ------------------------------------------------------------------------------------------------------------
 */

static void on_answer(void *ctx, enum rc rc, const void *msg)
{
    (void)ctx;
    assert_int_equal(rc, RC_OK);
    p.last = *(const struct bus_gateway_answer *)msg;
    snprintf(p.why, sizeof p.why, "%.*s", STR(p.last.why));
    snprintf(p.address, sizeof p.address, "%.*s", STR(p.last.address));
    snprintf(p.serial, sizeof p.serial, "%.*s", STR(p.last.serial));
    snprintf(p.host, sizeof p.host, "%.*s", STR(p.last.host));
    p.answers++;
}

static void nothing(void *ctx)
{
    (void)ctx;
}

/* The result's rc. */
static uint64_t ask(const char *serial, bool failed)
{
    uint64_t until = clock_mono_ms() + 15000;
    unsigned before = p.answers;

    bus_call(p.deliver, p.to_central, BUS_gateway_question,
             &(struct bus_gateway_question){.serial = str_c(serial), .failed = failed}, 20000, on_answer, NULL);
    while (p.answers == before && clock_mono_ms() < until) {
        struct loop_timer t = {0};

        loop_timer_set(p.loop, &t, 10, nothing, NULL);
        loop_turn(p.loop, true);
        loop_timer_cancel(p.loop, &t);
    }
    assert_int_equal(p.answers, before + 1);
    return p.last.rc;
}

#define READY(address, port) "OK {\"state\":\"enabled\",\"address\":\"" address "\",\"port\":" port "}"

/* ---- tests --------------------------------------------------------------------------------------------------------------
 */

/* CPQ-15, CPQ-16: each question is one query; its address and port count, however they change; former serial numbers lead
 * there too. */
static void the_gateways_answer_counts(void **state)
{
    (void)state;
    begin("");
    p.says[0] = READY("192.0.2.7", "7025");
    assert_int_equal(ask("gate-1", false), RC_OK);
    assert_string_equal(p.address, "192.0.2.7");
    assert_int_equal(p.last.port, 7025);
    assert_string_equal(p.serial, "GATE-1");
    assert_string_equal(p.host, "one");
    p.says[0] = READY("0.0.0.0", "7030");
    assert_int_equal(ask("GATE-0", false), RC_OK);
    assert_string_equal(p.address, "127.0.0.1"); /* all addresses: that of SSH */
    assert_int_equal(p.last.port, 7030);
    assert_int_equal(atomic_load(&p.asked), 2);
    assert_int_equal(ask("GATE-7", false), RC_NOT_FOUND);
    end();
}

/* CPQ-45: what cannot be asked, or makes no sense, is said; SSH is named where it is SSH. */
static void without_an_answer_the_reason_is_told(void **state)
{
    (void)state;
    begin("");
    p.says[0] = "OK {\"state\":\"disabled\"}";
    assert_int_equal(ask("GATE-1", false), RC_UNAVAILABLE);
    assert_string_equal(p.why, "one: the central quarantines are off on that gateway");
    p.says[0] = "OK {\"state\":\"enabled\",\"port\":\"x\"}";
    assert_int_equal(ask("GATE-1", false), RC_UNAVAILABLE);
    assert_string_equal(p.why, "one: get-config cpq names no port");
    p.says[0] = "ERR 503 suspended";
    assert_int_equal(ask("GATE-1", false), RC_UNAVAILABLE);
    assert_non_null(strstr(p.why, "SSH to one failed: "));
    gateway_testing_free(p.gateway[0]);
    p.gateway[0] = NULL;
    assert_int_equal(ask("GATE-1", false), RC_UNAVAILABLE);
    assert_non_null(strstr(p.why, "SSH to one failed: "));
    end();
}

/* central.md 9: with pvo.last_port the last answer counts for a while; one that never answered has none. */
static void the_last_answer_counts_for_a_while(void **state)
{
    (void)state;
    begin("pvo.last_port=yes\n");
    p.says[0] = READY("192.0.2.7", "7025");
    assert_int_equal(ask("GATE-1", false), RC_OK);
    gateway_testing_free(p.gateway[0]);
    gateway_testing_free(p.gateway[1]);
    p.gateway[0] = p.gateway[1] = NULL;
    assert_int_equal(ask("GATE-1", false), RC_OK);
    assert_string_equal(p.address, "192.0.2.7");
    assert_int_equal(ask("GATE-2", false), RC_UNAVAILABLE);
    end();
}

/* central.md 9: the alternate takes what a gateway cannot take that is away, is switched off, or does not answer on its
 * port. */
static void the_alternate_stands_in(void **state)
{
    (void)state;
    begin("pvo.alternate=two\npvo.alternate_after_ms=0\n");
    p.says[0] = READY("192.0.2.7", "7025");
    p.says[1] = READY("192.0.2.8", "7026");
    assert_int_equal(ask("GATE-1", false), RC_OK);
    assert_string_equal(p.host, "one");
    assert_int_equal(ask("GATE-1", true), RC_OK); /* its port did not answer */
    assert_string_equal(p.host, "two");
    assert_string_equal(p.serial, "GATE-2"); /* whose key is shown there */
    assert_string_equal(p.address, "192.0.2.8");
    p.says[0] = "OK {\"state\":\"disabled\"}";
    assert_int_equal(ask("GATE-1", false), RC_OK);
    assert_string_equal(p.host, "two");
    p.says[1] = "OK {\"state\":\"disabled\"}";
    assert_int_equal(ask("GATE-1", false), RC_UNAVAILABLE);
    assert_non_null(strstr(p.why, "; alternate: two: the central quarantines are off"));
    p.says[0] = READY("192.0.2.7", "7025");
    assert_int_equal(ask("GATE-1", false), RC_OK);
    assert_string_equal(p.host, "one");
    end();
}

/* Not before it has been away for so long. */
static void the_alternate_waits(void **state)
{
    (void)state;
    begin("pvo.alternate=two\npvo.alternate_after_ms=60s\n");
    p.says[1] = READY("192.0.2.8", "7026");
    gateway_testing_free(p.gateway[0]);
    p.gateway[0] = NULL;
    assert_int_equal(ask("GATE-1", false), RC_UNAVAILABLE);
    assert_non_null(strstr(p.why, "SSH to one failed: "));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gateways_answer_counts),
        cmocka_unit_test(without_an_answer_the_reason_is_told),
        cmocka_unit_test(the_last_answer_counts_for_a_while),
        cmocka_unit_test(the_alternate_stands_in),
        cmocka_unit_test(the_alternate_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
