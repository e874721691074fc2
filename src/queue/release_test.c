/* What leaves quarantine becomes one message, however often quarantine asks. */
#include "queue/queue_testing.h"

#include "mail/carried.h"

static struct side quarantine;

struct taken {
    uint64_t rc, mid;
    unsigned answers;
};

static void on_taken(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_release_taken *m = msg;
    struct taken *t = ctx;

    assert_int_equal(rc, RC_OK);
    t->rc = m->rc;
    t->mid = m->mid;
    t->answers++;
}

static const char body[] = "Subject: held\r\n\r\nheld\r\n";

static void ask(uint64_t id, uint64_t resume, struct taken *t)
{
    struct recipient to = {.address = str_lit("bob@example.net")};
    struct envelope env = {.sender = str_lit("anna@example.org"), .recipients = &to, .n_recipients = 1};
    struct buf c = BUF(1000), octets = BUF(10000);
    int fd = memfd_create("held", MFD_CLOEXEC);

    assert_int_equal(write(fd, body, sizeof body - 1), (ssize_t)sizeof body - 1);
    carried_encode(&(struct carried){.resume = resume, .original_mid = 5}, &c);
    env.carried = buf_str(&c);
    envelope_encode(&env, &octets);
    bus_call_fd(
        quarantine.bus, quarantine.queue, BUS_release_new,
        &(struct bus_release_new){.id = id, .old_mid = 5, .envelope = buf_str(&octets), .body_bytes = sizeof body - 1}, fd,
        60000, on_taken, t);
    close(fd);
    buf_done(&c);
    buf_done(&octets);
}

static int start(void **state)
{
    int rc = fix_start(state);

    fix_join(*state, &quarantine, ROLE_quarantine);
    return rc;
}

static int end(void **state)
{
    bus_free(quarantine.bus);
    return fix_end(state);
}

static void a_release_sent_again_is_the_same_message(void **state)
{
    struct fix *f = *state;
    struct taken one = {0}, again = {0}, other = {0};

    f->answer = ANSWER_NONE;
    ask(77, RESUME_DELIVER, &one);
    fix_until(f, one.answers == 1);
    assert_int_equal(one.rc, RC_OK);
    /* quarantine was started anew, and knows of no answer */
    bus_free(quarantine.bus);
    fix_join(f, &quarantine, ROLE_quarantine);
    ask(77, RESUME_DELIVER, &again);
    ask(78, RESUME_DELIVER, &other);
    fix_until(f, again.answers == 1 && other.answers == 1);
    assert_int_equal(again.rc, RC_OK);
    assert_int_equal(again.mid, one.mid);
    assert_int_not_equal(other.mid, one.mid);
    assert_int_equal(fix_counts(f).messages, 2);
}

/* Two questions before the first is stored: one message, and whoever asked last is told of it. */
static void a_release_on_its_way_is_not_begun_twice(void **state)
{
    struct fix *f = *state;
    struct taken one = {0}, again = {0};

    f->answer = ANSWER_NONE;
    ask(90, RESUME_RESCAN, &one);
    ask(90, RESUME_RESCAN, &again);
    fix_until(f, again.answers == 1);
    fix_until(f, f->n_work == 1);
    fix_pump(f, 20);
    assert_int_equal(fix_counts(f).messages, 1);
    assert_int_equal(f->scanned, 1);
}

/* The ring forgets the oldest; a release that failed is not remembered. */
static void a_release_that_failed_may_be_tried_again(void **state)
{
    struct fix *f = *state;
    struct taken bad = {0}, good = {0};

    f->answer = ANSWER_NONE;
    bus_call(quarantine.bus, quarantine.queue, BUS_release_new, &(struct bus_release_new){.id = 91}, 60000, on_taken, &bad);
    fix_until(f, bad.answers == 1);
    assert_int_not_equal(bad.rc, RC_OK);
    ask(91, RESUME_DELIVER, &good);
    fix_until(f, good.answers == 1);
    assert_int_equal(good.rc, RC_OK);
    assert_int_equal(fix_counts(f).messages, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_release_sent_again_is_the_same_message, start, end),
        cmocka_unit_test_setup_teardown(a_release_on_its_way_is_not_begun_twice, start, end),
        cmocka_unit_test_setup_teardown(a_release_that_failed_may_be_tried_again, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
