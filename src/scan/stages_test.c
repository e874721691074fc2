/* What the stages of engines make of answers: log lines, marks, holds, ends. The engines are threads with one answer. */
#include "scan/actions.h"
#include "scan/graymail.h"
#include "scan/outbreak.h"
#include "scan/stage.h"
#include "scan/world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fix {
    struct scan_world world;
    struct arena arena;
    struct conf_source *conf;
    struct message m;
    struct envelope env;
    struct recipient to[2];
    struct str says[ENGINE_KINDS]; /* empty: refuses */
    unsigned asked[ENGINE_KINDS];
    char text[1000];
};

struct served {
    struct str say;
    int fd;
};

static void *serve(void *arg)
{
    struct served *s = arg;
    char part[65536];

    if (recv(s->fd, part, sizeof part, 0) > 0)
        send(s->fd, s->say.p, s->say.n, MSG_NOSIGNAL);
    shutdown(s->fd, SHUT_WR);
    while (recv(s->fd, part, sizeof part, 0) > 0)
        ;
    close(s->fd);
    free(s);
    return NULL;
}

static int test_open(void *ctx, enum engine_kind kind, struct str address, uint64_t timeout_ms, struct err *e)
{
    struct fix *f = ctx;
    struct served *s;
    pthread_t thread;
    int fds[2];

    (void)address, (void)timeout_ms;
    f->asked[kind]++;
    if (!f->says[kind].n) {
        err_set(e, RC_CONNECT, "Connection refused");
        return -1;
    }
    s = calloc(1, sizeof *s);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *s = (struct served){f->says[kind], fds[1]};
    pthread_create(&thread, NULL, serve, s);
    pthread_detach(thread);
    return fds[0];
}

static int setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);

    arena_init(&f->arena, 65536, 64 << 20);
    f->world.engines = engines_new(&(struct engine_dialer){.open = test_open, .ctx = f}, NULL, NULL);
    f->world.events = events_test_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fix *f = *state;

    engines_free(f->world.engines);
    events_free(f->world.events);
    conf_source_free(f->conf);
    arena_done(&f->arena);
    free(f);
    return 0;
}

#define BASE \
    "antispam.enabled=yes\nantivirus.enabled=yes\ngraymail.enabled=yes\noutbreak.enabled=yes\n" \
    "mail_policy.DEFAULT.antispam=yes\nmail_policy.DEFAULT.antivirus=yes\nmail_policy.DEFAULT.graymail=yes\nmail_policy." \
    "DEFAULT.outbreak=yes\n" \
    "antispam.timeout_ms=2s\nantivirus.timeout_ms=2s\n"

/* A message under the default policy with these further settings. */
static void given(struct fix *f, const char *settings, const char *message)
{
    char lines[4096];
    struct err e = ERR_NONE;

    conf_source_free(f->conf);
    snprintf(lines, sizeof lines, "%s%s", BASE, settings);
    f->conf = conf_source_test(lines, &e);
    assert_non_null(f->conf);
    f->to[0].address = str_lit("bob@example.org");
    f->to[1].address = str_lit("eve@example.org");
    f->env = (struct envelope){
        .sender = str_lit("anna@example.net"), .recipients = f->to, .n_recipients = 2, .client_ip = str_lit("192.0.2.1")};
    f->m = (struct message){.conf = conf_now(f->conf), .events = f->world.events, .mid = f->m.mid + 1};
    assert_int_equal(message_init(&f->m, &f->arena, arena_str(&f->arena, str_c(message)), &f->env, &e), RC_OK);
    f->m.policy = conf_find(&f->m.conf->mail_policy, str_lit("DEFAULT"));
    assert_non_null(f->m.policy);
    f->world.spam = (struct spam_seen){0};
}

static void rspamd_says(struct fix *f, double score, const char *action, const char *symbols)
{
    char json[600];

    snprintf(json, sizeof json, "{\"score\":%.1f,\"required_score\":15.0,\"action\":\"%s\",\"symbols\":{%s}}", score, action,
             symbols);
    snprintf(f->text, sizeof f->text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(json), json);
    f->says[ENGINE_RSPAMD] = str_c(f->text);
}

#define CLAMD_SAYS(f, text) ((f)->says[ENGINE_CLAMD] = str_of(text, sizeof(text) - 1))

static bool logged(struct fix *f, const char *line)
{
    struct str all = events_test_text(f->world.events), one;

    while (str_split(&all, '\n', &one))
        if (str_eq(one, str_c(line)))
            return true;
    return false;
}
#define assert_logged(f, line) \
    do { \
        if (!logged(f, line)) \
            fail_msg("not in the log: \"%s\"\n%.*s", line, STR(events_test_text((f)->world.events))); \
    } while (0)

static bool now_has(struct fix *f, const char *text)
{
    struct str octets = message_octets(&f->m);

    return str_find_str(octets, str_c(text)) < octets.n;
}

#define PLAIN "From: anna@example.net\r\nSubject: hello\r\n\r\nbody\r\n"

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

#define WITH_ATTACHMENT \
    "From: anna@example.net\r\nSubject: hello\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" \
    "--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: application/octet-stream; name=\"a.bin\"\r\n" \
    "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8gd29ybGQ=\r\n--b--\r\n"

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

static void released_mail_is_told_in_the_log(void **state)
{
    struct fix *f = *state;

    CLAMD_SAYS(f, "1: stream: OK\0");
    given(f, "", PLAIN);
    f->m.carried.resume = RESUME_RESCAN;
    stage_antivirus(&f->world, &f->m);
    assert_logged(f, "MID 1 antivirus negative  (released from Outbreak)");
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(released_mail_is_told_in_the_log),
        TEST(rules_of_known_outbreaks_hold),
        TEST(rules_fit_with_all_of_their_conditions),
        TEST(threats_below_the_threshold_are_tagged),
        TEST(the_look_of_a_message_has_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
