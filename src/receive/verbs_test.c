/* Operator verbs of receiving: who is connected, and how a suspension ends conversations. */
#include "receive/receive_testing.h"

#include <unistd.h>

struct reply {
    bool came;
    uint64_t rc;
    char text[1000];
};

static void on_reply(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_verb_reply *m = msg;
    struct reply *r = ctx;

    assert_int_equal(rc, RC_OK);
    r->came = true;
    r->rc = m->rc;
    snprintf(r->text, sizeof r->text, "%.*s", STR(m->text));
}

static void ask(struct receive_fixture *f, struct reply *r, const char *verb, const char *words)
{
    struct str rest = str_c(words), word;
    struct buf args = BUF(1000);

    *r = (struct reply){0};
    while (str_word(&rest, &word))
        buf_put_str(&args, word);
    bus_call(f->control, bus_peer(f->control, ROLE_receive, 0), BUS_verb_call,
             &(struct bus_verb_call){.verb = str_c(verb), .args = buf_str(&args)}, 60000, on_reply, r);
    buf_done(&args);
    for (int i = 0; i < 20 && !r->came; i++)
        receive_fixture_settle(f);
}

static int greeted(struct receive_fixture *f, unsigned which, const char *from)
{
    int fd = receive_dial(f, which, from);

    receive_expect(f, fd, "", "220 ");
    receive_expect(f, fd, "HELO client.test\r\n", "250 ");
    return fd;
}

/* CPQ-21: the answer comes with the end of the last conversation of the listener; others go on. */
static void a_suspension_waits_for_open_conversations(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    struct reply r;
    int in, out;

    (void)state;
    receive_fixture_control(f);
    in = greeted(f, 0, NULL);
    out = greeted(f, 1, NULL);
    ask(f, &r, "suspendlistener", "30 In");
    assert_false(r.came);
    receive_expect(f, in, "QUIT\r\n", "221 ");
    for (int i = 0; i < 20 && !r.came; i++)
        receive_fixture_settle(f);
    assert_true(r.came);
    assert_string_equal(r.text, "Receiving suspended.");
    receive_expect(f, out, "NOOP\r\n", "250 ");
    ask(f, &r, "resumelistener", "all");
    assert_string_equal(r.text, "Receiving resumed.");
    close(in);
    in = greeted(f, 0, NULL);
    close(in);
    close(out);
    receive_fixture_free(f);
}

static void after_its_delay_it_ends_them(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    struct reply r;
    int fd;

    (void)state;
    receive_fixture_control(f);
    fd = greeted(f, 0, NULL);
    ask(f, &r, "suspendlistener", "0 all");
    assert_true(r.came);
    receive_expect(f, fd, "", "421 4.3.2 service temporarily suspended");
    close(fd);
    receive_fixture_free(f);
}

static void peers_are_counted_by_address_and_listener(void **state)
{
    struct receive_fixture *f = receive_fixture_new(NULL, NULL);
    struct reply r;
    int fds[4];

    (void)state;
    receive_fixture_control(f);
    fds[0] = greeted(f, 0, "127.0.0.9");
    fds[1] = greeted(f, 1, NULL);
    fds[2] = greeted(f, 0, "127.0.0.9");
    fds[3] = greeted(f, 0, "127.0.0.10");
    ask(f, &r, "topin", "");
    assert_true(r.came);
    assert_string_equal(r.text, "127.0.0.1\tOut\t\t1\n127.0.0.9\tIn\t\t2\n127.0.0.10\tIn\t\t1\n");
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    ask(f, &r, "nonsense", "");
    assert_int_equal(r.rc, RC_NOT_FOUND);
    receive_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_suspension_waits_for_open_conversations),
        cmocka_unit_test(after_its_delay_it_ends_them),
        cmocka_unit_test(peers_are_counted_by_address_and_listener),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
