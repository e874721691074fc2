/* Who is told of what, and that a crash between bounce and notice neither loses nor doubles it. */
#include "queue/queue_testing.h"

#include "mail/header.h"

/* The notice that deliver was asked to send last, as it lies in the spool. */
static struct str notice(struct fix *f, struct arena *a, struct envelope *env)
{
    struct spool_head head;
    struct str octets;
    uint32_t crc = 0;
    char *p;

    assert_int_equal(spool_read_head(f->q->reader, f->work[f->n_work - 1].ref, a, &head, &octets, NULL), RC_OK);
    assert_int_equal(envelope_decode(a, octets, env, NULL), RC_OK);
    p = arena_must_alloc(a, head.body_bytes + 1);
    assert_int_equal(spool_read_body(f->q->reader, &head, 0, p, head.body_bytes, &crc, NULL), RC_OK);
    return str_of(p, head.body_bytes);
}

static bool has(struct str s, const char *part)
{
    return str_find_str(s, str_c(part)) < s.n;
}

/* logs.md 15, case 4. */
static void a_bounce_tells_the_sender(void **state)
{
    struct fix *f = *state;
    uint64_t mid;
    struct arena a;
    struct envelope env;
    struct str text;
    char line[100];

    arena_init(&a, 4096, 1 << 20);
    f->answer = ANSWER_BOUNCE;
    mid = fix_store(f, "nobody@example.net");
    fix_until(f, f->n_work == 1);
    f->answer = ANSWER_NONE;
    fix_until(f, f->n_work == 2);
    assert_string_equal(f->work[1].destination, "example.org");
    text = notice(f, &a, &env);
    assert_int_equal(env.sender.n, 0);
    assert_int_equal(env.parent_mid, mid);
    assert_int_equal(env.n_recipients, 1);
    assert_true(str_eq(env.recipients[0].address, str_lit("anna@example.org")));
    assert_true(has(text, "Final-Recipient: rfc822; nobody@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
    assert_true(has(text, "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n"));
    assert_true(has(text, "Subject: Hello\r\n"));
    assert_false(has(text, "\r\nHello\r\n"));
    snprintf(line, sizeof line, "MID %llu was generated for bounce of MID %llu", (unsigned long long)f->work[1].mid,
             (unsigned long long)mid);
    assert_true(fix_log_has(f, line));
    snprintf(line, sizeof line, "Message finished MID %llu done", (unsigned long long)mid);
    assert_true(fix_log_has(f, line));
    assert_int_equal(fix_counts(f).messages, 1);
    fix_answer(f, &f->work[1], ANSWER_OK);
    fix_until(f, fix_counts(f).messages == 0);
    arena_done(&a);
}

/* RFC 5321 6.1: a notification is never answered by one. */
static void a_bounce_never_bounces(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_BOUNCE;
    fix_store(f, "nobody@example.net");
    fix_until(f, f->n_work == 2 && fix_counts(f).messages == 0);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 2);
    assert_true(fix_log_has(f, "Double bounce: MID"));
}

/* I4: one notice a message and turn, whatever the number of failed recipients; the others live on. */
static void failed_recipients_share_a_notice(void **state)
{
    struct fix *f = *state;
    struct arena a;
    struct envelope env;
    struct str text;

    arena_init(&a, 4096, 1 << 20);
    f->answer = ANSWER_MIXED;
    fix_store(f, "r0@example.net,r1@example.net,r2@example.net,r3@example.net,r4@example.net,r5@example.net");
    fix_until(f, f->n_work == 1);
    f->answer = ANSWER_NONE;
    fix_until(f, f->n_work == 2);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 2);
    text = notice(f, &a, &env);
    assert_true(has(text, "nobody") == false && has(text, "r2@example.net") && has(text, "r5@example.net"));
    assert_false(has(text, "r0@example.net") || has(text, "r1@example.net"));
    assert_int_equal(fix_counts(f).recipients, 2 + 1);
    clock_test_advance(61000);
    fix_until(f, f->n_work == 3);
    assert_int_equal(f->work[2].n, 2);
    assert_int_equal(f->work[2].attempt, 2);
    fix_answer(f, &f->work[1], ANSWER_OK);
    fix_answer(f, &f->work[2], ANSWER_OK);
    fix_until(f, fix_counts(f).messages == 0);
    arena_done(&a);
}

/* Delay warning after 4 h, once. */
static void a_delay_is_told_once(void **state)
{
    struct fix *f = *state;
    struct arena a;
    struct envelope env;
    uint64_t begun = clock_mono_ms();

    arena_init(&a, 4096, 1 << 20);
    f->answer = ANSWER_DELAY;
    fix_store(f, "bob@example.net");
    fix_until(f, f->n_work == 1);
    while (clock_mono_ms() < begun + 20 * 3600 * 1000ull && fix_log_count(f, "by notify") == 0) {
        clock_test_advance(30000);
        fix_pump(f, 3);
    }
    assert_in_range(clock_mono_ms() - begun, 4 * 3600 * 1000ull, 5 * 3600 * 1000ull + 600000);
    fix_until(f, str_eq(str_c(f->work[f->n_work - 1].destination), str_lit("example.org")));
    assert_true(has(notice(f, &a, &env), "Action: delayed"));
    fix_answer(f, &f->work[f->n_work - 1], ANSWER_OK);
    while (clock_mono_ms() < begun + 30 * 3600 * 1000ull) {
        clock_test_advance(60000);
        fix_pump(f, 3);
    }
    assert_int_equal(fix_log_count(f, "by notify"), 1);
    arena_done(&a);
}

/* B2: queue dies while the notice is being written: the new one finds the answer on the flight board and writes it, once. */
static void a_crash_before_the_notice_repeats_the_bounce(void **state)
{
    struct fix *f = *state;

    f->answer = ANSWER_NONE;
    fix_store(f, "nobody@example.net");
    fix_until(f, f->n_work == 1);
    fix_answer(f, &f->work[0], ANSWER_BOUNCE);
    loop_turn(f->loop, false); /* deliver's word is on its way */
    loop_turn(f->loop, false);
    fix_queue_stop(f);
    fix_queue_start(f);
    fix_until(f, f->n_work == 2);
    fix_pump(f, 50);
    assert_int_equal(f->n_work, 2);
    assert_string_equal(f->work[1].destination, "example.org");
    assert_int_equal(fix_counts(f).messages, 1);
}

static void notify_never_is_silent(void **state)
{
    struct fix *f = *state;
    struct recipient r = {.address = str_lit("nobody@example.net"), .notify = NOTIFY_NEVER};
    struct envelope env = {
        .sender = str_lit("anna@example.org"), .received_ms = clock_wall_ms(), .recipients = &r, .n_recipients = 1};
    struct buf octets = BUF(65536);
    struct fix_storing *s = calloc(1, sizeof *s);

    f->answer = ANSWER_BOUNCE;
    *s = (struct fix_storing){f, board_next(f->board, NUMBER_MID)};
    envelope_encode(&env, &octets);
    f->pending++;
    spool_append(f->writer, 0, s->mid, 0, buf_str(&octets), NULL, fix_stored, s);
    fix_until(f, f->n_work == 1 && fix_counts(f).messages == 0);
    fix_pump(f, 20);
    assert_int_equal(f->n_work, 1);
    buf_done(&octets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_bounce_tells_the_sender, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_bounce_never_bounces, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(failed_recipients_share_a_notice, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_delay_is_told_once, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_crash_before_the_notice_repeats_the_bounce, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(notify_never_is_silent, fix_start, fix_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
