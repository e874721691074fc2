/* What DLP finds in messages, how risky it is, which policies have a say; what is refused before a commit. */
#include "base/clock.h"
#include "policy/check.h"
#include "policy/dlp.h"
#include "policy/filter.h"
#include "policy/judge_testing.h"

static struct dlp_result scan(struct judge *j, const char *settings, const char *recipients, const char *text,
                              const char *policies)
{
    struct str *names, rest = str_c(policies);
    size_t n = 0;

    judge_compiled(j, settings);
    judge_message(j, "anna@sales.ours.test", recipients, text);
    names = arena_array(&j->arena, struct str, 8);
    while (n < 8 && str_word(&rest, &names[n]))
        n++;
    return dlp_scan(j->compiled->dlp, &j->m, (struct strs){names, n});
}

static void done(struct judge *j)
{
    events_free(j->m.events);
    judge_done(j);
}

/* Risk of policy P over one text; -1: no violation. */
static int risk(const char *settings, const char *text)
{
    struct judge j;
    struct dlp_result r = scan(&j, settings, "b@x.test", text, "P");
    int out = r.n ? (int)r.hits[0].risk : -1;

    done(&j);
    return out;
}

#define CARD "4111 1111 1111 1111"
#define P "dlp_policy.P.classifiers=C\ndlp_policy.P.low=1\n"
#define MAIL "Subject: s\n\n"

static void weights_add_up_to_the_maximum(void **state)
{
    (void)state;
    assert_int_equal(risk(P "dlp_classifier.C.rules=entity credit-card weight 7\n", MAIL CARD "\n"), 7);
    assert_int_equal(risk(P "dlp_classifier.C.rules=entity credit-card weight 7\n", MAIL CARD "\n5500 0000 0000 0004\n"),
                     14);
    assert_int_equal(risk(P "dlp_classifier.C.rules=entity credit-card weight 7 max 1\n", MAIL CARD "\n" CARD "\n"), 7);
    assert_int_equal(risk(P "dlp_classifier.C.rules=word \"top secret\" max 2 weight 30\n",
                          MAIL "top secret TOP SECRET Top Secret laptop secrets\n"),
                     60);
    assert_int_equal(risk(P "dlp_classifier.C.rules=word plan weight 90\n", MAIL "plan plan plan\n"), 100);
    assert_int_equal(risk(P "dlp_classifier.C.rules=regex \"pro[jJ]ect-[0-9]{3\\,}\"\n", MAIL "project-12 project-12345\n"),
                     10);
    assert_int_equal(risk(P "dlp_classifier.C.rules=word plan weight 9\ndlp_classifier.C.minimum=20\n", MAIL "plan plan\n"),
                     -1);
    assert_int_equal(risk(P "dlp_classifier.C.rules=entity credit-card\n", MAIL "4111 1111 1111 1112\n"), -1);
    /* the subject is looked at too */
    assert_int_equal(risk(P "dlp_classifier.C.rules=word plan\n", "Subject: the plan\n\nx\n"), 10);
}

/* A number before a card number hides nothing. */
static void a_number_begins_behind_another(void **state)
{
    (void)state;
    assert_int_equal(risk(P "dlp_classifier.C.rules=entity credit-card\n", MAIL "50 " CARD "\n"), 10);
    assert_int_equal(risk(P "dlp_classifier.C.rules=entity iban\n", MAIL "AB12 GB82 WEST 1234 5698 7654 32\n"), 10);
    assert_int_equal(risk(P "dlp_classifier.C.rules=entity credit-card\n", MAIL "501"
                                                                                "4111111111111111\n"),
                     -1);
}

static void dictionaries_count_with_the_weights_of_their_terms(void **state)
{
    static const char words[] =
        "dictionary.D.terms=merger\\,4,acqui[rs]e,*ssn\\,3\n" P "dlp_classifier.C.rules=dictionary D weight 5\n";

    (void)state;
    assert_int_equal(risk(words, MAIL "merger\n"), 20);
    assert_int_equal(risk(words, MAIL "merger acquire\n"), 25);
    assert_int_equal(risk(words, MAIL "123-45-6789\n"), 15);
    assert_int_equal(risk(words, MAIL "emergers\n"), -1);
}

static void nearness(void **state)
{
    static const char near[] = P "dlp_classifier.C.rules=entity credit-card weight 20,word expiry weight 1\n"
                                 "dlp_classifier.C.proximity=30\n";

    (void)state;
    assert_int_equal(risk(near, MAIL CARD " expiry 12/30\n"), 21);
    assert_int_equal(risk(near, MAIL "expiry 12/30: " CARD "\n"), 21);
    assert_int_equal(risk(near, MAIL CARD "\n"), -1);
    assert_int_equal(risk(near, MAIL CARD " " CARD "\n"), -1); /* the same rule is no company */
    assert_int_equal(risk(near, MAIL CARD "0123456789012345678901234567890123456789 expiry\n"), -1);
    assert_int_equal(risk(near, MAIL CARD " .............................. expiry\n"), -1);
    assert_int_equal(risk(near, MAIL CARD " ............................ expiry " CARD "\n"), 41);
    /* each word of a dictionary has its own place */
    assert_int_equal(risk(P "dictionary.D.terms=visa\ndlp_classifier.C.rules=entity credit-card weight 20,dictionary D\n"
                            "dlp_classifier.C.proximity=10\n",
                          MAIL "visa ........................................ visa " CARD "\n"),
                     30);
}

#define CLASSES \
    "dlp_classifier.A.rules=word plan weight 20\ndlp_classifier.B.rules=word budget weight 50\n" \
    "dlp_classifier.C.rules=word plan weight 99\n"

static void the_riskiest_classifier_of_a_policy_counts(void **state)
{
    struct judge j;
    struct dlp_result r =
        scan(&j, CLASSES "dlp_policy.P.classifiers=A,B\ndlp_policy.Q.classifiers=C\ndlp_policy.R.classifiers=A\n",
             "b@x.test", MAIL "plan and budget\n", "R P");

    (void)state;
    assert_int_equal(r.n, 2);
    assert_true(str_eq(r.hits[0].policy->name, str_lit("P")));
    assert_true(str_eq(r.hits[0].classifier, str_lit("B")));
    assert_int_equal(r.hits[0].risk, 50);
    assert_int_equal(r.hits[0].severity, DLP_MEDIUM);
    assert_true(str_eq(r.hits[0].matched, str_lit("budget")));
    assert_true(str_eq(r.hits[1].policy->name, str_lit("R")));
    assert_int_equal(r.hits[1].severity, DLP_LOW);
    done(&j);
    r = scan(&j, CLASSES "dlp_policy.P.classifiers=A\ndlp_policy.P.low=21\ndlp_policy.P.medium=31\n", "b@x.test",
             MAIL "plan\n", "P");
    assert_int_equal(r.n, 0);
    assert_true(r.triggered);
    done(&j);
    r = scan(&j, CLASSES "dlp_policy.P.classifiers=A\n", "b@x.test", MAIL "nothing\n", "P");
    assert_false(r.triggered);
    done(&j);
}

static void severity_by_thresholds(void **state)
{
    static const struct {
        const char *weight;
        enum dlp_severity severity;
    } rows[] = {{"9", DLP_NONE},    {"10", DLP_LOW},  {"29", DLP_LOW},  {"30", DLP_MEDIUM},
                {"59", DLP_MEDIUM}, {"60", DLP_HIGH}, {"89", DLP_HIGH}, {"90", DLP_CRITICAL}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct judge j;
        char settings[200];
        struct dlp_result r;

        snprintf(settings, sizeof settings, "dlp_classifier.C.rules=word plan weight %s\ndlp_policy.P.classifiers=C\n",
                 rows[i].weight);
        r = scan(&j, settings, "b@x.test", MAIL "plan\n", "P");
        assert_int_equal(r.n ? r.hits[0].severity : DLP_NONE, rows[i].severity);
        done(&j);
    }
}

static size_t hits_with(const char *settings, const char *recipients, const char *tags)
{
    struct judge j;
    struct str name = str_lit("P");
    struct dlp_result r;

    scan(&j, settings, recipients, MAIL "plan\n", "");
    j.m.carried.tags = str_c(tags);
    r = dlp_scan(j.compiled->dlp, &j.m, (struct strs){&name, 1});
    done(&j);
    return r.n;
}

static void who_and_which_tags(void **state)
{
#define BASE CLASSES "dlp_policy.P.classifiers=A\n"
    (void)state;
    assert_int_equal(hits_with(BASE, "b@x.test", ""), 1);
    assert_int_equal(hits_with(BASE "dlp_policy.P.senders=@sales.ours.test\n", "b@x.test", ""), 1);
    assert_int_equal(hits_with(BASE "dlp_policy.P.senders=.ours.test\n", "b@x.test", ""), 1);
    assert_int_equal(hits_with(BASE "dlp_policy.P.senders=anna@sales.ours.test\n", "b@x.test", ""), 1);
    assert_int_equal(hits_with(BASE "dlp_policy.P.senders=ours.test\n", "b@x.test", ""), 0);
    assert_int_equal(hits_with(BASE "dlp_policy.P.recipients=x.test\n", "c@y.test b@x.test", ""), 1);
    assert_int_equal(hits_with(BASE "dlp_policy.P.recipients=z.test\n", "c@y.test b@x.test", ""), 0);
    assert_int_equal(hits_with(BASE "dlp_policy.P.tags=money\n", "b@x.test", ""), 0);
    assert_int_equal(hits_with(BASE "dlp_policy.P.tags=money\n", "b@x.test", "other\nmoney\n"), 1);
}

static void types_of_attachments(void **state)
{
    static const char mail[] = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
                               "--b\nContent-Type: text/plain\n\nhello\n"
                               "--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename=a.csv\n\nplan\n"
                               "--b--\n";

    (void)state;
    assert_int_equal(risk(P "dlp_classifier.C.rules=word plan\n", mail), 10);
    assert_int_equal(risk(P "dlp_classifier.C.rules=word plan\ndlp_policy.P.attachment_types=text/csv\n", mail), 10);
    assert_int_equal(risk(P "dlp_classifier.C.rules=word plan\ndlp_policy.P.attachment_types=application/pdf\n", mail), -1);
    assert_int_equal(risk(P "dlp_classifier.C.rules=word hello\ndlp_policy.P.attachment_types=application/pdf\n", mail), 10);
}

/* A message made of matches costs little, and what was not looked at is told. */
static void a_hostile_message_is_cheap(void **state)
{
    static const char settings[] =
        P "dlp_classifier.C.rules=word a weight 1,word b weight 1,entity credit-card\ndlp_classifier.C.proximity=4\n";
    struct str name = str_lit("P");
    struct judge j;
    char *text = malloc(200000);
    uint64_t began, took = UINT64_MAX;
    struct dlp_result r = {0};
    size_t n = 12;

    (void)state;
    memcpy(text, MAIL, 12);
    for (; n < 100012; n += 2)
        memcpy(text + n, "a ", 2); /* no company for any of them */
    memcpy(text + n, "\n", 2);
    scan(&j, settings, "b@x.test", text, "");
    for (int i = 0; i < 3; i++) {
        began = clock_mono_ms();
        r = dlp_scan(j.compiled->dlp, &j.m, (struct strs){&name, 1});
        took = clock_mono_ms() - began < took ? clock_mono_ms() - began : took;
    }
    assert_true(r.limited);
    assert_int_equal(r.n, 0);
#ifndef __SANITIZE_ADDRESS__
    if (took >= 50)
        fail_msg("it took %llu ms", (unsigned long long)took);
#endif
    done(&j);
    /* without proximity what is beyond a rule's maximum is no limit: all was looked at */
    memcpy(text + n - 20, "b", 1);
    r = scan(&j, P "dlp_classifier.C.rules=word a weight 1 max 5,word b weight 3\n", "b@x.test", text, "P");
    assert_false(r.limited);
    assert_int_equal(r.hits[0].risk, 8);
    done(&j);
    free(text);
}

static void a_match_limit_is_told(void **state)
{
    struct judge j;
    char text[5000] = MAIL;
    struct dlp_result r;

    (void)state;
    memset(text + 12, 'x', 4000);
    strcpy(text + 4002, "y x end\n");
    r = scan(&j, P "dlp_classifier.C.rules=regex \"(?=x)(x+x+)+y\\1\"\n", "b@x.test", text, "P");
    assert_int_equal(r.n, 0);
    assert_true(r.limited);
    done(&j);
}

static void actions_of_a_severity(void **state)
{
    struct judge j;
    struct dlp_result r = scan(&j,
                               P "dlp_classifier.C.rules=word plan weight 95\n"
                                 "dlp_policy.P.actions_critical=tag-message(\"x\"),drop()\n",
                               "b@x.test", MAIL "plan\n", "P");
    const struct filter_action *a;
    size_t n;

    (void)state;
    a = dlp_actions(j.compiled->dlp, &r.hits[0], &n);
    assert_int_equal(n, 2);
    assert_string_equal(a[1].row->name, "drop");
    done(&j);
}

/* --- before a commit --- */

static void refused(const char *settings, const char *reason)
{
    struct err e = ERR_NONE;
    struct conf_source *c = conf_source_test(settings, &e);
    enum rc rc;

    if (!c)
        fail_msg("%s", e.text);
    rc = dictionaries_check(conf_now(c), &e);
    if (rc == RC_OK)
        rc = dlp_check(conf_now(c), &e);
    assert_int_equal(rc != RC_OK, *reason != 0);
    if (*reason && !strstr(err_text(&e), reason))
        fail_msg("\"%s\" is not \"%s\"", err_text(&e), reason);
    conf_source_free(c);
}

static void what_a_commit_refuses(void **state)
{
    (void)state;
    refused("", "");
    refused("dictionary.D.terms=fine,a(b\n", "dictionary.D.terms, entry 2: 'a(b': missing closing parenthesis");
    refused("dictionary.D.terms=x\\,11\n", "dictionary.D.terms, entry 1: 'x': a weight is 1 to 10");
    refused("dictionary.D.terms=*nothing\n", "no such smart identifier");
    refused("dlp_classifier.C.rules=word ok,entity nothing\n",
            "dlp_classifier.C.rules, entry 2: there is no entity 'nothing'");
    refused("dlp_classifier.C.rules=dictionary gone\n", "entry 1: there is no dictionary 'gone'");
    refused("dlp_classifier.C.rules=words x\n", "'words': entity, dictionary, word or regex is expected");
    refused("dlp_classifier.C.rules=word\n", "its value are expected");
    refused("dlp_classifier.C.rules=word x weight 101\n", "weight 1-100 or max N is expected");
    refused("dlp_classifier.C.rules=word x weight\n", "a number is expected behind 'weight'");
    refused("dlp_classifier.C.rules=regex \"a(\"\n", "entry 1: 'a(': missing closing parenthesis");
    refused("dlp_policy.P.classifiers=none\n", "dlp_policy.P.classifiers: there is no DLP classifier 'none'");
    refused("dlp_policy.P.actions_low=drop(),quarantin(\"Policy\")\n",
            "dlp_policy.P.actions_low, entry 2: line 1, column 1");
    refused("dlp_policy.P.actions_high=add-footer(\"none\")\n",
            "dlp_policy.P.actions_high, entry 1: there is no text resource");
    refused("dlp_policy.P.medium=70\n", "dlp_policy.P.high: 70 or more is expected, as medium is");
    refused("mail_policy.DEFAULT.dlp_policies=none\n", "mail_policy.DEFAULT.dlp_policies: there is no DLP policy 'none'");
    refused(CLASSES "dlp_policy.P.classifiers=A,B,C\nmail_policy.DEFAULT.dlp_policies=P\n", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_add_up_to_the_maximum),
        cmocka_unit_test(a_number_begins_behind_another),
        cmocka_unit_test(dictionaries_count_with_the_weights_of_their_terms),
        cmocka_unit_test(nearness),
        cmocka_unit_test(the_riskiest_classifier_of_a_policy_counts),
        cmocka_unit_test(severity_by_thresholds),
        cmocka_unit_test(who_and_which_tags),
        cmocka_unit_test(types_of_attachments),
        cmocka_unit_test(a_hostile_message_is_cheap),
        cmocka_unit_test(a_match_limit_is_told),
        cmocka_unit_test(actions_of_a_severity),
        cmocka_unit_test(what_a_commit_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
