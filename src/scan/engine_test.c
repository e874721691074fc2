/* Engines that answer, are slow, close, talk nonsense: what a worker makes of each. The engine is a thread on a socket pair.
 */
#include "scan/engines.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINES = 8 };

/* One engine: connection i is answered with says[i] (NULL: nothing, "" closes at once), the last one again and again. */
struct fix {
    struct engines *engines;
    struct arena arena;
    const char *says[LINES];
    size_t lengths[LINES];
    unsigned n_says, opened, refused;
    unsigned ups, downs;
    bool refuses;
    struct buf got; /* of the newest connection */
    struct served {
        struct fix *f;
        int fd;
        unsigned i;
    } served[64];
    pthread_t threads[64];
};

static void *serve(void *arg)
{
    struct served *s = arg;
    const char *say = s->f->says[s->i];
    size_t n = s->f->lengths[s->i];
    char part[4096];
    ssize_t r;

    if (say && n) { /* the answer may come before the question is whole: it is short */
        r = recv(s->fd, part, sizeof part, 0);
        if (r > 0)
            buf_add(&s->f->got, str_of(part, (size_t)r));
        if (send(s->fd, say, n, MSG_NOSIGNAL) < 0)
            r = -1;
        shutdown(s->fd, SHUT_WR);
    }
    while (!(say && !n) && (r = recv(s->fd, part, sizeof part, 0)) > 0)
        buf_add(&s->f->got, str_of(part, (size_t)r));
    close(s->fd);
    return NULL;
}

static int test_open(void *ctx, enum engine_kind kind, struct str address, uint64_t timeout_ms, struct err *e)
{
    struct fix *f = ctx;
    struct served *s = &f->served[f->opened];
    int fds[2];

    (void)kind, (void)address, (void)timeout_ms;
    if (f->refuses) {
        f->refused++;
        err_set(e, RC_CONNECT, "Connection refused");
        return -1;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *s = (struct served){f, fds[1], f->opened < f->n_says ? f->opened : f->n_says - 1};
    if (f->opened)
        pthread_join(f->threads[f->opened - 1], NULL);
    buf_clear(&f->got);
    pthread_create(&f->threads[f->opened++], NULL, serve, s);
    return fds[0];
}

static void on_state(void *ctx, enum engine_kind kind, bool up, struct str why)
{
    struct fix *f = ctx;

    (void)kind, (void)why;
    f->ups += up;
    f->downs += !up;
}

static int setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);

    f->engines = engines_new(&(struct engine_dialer){.open = test_open, .ctx = f}, on_state, f);
    f->got = BUF(1 << 20);
    arena_init(&f->arena, 4096, 16 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fix *f = *state;

    if (f->opened)
        pthread_join(f->threads[f->opened - 1], NULL);
    engines_free(f->engines);
    arena_done(&f->arena);
    buf_done(&f->got);
    free(f);
    return 0;
}

static void says(struct fix *f, const char *text, size_t n)
{
    f->says[f->n_says] = text;
    f->lengths[f->n_says++] = n;
}
#define SAYS(f, text) says(f, text, sizeof(text) - 1)

#define JSON "{\"score\":15.0,\"required_score\":15.0,\"action\":\"reject\",\"symbols\":{}}"
#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 67\r\n\r\n" JSON
#define PONG "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npong\r\n"

static const struct engine_setup HOW = {{"x", 1}, 150, 100000};

static enum rc check(struct fix *f, uint64_t mid, struct spam_talk *t)
{
    static const struct str to = {"bob@example.org\r\nPassword: x", 28};
    struct err e = ERR_NONE;

    *t = (struct spam_talk){.arena = &f->arena,
                            .question = {.message = str_lit("Subject: x\r\n\r\nbody\r\n"),
                                         .client_ip = str_lit("192.0.2.1"),
                                         .sender = str_lit("a@example.net"),
                                         .recipients = &to,
                                         .n_recipients = 1}};
    return engine_ask(f->engines, ENGINE_RSPAMD, &HOW, mid, rspamd_check, t, &e);
}

static void an_answer_is_a_score_and_the_envelope_adds_no_header(void **state)
{
    struct fix *f = *state;
    struct spam_talk t;
    struct str got;

    assert_int_equal(sizeof JSON - 1, 67);
    SAYS(f, GOOD);
    assert_int_equal(check(f, 1, &t), RC_OK);
    assert_true(t.answer.score == 90);
    pthread_join(f->threads[f->opened - 1], NULL);
    f->opened = 0;
    got = buf_str(&f->got);
    assert_true(str_starts(got, str_lit("POST /checkv2 HTTP/1.1\r\n")));
    assert_true(str_find_str(got, str_lit("\r\nIP: 192.0.2.1\r\n")) < got.n);
    assert_true(str_find_str(got, str_lit("\r\nRcpt: bob@example.org  Password: x\r\n")) < got.n);
    assert_true(str_find_str(got, str_lit("\r\nContent-Length: 20\r\n")) < got.n);
    assert_true(str_ends(got, str_lit("\r\n\r\nSubject: x\r\n\r\nbody\r\n")));
}

static void a_closed_connection_is_tried_once_more(void **state)
{
    struct fix *f = *state;
    struct spam_talk t;

    SAYS(f, "");
    SAYS(f, GOOD);
    assert_int_equal(check(f, 1, &t), RC_OK);
    assert_int_equal(f->opened, 2);
    assert_int_equal(f->downs, 0);
}

static void an_engine_that_does_not_answer_is_away_until_a_probe(void **state)
{
    struct fix *f = *state;
    uint64_t began = clock_mono_ms();
    struct spam_talk t;
    struct str why;

    says(f, NULL, 0);
    says(f, NULL, 0);
    SAYS(f, PONG);
    SAYS(f, GOOD);
    assert_int_equal(check(f, 1, &t), RC_UNAVAILABLE);
    assert_true(clock_mono_ms() - began < 2000);
    assert_int_equal(f->downs, 1);
    assert_true(engine_away(f->engines, ENGINE_RSPAMD, &why));
    assert_true(str_eq(why, str_lit("no answer in time")));
    assert_int_equal(check(f, 2, &t), RC_UNAVAILABLE);
    assert_int_equal(f->opened, 2); /* not asked again before the probe is due */
    assert_true(engine_probe(f->engines, ENGINE_RSPAMD, &HOW));
    assert_int_equal(f->ups, 1);
    assert_int_equal(check(f, 1, &t), RC_OK);
}

static void nonsense_marks_the_engine_failed(void **state)
{
    struct fix *f = *state;
    struct spam_talk t;
    struct str why;

    SAYS(f, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope");
    assert_int_equal(check(f, 1, &t), RC_UNAVAILABLE);
    assert_int_equal(f->opened, 2);
    assert_true(engine_away(f->engines, ENGINE_RSPAMD, &why));
    assert_true(str_eq(why, str_lit("the answer is no JSON object")));
}

/* The mail behind a message that an engine cannot take goes on. */
static void a_message_that_fails_twice_while_the_engine_lives_is_at_fault(void **state)
{
    struct fix *f = *state;
    struct spam_talk t;

    SAYS(f, "");
    SAYS(f, "");
    SAYS(f, PONG); /* it came back */
    SAYS(f, "");
    SAYS(f, "");
    SAYS(f, PONG); /* and lives again after the second crash */
    SAYS(f, GOOD);
    assert_int_equal(check(f, 7, &t), RC_UNAVAILABLE);
    assert_true(engine_probe(f->engines, ENGINE_RSPAMD, &HOW));
    assert_int_equal(check(f, 7, &t), RC_CORRUPT);
    assert_int_equal(check(f, 8, &t), RC_OK);
    assert_int_equal(f->downs, 1);
}

static void a_refused_connection_is_an_engine_away(void **state)
{
    struct fix *f = *state;
    struct spam_talk t;
    struct str why;

    f->refuses = true;
    assert_int_equal(check(f, 1, &t), RC_UNAVAILABLE);
    assert_int_equal(f->refused, 2);
    assert_true(engine_away(f->engines, ENGINE_RSPAMD, &why) && str_eq(why, str_lit("Connection refused")));
    assert_false(engine_probe(f->engines, ENGINE_RSPAMD, &HOW));
    assert_int_equal(f->downs, 1);
}

static enum rc scan(struct fix *f, struct virus_item *items, size_t n)
{
    struct virus_talk t = {.arena = &f->arena, .items = items, .n = n};
    struct err e = ERR_NONE;

    return engine_ask(f->engines, ENGINE_CLAMD, &HOW, 1, clamd_scan, &t, &e);
}

static void answers_find_their_items_in_any_order(void **state)
{
    struct fix *f = *state;
    struct virus_item items[2] = {{.octets = str_lit("first")}, {.octets = str_lit("second")}};
    struct str got;

    SAYS(f, "2: stream: Test.Virus FOUND\0001: stream: OK\0");
    assert_int_equal(scan(f, items, 2), RC_OK);
    assert_int_equal(items[0].result, VIRUS_CLEAN);
    assert_int_equal(items[1].result, VIRUS_FOUND);
    pthread_join(f->threads[f->opened - 1], NULL);
    f->opened = 0;
    got = buf_str(&f->got);
    assert_true(
        str_eq(got, str_of("zIDSESSION\0zINSTREAM\0\0\0\0\005first\0\0\0\0zINSTREAM\0\0\0\0\006second\0\0\0\0", 58)));
}

static void answers_nobody_asked_for_are_nonsense(void **state)
{
    static const char zero[] = "0: stream: OK\0", twice[] = "1: stream: OK\0001: stream: OK\0", other[] = "7: stream: OK\0";
    const char *const says_what[] = {zero, twice, other};
    const size_t n[] = {sizeof zero - 1, sizeof twice - 1, sizeof other - 1};

    for (size_t i = 0; i < 3; i++) {
        struct fix *f = *state;
        struct virus_item items[2] = {{.octets = str_lit("first")}, {.octets = str_lit("second")}};

        says(f, says_what[i], n[i]);
        assert_int_equal(scan(f, items, 2), RC_UNAVAILABLE);
        teardown(state);
        setup(state);
    }
}

static void learning_says_whether_it_was_taken(void **state)
{
    struct fix *f = *state;
    struct learn_talk t = {.arena = &f->arena, .message = str_lit("x"), .password = str_lit("secret"), .spam = true};
    struct err e = ERR_NONE;

    SAYS(f, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"success\":true}");
    SAYS(f, "HTTP/1.1 404 known\r\nContent-Length: 17\r\n\r\n{\"error\":\"known\"}");
    SAYS(f, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 24\r\n\r\n{\"error\":\"Unauthorized\"}");
    assert_int_equal(engine_ask(f->engines, ENGINE_LEARN, &HOW, 0, rspamd_learn, &t, &e), RC_OK);
    assert_true(t.taken);
    assert_int_equal(engine_ask(f->engines, ENGINE_LEARN, &HOW, 0, rspamd_learn, &t, &e), RC_OK);
    assert_true(!t.taken && str_eq(t.why, str_lit("known")));
    assert_int_equal(engine_ask(f->engines, ENGINE_LEARN, &HOW, 0, rspamd_learn, &t, &e), RC_NOT_PERMITTED);
    assert_int_equal(f->opened, 3); /* an answer is not asked for twice */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Two workers: one finds the engine away, the other sees that it is back: each is told once. */
static void workers_share_what_they_know(void **state)
{
    struct fix *f = *state;
    struct engines *other = engines_new(&(struct engine_dialer){.open = test_open, .ctx = f}, on_state, f);
    uint64_t away = 0;

    engines_share(f->engines, &away);
    engines_share(other, &away);
    f->refuses = true;
    assert_false(engine_probe(f->engines, ENGINE_RSPAMD, &HOW));
    assert_false(engine_probe(other, ENGINE_RSPAMD, &HOW));
    assert_int_equal(f->downs, 1);
    f->refuses = false;
    SAYS(f, PONG);
    assert_true(engine_probe(other, ENGINE_RSPAMD, &HOW));
    assert_int_equal(f->ups, 1);
    assert_true(engine_probe(f->engines, ENGINE_RSPAMD, &HOW));
    assert_int_equal(f->ups, 1);
    engines_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_a_score_and_the_envelope_adds_no_header),
        TEST(a_closed_connection_is_tried_once_more),
        TEST(an_engine_that_does_not_answer_is_away_until_a_probe),
        TEST(nonsense_marks_the_engine_failed),
        TEST(a_message_that_fails_twice_while_the_engine_lives_is_at_fault),
        TEST(a_refused_connection_is_an_engine_away),
        TEST(workers_share_what_they_know),
        TEST(answers_find_their_items_in_any_order),
        TEST(answers_nobody_asked_for_are_nonsense),
        TEST(learning_says_whether_it_was_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
