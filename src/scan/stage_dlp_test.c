/* Outgoing mail with confidential content: log lines, actions by severity, holds; incoming mail is let alone. */
#include "policy/judge_testing.h"
#include "policy/mail_policy.h"
#include "scan/stage.h"

#define CLASS "dlp_classifier.Cards.rules=entity credit-card weight 35\n"
#define POLICY "dlp_policy.Cards.classifiers=Cards\nmail_policy.out/DEFAULT.dlp_policies=Cards\n"
#define ONE "Subject: s\n\n4111 1111 1111 1111\n"
#define TWO "Subject: s\n\n4111 1111 1111 1111, 5500 0000 0000 0004\n"
#define NONE "Subject: s\n\n4111 1111 1111 1112\n"

/* Runs the stage; the log is what it wrote. */
static struct message *stage(struct judge *j, const char *settings, const char *text, bool outgoing, struct str *log)
{
    char all[2000];

    snprintf(all, sizeof all, "%s%s%s", CLASS, POLICY, settings);
    judge_compiled(j, all);
    judge_message(j, "a@ours.test", "b@x.test", text);
    j->env.outgoing = outgoing;
    j->m.policy = policies_find(j->compiled->policies, outgoing ? str_lit("out/DEFAULT") : str_lit("DEFAULT"));
    stage_dlp(NULL, &j->m);
    *log = judge_log(j);
    return &j->m;
}

static void has(struct str log, const char *line)
{
    if (str_find_str(log, str_c(line)) == log.n)
        fail_msg("log is \"%.*s\", not \"%s\"", STR(log), line);
}

static void a_violation_holds_the_message(void **state)
{
    struct judge j;
    struct str log;
    struct message *m = stage(&j, "", TWO, true, &log);

    (void)state;
    has(log, "MID 17 DLP violation. Severity: HIGH (Risk Factor: 70). DLP policy match: 'Cards'.\n");
    assert_int_equal(m->outcome.n_holds, 1);
    assert_true(str_eq(m->outcome.holds[0].quarantine, str_lit("Policy")));
    assert_true(str_eq(m->outcome.holds[0].reason, str_lit("DLP violation")));
    assert_true(str_eq(m->outcome.holds[0].rule, str_lit("Cards")));
    assert_true(str_eq(m->outcome.holds[0].matched, str_lit("4111 1111 1111 1111")));
    assert_int_equal(m->outcome.n_steps, 1);
    assert_true(str_eq(m->outcome.steps[0].stage, str_lit("dlp")));
    assert_true(str_eq(m->outcome.steps[0].verdict, str_lit("HIGH")));
    assert_true(str_eq(m->outcome.steps[0].detail, str_lit("Cards\tCards\t2")));
    assert_int_equal((int)m->outcome.steps[0].score, 70);
    judge_done(&j);
}

static void each_severity_has_its_actions(void **state)
{
    struct judge j;
    struct str log;
    struct message *m =
        stage(&j, "dlp_policy.Cards.actions_medium=insert-header(\"X-Risk\"\\, \"$MatchedContent\")\n", ONE, true, &log);

    (void)state;
    has(log, "Severity: MEDIUM (Risk Factor: 35)");
    assert_non_null(strstr(judge_text(&j), "X-Risk: 4111 1111 1111 1111\n"));
    assert_int_equal(m->outcome.n_holds, 0);
    judge_done(&j);
    m = stage(&j, "dlp_policy.Cards.actions_high=tag-message(\"x\"),drop()\n", TWO, true, &log);
    has(log, "Message aborted MID 17 Dropped by DLP policy 'Cards'\n");
    assert_int_equal(m->outcome.final, FINAL_DROP);
    judge_done(&j);
    m = stage(&j, "dlp_policy.Cards.actions_high=bounce(\"5.7.1 card numbers stay here\")\n", TWO, true, &log);
    assert_int_equal(m->outcome.final, FINAL_BOUNCE);
    assert_true(str_eq(m->outcome.bounce_text, str_lit("5.7.1 card numbers stay here")));
    judge_done(&j);
    m = stage(&j, "dlp_policy.Cards.actions_high=alt-rcpt-to(\"review@ours.test\"),bcc(\"audit@ours.test\")\n", TWO, true,
              &log);
    assert_true(str_eq(m->outcome.new_recipients.items[0], str_lit("review@ours.test")));
    assert_int_equal(m->outcome.n_copies, 1);
    assert_true(m->carried.resume > RESUME_DLP); /* or it would come here again */
    judge_done(&j);
}

static void only_the_first_violated_policy_acts(void **state)
{
    struct judge j;
    struct str log;
    struct message *m = stage(&j,
                              "dlp_policy.Other.classifiers=Cards\ndlp_policy.Other.actions_high=drop()\n"
                              "mail_policy.out/DEFAULT.dlp_policies=Other,Cards\n",
                              TWO, true, &log);

    (void)state;
    has(log, "DLP policy match: 'Cards'.");
    assert_int_equal(str_find_str(log, str_lit("'Other'")), log.n);
    assert_int_equal(m->outcome.final, FINAL_NONE);
    judge_done(&j);
}

static void no_violation_is_told(void **state)
{
    struct judge j;
    struct str log;
    struct message *m = stage(&j, "", NONE, true, &log);

    (void)state;
    assert_true(str_eq(log, str_lit("MID 17 DLP no violation\n")));
    assert_int_equal(m->outcome.n_holds, 0);
    assert_true(str_eq(m->outcome.steps[0].verdict, str_lit("negative")));
    judge_done(&j);
    stage(&j, "dlp_policy.Cards.low=36\ndlp_policy.Cards.medium=37\n", ONE, true, &log);
    assert_true(str_eq(log, str_lit("MID 17 DLP no violation\n")));
    judge_done(&j);
}

static void what_is_off_says_nothing(void **state)
{
    struct judge j;
    struct str log;
    static const struct {
        const char *settings;
        bool outgoing;
    } rows[] = {{"mail_policy.DEFAULT.dlp_policies=Cards\nmail_policy.DEFAULT.dlp=yes\n", false},
                {"mail_policy.out/DEFAULT.dlp=no\n", true},
                {"mail_policy.out/DEFAULT.dlp_policies=\n", true}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message *m = stage(&j, rows[i].settings, TWO, rows[i].outgoing, &log);

        assert_int_equal(log.n, 0);
        assert_int_equal(m->outcome.n_steps, 0);
        judge_done(&j);
    }
}

/* Matches without company up to the limit of the search: it proves nothing, so the message does not pass. */
static void a_search_that_was_cut_does_not_pass(void **state)
{
    struct judge j;
    struct str log;
    char *text = malloc(100000);
    struct message *m;

    (void)state;
    strcpy(text, "Subject: s\n\n");
    for (size_t n = 12; n < 90000; n += 2)
        memcpy(text + n, "a ", 3);
    m = stage(&j,
              "dlp_classifier.Cards.rules=word a,entity credit-card\ndlp_classifier.Cards.proximity=5\n"
              "scanning.unscannable_action=quarantine\n",
              text, true, &log);
    assert_true(str_eq(log, str_lit("MID 17 DLP: a limit ended the search before all of the message was looked at\n")));
    assert_int_equal(m->outcome.n_holds, 1);
    assert_true(str_eq(m->outcome.holds[0].reason, str_lit("scanning:unscannable")));
    judge_done(&j);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_violation_holds_the_message),
        cmocka_unit_test(each_severity_has_its_actions),
        cmocka_unit_test(only_the_first_violated_policy_acts),
        cmocka_unit_test(no_violation_is_told),
        cmocka_unit_test(what_is_off_says_nothing),
        cmocka_unit_test(a_search_that_was_cut_does_not_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
