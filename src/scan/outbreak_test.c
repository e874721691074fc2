/* Outbreak filters: rules of known outbreaks, the look of a message, what is held and for how long. */
#include "scan/outbreak.h"
#include "scan/stages_testing.h"

/* --- outbreak --- */

static void rules_of_known_outbreaks_hold(void **state)
{
    static const char *const rules[] = {
        "outbreak_rule.R1.file_names=a.*\n",
        "outbreak_rule.R1.file_types=bin\n",
        "outbreak_rule.R1.sha256=b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9\n",
        "outbreak_rule.R1.subjects=HELL\n",
        "outbreak_rule.R1.senders=.example.net\n",
    };
    struct fix *f = *state;
    char line[100];

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        given(f, rules[i], WITH_ATTACHMENT);
        stage_outbreak(&f->world, &f->m);
        snprintf(line, sizeof line, "MID %zu Outbreak Filters: verdict positive", i + 1);
        assert_logged(f, line);
        snprintf(line, sizeof line, "MID %zu Threat Level=4 Category=Viral Type=Viral", i + 1);
        assert_logged(f, line);
        assert_int_equal(f->m.outcome.n_holds, 1);
        assert_true(str_eq(f->m.outcome.holds[0].reason, str_lit("Outbreak rule:R1")));
        assert_true(f->m.outcome.holds[0].exit_ms > message_now_ms(&f->m) + 86000000);
    }
}

static void rules_fit_with_all_of_their_conditions(void **state)
{
    static const char *const rules[] = {
        "outbreak_rule.R1.level=5\n", /* none */
        "outbreak_rule.R1.file_names=a.*\noutbreak_rule.R1.subjects=other\n",
        "outbreak_rule.R1.file_names=b.*\n",
        "outbreak_rule.R1.file_names=a.*\noutbreak_rule.R1.min_bytes=100000\n",
        "outbreak_rule.R1.file_names=a.*\noutbreak_rule.R1.max_bytes=10\n",
        "outbreak_rule.R1.senders=example.com\n",
        "outbreak_rule.R1.file_names=a.*\nmail_policy.DEFAULT.outbreak_bypass_types=bin\n",
    };
    struct fix *f = *state;
    char line[100];

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        given(f, rules[i], WITH_ATTACHMENT);
        stage_outbreak(&f->world, &f->m);
        snprintf(line, sizeof line, "MID %zu Outbreak Filters: verdict negative", i + 1);
        assert_logged(f, line);
        assert_int_equal(f->m.outcome.n_holds, 0);
    }
}

static void threats_below_the_threshold_are_tagged(void **state)
{
    struct fix *f = *state;

    given(f,
          "outbreak_rule.R1.level=2\noutbreak_rule.R1.kind=phish\noutbreak_rule.R1.subjects=hello\nmail_policy.DEFAULT."
          "outbreak_tag=[THREAT]\n",
          PLAIN);
    stage_outbreak(&f->world, &f->m);
    assert_logged(f, "MID 1 Threat Level=2 Category=Phish Type=Phish");
    assert_int_equal(f->m.outcome.n_holds, 0);
    assert_true(now_has(f, "Subject: [THREAT] hello"));
}

#define ATTACHED(name) \
    "Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; " \
    "filename=\"" name "\"\r\n\r\nbody\r\n"

static void the_look_of_a_message_has_levels(void **state)
{
    static const struct {
        const char *message;
        uint64_t level;
        const char *rule;
    } cases[] = {
        {ATTACHED("notes.txt"), 0, ""},
        {ATTACHED("a.pdf"), 0, ""},
        {ATTACHED("setup.exe"), 4, "ADAPTIVE_PROGRAM"},
        {ATTACHED("run.JS"), 4, "ADAPTIVE_SCRIPT"},
        {ATTACHED("invoice.pdf.exe"), 5, "ADAPTIVE_DISGUISE"},
        {ATTACHED("invoice.pdf                    .scr"), 5, "ADAPTIVE_DISGUISE"},
        {ATTACHED("report.docm"), 3, "ADAPTIVE_MACRO"},
        {ATTACHED("disk.iso"), 4, "ADAPTIVE_IMAGE"},
        {"Subject: s\r\nContent-Type: text/html\r\n\r\n<a "
         "href=\"http://evil.example/x\">http://www.bank.example/login</a>\r\n",
         3, "ADAPTIVE_LINK"},
        {"Subject: s\r\nContent-Type: text/html\r\n\r\n<a "
         "href=\"http://www.bank.example/x\">http://bank.example/login</a>\r\n",
         0, ""},
        {"Subject: s\r\nContent-Type: text/html\r\n\r\n<a href=\"http://192.0.2.7/x\">www.bank.example</a>\r\n", 4,
         "ADAPTIVE_LINK"},
    };
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outbreak_threat t;

        given(f, "", cases[i].message);
        t = outbreak_adaptive(&f->m);
        if (t.level != cases[i].level || !str_eq(t.rule, str_c(cases[i].rule)))
            fail_msg("%zu: level %u rule %.*s", i, (unsigned)t.level, STR(t.rule));
    }
    given(f, "outbreak.adaptive=no\n", ATTACHED("setup.exe"));
    stage_outbreak(&f->world, &f->m);
    assert_int_equal(f->m.outcome.n_holds, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_of_known_outbreaks_hold),
        TEST(rules_fit_with_all_of_their_conditions),
        TEST(threats_below_the_threshold_are_tagged),
        TEST(the_look_of_a_message_has_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
