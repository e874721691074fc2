/*
 * Actions of filters: each row does what its name says, seen on the octets of the message and on what is recorded.
 * Conditions have tests of their own; here every filter is `true`.
 */
#include "policy/content.h"
#include "policy/filter_run.h"
#include "policy/judge_testing.h"
#include "policy/mail_policy.h"

#include <ctype.h>

static const char settings[] =
    "system.hostname=mx.test\n"
    "listener.In.host_name=in.test\n"
    "url.redirect=https://look.test/?u=$url\n"
    "text_resource.Foot.text=Sent by $Hostname <$EnvelopeFrom>\n"
    "text_resource.Note.text=Filter $FilterName: $Subject\n"
    "file_hash_list.Bad.members=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n"
    "dictionary.Words.terms=secret\n"
    "url_list.Good.members=good.test\n";

static const char plain[] = "From: Ann <ann@x.test>\nSubject: Hello\n\nText\n";
static const char with_files[] =
    "From: Ann <ann@x.test>\nSubject: Files\nMIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nBody\n"
    "--b\nContent-Type: application/pdf; name=\"inv.pdf\"\n\n%PDF-1.4\n"
    "--b\nContent-Type: text/plain; name=\"note.txt\"\nContent-Disposition: attachment\n\nhello\n"
    "--b--\n";

/* A message after one run of these actions, separated by semicolons at the end of lines. */
static void run(struct judge *j, bool content, const char *actions, const char *message)
{
    struct str rest = str_c(actions), one;
    struct filter_run r;

    judge_compiled(j, settings);
    judge_message(j, "ann@x.test", "bob@ours.test eve@ours.test", message);
    filter_run_begin(&r, content, str_lit("inbound"), action_do);
    r.filter = str_lit("F");
    while (str_split(&rest, '\n', &one)) {
        struct filter_action *a = arena_new(&j->arena, struct filter_action);
        struct err e = ERR_NONE;

        if (filter_parse_action(&j->arena, one, a, &e) != RC_OK)
            fail_msg("%s", e.text);
        filter_run_action(&j->m, a, &r);
    }
    filter_run_end(&j->m, &r);
    assert_false(j->m.patch.failed);
}

static void done(struct judge *j, const char *log)
{
    struct str text = judge_log(j);

    if (str_find_str(text, str_c(log)) == text.n && *log)
        fail_msg("log is: %.*s", STR(text));
    if (!*log && text.n)
        fail_msg("log is: %.*s", STR(text));
    judge_done(j);
}

/* --- octets
 * ------------------------------------------------------------------------------------------------------------------ */

/* What each does to a text of the message: `from` is there before and `to` after, in its place; the rest does not change. */
static const struct {
    const char *actions, *message, *from, *to;
} rewrites[] = {
    {"no-op()", plain, "", ""},
    {"insert-header(\"X-New\", \"$MID $RemoteIP\")", plain, "Hello\n", "Hello\nX-New: 17 192.0.2.7\n"},
    {"insert-header(\"X-New\", \"\303\274\")", plain, "Hello\n", "Hello\nX-New: =?utf-8?Q?=C3=BC?=\n"},
    {"strip-header(\"subject\")", plain, "Subject: Hello\n", ""},
    {"edit-header-text(\"Subject\", \"^hel(lo)\", \"Hal\\\\1 $Group\")", plain, "Hello\n", "Hallo UNKNOWNLIST\n"},
    {"edit-header-text(\"From\", \"^Ann\", \"\303\204nn\")", plain, "From: Ann <", "From: =?utf-8?Q?=C3=84nn?= <"},
    {"edit-header-text(\"Subject\", \"nothing\", \"x\")", plain, "", ""},
    {"edit-body-text(\"text\", \"Other\")", plain, "Text\n", "Other\n"},
    {"edit-body-text(\"hello\", \"changed\")", with_files, "", ""}, /* files are no body */
    {"fed()", plain, "From: Ann <ann@x.test>\nSubject: Hello\n",
     "From: <ann@x.test>\nSubject: Hello\nX-Original-From: Ann <ann@x.test>\n"},
    {"fed(\"from\", \"Somebody <$EnvelopeFrom>\")", plain, "From: Ann <ann@x.test>\nSubject: Hello\n",
     "From: Somebody <ann@x.test>\nSubject: Hello\nX-Original-From: Ann <ann@x.test>\n"},
    {"add-footer(\"Foot\")", plain, "Text\n", "Text\nSent by in.test <ann@x.test>\n"},
    {"add-heading(\"Foot\")", plain, "Text\n", "Sent by in.test <ann@x.test>\nText\n"},
    {"add-footer(\"Foot\")", "Content-Type: text/html\n\n<body>x</body>\n", "</body>",
     "<div>Sent by in.test &#60;ann@x.test&#62;</div>\n</body>"},
    {"html-convert()", "Content-Type: text/html; charset=us-ascii\nMIME-Version: 1.0\n\n<p>Hello <b>you</b></p>\n",
     "Content-Type: text/html; charset=us-ascii\nMIME-Version: 1.0\n\n<p>Hello <b>you</b></p>\n",
     "Content-Type: text/plain; charset=us-ascii\nMIME-Version: 1.0\n\nHello you\n"},
    {"drop-attachments-by-name(\"\\\\.pdf$\", \"no $dropped_filename\")", with_files,
     "Content-Type: application/pdf; name=\"inv.pdf\"\n\n%PDF-1.4\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nno inv.pdf\n"},
    {"drop-attachments-by-type(\"^application/pdf$\", \"x\")", with_files,
     "Content-Type: application/pdf; name=\"inv.pdf\"\n\n%PDF-1.4\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nx\n"},
    {"drop-attachments-by-mimetype(\"pdf\", \"x\")", with_files,
     "Content-Type: application/pdf; name=\"inv.pdf\"\n\n%PDF-1.4\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nx\n"},
    {"drop-attachments-by-filetype(\"Document\", \"x\")", with_files,
     "Content-Type: application/pdf; name=\"inv.pdf\"\n\n%PDF-1.4\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nx\n"},
    {"drop-attachments-by-size(6, \"x\")", with_files, "Content-Type: application/pdf; name=\"inv.pdf\"\n\n%PDF-1.4\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nx\n"},
    {"drop-attachments-by-size(9)", with_files, "", ""},
    {"drop-attachments-by-hash(\"Bad\", \"x\")", with_files,
     "Content-Type: text/plain; name=\"note.txt\"\nContent-Disposition: attachment\n\nhello\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nx\n"},
    {"drop-attachments-where-contains(\"HELL.\", \"x\")", with_files,
     "Content-Type: text/plain; name=\"note.txt\"\nContent-Disposition: attachment\n\nhello\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nx\n"},
    {"drop-attachments-where-contains(\"hello\", \"x\", 2)", with_files, "", ""},
    {"drop-attachments-where-dictionary-match(\"Words\", 1, \"x\")",
     "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsecret\n--b\nContent-Type: text/plain; "
     "name=a.txt\n\nA secret.\n--b--\n",
     "Content-Type: text/plain; name=a.txt\n\nA secret.\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nx\n"},
    {"drop-macro-enabled-attachments([\"Adobe Portable Document Format\"], \"x\")",
     "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Type: application/pdf; "
     "name=a.pdf\n\n%PDF-1.4\n1 0 obj << /S /JavaScript /JS (x) >>\n--b--\n",
     "Content-Type: application/pdf; name=a.pdf\n\n%PDF-1.4\n1 0 obj << /S /JavaScript /JS (x) >>\n",
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nContent-Disposition: "
     "inline\n\nx\n"},
    /* URLs: the world of the test knows bad.test (-9, Malware), fine.test (8, News); others not */
    {"url-reputation-defang(-10, -6)", "\nSee http://bad.test/x?y=1 and http://fine.test/\n", "http://bad.test/x?y=1",
     "hxxp://bad[.]test/x?y=1"},
    {"url-reputation-redirect(-10, -6)", "\nSee http://bad.test/ now\n", "http://bad.test/",
     "https://look.test/?u=http%3A%2F%2Fbad.test%2F"},
    {"url-reputation-replace(-10, -6, \"[gone $MID]\")", "\nSee http://bad.test/ now\n", "http://bad.test/", "[gone 17]"},
    {"url-reputation-replace(6, 10, \"[x]\", \"Good\")", "\nSee http://good.test/ http://fine.test/ now\n",
     "http://fine.test/", "[x]"},
    {"url-category-defang([\"Malware\"])", "\nSee http://bad.test/ http://fine.test/\n", "http://bad.test/",
     "hxxp://bad[.]test/"},
    {"url-category-redirect([\"News\"])", "\nSee http://bad.test/ http://fine.test/\n", "http://fine.test/",
     "https://look.test/?u=http%3A%2F%2Ffine.test%2F"},
    {"url-category-replace([\"News\"], \"-\")", "\nSee http://bad.test/ http://fine.test/\n", "http://fine.test/", "-"},
    {"url-no-reputation-defang()", "\nSee http://bad.test/ http://new.test/\n", "http://new.test/", "hxxp://new[.]test/"},
    {"url-no-reputation-redirect()", "\nSee http://new.test/\n", "http://new.test/",
     "https://look.test/?u=http%3A%2F%2Fnew.test%2F"},
    {"url-no-reputation-replace(\"?\")", "\nSee http://new.test/\n", "http://new.test/", "?"},
    {"url-reputation-defang(-10, -6)", "Content-Type: text/html\n\n<a href=\"http://bad.test/\">click</a>\n",
     "http://bad.test/", "hxxp://bad[.]test/"},
    {"url-reputation-defang(-10, -6, \"\", 1)",
     "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nhttp://bad.test/\n--b\nContent-Type: "
     "application/pkcs7-signature\n\nAA\n--b--\n",
     "", ""},
};

static void opinion(void *ctx, struct message *m, enum opinion_kind kind, struct str of, struct str by, struct opinion *out)
{
    (void)ctx;
    (void)m;
    (void)by;
    if (kind == OPINION_URL && str_find_str(of, str_lit("bad.test")) < of.n)
        *out = (struct opinion){true, -9, str_lit("Malware"), 0};
    else if (kind == OPINION_URL &&
             (str_find_str(of, str_lit("fine.test")) < of.n || str_find_str(of, str_lit("good.test")) < of.n))
        *out = (struct opinion){true, 8, str_lit("News"), 0};
}

static void test_edits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rewrites / sizeof *rewrites; i++) {
        const char *message = rewrites[i].message, *at = strstr(message, rewrites[i].from);
        char wanted[4000];
        struct judge j;
        struct filter_action a;
        struct filter_run r;
        struct err e = ERR_NONE;

        must(at);
        snprintf(wanted, sizeof wanted, "%.*s%s%s", (int)(at - message), message, rewrites[i].to,
                 at + strlen(rewrites[i].from));
        judge_compiled(&j, settings);
        judge_message(&j, "ann@x.test", "bob@ours.test", message);
        j.world.opinion = opinion;
        filter_run_begin(&r, false, STR_NONE, action_do);
        r.filter = str_lit("F");
        if (filter_parse_action(&j.arena, str_c(rewrites[i].actions), &a, &e) != RC_OK)
            fail_msg("%s: %s", rewrites[i].actions, e.text);
        j.m.parts_told = true; /* no line about its files: only those of the action */
        filter_run_action(&j.m, &a, &r);
        filter_run_end(&j.m, &r);
        if (strcmp(judge_text(&j), wanted) != 0)
            fail_msg("%s gives\n%s", rewrites[i].actions, judge_text(&j));
        assert_int_equal(j.m.outcome.n_copies + j.m.outcome.n_holds, 0);
        done(&j, "");
    }
}

/* --- what is recorded
 * ---------------------------------------------------------------------------------------------------------- */

static void test_marks(void **state)
{
    struct judge j;
    struct carried *c = &j.m.carried;

    (void)state;
    run(&j, false,
        "alt-src-host(\"Data\")\nalt-mailhost(\"one.test\")\nalt-mailhost(\"other.test\")\nbounce-profile(\"slow\")\ntag-"
        "message(\"T $MID\")\n"
        "tag-message(\"U\")\nencrypt(\"P\", \"[enc] $Subject\")\nlog-entry(\"seen $Subject\")",
        plain);
    assert_true(str_eq(c->source_interface, str_lit("Data")));
    assert_true(str_eq(c->route, str_lit("other.test")));
    assert_true(str_eq(c->bounce_profile, str_lit("slow")));
    assert_true(str_eq(c->tags, str_lit("T 17\nU\n")));
    assert_true(str_eq(c->encrypt, str_lit("P")));
    assert_string_equal(judge_text(&j), "From: Ann <ann@x.test>\nSubject: [enc] Hello\n\nText\n");
    done(&j, "MID 17 Custom Log Entry: seen Hello\n");
}

static void test_skips(void **state)
{
    static const struct {
        const char *action;
        uint64_t skip;
    } rows[] = {
        {"skip-spamcheck()", SKIP_ANTISPAM},   {"skip-marketingcheck()", SKIP_MARKETING},
        {"skip-socialcheck()", SKIP_SOCIAL},   {"skip-bulkcheck()", SKIP_BULK},
        {"skip-viruscheck()", SKIP_ANTIVIRUS}, {"skip-ampcheck()", SKIP_AMP},
        {"skip-vofcheck()", SKIP_OUTBREAK},    {"skip-dlpcheck()", SKIP_DLP},
        {"skip-dkim-signing()", SKIP_DKIM},
    };
    struct judge j;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run(&j, false, rows[i].action, plain);
        assert_int_equal(j.m.carried.skip, rows[i].skip);
        done(&j, "");
    }
}

static void test_ends(void **state)
{
    struct judge j;

    (void)state;
    run(&j, false, "drop()\nlog-entry(\"not reached\")", plain);
    assert_int_equal(j.m.outcome.final, FINAL_DROP);
    done(&j, "Message aborted MID 17 Dropped by filter 'F'\n");
    run(&j, true, "add-footer(\"Foot\")\ndrop()", plain);
    assert_string_equal(judge_text(&j), plain); /* what was to be done at the end is not */
    done(&j, "Message aborted MID 17 Dropped by content filter 'F' in the inbound table\n");
    run(&j, true, "bounce()", plain);
    assert_int_equal(j.m.outcome.final, FINAL_BOUNCE);
    assert_true(str_eq(j.m.outcome.bounce_text, str_lit("5.7.1 Message refused by a filter of this system")));
    done(&j, "Message aborted MID 17 Bounced by content filter 'F' in the inbound table\n");
    run(&j, false, "bounce(\"no $Subject here\")", plain);
    assert_true(str_eq(j.m.outcome.bounce_text, str_lit("5.7.1 no Hello here")));
    done(&j, "");
    run(&j, false, "deliver()\ndrop()", plain);
    assert_int_equal(j.m.outcome.final, FINAL_DELIVER);
    done(&j, "");
    run(&j, false, "add-footer(\"Foot\")\nskip-filters()\ndrop()", plain);
    assert_int_equal(j.m.outcome.final, FINAL_NONE);
    assert_non_null(strstr(judge_text(&j), "Sent by"));
    done(&j, "");
}

static void test_quarantines(void **state)
{
    struct carried c;
    struct err e = ERR_NONE;
    struct judge j;

    (void)state;
    run(&j, true, "quarantine(\"Policy\")\nduplicate-quarantine(\"Virus\")", plain);
    assert_int_equal(j.m.outcome.n_holds, 1);
    assert_true(str_eq(j.m.outcome.holds[0].quarantine, str_lit("Policy")));
    assert_true(str_eq(j.m.outcome.holds[0].kind, str_lit("policy")));
    assert_true(str_eq(j.m.outcome.holds[0].reason, str_lit("content filter:F")));
    assert_int_equal(j.m.outcome.n_copies, 1);
    assert_true(str_eq(j.m.outcome.copies[0].by, str_lit("duplicate-quarantine")));
    assert_int_equal(carried_decode(j.m.outcome.copies[0].carried, &c, &e), RC_OK);
    assert_int_equal(c.resume, RESUME_HOLD);
    assert_true(str_eq(c.holds, str_lit("Virus\tcontent filter:F\n")));
    done(&j, "");
}

static void test_other_recipients(void **state)
{
    struct judge j;

    (void)state;
    run(&j, false, "alt-rcpt-to(\"one@a.test\", \"two@b.test\")", plain);
    assert_int_equal(j.m.outcome.new_recipients.n, 2);
    assert_true(str_eq(j.m.outcome.new_recipients.items[1], str_lit("two@b.test")));
    assert_true(str_eq(j.m.outcome.new_recipients_by, str_lit("alt-rcpt-to-filter")));
    assert_true(str_eq(j.m.outcome.new_recipients_filter, str_lit("F")));
    done(&j, "");
}

/* --- copies
 * -------------------------------------------------------------------------------------------------------------------- */

/* The n-th copy as whoever gets it sees it. */
static struct str copy_text(struct judge *j, size_t n, struct carried *c)
{
    const struct verdict_copy *v = &j->m.outcome.copies[n];
    struct err e = ERR_NONE;
    struct edits edits;
    struct patch p;

    assert_int_equal(carried_decode(v->carried, c, &e), RC_OK);
    if (v->body.n)
        return v->body;
    patch_init(&p, &j->arena, j->m.patch.original);
    assert_int_equal(edits_decode(&j->arena, c->edits, p.original.n, &edits, &e), RC_OK);
    for (size_t i = edits.n; i-- > 0;)
        patch_replace(&p, edits.items[i].offset, edits.items[i].length, edits.items[i].replacement);
    return patch_octets(&p);
}

static bool has(struct str text, const char *part)
{
    return str_find_str(text, str_c(part)) < text.n;
}

/* Addresses of a copy, joined by spaces. */
static const char *addresses(struct judge *j, size_t n)
{
    struct str in = j->m.outcome.copies[n].recipients, one;
    static char text[400];

    text[0] = 0;
    while (in.n && get_str(&in, &one))
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", text[0] ? " " : "", STR(one));
    return text;
}

static void test_copies(void **state)
{
    struct carried c;
    struct judge j;
    struct str text;

    (void)state;
    run(&j, false,
        "insert-header(\"X-A\", \"1\")\nbcc(\"arch@a.test\", \"[copy] $Subject\", \"bounces@a.test\", "
        "\"host.test\")\ninsert-header(\"X-B\", \"2\")",
        plain);
    assert_int_equal(j.m.outcome.n_copies, 1);
    assert_true(str_eq(j.m.outcome.copies[0].by, str_lit("bcc")));
    assert_true(str_eq(j.m.outcome.copies[0].filter, str_lit("F")));
    assert_string_equal(addresses(&j, 0), "arch@a.test");
    assert_false(j.m.outcome.copies[0].same_sender);
    assert_true(str_eq(j.m.outcome.copies[0].sender, str_lit("bounces@a.test")));
    assert_true(str_eq(j.m.outcome.copies[0].destination, str_lit("host.test")));
    text = copy_text(&j, 0, &c);
    assert_int_equal(c.resume, RESUME_DELIVER);
    assert_true(str_eq(text, judge_crlf(&j.arena, "From: Ann <ann@x.test>\nSubject: [copy] Hello\nX-A: 1\n\nText\n")));
    assert_string_equal(judge_text(&j), "From: Ann <ann@x.test>\nSubject: Hello\nX-A: 1\nX-B: 2\n\nText\n");
    done(&j, "");
    run(&j, true, "bcc-scan(\"arch@a.test\")", plain);
    assert_true(str_eq(copy_text(&j, 0, &c), judge_crlf(&j.arena, plain)));
    assert_int_equal(c.resume, RESUME_START);
    assert_int_equal(c.skip, SKIP_FILTERS | SKIP_CONTENT); /* or it would copy itself for ever */
    assert_true(j.m.outcome.copies[0].same_sender);
    done(&j, "");
}

static void test_notifications(void **state)
{
    struct carried c;
    struct judge j;
    struct str text;

    (void)state;
    run(&j, false,
        "notify(\"admin@ours.test\", \"\", \"\", \"Note\")\nnotify-copy(\"$EnvelopeRecipients\", \"About "
        "$Subject\")\nnotify(\"admin@ours.test\", \"s\", \"\", \"Gone\")",
        plain);
    assert_int_equal(j.m.outcome.n_copies, 2);
    assert_true(str_eq(j.m.outcome.copies[0].by, str_lit("notify")));
    assert_false(j.m.outcome.copies[0].same_sender);
    assert_int_equal(j.m.outcome.copies[0].sender.n, 0);
    text = copy_text(&j, 0, &c);
    assert_int_equal(c.resume, RESUME_DELIVER);
    assert_true(has(text, "From: Mail Delivery System <MAILER-DAEMON@in.test>\r\nTo: admin@ours.test\r\nSubject: "
                          "Notification of filter F\r\n"));
    assert_true(has(text, "\r\nAuto-Submitted: auto-generated\r\n"));
    assert_true(has(text, "\r\n\r\nFilter F: Hello\r\n"));
    assert_true(str_eq(j.m.outcome.copies[1].by, str_lit("notify-copy")));
    assert_string_equal(addresses(&j, 1), "bob@ours.test eve@ours.test");
    text = copy_text(&j, 1, &c);
    assert_true(has(text, "Subject: About Hello\r\n"));
    assert_true(has(text, "Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\nFrom: Ann "
                          "<ann@x.test>\r\nSubject: Hello\r\n\r\nText\r\n"));
    done(&j, "MID 17 action notify of filter 'F' failed: there is no text resource \"Gone\"\n");
}

/* What a filter changes in the header leaves the octets of the body alone. */
static void test_body_intact(void **state)
{
    struct judge j;
    struct str body = str_lit("\r\nText\r\n"), now;

    (void)state;
    run(&j, false,
        "insert-header(\"X-A\", \"1\")\nstrip-header(\"From\")\nedit-header-text(\"Subject\", \"h\", \"x\")\nfed()", plain);
    now = message_octets(&j.m);
    assert_true(str_ends(now, body));
    done(&j, "");
}

/* Every row of the language is one of the tables above, or says that it is not there yet. */
static void test_not_there(void **state)
{
    struct judge j;

    (void)state;
    run(&j, false, "safe-print()", plain);
    done(&j, "MID 17 action safe-print of filter 'F' failed: safe-print: this system renders no documents\n");
    run(&j, false, "archive(\"x\")", plain);
    done(&j, "MID 17 action archive of filter 'F' failed: archive: this system keeps no archives of mail\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits),       cmocka_unit_test(test_marks),
        cmocka_unit_test(test_skips),       cmocka_unit_test(test_ends),
        cmocka_unit_test(test_copies),      cmocka_unit_test(test_quarantines),
        cmocka_unit_test(test_not_there),   cmocka_unit_test(test_other_recipients),
        cmocka_unit_test(test_body_intact), cmocka_unit_test(test_notifications),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
