/* What scan decides is done, all of it or nothing: copies, splits, holds, drops, bounces, waiting. */
#include "queue/queue_testing.h"

#include "mail/carried.h"
#include "policy/verdict.h"

static struct str octets_of(struct buf *b)
{
    assert_false(b->failed);
    return buf_str(b);
}

static struct str carried(struct buf *b, uint64_t resume)
{
    carried_encode(&(struct carried){.resume = resume, .policy = str_lit("Sales")}, b);
    return octets_of(b);
}

static struct str copies(struct buf *b, const struct verdict_copy *list, size_t n)
{
    verdict_copies_encode(list, n, b);
    return octets_of(b);
}

static const char recipients[] = "anna@a.example,bob@b.example,carl@b.example";

/* A split: two recipients go on under another number, judged again from where it says. */
static void recipients_that_are_split_off_are_judged_on_their_own(void **state)
{
    struct fix *f = *state;
    struct buf c = BUF(1000), list = BUF(10000);
    uint64_t mid;
    char line[200];

    f->verdict_once = true;
    f->verdict.copies = copies(&list,
                               &(struct verdict_copy){.kind = COPY_SPLIT,
                                                      .by = str_lit("Sales"),
                                                      .same_sender = 1,
                                                      .indices = str_lit("\1\2"),
                                                      .carried = carried(&c, RESUME_POLICY)},
                               1);
    mid = fix_store(f, recipients);
    fix_until(f, f->n_work == 2);
    snprintf(line, sizeof line,
             "MID %llu was split creating MID %llu due to a per-recipient policy Sales in the inbound table",
             (unsigned long long)mid, (unsigned long long)mid + 1);
    assert_true(fix_log_has(f, line));
    assert_int_equal(f->scanned, 2);
    assert_int_equal(f->work[0].n + f->work[1].n, 3);
    assert_int_equal(f->work[1].mid, mid + 1);
    assert_string_equal(f->work[1].destination, "b.example");
    fix_until(f, fix_counts(f).messages == 0);
    buf_done(&c);
    buf_done(&list);
}

/* A message that was read again finds its copies where they were: none lost, none doubled. */
static void copies_are_known_with_the_verdict(void **state)
{
    struct fix *f = *state;
    struct buf c = BUF(1000), list = BUF(10000);
    const struct verdict_copy two[] = {
        {.kind = COPY_GENERATED,
         .by = str_lit("bcc"),
         .same_sender = 1,
         .recipients = str_lit("\13x@c.example"),
         .carried = carried(&c, RESUME_DELIVER)},
        {.kind = COPY_GENERATED,
         .by = str_lit("notify"),
         .recipients = str_lit("\13y@c.example"),
         .body = str_lit("Subject: seen\r\n\r\nseen\r\n"),
         .carried = buf_str(&c)},
    };

    f->verdict.copies = copies(&list, two, 2);
    f->answer = ANSWER_NONE;
    fix_store(f, "anna@a.example");
    fix_until(f, f->n_work == 3);
    assert_int_equal(f->scanned, 1);
    assert_int_equal(fix_counts(f).messages, 3);
    fix_queue_stop(f);
    f->n_work = 0;
    fix_queue_start(f);
    fix_until(f, fix_counts(f).messages == 3);
    assert_int_equal(f->scanned, 1);
    assert_int_equal(fix_log_count(f, "was generated based on MID"), 2);
    buf_done(&c);
    buf_done(&list);
}

static void a_hold_is_one_piece_for_the_quarantine_and_stays_so(void **state)
{
    struct fix *f = *state;
    struct buf c = BUF(1000);

    carried_encode(&(struct carried){.resume = RESUME_DELIVER, .meta = str_lit("{}"), .holds = str_lit("Policy\twhy\n")},
                   &c);
    f->verdict =
        (struct bus_scan_verdict){.action = VERDICT_HOLD, .carried = octets_of(&c), .destination = str_lit("the.cpq.host")};
    f->answer = ANSWER_NONE;
    fix_store(f, recipients);
    fix_until(f, f->n_work == 1);
    assert_int_equal(f->work[0].n, 3);
    assert_string_equal(f->work[0].destination, "the.cpq.host");
    fix_queue_stop(f);
    fix_queue_start(f);
    fix_pump(f, 20);
    fix_until(f, fix_counts(f).recipients == 3);
    assert_int_equal(f->scanned, 1);
    buf_done(&c);
}

static void a_drop_ends_it_and_a_bounce_tells_the_sender(void **state)
{
    struct fix *f = *state;

    f->verdict = (struct bus_scan_verdict){.action = VERDICT_DROP};
    fix_store(f, recipients);
    fix_until(f, f->scanned == 1 && fix_counts(f).messages == 0);
    assert_int_equal(f->n_work, 0);
    f->verdict = (struct bus_scan_verdict){.action = VERDICT_BOUNCE, .text = str_lit("5.7.1 not wanted here")};
    fix_store(f, recipients);
    fix_until(f, f->n_work == 1);
    assert_true(fix_log_has(f, "not wanted here"));
    assert_string_equal(f->work[0].destination, "example.org"); /* the sender's */
    fix_until(f, fix_counts(f).messages == 0);
}

/* E6 and an engine that is away: nothing passes unjudged. */
static void without_an_engine_mail_waits_and_says_why(void **state)
{
    struct fix *f = *state;

    f->verdict = (struct bus_scan_verdict){.action = VERDICT_LATER, .text = str_lit("anti-spam engine does not answer")};
    fix_store(f, recipients);
    fix_until(f, f->scanned == 1);
    fix_pump(f, 100);
    assert_int_equal(f->n_work, 0);
    assert_true(fix_log_has(f, "work queue paused, 1 msgs, anti-spam engine does not answer"));
    f->verdict = (struct bus_scan_verdict){0};
    clock_test_advance(3000);
    fix_until(f, f->n_work == 2);
    assert_true(fix_log_has(f, "work queue resumed"));
}

/* While it is away a few messages at a time find out whether it is back, not all that wait; then all go on at once. */
static void few_messages_look_for_an_engine_that_is_away(void **state)
{
    enum { MESSAGES = 100, TRIES = 10 };
    struct fix *f = *state;
    size_t before;

    f->verdict = (struct bus_scan_verdict){.action = VERDICT_LATER, .text = str_lit("antivirus")};
    for (unsigned i = 0; i < MESSAGES; i++)
        fix_store(f, recipients);
    fix_pump(f, 100);
    before = f->scanned;
    assert_true(before > 0);
    for (unsigned i = 0; i < TRIES; i++) {
        clock_test_advance(3000);
        fix_pump(f, 20);
    }
    assert_in_range(f->scanned - before, TRIES, TRIES * 4);
    f->verdict = (struct bus_scan_verdict){0};
    before = f->scanned;
    clock_test_advance(3000);
    fix_until(f, f->scanned == before + MESSAGES);
    assert_true(fix_log_has(f, "work queue resumed"));
}

static void a_rewritten_message_goes_on_under_its_new_number(void **state)
{
    struct fix *f = *state;
    struct buf c = BUF(1000), list = BUF(10000);
    uint64_t mid;
    char line[200];

    f->verdict.copies = copies(&list,
                               &(struct verdict_copy){.kind = COPY_REWRITTEN,
                                                      .by = str_lit("alt-rcpt-to-filter"),
                                                      .same_sender = 1,
                                                      .recipients = str_lit("\13x@c.example"),
                                                      .carried = carried(&c, RESUME_DELIVER)},
                               1);
    mid = fix_store(f, recipients);
    fix_until(f, f->n_work == 1);
    assert_string_equal(f->work[0].destination, "c.example");
    snprintf(line, sizeof line, "MID %llu rewritten to MID %llu by alt-rcpt-to-filter", (unsigned long long)mid,
             (unsigned long long)mid + 1);
    assert_true(fix_log_has(f, line));
    fix_until(f, fix_counts(f).messages == 0);
    buf_done(&c);
    buf_done(&list);
}

/* Every recipient is with another message: nothing is left of this one. */
static void a_message_whose_recipients_all_left_ends(void **state)
{
    struct fix *f = *state;
    struct buf c = BUF(1000), list = BUF(10000);
    uint64_t mid;
    char line[100];

    f->verdict_once = true;
    f->verdict.copies = copies(&list,
                               &(struct verdict_copy){.kind = COPY_SPLIT,
                                                      .by = str_lit("Sales"),
                                                      .same_sender = 1,
                                                      .indices = str_lit("\0\1\2"),
                                                      .carried = carried(&c, RESUME_DELIVER)},
                               1);
    mid = fix_store(f, recipients);
    fix_until(f, f->n_work == 2 && fix_counts(f).messages == 0);
    snprintf(line, sizeof line, "Message finished MID %llu done", (unsigned long long)mid);
    assert_true(fix_log_has(f, line));
    assert_int_equal(f->scanned, 1);
    buf_done(&c);
    buf_done(&list);
}

/* As many messages as recipients: each is its own. */
static void a_split_into_many_is_done(void **state)
{
    enum { MANY = 150 };
    struct fix *f = *state;
    struct buf c = BUF(1000), list = BUF(1 << 20), to = BUF(10000);
    struct verdict_copy all[MANY];
    char indices[MANY][2];

    carried(&c, RESUME_DELIVER);
    for (size_t i = 0; i < MANY; i++) {
        struct buf index = BUF(10);

        buf_put_varint(&index, i);
        memcpy(indices[i], index.p, index.n);
        all[i] = (struct verdict_copy){.kind = COPY_SPLIT,
                                       .by = str_lit("Sales"),
                                       .same_sender = 1,
                                       .indices = str_of(indices[i], index.n),
                                       .carried = buf_str(&c)};
        buf_done(&index);
        buf_addf(&to, "%sr%zu@a.example", i ? "," : "", i);
    }
    buf_addf(&to, ",last@a.example");
    buf_addc(&to, '\0');
    f->verdict_once = true;
    f->verdict.copies = copies(&list, all, MANY);
    fix_store(f, to.p);
    fix_until(f, f->n_work == MANY + 1 && fix_counts(f).messages == 0);
    buf_done(&c);
    buf_done(&list);
    buf_done(&to);
}

/* A worker that answers nonsense is as good as dead: the message is tried alone, then without a look into it; nothing waits.
 */
static void a_verdict_that_makes_no_sense_is_not_done(void **state)
{
    struct fix *f = *state;

    f->verdict.copies = str_lit("\377\377 no list");
    fix_store(f, "anna@a.example");
    fix_until(f, f->careful == 1);
    assert_int_equal(f->n_work, 0);
    assert_false(fix_log_has(f, "work queue paused"));
    assert_true(fix_log_has(f, "it is not looked into any more"));
    f->verdict.copies = STR_NONE;
    fix_until(f, f->n_work == 1);
}

/* bounce-profile() holds for what a verdict makes too: it is with the message, not only in its envelope. */
static void what_travels_with_a_copy_is_known_to_queue(void **state)
{
    struct fix *f = *state;
    struct buf c = BUF(1000), list = BUF(10000);
    uint32_t message;

    f->answer = ANSWER_NONE;
    f->verdict_once = true;
    carried_encode(&(struct carried){.resume = RESUME_DELIVER, .bounce_profile = str_lit("default")}, &c);
    f->verdict.copies = copies(&list,
                               &(struct verdict_copy){.kind = COPY_REWRITTEN,
                                                      .by = str_lit("alt-rcpt-to-filter"),
                                                      .same_sender = 1,
                                                      .recipients = str_lit("\13x@c.example"),
                                                      .carried = octets_of(&c)},
                               1);
    fix_store(f, "anna@a.example");
    fix_until(f, f->n_work == 1);
    message = message_find(f->q, f->work[0].mid);
    assert_true(message && str_eq(kept_of(f->q, message_at(f->q, message)), buf_str(&c)));
    buf_done(&c);
    buf_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recipients_that_are_split_off_are_judged_on_their_own, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(copies_are_known_with_the_verdict, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_hold_is_one_piece_for_the_quarantine_and_stays_so, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_drop_ends_it_and_a_bounce_tells_the_sender, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(without_an_engine_mail_waits_and_says_why, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(few_messages_look_for_an_engine_that_is_away, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_rewritten_message_goes_on_under_its_new_number, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_message_whose_recipients_all_left_ends, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_split_into_many_is_done, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(a_verdict_that_makes_no_sense_is_not_done, fix_start, fix_end),
        cmocka_unit_test_setup_teardown(what_travels_with_a_copy_is_known_to_queue, fix_start, fix_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
