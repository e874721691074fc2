/* Mail of our own: what another role has queue send. */
#include "queue/queue_testing.h"

static struct side record;

struct taken {
    uint64_t rc, mid;
    bool answered;
};

static void on_taken(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_mail_taken *m = msg;
    struct taken *t = ctx;

    assert_int_equal(rc, RC_OK);
    *t = (struct taken){m->rc, m->mid, true};
}

static struct taken mail(struct fix *f, const char *sender, const char *recipients, const char *body)
{
    struct str rest = str_c(recipients), one;
    struct buf list = BUF(1000);
    struct taken t = {0};

    while (str_split(&rest, ',', &one))
        buf_put_str(&list, one);
    bus_call(record.bus, record.queue, BUS_mail_new,
             &(struct bus_mail_new){.sender = str_c(sender), .recipients = buf_str(&list), .body = str_c(body)}, 60000,
             on_taken, &t);
    buf_done(&list);
    fix_until(f, t.answered);
    return t;
}

static int start(void **state)
{
    int rc = fix_start(state);

    fix_join(*state, &record, ROLE_record);
    return rc;
}

static int end(void **state)
{
    bus_free(record.bus);
    return fix_end(state);
}

static const char alert[] = "From: alert@example.org\r\nSubject: Disk is\r\n full\r\n\r\nDisk is full.\r\n";

/* Queued and journaled when the answer comes: a queue that starts anew has it. */
static void a_mail_that_was_taken_survives_a_crash(void **state)
{
    struct fix *f = *state;
    struct spool_head head;
    struct envelope env;
    struct str octets;
    struct taken t;
    struct arena a;
    char line[100];

    f->answer = ANSWER_NONE;
    t = mail(f, "alert@example.org", "anna@example.net,<carl@example.net>", alert);
    assert_int_equal(t.rc, RC_OK);
    assert_true(t.mid > 0);
    snprintf(line, sizeof line, "MID %llu ICID 0 From: <alert@example.org>", (unsigned long long)t.mid);
    assert_true(fix_log_has(f, line));
    snprintf(line, sizeof line, "MID %llu ICID 0 RID 1 To: <carl@example.net>", (unsigned long long)t.mid);
    assert_true(fix_log_has(f, line));
    snprintf(line, sizeof line, "MID %llu queued for delivery", (unsigned long long)t.mid);
    assert_true(fix_log_has(f, line));
    fix_until(f, f->n_work == 1);
    assert_int_equal(f->work[0].n, 2);
    bus_free(record.bus);
    fix_queue_stop(f);
    fix_queue_start(f);
    fix_join(f, &record, ROLE_record);
    assert_int_equal(fix_counts(f).messages, 1);
    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(spool_read_head(f->q->reader, f->work[0].ref, &a, &head, &octets, NULL), RC_OK);
    assert_int_equal(envelope_decode(&a, octets, &env, NULL), RC_OK);
    assert_true(str_eq(env.subject, str_lit("Disk is full")));
    assert_int_equal(head.body_bytes, sizeof alert - 1);
    arena_done(&a);
}

/* It needs no scanner: an alert goes out while the work queue is stuck. */
static void it_is_not_scanned(void **state)
{
    struct fix *f = *state;

    assert_int_equal(mail(f, "", "anna@example.net", alert).rc, RC_OK);
    fix_until(f, f->n_work == 1 && fix_counts(f).messages == 0);
    assert_int_equal(f->scanned, 0);
}

static void what_cannot_be_sent_is_refused(void **state)
{
    struct fix *f = *state;

    assert_int_equal(mail(f, "", "", alert).rc, RC_INVALID);
    assert_int_equal(mail(f, "", "nobody", alert).rc, RC_INVALID);
    assert_int_equal(mail(f, "a b@", "anna@example.net", alert).rc, RC_INVALID);
    assert_int_equal(mail(f, "", "anna@example.net", "").rc, RC_INVALID);
    assert_int_equal(fix_counts(f).messages, 0);
    assert_int_equal(mail(f, "", "nobody,anna@example.net", alert).rc, RC_OK);
    fix_until(f, f->n_work == 1);
    assert_int_equal(f->work[0].n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_mail_that_was_taken_survives_a_crash, start, end),
        cmocka_unit_test_setup_teardown(it_is_not_scanned, start, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_sent_is_refused, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
