/* Held mail that moves to the manager, as quarantine hears of it when it does not get there. The way to a real manager:
 * scenario migration.py. */
#include "deliver/deliver_testing.h"

#include <fcntl.h>

#define META \
    "{\"v\":1,\"class\":\"pvo\",\"serial\":\"S\",\"host\":\"gw.test\",\"mid\":7,\"uid\":\"U\",\"held\":1,\"direction\":" \
    "\"in\"," \
    "\"env_from\":\"a@x.test\",\"rcpts\":[{\"addr\":\"b@y.test\"}],\"body\":\"7BIT\",\"size\":4,\"sha256\":" \
    "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"hdr\":{},\"holds\":[{\"quarantine\":" \
    "\"Policy\"}]}"

struct answer {
    unsigned n;
    uint64_t outcome, class, code;
    char text[300];
};

static void on_answer(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_migrate_done *m = msg;
    struct answer *a = ctx;

    assert_int_equal(rc, RC_OK);
    a->n++;
    a->outcome = m->outcome;
    a->class = m->class;
    a->code = m->code;
    snprintf(a->text, sizeof a->text, "%.*s", STR(m->text));
}

/* What becomes of a message of 4 octets with this metadata, under these settings. */
static struct answer answer_to(const char *settings, const char *meta)
{
    struct world w = {0};
    struct answer a = {0};
    struct bus_peer *to;
    struct bus *bus;
    int fds[2], body;

    world_start(&w, "127.0.0.1", settings, "");
    bus = bus_new(w.loop, ROLE_quarantine, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    to = bus_attach(bus, fds[0], ROLE_deliver, 0, 1);
    bus_attach(w.deliver_bus, fds[1], ROLE_quarantine, 0, 1);
    body = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_true(body >= 0);
    bus_call_fd(bus, to, BUS_migrate_work, &(struct bus_migrate_work){.mid = 7, .body_bytes = 4, .meta = str_c(meta)}, body,
                10000, on_answer, &a);
    close(body);
    turn_until(&w, &a.n, 1);
    for (int i = 0; i < 20; i++)
        loop_turn(w.loop, false);
    assert_int_equal(w.done, 0); /* queue hears nothing of it */
    bus_free(bus);
    world_end(&w);
    return a;
}

/* central.md 9: the quarantines are here (again): it goes nowhere, least of all to this machine's own holder. */
static void test_not_central(void **state)
{
    struct answer a = answer_to("", META);

    (void)state;
    assert_int_equal(a.outcome, 1);
    assert_string_equal(a.text, "the quarantines are on this machine");
}

/* No manager, or one whose port is shut: the reason is told, nobody judged the message. */
static void test_no_way(void **state)
{
    struct answer a = answer_to("pvo.central=yes\n", META);

    (void)state;
    assert_int_equal(a.outcome, 1);
    assert_string_equal(a.text, "no manager is enrolled for quarantined mail");
    a = answer_to("pvo.central=yes\nmanager.m.serial=M\nmanager.m.address=127.0.0.1\nmanager.m.destination=yes\nmanager.m."
                  "pvo_port=1\n",
                  META);
    assert_int_equal(a.outcome, 1);
    assert_int_equal(a.class, RESULT_DELAYED);
    assert_int_equal(a.code, 0);
    assert_non_null(strstr(a.text, "refused"));
}

/* Metadata that cannot be read or does not fit the body: set aside where it is held. */
static void test_damaged(void **state)
{
    (void)state;
    assert_int_equal(answer_to("pvo.central=yes\n", "{").outcome, 2);
    assert_int_equal(answer_to("pvo.central=yes\n", "{\"v\":1}").outcome, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_central),
        cmocka_unit_test(test_no_way),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
