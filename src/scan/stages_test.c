/* What the stages of engines make of answers: log lines, marks, holds, ends. */
#include "scan/stages_testing.h"

/* --- anti-spam --- */

static void spam_goes_to_the_spam_quarantine(void **state)
{
    struct fix *f = *state;

    given(f, "", PLAIN);
    rspamd_says(f, 15, "reject", "\"GTUBE\":{\"score\":0.0}");
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 1 interim verdict using engine: CASE spam positive");
    assert_logged(f, "MID 1 using engine: CASE spam positive");
    assert_logged(f, "ISQ: Tagging MID 1 for quarantine");
    assert_true(str_eq(f->m.outcome.spam_hold, str_lit("positive 90")));
    assert_true(now_has(f, "\r\nSubject: [SPAM] hello\r\n"));
    assert_int_equal(f->m.outcome.n_steps, 1);
    assert_true(str_eq(f->m.outcome.steps[0].detail, str_lit("GTUBE")));
}

static void ham_goes_on_unchanged(void **state)
{
    struct fix *f = *state;

    given(f, "", PLAIN);
    rspamd_says(f, 1, "no action", "");
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 1 using engine: CASE spam negative");
    assert_false(patch_changed(&f->m.patch));
    assert_int_equal(f->m.outcome.spam_hold.n, 0);
    assert_int_equal(f->m.outcome.final, FINAL_NONE);
}

static void suspected_spam_is_tagged_or_not_told_apart(void **state)
{
    struct fix *f = *state;

    given(f, "", PLAIN);
    rspamd_says(f, 8, "add header", "");
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 1 using engine: CASE spam suspect");
    assert_true(now_has(f, "Subject: [SUSPECTED SPAM] hello\r\n"));
    given(f, "mail_policy.DEFAULT.antispam_suspect=no\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 2 using engine: CASE spam negative");
    given(f, "mail_policy.DEFAULT.antispam_positive_score=55\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 3 using engine: CASE spam positive");
}

static void each_action_does_what_it_says(void **state)
{
    struct fix *f = *state;

    rspamd_says(f, 20, "reject", "");
    given(f, "mail_policy.DEFAULT.antispam_positive_action=drop\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_int_equal(f->m.outcome.final, FINAL_DROP);
    assert_logged(f, "Message aborted MID 1 Dropped by CASE");
    given(f, "mail_policy.DEFAULT.antispam_positive_action=bounce\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_int_equal(f->m.outcome.final, FINAL_BOUNCE);
    assert_true(str_starts(f->m.outcome.bounce_text, str_lit("5.7.1 ")));
    given(f,
          "mail_policy.DEFAULT.antispam_positive_action=deliver\nmail_policy.DEFAULT.antispam_positive_tag=\n"
          "mail_policy.DEFAULT.antispam_positive_header=X-Spam: "
          "yes\nmail_policy.DEFAULT.antispam_positive_host=spam.example.org\n",
          "From: anna@example.net\r\n\r\nbody\r\n");
    stage_antispam(&f->world, &f->m);
    assert_true(now_has(f, "\r\nX-Spam: yes\r\n\r\nbody"));
    assert_true(str_eq(f->m.carried.route, str_lit("spam.example.org")));
    assert_int_equal(f->m.outcome.final, FINAL_NONE);
    given(f,
          "mail_policy.DEFAULT.antispam_positive_action=deliver\nmail_policy.DEFAULT.antispam_positive_recipient=abuse@"
          "example.org\n",
          "From: anna@example.net\r\n\r\nbody\r\n");
    stage_antispam(&f->world, &f->m);
    assert_true(now_has(f, "\r\nSubject: [SPAM]\r\n\r\nbody"));
    assert_int_equal(f->m.outcome.new_recipients.n, 1);
    assert_int_equal(f->m.carried.resume, RESUME_ANTIVIRUS);
    assert_true(str_eq(f->m.outcome.new_recipients_by, str_lit("antispam")));
}

static void large_messages_are_cut_or_passed_over(void **state)
{
    struct fix *f = *state;
    char *big = malloc(6001);

    memset(big, 'x', 6000);
    memcpy(big, PLAIN, sizeof PLAIN - 1);
    big[6000] = '\0';
    rspamd_says(f, 20, "reject", "");
    given(f, "antispam.always_scan_bytes=1K\nantispam.never_scan_bytes=2K\n", big);
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 1 was too big (6000/2048) for scanning by CASE");
    assert_int_equal(f->asked[ENGINE_RSPAMD], 0);
    given(f, "antispam.always_scan_bytes=1K\nantispam.never_scan_bytes=10K\n", big);
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 2 using engine: CASE spam positive");
    free(big);
}

/* An engine failure never means silent delivery. */
static void without_its_engine_a_message_waits_or_is_held(void **state)
{
    struct fix *f = *state;

    given(f, "", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_true(str_eq(f->m.outcome.later, str_lit("antispam")));
    stage_antivirus(&f->world, &f->m);
    assert_true(str_eq(f->m.outcome.later, str_lit("antivirus")));
    given(f, "antispam.when_away=unscannable\nantivirus.when_away=unscannable\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_int_equal(f->m.outcome.later.n, 0);
    assert_int_equal(f->m.outcome.n_holds, 1);
    assert_true(str_eq(f->m.outcome.holds[0].quarantine, str_lit("Virus")));
    assert_true(str_eq(f->m.outcome.holds[0].reason, str_lit("a/v verdict:UNSCANNABLE")));
    given(f, "antivirus.when_away=unscannable\n", PLAIN);
    stage_antivirus(&f->world, &f->m);
    assert_int_equal(f->m.outcome.n_holds, 1);
    assert_logged(f, "MID 3 antivirus unscannable 'engine away'");
}

static void what_is_off_writes_nothing(void **state)
{
    struct fix *f = *state;

    given(f, "antispam.enabled=no\nantivirus.enabled=no\ngraymail.enabled=no\noutbreak.enabled=no\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    stage_antivirus(&f->world, &f->m);
    stage_graymail(&f->world, &f->m);
    stage_outbreak(&f->world, &f->m);
    given(f,
          "mail_policy.DEFAULT.antispam=no\nmail_policy.DEFAULT.antivirus=no\nmail_policy.DEFAULT.graymail=no\nmail_policy."
          "DEFAULT.outbreak=no\n",
          PLAIN);
    stage_antispam(&f->world, &f->m);
    stage_antivirus(&f->world, &f->m);
    stage_graymail(&f->world, &f->m);
    stage_outbreak(&f->world, &f->m);
    assert_int_equal(events_test_text(f->world.events).n, 0);
    assert_int_equal(f->m.outcome.n_steps, 0);
}

static void of_two_engines_the_higher_score_counts(void **state)
{
    struct fix *f = *state;

    rspamd_says(f, 1, "no action", "");
    f->says[ENGINE_SPAMD] = str_lit("SPAMD/1.1 0 EX_OK\r\nSpam: True ; 20.0 / 5.0\r\n\r\nX");
    given(f, "antispam.engine=both\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 1 using engine: CASE spam positive");
    given(f, "antispam.engine=spamd\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_logged(f, "MID 2 using engine: CASE spam positive");
    assert_int_equal(f->asked[ENGINE_RSPAMD], 1);
    f->says[ENGINE_SPAMD] = STR_NONE;
    given(f, "antispam.engine=both\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_true(str_eq(f->m.outcome.later, str_lit("antispam")));
}

/* --- graymail --- */

static void graymail_has_its_kinds(void **state)
{
    static const struct {
        const char *message, *symbols, *word, *tag;
    } cases[] = {
        {"From: <news@shop.example>\r\nList-Unsubscribe: <x>\r\nList-Unsubscribe-Post: y\r\nSubject: s\r\n\r\nb\r\n", "",
         "marketing", "[MARKETING]"},
        {"From: LinkedIn <a@e.linkedin.com>\r\nSubject: s\r\n\r\nb\r\n", "", "social", "[SOCIAL NETWORK]"},
        {"From: list@x.example\r\nPrecedence: bulk\r\nSubject: s\r\n\r\nb\r\n", "", "bulk", "[BULK]"},
        {PLAIN, "\"MAILLIST\":{\"score\":-0.2}", "bulk", "[BULK]"},
    };
    struct fix *f = *state;
    char line[100];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        given(f, "", cases[i].message);
        rspamd_says(f, 1, "no action", cases[i].symbols);
        stage_antispam(&f->world, &f->m);
        stage_graymail(&f->world, &f->m);
        snprintf(line, sizeof line, "MID %zu using engine: CASE %s", i + 1, cases[i].word);
        assert_logged(f, line);
        snprintf(line, sizeof line, "MID %zu using engine: GRAYMAIL positive", i + 1);
        assert_logged(f, line);
        assert_true(now_has(f, cases[i].tag));
        assert_int_equal(f->asked[ENGINE_RSPAMD], i + 1); /* once for both stages */
    }
    given(f, "", "From: a@linkedin.com.evil.example\r\nSubject: s\r\n\r\nb\r\n");
    rspamd_says(f, 1, "no action", "");
    stage_graymail(&f->world, &f->m);
    assert_logged(f, "MID 5 using engine: GRAYMAIL negative");
    assert_false(patch_changed(&f->m.patch));
}

/* --- anti-virus --- */

static void clean_mail_passes_with_its_parts(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS(f, "1: stream: OK\0002: stream: OK\0");
    given(f, "", WITH_ATTACHMENT);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 1 interim AV verdict using Sophos CLEAN");
    assert_logged(f, "MID 1 antivirus negative ");
    assert_logged(f, "sophos  antivirus - MID 1 - Result 'CLEAN' ()");
    assert_false(patch_changed(&f->m.patch));
}

static void a_virus_in_a_part_alone_is_found(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS(f, "1: stream: OK\0002: stream: Test.Virus FOUND\0");
    given(f, "mail_policy.DEFAULT.antivirus_infected_notify=sender,recipient,admin@example.org\n", WITH_ATTACHMENT);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 1 interim AV verdict using Sophos VIRAL");
    assert_logged(f, "MID 1 antivirus positive 'Test.Virus' ");
    assert_logged(f, "Message aborted MID 1 Dropped by antivirus");
    assert_logged(f, "sophos  antivirus - MID 1 0 - Virus 'Test.Virus' 'body.scan/a.bin' 1 0");
    assert_int_equal(f->m.outcome.final, FINAL_DROP);
    assert_int_equal(f->m.outcome.n_copies, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct verdict_copy *c = &f->m.outcome.copies[i];

        assert_true(str_eq(c->by, str_lit("antivirus")) && c->kind == COPY_GENERATED && c->sender.n == 0);
        assert_true(str_find_str(c->body, str_lit("\r\nVirus:     Test.Virus\r\nFound in:  a.bin\r\n")) < c->body.n);
    }
}

static void nobody_is_told_by_the_null_sender(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS(f, "1: stream: Test.Virus FOUND\0");
    given(f, "mail_policy.DEFAULT.antivirus_infected_notify=sender\n", PLAIN);
    f->env.sender = STR_NONE;
    stage_antivirus(&f->world, &f->m);
    assert_int_equal(f->m.outcome.final, FINAL_DROP);
    assert_int_equal(f->m.outcome.n_copies, 0);
}

static void viruses_may_be_held_or_wrapped(void **state)
{
    struct fix *f = *state;
    struct mime *mime;

    CLAMD_SAYS(f, "1: stream: Test.Virus FOUND\0");
    given(f, "mail_policy.DEFAULT.antivirus_infected_action=quarantine\n", PLAIN);
    stage_antivirus(&f->world, &f->m);
    assert_true(str_eq(f->m.outcome.holds[0].reason, str_lit("a/v verdict:VIRAL")));
    assert_int_equal(f->m.outcome.final, FINAL_NONE);
    given(f, "mail_policy.DEFAULT.antivirus_infected_action=attach\n", PLAIN);
    stage_antivirus(&f->world, &f->m);
    mime = message_mime(&f->m);
    assert_true(now_has(f, "\r\nSubject: [WARNING: VIRUS DETECTED] hello\r\n"));
    assert_true(str_eq(mime->root->type, str_lit("multipart/mixed")));
    assert_true(str_eq(mime->root->first->type, str_lit("text/plain")));
    assert_true(str_eq(mime->root->first->next->type, str_lit("message/rfc822")));
    assert_true(now_has(f, "\r\n\r\n" PLAIN "--"));
    assert_int_equal(f->m.outcome.n_holds, 0);
}

static void what_cannot_be_read_is_told_apart(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS(f, "1: stream: Heuristics.Encrypted.Zip FOUND\0");
    given(f, "", PLAIN);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 1 antivirus encrypted");
    assert_logged(f, "sophos  antivirus - MID 1 0 - Error - 'Encrypted' '0xa0040212'");
    assert_true(now_has(f, "Subject: [WARNING: MESSAGE ENCRYPTED] hello"));
    assert_int_equal(f->m.outcome.n_holds, 0);
    CLAMD_SAYS(f, "1: stream: Heuristics.Limits.Exceeded FOUND\0");
    given(f, "", PLAIN);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 2 antivirus unscannable 'Heuristics.Limits.Exceeded'");
    assert_int_equal(f->m.outcome.n_holds, 1);
    CLAMD_SAYS(f, "1: stream: Can't allocate memory ERROR\0");
    given(f, "", PLAIN);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 3 interim AV verdict using Sophos UNSCANNABLE");
}

static void a_virus_outweighs_what_cannot_be_read(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS(f, "2: stream: Heuristics.Encrypted.Zip FOUND\0001: stream: Test.Virus FOUND\0");
    given(f, "", WITH_ATTACHMENT);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 1 antivirus positive 'Test.Virus' ");
}

static void infected_attachments_are_taken_out(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS_AT(f, 0, "1: stream: Test.Virus FOUND\0002: stream: Test.Virus FOUND\0");
    CLAMD_SAYS_AT(f, 1, "1: stream: OK\0"); /* the text */
    CLAMD_SAYS_AT(f, 2, "1: stream: OK\0002: stream: OK\0");
    given(f,
          "mail_policy.DEFAULT.antivirus_drop_infected=yes\nmail_policy.DEFAULT.antivirus_repaired_header=X-AV: repaired\n"
          "mail_policy.DEFAULT.antivirus_repaired_notify=admin@example.org\n",
          WITH_ATTACHMENT);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 1 attachment 'a.bin'");
    assert_logged(f, "sophos  antivirus - MID 1 0 - Virus 'Test.Virus' 'body.scan/a.bin' 1 0");
    assert_logged(f, "MID 1 interim AV verdict using Sophos REPAIRED");
    assert_logged(f, "MID 1 antivirus repaired 'Test.Virus'");
    assert_int_equal(f->m.outcome.final, FINAL_NONE);
    assert_false(now_has(f, "aGVsbG8gd29ybGQ="));
    assert_true(now_has(f, "\r\n\r\ntext\r\n"));
    assert_true(now_has(f, "The attachment \"a.bin\" was removed by the anti-virus scanner"));
    assert_true(now_has(f, "Subject: [WARNING: VIRUS REMOVED] hello\r\n") && now_has(f, "\r\nX-AV: repaired\r\n"));
    assert_int_equal(f->m.outcome.n_copies, 1);
    assert_true(str_find_str(f->m.outcome.copies[0].body, str_lit("Subject: [Anti-Virus] repaired message\r\n")) <
                f->m.outcome.copies[0].body.n);
}

/* One whose virus lies in an open text part is found by a second look. */
static void an_infected_attachment_in_the_open_is_found(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS_AT(f, 0, "1: stream: Test.Virus FOUND\0");
    CLAMD_SAYS_AT(f, 1, "1: stream: OK\0002: stream: Test.Virus FOUND\0");
    CLAMD_SAYS_AT(f, 2, "1: stream: OK\0002: stream: OK\0");
    given(f,
          "mail_policy.DEFAULT.antivirus_drop_infected=yes\n"
          "text_resource.Gone.kind=antivirus_container\ntext_resource.Gone.text=Taken out: $dropped_filename\n",
          "Subject: hello\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
          "--b\r\nContent-Type: text/plain; name=b.txt\r\nContent-Disposition: attachment\r\n\r\nVIRUS\r\n--b--\r\n");
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 1 antivirus repaired 'Test.Virus'");
    assert_false(now_has(f, "VIRUS\r\n--b"));
    assert_true(now_has(f, "Taken out: b.txt"));
}

/* What does not get clean that way, or is no attachment, stays infected and as it was. */
static void what_stays_infected_is_not_repaired(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS_AT(f, 0, "1: stream: Test.Virus FOUND\0002: stream: Test.Virus FOUND\0");
    CLAMD_SAYS_AT(f, 1, "1: stream: OK\0");
    CLAMD_SAYS_AT(f, 2, "1: stream: Test.Virus FOUND\0002: stream: OK\0");
    given(f,
          "mail_policy.DEFAULT.antivirus_drop_infected=yes\nmail_policy.DEFAULT.antivirus_infected_action=quarantine\n"
          "mail_policy.DEFAULT.antivirus_infected_tag=\n",
          WITH_ATTACHMENT);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 1 antivirus positive 'Test.Virus' ");
    assert_true(str_eq(f->m.outcome.holds[0].reason, str_lit("a/v verdict:VIRAL")));
    assert_true(str_eq(message_octets(&f->m), str_lit(WITH_ATTACHMENT)));
    assert_false(patch_changed(&f->m.patch));

    CLAMD_SAYS_AT(f, 0, "1: stream: Test.Virus FOUND\0");
    CLAMD_SAYS_AT(f, 1, "1: stream: Test.Virus FOUND\0");
    f->virus_says[2] = STR_NONE;
    given(f, "mail_policy.DEFAULT.antivirus_drop_infected=yes\n", PLAIN);
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "Message aborted MID 2 Dropped by antivirus");
}

/* The rows `..._drop_attachments`: nobody asks the engine again, the action is that of the verdict. */
static void attachments_in_question_go_by_policy(void **state)
{
#define LIT(s) \
    { \
        s, sizeof(s) - 1 \
    }
    static const struct {
        const char *verdict, *word;
        struct str says;
    } cases[] = {
        {"infected", "[WARNING: VIRUS DETECTED]", LIT("1: stream: OK\0002: stream: Test.Virus FOUND\0")},
        {"encrypted", "[WARNING: MESSAGE ENCRYPTED]", LIT("1: stream: OK\0002: stream: Heuristics.Encrypted.Zip FOUND\0")},
        {"unscannable", "[WARNING: A/V UNSCANNABLE]", LIT("1: stream: OK\0002: stream: Heuristics.Limits.Exceeded FOUND\0")},
    };
    struct fix *f = *state;
    char lines[300];

#undef LIT
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->virus_says[0] = cases[i].says;
        CLAMD_SAYS_AT(f, 1, "1: stream: OK\0");
        snprintf(lines, sizeof lines,
                 "mail_policy.DEFAULT.antivirus_%s_drop_attachments=yes\nmail_policy.DEFAULT.antivirus_%s_action=deliver\n",
                 cases[i].verdict, cases[i].verdict);
        given(f, lines, WITH_ATTACHMENT);
        stage_antivirus(&f->world, &f->m);
        assert_true(now_has(f, cases[i].word));
        assert_false(now_has(f, "aGVsbG8gd29ybGQ="));
        assert_true(now_has(f, "The attachment \"a.bin\" was removed"));
        assert_int_equal(f->m.outcome.n_holds, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(spam_goes_to_the_spam_quarantine),
        TEST(ham_goes_on_unchanged),
        TEST(suspected_spam_is_tagged_or_not_told_apart),
        TEST(each_action_does_what_it_says),
        TEST(large_messages_are_cut_or_passed_over),
        TEST(without_its_engine_a_message_waits_or_is_held),
        TEST(what_is_off_writes_nothing),
        TEST(of_two_engines_the_higher_score_counts),
        TEST(graymail_has_its_kinds),
        TEST(clean_mail_passes_with_its_parts),
        TEST(a_virus_in_a_part_alone_is_found),
        TEST(nobody_is_told_by_the_null_sender),
        TEST(viruses_may_be_held_or_wrapped),
        TEST(what_cannot_be_read_is_told_apart),
        TEST(a_virus_outweighs_what_cannot_be_read),
        TEST(infected_attachments_are_taken_out),
        TEST(an_infected_attachment_in_the_open_is_found),
        TEST(what_stays_infected_is_not_repaired),
        TEST(attachments_in_question_go_by_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
