/* Every verdict of the spam engines with every action of its rows, and the copies that archives get. */
#include "scan/stages_testing.h"

static void spam_verdicts_have_their_rows(void **state)
{
    static const struct {
        const char *verdict, *symbols, *message, *by;
        double score;
        int resume;
    } cases[] = {
        {"antispam_positive", "", PLAIN, "antispam", 30, RESUME_ANTIVIRUS},
        {"antispam_suspected", "", PLAIN, "antispam", 8, RESUME_ANTIVIRUS},
        {"graymail_bulk", "\"MAILLIST\":{\"score\":-0.2}", PLAIN, "graymail", 1, RESUME_CONTENT},
        {"graymail_social", "", "From: <a@e.linkedin.com>\r\nSubject: hello\r\n\r\nbody\r\n", "graymail", 1, RESUME_CONTENT},
        {"graymail_marketing", "",
         "From: a@b.c\r\nList-Unsubscribe: <x>\r\nFeedback-ID: y\r\nSubject: hello\r\n\r\nbody\r\n", "graymail", 1,
         RESUME_CONTENT},
    };
    static const char *const actions[] = {"deliver", "drop", "bounce", "quarantine"};
    struct fix *f = *state;
    char lines[1000];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned k = 0; k < 4; k++) {
            const struct outcome *o = &f->m.outcome;

#define ROW(rest) "mail_policy.DEFAULT.%s_" rest "\n"
            snprintf(lines, sizeof lines,
                     ROW("action=%s") ROW("tag=[T]") ROW("header=X-Verdict: it") ROW("host=other.example")
                         ROW("recipient=guard@example.org"),
                     cases[i].verdict, actions[k], cases[i].verdict, cases[i].verdict, cases[i].verdict, cases[i].verdict);
#undef ROW
            given(f, lines, cases[i].message);
            rspamd_says(f, cases[i].score,
                        cases[i].score > 20  ? "reject"
                        : cases[i].score > 5 ? "add header"
                                             : "no action",
                        cases[i].symbols);
            stage_antispam(&f->world, &f->m);
            stage_graymail(&f->world, &f->m);
            assert_true(now_has(f, "Subject: [T] hello\r\n") && now_has(f, "X-Verdict: it\r\n"));
            assert_int_equal(o->final, k == SPAM_DROP ? FINAL_DROP : k == SPAM_BOUNCE ? FINAL_BOUNCE : FINAL_NONE);
            assert_int_equal(o->spam_hold.n > 0, k == SPAM_QUARANTINE);
            assert_int_equal(o->new_recipients.n, k == SPAM_DELIVER);
            assert_true(str_eq(f->m.carried.route, k == SPAM_DELIVER ? str_lit("other.example") : STR_NONE));
            if (k == SPAM_DELIVER) {
                assert_true(str_eq(o->new_recipients.items[0], str_lit("guard@example.org")));
                assert_true(str_eq(o->new_recipients_by, str_c(cases[i].by)));
                assert_int_equal(f->m.carried.resume, cases[i].resume);
            }
        }
}

/* An entry of an mbox file, with its lines told from those that begin one; what is too long is cut behind a line. */

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spam_verdicts_have_their_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
