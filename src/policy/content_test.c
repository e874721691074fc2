/* Content filters: which run, in which order, what they leave; what is refused before a commit. */
#include "policy/check.h"
#include "policy/content.h"
#include "policy/judge_testing.h"
#include "policy/mail_policy.h"

static const char text[] = "From: a@x.test\nSubject: an invoice\n\nText\n";

/* The header fields X-... that filters set, in order, joined by spaces. */
static const char *marks(struct judge *j)
{
    static char out[400];
    const char *at = judge_text(j);

    out[0] = 0;
    while ((at = strstr(at, "\nX-"))) {
        const char *end = strchr(at + 1, '\n');

        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%.*s", out[0] ? " " : "", (int)(end - at - 3), at + 3);
        at = end;
    }
    return out;
}

static struct message *start(struct judge *j, const char *settings)
{
    judge_compiled(j, settings);
    judge_message(j, "a@x.test", "b@ours.test", text);
    j->m.policy = policies_find(j->compiled->policies, str_lit("DEFAULT"));
    return &j->m;
}

static void check(const char *settings, const char *wanted, const char *log)
{
    struct judge j;
    struct str lines;

    content_run(start(&j, settings));
    assert_string_equal(marks(&j), wanted);
    lines = judge_log(&j);
    if (str_find_str(lines, str_c(log)) == lines.n && *log)
        fail_msg("log is: %.*s", STR(lines));
    judge_done(&j);
}

#define SET(name) "content_filter." name ".actions=insert-header(\"X-" name "\"\\, \"1\")\n"
#define USE(names) "mail_policy.DEFAULT.content_filters=" names "\n"

/* Those that the policy names, in the order of the section; conditions one or all; none: always. */
static void test_which_run(void **state)
{
    (void)state;
    check(SET("A") SET("B") SET("C") USE("C,A"), "A: 1 C: 1", "");
    check(SET("A") USE("A") "content_filter.A.enabled=no\n", "", "");
    check(SET("A") USE("A") "mail_policy.DEFAULT.content=no\n", "", "");
    check(SET("A") USE("A") "content_filter.A.conditions=subject == \"none\",subject == \"invoice\"\n", "A: 1", "");
    check(SET("A") USE(
              "A") "content_filter.A.conditions=subject == \"none\",subject == \"invoice\"\ncontent_filter.A.match=and\n",
          "", "");
    check(SET("A") USE("A") "content_filter.A.conditions=true,subject == \"invoice\"\ncontent_filter.A.match=and\n", "A: 1",
          "");
    check(SET("A") SET("B") USE("A,B") "content_filter.B.conditions=header(\"X-A\") == \"1\"\n", "A: 1 B: 1",
          ""); /* it sees the change */
}

static void test_ends(void **state)
{
    struct judge j;

    (void)state;
    check("content_filter.A.actions=insert-header(\"X-A\"\\, \"1\"),drop(),insert-header(\"X-B\"\\, \"1\")\n" SET("C")
              USE("A,C"),
          "A: 1", "Message aborted MID 17 Dropped by content filter 'A' in the inbound table\n");
    check("content_filter.A.actions=skip-filters()\n" SET("C") USE("A,C"), "", "");
    content_run(start(&j, "content_filter.A.actions=drop()\ncontent_filter.B.actions=bounce()\n" USE("A,B")));
    assert_int_equal(j.m.outcome.final, FINAL_DROP);
    assert_int_equal(j.m.outcome.n_steps, 1);
    assert_true(str_eq(j.m.outcome.steps[0].verdict, str_lit("match")));
    assert_true(str_eq(j.m.outcome.steps[0].detail, str_lit("A")));
    judge_log(&j);
    judge_done(&j);
}

static void test_outgoing(void **state)
{
    struct judge j;

    (void)state;
    judge_compiled(&j, "content_filter.out/A.actions=drop()\ncontent_filter.A.actions=bounce()\nmail_policy.out/"
                       "DEFAULT.content_filters=out/A\n");
    judge_message(&j, "a@x.test", "b@ours.test", text);
    j.env.outgoing = 1;
    j.m.policy = policies_find(j.compiled->policies, str_lit("out/DEFAULT"));
    content_run(&j.m);
    assert_true(
        str_eq(judge_log(&j), str_lit("Message aborted MID 17 Dropped by content filter 'A' in the outbound table\n")));
    judge_done(&j);
}

static void test_disclaimers(void **state)
{
    struct judge j;

    (void)state;
    content_disclaimers(
        start(&j, "listener.In.disclaimer_above=Up\nlistener.In.disclaimer_below=Down\ntext_resource.Up.text=UP\n"
                  "text_resource.Down.text=down $MID\n"));
    assert_string_equal(judge_text(&j), "From: a@x.test\nSubject: an invoice\n\nUP\nText\ndown 17\n");
    judge_log(&j);
    judge_done(&j);
}

static void refused(const char *lines, const char *why)
{
    struct err e = ERR_NONE;
    struct conf_source *s = conf_source_test(lines, &e);

    if (!s)
        fail_msg("%s", e.text);
    assert_int_equal(contents_check(conf_now(s), &e), RC_INVALID);
    if (!strstr(e.text, why))
        fail_msg("%s", e.text);
    conf_source_free(s);
}

static void test_refused(void **state)
{
    (void)state;
    refused("content_filter.A.actions=drop(),flop()\n", "content_filter.A.actions, entry 2: line 1, column 1: ");
    refused("content_filter.A.actions=drop()\ncontent_filter.A.conditions=subject = \"x\"\n",
            "content_filter.A.conditions, entry 1: line 1, column 9: ");
    refused("content_filter.A.actions=add-footer(\"Gone\")\n",
            "content_filter.A.actions, entry 1: there is no text resource \"Gone\"");
    refused("content_filter.A.actions=drop()\ncontent_filter.A.conditions=dictionary-match(\"Gone\")\n",
            "there is no dictionary \"Gone\"");
    refused("content_filter.A.description=x\n", "content_filter.A.actions: there is none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_run),   cmocka_unit_test(test_ends),    cmocka_unit_test(test_outgoing),
        cmocka_unit_test(test_disclaimers), cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
