/* Held mail: the metadata it takes along is JSON, and what its release asks for is done when it comes back. */
#include "scan/stages_testing.h"

#include "base/json_read.h"
#include "scan/meta.h"

#include <math.h>

static const struct json *parsed(struct fix *f, struct str text)
{
    const struct json *v = NULL;
    struct err e = ERR_NONE;

    if (json_read(&f->arena, text, &v, &e) != RC_OK || !json_is(v, JSON_OBJECT))
        fail_msg("%s: %.*s", e.text, STR(text));
    return v;
}

static const struct json *meta_of(struct fix *f)
{
    return parsed(f, meta_make(&f->m, &f->m.carried));
}

/* central.md 7.3: whatever judging found. */
static void metadata_is_always_json(void **state)
{
    static const char *const spam[] = {"positive 97", "blocklist", "marketing ", "positive nan",
                                       "positive -5", "",          " ",          "x\"y 1"};
    static const double scores[] = {0, 97.25, -3, (double)INFINITY, (double)NAN};
    struct fix *f = *state;
    const struct json *v;

    for (size_t i = 0; i < sizeof spam / sizeof *spam; i++) {
        given(f, "", WITH_ATTACHMENT);
        f->m.outcome.spam_hold = str_c(spam[i]);
        v = json_get(meta_of(f), "spam");
        assert_int_equal(json_get(v, "score") != NULL, i == 0 || i == 7);
    }
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++) {
        struct step *s;

        given(f, "", "From: \"\\\xff\xfe\" <a@x>\r\nSubject: =?utf-8?q?=00=ED=A0=80=22=5C?=\r\n\r\nx");
        message_content(&f->m);
        s = message_step(&f->m, str_lit("antispam"), str_lit("posi\ttive"), str_lit("\x80\r\n\"\\"));
        s->score = scores[i];
        s->has_score = true;
        message_step(&f->m, str_lit("antivirus"), STR_NONE, STR_NONE);
        for (unsigned k = 0; k < 3; k++)
            message_hold(&f->m, &(struct hold){.quarantine = arena_printf(&f->arena, "Q\"%u", k),
                                               .reason = str_lit("content filter:\xc3"),
                                               .matched = str_lit("\x01\x7f\xe2\x82"),
                                               .exit_ms = k});
        f->m.carried.tags = str_lit("a\nb\n");
        f->env.tls = str_lit("TLSv1.3 X");
        v = meta_of(f);
        assert_int_equal(json_get(v, "holds")->n, 3);
        assert_int_equal(json_get(json_get(json_get(v, "verdicts"), "antispam"), "score") != NULL, i < 3);
    }
}

static void a_thousand_long_names_leave_room_for_the_holds(void **state)
{
    struct fix *f = *state;
    struct buf b = BUF(4 << 20);

    buf_add(&b, str_lit("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"));
    for (unsigned i = 0; i < 1000; i++) {
        buf_addf(&b, "--b\r\nContent-Type: application/octet-stream; name=\"%u", i);
        for (unsigned k = 0; k < 900; k++)
            buf_addc(&b, '\x01');
        buf_add(&b, str_lit("\"\r\n\r\nx\r\n"));
    }
    buf_add(&b, str_lit("--b--\r\n"));
    buf_addc(&b, '\0');
    given(f, "", b.p);
    message_content(&f->m);
    message_hold(&f->m, &(struct hold){.quarantine = str_lit("Policy"), .reason = str_lit("content filter:x")});
    assert_int_equal(json_get(meta_of(f), "holds")->n, 1);
    buf_done(&b);
}

/* ---- it comes back ------------------------------------------------------------------------------------------------------
 */

static void comes_back(struct fix *f, const char *settings, const char *message, const char *release)
{
    given(f, settings, message);
    f->m.carried = (struct carried){.resume = RESUME_RESCAN, .original_mid = 77, .release = str_c(release)};
    f->asked[ENGINE_RSPAMD] = f->asked[ENGINE_CLAMD] = 0;
}

#define OUTBREAK_RELEASE "{\"id\":1,\"rescan\":[\"antispam\",\"file_reputation\",\"antivirus\"],\"resume\":false}"
#define OTHER_RELEASE "{\"id\":1,\"rescan\":[\"file_reputation\",\"antivirus\"],\"resume\":false}"

static void outbreak_releases_are_asked_for_spam_too(void **state)
{
    static const struct {
        const char *release;
        unsigned spam, virus;
    } cases[] = {{OUTBREAK_RELEASE, 1, 1}, {OTHER_RELEASE, 0, 1}, {"", 0, 1}, {"{not json", 0, 1}};
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rspamd_says(f, 1, "no action", "");
        CLAMD_SAYS(f, "1: stream: OK\0");
        comes_back(f, "", PLAIN, cases[i].release);
        pipeline_run(&f->world, &f->m);
        assert_int_equal(f->asked[ENGINE_RSPAMD] > 0, cases[i].spam);
        assert_int_equal(f->asked[ENGINE_CLAMD] > 0, cases[i].virus);
    }
    assert_logged(f, "MID 1 antivirus negative  (released from Outbreak)");
    assert_logged(f, "MID 2 antivirus negative ");
}

/* What was skipped stays skipped but for anti-virus. */
static void skipped_engines(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS(f, "1: stream: OK\0");
    comes_back(f, "", PLAIN, OUTBREAK_RELEASE);
    f->m.carried.skip = SKIP_ANTISPAM | SKIP_ANTIVIRUS;
    pipeline_run(&f->world, &f->m);
    assert_int_equal(f->asked[ENGINE_RSPAMD], 0);
    assert_true(f->asked[ENGINE_CLAMD] > 0);
}

static struct carried verdict_of(struct fix *f, struct bus_scan_verdict *v)
{
    struct carried c;

    verdict_make(&f->m, v);
    assert_int_equal(carried_decode(v->carried, &c, NULL), RC_OK);
    return c;
}

/* central.md 9: PVO, spam quarantine, delivery. */
static void spam_goes_on_to_the_spam_quarantine(void **state)
{
    struct fix *f = *state;
    struct bus_scan_verdict v;
    struct carried c;

    CLAMD_SAYS(f, "1: stream: OK\0");
    given(f, "", PLAIN);
    message_spam_hold(&f->m, str_lit("positive"), 97);
    message_hold(&f->m, &(struct hold){.quarantine = str_lit("Policy"), .reason = str_lit("content filter:x")});
    c = verdict_of(f, &v);
    assert_true(str_eq(v.destination, str_lit("the.cpq.host")));
    assert_true(str_eq(json_str_of(json_get(json_get(parsed(f, c.meta), "pending"), "spam")), str_lit("positive 97")));
    assert_null(json_get(parsed(f, c.meta), "spam"));

    comes_back(f, "", PLAIN, OTHER_RELEASE);
    f->m.carried.spam = str_lit("positive 97");
    pipeline_run(&f->world, &f->m);
    c = verdict_of(f, &v);
    assert_int_equal(v.action, VERDICT_HOLD);
    assert_true(str_eq(v.destination, str_lit("the.euq.queue")));
    assert_true(str_eq(json_str_of(json_get(json_get(parsed(f, c.meta), "spam"), "verdict")), str_lit("positive")));
    assert_int_equal(c.release.n, 0);

    comes_back(f, "", PLAIN, OTHER_RELEASE);
    pipeline_run(&f->world, &f->m);
    verdict_of(f, &v);
    assert_int_equal(v.action, VERDICT_DELIVER);
    assert_int_equal(v.destination.n, 0);
}

/* A virus that is found at the second look holds it again. */
static void a_virus_found_at_release_counts(void **state)
{
    struct fix *f = *state;
    struct bus_scan_verdict v;

    CLAMD_SAYS(f, "1: stream: Test.Virus FOUND\0");
    comes_back(f, "mail_policy.DEFAULT.antivirus_infected_action=quarantine\n", PLAIN, OTHER_RELEASE);
    f->m.carried.spam = str_lit("positive 97");
    pipeline_run(&f->world, &f->m);
    assert_true(str_eq(verdict_of(f, &v).spam, str_lit("positive 97")));
    assert_true(str_eq(v.destination, str_lit("the.cpq.host")));
}

static void attachments_go(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS(f, "1: stream: OK\0002: stream: OK\0");
    comes_back(f, "", WITH_ATTACHMENT,
               "{\"rescan\":[\"antivirus\"],\"edits\":{\"subject_prefix\":\"[LATE]\",\"strip_attachments\":true}}");
    pipeline_run(&f->world, &f->m);
    assert_false(now_has(f, "aGVsbG8gd29ybGQ="));
    assert_true(now_has(f, "The attachment was removed when this message left the quarantine."));
    assert_true(now_has(f, "\r\n\r\ntext\r\n"));
    comes_back(f, "", WITH_ATTACHMENT, OTHER_RELEASE);
    pipeline_run(&f->world, &f->m);
    assert_true(now_has(f, "aGVsbG8gd29ybGQ="));
}

/* A mark from before the hold is not set twice. */
static void a_subject_is_marked_once(void **state)
{
    struct fix *f = *state;

    rspamd_says(f, 8, "add header", "");
    CLAMD_SAYS(f, "1: stream: OK\0");
    comes_back(f, "", "From: a@b.example\r\nSubject: [SUSPECTED SPAM] hello\r\n\r\nx\r\n", OUTBREAK_RELEASE);
    pipeline_run(&f->world, &f->m);
    assert_true(now_has(f, "Subject: [SUSPECTED SPAM] hello\r\n"));
}

/* Where a quarantine lets mail resume: behind what held it. */
static void it_resumes_behind_what_held_it(void **state)
{
    static const struct {
        const char *reason;
        uint64_t resume;
    } cases[] = {{"message filter:x", RESUME_POLICY},
                 {"content filter:x", RESUME_OUTBREAK},
                 {"a/v verdict:VIRAL", RESUME_GRAYMAIL},
                 {"Outbreak rule:R", RESUME_DLP},
                 {"anything", RESUME_RESCAN}};
    struct fix *f = *state;
    struct bus_scan_verdict v;
    uint64_t at;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct carried c;

        given(f, "", PLAIN);
        message_hold(&f->m, &(struct hold){.quarantine = str_lit("Policy"), .reason = str_c(cases[i].reason)});
        c = verdict_of(f, &v);
        assert_true(json_u64(json_get(json_get(parsed(f, c.meta), "pending"), "resume"), &at));
        assert_int_equal(at, cases[i].resume);
        assert_int_equal(c.resume, RESUME_DELIVER);
    }
}

/* ---- spam_quarantine.domains ---------------------------------------------------------------------------------------------
 */

static void spam_for_other_domains_is_marked_and_goes_on(void **state)
{
    struct fix *f = *state;
    struct carried c;
    struct str rest;
    uint64_t index;

    rspamd_says(f, 15, "reject", "");
    given(f, "spam_quarantine.domains=example.com,Example.ORG\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_int_equal(f->m.n_recipients, 2);
    assert_int_equal(f->m.outcome.n_copies, 0);
    assert_true(f->m.outcome.spam_hold.n > 0);

    given(f, "spam_quarantine.domains=example.com\n", PLAIN);
    stage_antispam(&f->world, &f->m);
    assert_int_equal(f->m.outcome.spam_hold.n, 0);
    assert_int_equal(f->m.outcome.n_copies, 0);
    assert_true(now_has(f, "Subject: [SPAM] hello\r\n"));

    given(f, "spam_quarantine.domains=example.com\n", PLAIN);
    f->to[1].address = str_lit("eve@example.com");
    stage_antispam(&f->world, &f->m);
    assert_true(str_eq(f->m.outcome.spam_hold, str_lit("positive 90")));
    assert_int_equal(f->m.n_recipients, 1);
    assert_int_equal(f->m.recipients[0], 1);
    assert_int_equal(f->m.outcome.n_copies, 1);
    rest = f->m.outcome.copies[0].indices;
    assert_true(get_varint(&rest, &index) && index == 0 && !rest.n);
    assert_int_equal(carried_decode(f->m.outcome.copies[0].carried, &c, NULL), RC_OK);
    assert_int_equal(c.resume, RESUME_ANTIVIRUS);
    assert_true(c.skip & SKIP_GRAYMAIL);
    assert_true(c.edits.n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(metadata_is_always_json),
        TEST(a_thousand_long_names_leave_room_for_the_holds),
        TEST(outbreak_releases_are_asked_for_spam_too),
        TEST(skipped_engines),
        TEST(spam_goes_on_to_the_spam_quarantine),
        TEST(a_virus_found_at_release_counts),
        TEST(attachments_go),
        TEST(a_subject_is_marked_once),
        TEST(it_resumes_behind_what_held_it),
        TEST(spam_for_other_domains_is_marked_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
