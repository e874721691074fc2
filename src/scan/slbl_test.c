/* The stage of safelists and blocklists: what it skips, holds, ends, and how recipients part. */
#include "scan/stages_testing.h"

#include "policy/slbl.h"

static const char LISTS[] = "bob@example.org\tsafe\texample.net\neve@example.org\tblock\tanna@example.net\n";

static void lists(struct fix *f, const char *text)
{
    f->world.slbl = slbl_new(str_c(text));
}

static int end(void **state)
{
    slbl_free(((struct fix *)*state)->world.slbl);
    return teardown(state);
}

static void a_safelisted_sender_skips_anti_spam_alone(void **state)
{
    struct fix *f = *state;

    lists(f, "bob@example.org\tsafe\texample.net\neve@example.org\tsafe\texample.net\n");
    given(f, "", PLAIN);
    stage_slbl(&f->world, &f->m);
    assert_logged(f, "MID 1 interim verdict using engine: SLBL spam negative");
    assert_logged(f, "MID 1 using engine: SLBL spam negative");
    assert_true(now_has(f, "\r\nX-SLBL-Result-Safelist: yes\r\n"));
    assert_int_equal(f->m.carried.skip, SKIP_ANTISPAM | SKIP_GRAYMAIL);
    assert_int_equal(f->m.outcome.n_copies, 0);
}

static void lists_that_are_off_are_not_asked(void **state)
{
    struct fix *f = *state;

    lists(f, "bob@example.org\tblock\texample.net\neve@example.org\tblock\texample.net\n");
    given(f, "spam_quarantine.slbl=no\n", PLAIN);
    stage_slbl(&f->world, &f->m);
    assert_false(now_has(f, "X-SLBL-Result"));
    assert_int_equal(f->m.outcome.spam_hold.n, 0);
}

static void a_blocklisted_sender_is_held_or_dropped(void **state)
{
    struct fix *f = *state;

    lists(f, "bob@example.org\tblock\texample.net\neve@example.org\tblock\tanna@example.net\n");
    given(f, "", PLAIN);
    stage_slbl(&f->world, &f->m);
    assert_logged(f, "MID 1 using engine: SLBL spam positive");
    assert_logged(f, "ISQ: Tagging MID 1 for quarantine");
    assert_true(str_eq(f->m.outcome.spam_hold, str_lit("blocklist 100")));
    assert_true(now_has(f, "\r\nX-SLBL-Result-Blocklist: yes\r\n"));
    given(f, "mail_policy.DEFAULT.antispam_blocklist=delete\n", PLAIN);
    stage_slbl(&f->world, &f->m);
    assert_int_equal(f->m.outcome.final, FINAL_DROP);
}

static void different_answers_split_the_message(void **state)
{
    struct fix *f = *state;
    struct carried on;
    struct str indices;
    uint64_t index;

    lists(f, LISTS);
    given(f, "", PLAIN);
    f->m.carried.policy = str_lit("DEFAULT");
    patch_header_add(&f->m.patch, str_lit("X-Filter"), str_lit("was here"), false);
    stage_slbl(&f->world, &f->m);
    assert_int_equal(f->m.n_recipients, 1);
    assert_true(str_eq(message_recipient(&f->m, 0), str_lit("bob@example.org")));
    assert_int_equal(f->m.carried.skip, SKIP_ANTISPAM | SKIP_GRAYMAIL);
    assert_int_equal(f->m.outcome.n_copies, 1);
    assert_int_equal(f->m.outcome.copies[0].kind, COPY_SPLIT_SLBL);
    indices = f->m.outcome.copies[0].indices;
    assert_true(get_varint(&indices, &index) && index == 1 && indices.n == 0);
    assert_int_equal(carried_decode(f->m.outcome.copies[0].carried, &on, NULL), RC_OK);
    assert_int_equal(on.resume, RESUME_ANTISPAM);
    assert_int_equal(on.skip, 0);
    assert_true(on.edits.n > 0); /* what was changed before goes with it, what was changed for bob does not */
    assert_true(str_find_str(on.edits, str_lit("X-Filter")) < on.edits.n &&
                str_find_str(on.edits, str_lit("X-SLBL")) == on.edits.n);
}

static void without_anti_spam_lists_mean_nothing(void **state)
{
    struct fix *f = *state;

    lists(f, LISTS);
    given(f, "mail_policy.DEFAULT.antispam=no\n", PLAIN);
    stage_slbl(&f->world, &f->m);
    given(f, "antispam.enabled=no\n", PLAIN);
    stage_slbl(&f->world, &f->m);
    assert_int_equal(events_test_text(f->world.events).n, 0);
    assert_int_equal(f->m.n_recipients, 2);
}

#define SLBL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLBL_TEST(a_safelisted_sender_skips_anti_spam_alone), SLBL_TEST(a_blocklisted_sender_is_held_or_dropped),
        SLBL_TEST(different_answers_split_the_message),       SLBL_TEST(without_anti_spam_lists_mean_nothing),
        SLBL_TEST(lists_that_are_off_are_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
