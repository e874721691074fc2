/* Every rule of the filter language, seen true and false on a message. */
#include "policy/rules_testing.h"

#include "policy/forged.h"
#include "policy/language.h"

static const char plain[] =
    "From: \"Jane Miller (CEO)\" <jane@evil.test>\n"
    "Sender: alice@good.test\n"
    "To: bob@here.test, \"Doe, John\" <john@here.test>,\n"
    " Team: a@x.test, b@x.test;\n"
    "Cc: =?utf-8?q?Andr=C3=A9?= <andre@x.test>\n"
    "Subject: =?utf-8?q?Hello_World?=\n"
    "X-Mixed: one\n"
    "X-Mixed: Two\n"
    "X-Empty:\n"
    "X-Word: the secret plan 9\n"
    "Date: Fri, 02 Jan 2026 03:04:05 +0000\n"
    "Message-ID: <1@x.test>\n"
    "MIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=utf-8\n"
    "\n"
    "The meeting about the secret plan 42 is in the room with the green door, and you have to be there.\n"
    "Secret again. See http://www.evil.test/x and https://www.good.test/y\n";

static const char mixed[] = "From: a@b.test\n"
                            "Subject: files\n"
                            "MIME-Version: 1.0\n"
                            "Content-Type: multipart/mixed; boundary=b1\n"
                            "\n"
                            "--b1\n"
                            "Content-Type: text/html; charset=utf-8\n"
                            "\n"
                            "<p>needle in <b>the</b> hay <a href=\"http://hidden.test/\">click</a></p>\n"
                            "--b1\n"
                            "Content-Type: text/plain; name=notes.txt\n"
                            "Content-Disposition: attachment; filename=notes.txt\n"
                            "\n"
                            "hello\n"
                            "--b1\n"
                            "Content-Type: application/octet-stream; name=\"tool.bin\"\n"
                            "Content-Disposition: attachment; filename=\"tool.bin\"\n"
                            "Content-Transfer-Encoding: base64\n"
                            "\n"
                            "TVqQAP9iaW5hcnkgc2VjcmV0IGhlbGxv\n"
                            "--b1\n"
                            "Content-Type: application/zip; name=\"a.zip\"\n"
                            "Content-Disposition: attachment; filename=\"a.zip\"\n"
                            "Content-Transfer-Encoding: base64\n"
                            "\n"
                            "UEsDBGhlbGxv\n"
                            "--b1\n"
                            "Content-Type: image/png; name=\"p.png\"\n"
                            "Content-Disposition: attachment; filename=\"p.png\"\n"
                            "\n"
                            "hello PICTURE\n"
                            "--b1--\n";

struct pair {
    const char *yes, *no;
};

static void judge(struct fixture *f, const struct pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].yes)
            assert_rule(f, pairs[i].yes);
        if (pairs[i].no)
            assert_no_rule(f, pairs[i].no);
    }
}

#define JUDGE(f, pairs) judge((f), (pairs), sizeof(pairs) / sizeof *(pairs))

static void rules_about_how_it_came(void **state)
{
    static const struct pair pairs[] = {
        {"true", "not true"},
        {"random(10) == 3", "random(10) != 3"},
        {"random(10)", "random(3)"},
        {"random(10) < 5", "random(10) > 5"},
        {"date > '01/01/2026 00:00:00'", "date < '01/01/2026 00:00:00'"},
        {"date == '01/02/2026 03:04:05'", "date != '01/02/2026 03:04:05'"},
        {"recv-listener == 'Inb'", "recv-listener == 'Outb'"},
        {"recv-int == '^data 1$'", "recv-int == 'Data 2'"},
        {"remote-ip == '192.0.2.0/24'", "remote-ip == '10.0.0.0/8'"},
        {"remote-ip == '192.0.2.1-9'", "remote-ip == '192.0.2.8-20'"},
        {"remote-ip != '10.1.2.3, 10.2.0.0/16'", "remote-ip != '10.1.2.3, 192.0.2.'"},
        {"sendergroup == 'SUSPECTLIST'", "sendergroup == 'ALLOWLIST'"},
        {"reputation < -3", "reputation > -3"},
        {"reputation == -3.5", "no-reputation"},
        {"tls", "not tls"},
        {"tls == 'AES_256'", "tls == 'RC4'"},
        {"workqueue-count > 49", "workqueue-count > 50"},
        {"dnslist('bl.test')", "dnslist('other.test')"},
        {"dnslist('bl.test') == '127.0.0.2'", "dnslist('bl.test') == '127.0.0.3'"},
        {"geolocation-rule(['France', 'Peru'])", "geolocation-rule(['France'])"},
        {"sdr-reputation(['awful', 'poor'])", "sdr-reputation(['good'])"},
        {"sdr-age('days', '<', 5)", "sdr-age('weeks', '>', 1)"},
        {NULL, "sdr-unscannable"},
        {"smtp-auth-id-matches('*EnvelopeFrom')", "smtp-auth-id-matches('*FromAddress')"},
        {"smtp-auth-id-matches('*Sender')", "smtp-auth-id-matches('*None')"},
        {"smtp-auth-id-matches('*Any')", "smtp-auth-id-matches('X-Mixed')"},
    };
    static const struct pair unknown[] = {
        {"no-reputation", "reputation < 10"},
        {NULL, "geolocation-rule(['Peru'])"},
        {"smtp-auth-id-matches('*None')", "smtp-auth-id-matches('*EnvelopeFrom')"},
        {NULL, "tls"},
        {"sdr-unscannable", "sdr-age('days', '<', 5)"},
        {NULL, "geolocation-rule(['Peru'], 'friends')"},
        {NULL, "dnslist('bl.test')"},
    };
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, plain);
    JUDGE(&f, pairs);
    f.env.client_ip = str_lit("198.51.100.1");
    f.env.auth_user = f.env.tls = STR_NONE;
    f.env.sender = str_lit("x@elsewhere.test");
    fixture_message(&f, plain);
    JUDGE(&f, unknown);
    f.env.auth_user = str_lit("alice+news@good.test");
    f.env.sender = str_lit("Alice@good.test");
    fixture_message(&f, plain);
    assert_rule(&f, "smtp-auth-id-matches('*EnvelopeFrom', '+')");
    assert_no_rule(&f, "smtp-auth-id-matches('*EnvelopeFrom')");
    f.env.client_ip = str_lit("192.0.2.7");
    f.env.sender = str_lit("friend@good.test");
    fixture_message(&f, plain);
    assert_rule(&f, "geolocation-rule(['Peru'], '')");
    assert_no_rule(&f, "geolocation-rule(['Peru'], 'friends')");
    fixture_close(&f);
}

static void rules_about_the_envelope(void **state)
{
    static const struct pair pairs[] = {
        {"mail-from == '^ALICE@'", "mail-from == '(?-i)^ALICE@'"},
        {"mail-from != 'bob'", "mail-from != 'alice'"},
        {"rcpt-to == 'there'", "rcpt-to == 'nowhere'"},
        {"rcpt-to != 'nowhere'", "rcpt-to != 'carol'"},
        {"mail-from-group == 'staff'", "mail-from-group == 'guests'"},
        {"rcpt-to-group == 'staff'", "rcpt-to-group != 'staff'"},
        {"rcpt-count == 2", "rcpt-count > 2"},
        {"rcpt-count >= 2", "rcpt-count < 2"},
        {"rcpt-count <= 2", "rcpt-count != 2"},
    };
    static const uint32_t second[] = {1};
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, plain);
    JUDGE(&f, pairs);
    f.m.recipients = second; /* as after a split */
    f.m.n_recipients = 1;
    assert_no_rule(&f, "rcpt-to-group == 'staff'");
    assert_no_rule(&f, "rcpt-to == 'bob'");
    assert_rule(&f, "rcpt-count == 1");
    f.env.sender = str_lit("the-secret@x.test");
    f.recipients[1].address = str_lit("plan 3@x.test");
    fixture_message(&f, plain);
    assert_rule(&f, "mail-from-dictionary-match('bad')");
    assert_no_rule(&f, "mail-from-dictionary-match('bad', 2)");
    assert_rule(&f, "rcpt-to-dictionary-match('bad')");
    assert_no_rule(&f, "rcpt-to-dictionary-match('nosuch')");
    f.env.sender = STR_NONE;
    fixture_message(&f, plain);
    assert_rule(&f, "mail-from == '^$'");
    fixture_close(&f);
}

static void rules_about_who_vouches_for_it(void **state)
{
    static const struct pair pairs[] = {
        {"spf-status == 'Fail'", "spf-status == 'Pass'"},
        {"spf-status('helo') == 'Pass, None'", "spf-status('mailfrom') == 'Pass, None'"},
        {"spf-status != 'pass'", "spf-passed"},
        {"dkim-authentication == 'pass'", "dkim-authentication == 'hardfail'"},
        {"dmarc == 'fail'", "dmarc != 'fail'"},
    };
    static const struct auth_dkim two[] = {{.result = AUTH_FAIL}, {.result = AUTH_PASS}};
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    f.auth.spf_mailfrom = (struct auth_spf){.checked = true, .result = AUTH_FAIL};
    f.auth.spf_helo = (struct auth_spf){.checked = true, .result = AUTH_PASS};
    f.auth.dkim = two;
    f.auth.n_dkim = 2;
    f.auth.dmarc = (struct auth_dmarc){.checked = true, .result = AUTH_FAIL};
    fixture_message(&f, plain);
    JUDGE(&f, pairs);
    f.auth.n_dkim = 1;
    f.auth.spf_mailfrom.result = AUTH_PASS;
    fixture_message(&f, plain);
    assert_rule(&f, "dkim-authentication == 'hardfail'");
    assert_rule(&f, "spf-passed");
    f.world.auth = NULL;
    fixture_message(&f, plain);
    assert_rule(&f, "spf-status == 'none' and dkim-authentication == 'none' and dmarc == 'none'");
    assert_no_rule(&f, "spf-passed");
    fixture_close(&f);
}

static void forged_senders_are_told_by_their_name(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, plain);
    assert_rule(&f, "forged-email-detection('chiefs', 90)");
    assert_no_rule(&f, "forged-email-detection('chiefs', 100)");
    assert_no_rule(&f, "forged-email-detection('nosuch', 1)");
    fixture_message(&f, "From: =?utf-8?b?"
                        "UtC+YmVydCBKb25lcw=="
                        "?= <x@y.test>\n\n"); /* Cyrillic o */
    assert_rule(&f, "forged-email-detection('chiefs', 100)");
    fixture_message(&f, "From: Jones, Rob <x@y.test>\n\n");
    assert_no_rule(&f, "forged-email-detection('chiefs', 90)");
    fixture_message(&f, "From: Somebody Else <jane.miller@y.test>\n\n");
    assert_no_rule(&f, "forged-email-detection('chiefs', 80)");
    fixture_message(&f, "From: jane.miller@y.test\n\n");
    assert_rule(&f, "forged-email-detection('chiefs', 100)");
    fixture_message(&f, "From: Jane Miller <jane@sub.partner.test>\n\n");
    assert_no_rule(&f, "forged-email-detection('chiefs', 100, 'friends')");
    assert_rule(&f, "forged-email-detection('chiefs', 100)");
    assert_int_equal(forged_score(&f.arena, str_lit("J4ne Mil1er"), STR_NONE, str_lit("Jane Miller")), 100);
    assert_int_equal(forged_score(&f.arena, str_lit("Jane Mixler"), STR_NONE, str_lit("Jane Miller")), 90);
    assert_int_equal(forged_score(&f.arena, str_lit("MILLER, Jane"), STR_NONE, str_lit("Jane Miller")), 100);
    assert_int_equal(forged_score(&f.arena, STR_NONE, STR_NONE, str_lit("Jane Miller")), 0);
    fixture_close(&f);
}

static void rules_about_header_fields(void **state)
{
    static const struct pair pairs[] = {
        {"subject == 'hello world'", "subject == 'goodbye'"},
        {"subject != 'goodbye'", "subject != 'hello'"},
        {"header('x-mixed') == '^two$'", "header('X-Mixed') == 'three'"},
        {"header('X-Empty')", "header('X-None')"},
        {"header('Cc') == 'André'", "header('Cc') == '=C3'"},
        {"header('To') == 'Team: a@'", "header('X-None') == ''"},
        {"header('X-None') != 'x'", "header('X-Mixed') != 'one'"},
        {"addr-count('To') == 4", "addr-count('To') > 4"},
        {"addr-count('To', 'Cc') == 5", "addr-count('Bcc') > 0"},
        {"header-dictionary-match('bad', 'X-Word')", "header-dictionary-match('bad', 'Subject')"},
        {"header-dictionary-match('bad', 'X-Word', 2)", "header-dictionary-match('bad', 'X-Word', 3)"},
        {NULL, "subject-dictionary-match('bad')"},
        {"header-repeats('Subject', 7, 'incoming')", "header-repeats('Subject', 8, 'incoming')"},
        {NULL, "header-repeats('Subject', 1, 'outgoing')"},
        {NULL, "malformed-header"},
    };
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, plain);
    JUDGE(&f, pairs);
    fixture_message(&f, "Subject: a secret plan 5\nno field at all\nX-Behind: here\n\nbody\n");
    assert_rule(&f, "malformed-header");
    assert_rule(&f, "header('X-Behind')");
    assert_rule(&f, "subject-dictionary-match('bad', 2)");
    fixture_message(&f, "X: y\n\nSubject: in the body\n");
    assert_no_rule(&f, "subject == 'body'");
    assert_rule(&f, "subject == '^$'");
    fixture_close(&f);
}

static void rules_about_the_whole_message(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, plain);
    assert_rule(&f, "body-size > 500 and body-size < 1K and body-size != 700");
    assert_no_rule(&f, "body-size >= 1K");
    assert_rule(&f, "valid");
    assert_no_rule(&f, "duplicate_boundaries or signed or encrypted or malware");
    assert_rule(&f, "message-language == 'English'");
    assert_rule(&f, "message-language == ['de', 'en']");
    assert_no_rule(&f, "message-language == 'french'");
    fixture_message(
        &f, "Subject: x\nContent-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\nx\n--a--\n--b\n\ny\n--b--\n");
    assert_rule(&f, "duplicate_boundaries");
    assert_no_rule(&f, "valid");
    fixture_message(&f,
                    "Content-Type: multipart/signed; boundary=a; protocol=\"application/pgp-signature\"\n\n--a\n\nx\n--a\n"
                    "Content-Type: application/pgp-signature\n\nsig\n--a--\n");
    assert_rule(&f, "signed and not encrypted");
    fixture_message(&f, "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nxx\n");
    assert_rule(&f, "encrypted and not signed");
    fixture_message(&f, "Content-Type: application/pkcs7-mime; smime-type=Signed-Data\n\nxx\n");
    assert_rule(&f, "signed and not encrypted");
    fixture_message(&f, "Subject: x\n\nhere:\n-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n");
    assert_rule(&f, "encrypted");
    message_step(&f.m, str_lit("antispam"), str_lit("positive"), STR_NONE);
    assert_no_rule(&f, "malware");
    message_step(&f.m, str_lit("antivirus"), str_lit("infected"), STR_NONE);
    assert_rule(&f, "malware and malware == 'infected' and malware != 'clean'");
    assert_no_rule(&f, "malware == 'encrypted, unscannable'");
    fixture_close(&f);
}

static void rules_about_text(void **state)
{
    static const struct pair on_plain[] = {
        {"body-contains('secret', 2)", "body-contains('secret', 3)"},
        {"only-body-contains('GREEN door')", "only-body-contains('(?-i)GREEN door')"},
        {NULL, "attachment-contains('secret')"},
        {NULL, "every-attachment-contains('secret')"},
        {"body-dictionary-match('bad', 3)", "body-dictionary-match('bad', 4)"},
        {"dictionary-match('bad')", "attachment-dictionary-match('bad')"},
        {"url-reputation(-10, -6)", "url-reputation(-5, 10)"},
        {"url-no-reputation", "url-no-reputation('ours')"},
        {"url-category(['gambling'])", "url-category(['News'])"},
        {"url-external-threat-feeds(['none', 'feed1'])", "url-external-threat-feeds(['feed3'])"},
        {"domain-external-threat-feeds(['feed2'], ['mail-from'])", "domain-external-threat-feeds(['feed2'], ['from'])"},
        {"domain-external-threat-feeds(['feed2'], ['sender'])", "domain-external-threat-feeds(['feed1'], ['sender'])"},
    };
    static const struct pair on_mixed[] = {
        {"body-contains('needle in the hay')", "body-contains('</b>x')"},
        {"body-contains('needle', 2)", "body-contains('needle', 3)"},
        {"only-body-contains('hidden.test')", "only-body-contains('hello')"},
        {"attachment-contains('needle')", "attachment-contains('hay')"},
        {"attachment-contains('hello', 4)", "attachment-contains('hello', 5)"},
        {"every-attachment-contains('hello')", "every-attachment-contains('needle')"},
        {"attachment-binary-contains('\\xffbinary')", "attachment-binary-contains('\\xfebinary')"},
        {"attachment-dictionary-match('bad')", "attachment-dictionary-match('bad', 2)"},
        {"dictionary-match('bad')", "body-dictionary-match('bad')"},
    };
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, plain);
    JUDGE(&f, on_plain);
    fixture_message(&f, mixed);
    JUDGE(&f, on_mixed);
    assert_true(str_eqi(filter_matched(&f.m), str_lit("secret")));
    f.world.opinion = NULL;
    fixture_message(&f, plain);
    assert_no_rule(&f, "url-no-reputation or url-reputation(-10, 10) or url-category(['gambling'])");
    fixture_close(&f);
}

static void rules_about_attachments(void **state)
{
    static const struct pair pairs[] = {
        {"attachment-filename == '\\.bin$'", "attachment-filename == '\\.doc$'"},
        {"attachment-filename == 'inner\\.exe'", "attachment-filename != 'notes'"},
        {"attachment-filetype == 'Executable'", "attachment-filetype == 'Document'"},
        {"attachment-filetype == 'exe'", "attachment-filetype == 'pdf'"},
        {"attachment-filetype == 'Compressed'", "attachment-filetype == 'gz'"},
        {"attachment-filetype == 'Image' and attachment-filetype == 'text'", "attachment-filetype == 'Media'"},
        {"attachment-type == 'x-dosexec'", "attachment-type == 'octet-stream'"},
        {"attachment-mimetype == '^application/octet-stream$'", "attachment-mimetype == 'x-dosexec'"},
        {"attachment-size > 20", "attachment-size > 1K"},
        {"attachment-unprotected", "attachment-protected"},
        {"image-verdict == 'suspect'", "image-verdict == 'inappropriate'"},
        {"image-verdict == 'suspect or inappropriate'", "image-verdict == 'clean'"},
        {"file-hash-list('known')", "file-hash-list('nosuch')"},
        {"file-hash-external-threat-feeds(['feed3'])", "file-hash-external-threat-feeds(['feed3'], 'known')"},
        {NULL, "macro-detection-rule"},
    };
    static const char crlf_free[] =
        "Content-Type: application/x-y; name=locked.zip\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n";
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, crlf_free);
    assert_rule(&f, "attachment-protected and not attachment-unprotected");
    assert_rule(&f, "file-hash-list('known')");
    fixture_message(&f, mixed);
    judge(&f, pairs, 12);
    fixture_message(&f, crlf_free);
    judge(&f, pairs + 12, 3);
    fixture_message(&f, plain);
    assert_no_rule(&f,
                   "attachment-filename == '' or attachment-unprotected or attachment-size > 0 or image-verdict == 'clean'");
    fixture_close(&f);
}

static void macros_are_found_in_each_kind_of_document(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, "Content-Type: application/pdf; name=a.pdf\n\n%PDF-1.4\n1 0 obj << /S /J#61vaScript /JS (x) >>\n");
    assert_rule(&f, "macro-detection-rule(['Adobe Portable Document Format'])");
    assert_no_rule(&f, "macro-detection-rule('Microsoft Office Files')");
    fixture_message(&f, "Content-Type: application/pdf; name=a.pdf\n\n%PDF-1.4\n1 0 obj << /JavaScripter /JSX >>\n");
    assert_no_rule(&f, "macro-detection-rule");
    fixture_message(&f, "Content-Type: x/y; name=a.docm\n\nPK\003\004..word/vbaProject.bin..\n");
    assert_rule(&f, "macro-detection-rule(['Microsoft Office Files'])");
    fixture_message(&f, "Content-Type: x/y; name=a.docx\n\nPK\003\004..word/document.xml..\n");
    assert_no_rule(&f, "macro-detection-rule");
    fixture_close(&f);
}

static void answers_are_kept_until_the_message_changes(void **state)
{
    struct fixture f;
    uint64_t before;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, plain);
    assert_rule(&f, "body-contains('secret')");
    before = filter_evaluated(&f.m);
    assert_rule(&f, "body-contains(\"secret\")");
    assert_int_equal(filter_evaluated(&f.m), before);
    patch_header_add(&f.m.patch, str_lit("X-New"), str_lit("fresh"), true);
    assert_rule(&f, "body-contains('secret') and header('X-New') == 'fresh'");
    assert_true(filter_evaluated(&f.m) > before);
    fixture_close(&f);
}

static void cheap_rules_spare_the_dear_ones(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, plain);
    assert_no_rule(&f, "url-reputation(-10, 10) and rcpt-count > 5");
    assert_rule(&f, "url-reputation(-10, 10) or rcpt-count == 2");
    assert_int_equal(f.opinions, 0);
    fixture_close(&f);
}

/* FW-19 (explosive expressions): no answer is no match, said once, and time is bounded. */
static void an_expression_that_explodes_is_no_match_and_is_logged(void **state)
{
    struct events *log = events_test_new();
    struct fixture f;
    char *text = malloc(3000001);
    struct str said;

    (void)state;
    fixture_open(&f, fixture_settings);
    memset(text, 'a', 3000000);
    memcpy(text, "Subject: x\n\n", 12);
    text[3000000] = 0;
    fixture_message(&f, text);
    f.m.events = log;
    assert_no_rule(&f, "body-contains('(a+)+b')");
    assert_no_rule(&f, "body-contains('(a|aa)+$x')");
    assert_no_rule(&f, "body-contains('a*a*a*c')");
    assert_no_rule(&f, "only-body-contains('(a+)+b')");
    said = events_test_text(log);
    assert_true(str_find_str(said, str_lit("the regular expression '(a+)+b' takes too long, treated as no match")) < said.n);
    assert_rule(&f, "only-body-contains('aaa') or true");
    free(text);
    events_free(log);
    fixture_close(&f);
}

static void languages_are_told_apart(void **state)
{
    static const struct pair texts[] = {
        {"german", "Sehr geehrte Damen und Herren, wir senden Ihnen die Rechnung für den Monat und bitten um Zahlung."},
        {"french", "Bonjour, vous trouverez dans le courrier les documents pour la réunion avec nous."},
        {"spanish", "Hola, le enviamos los documentos que pidió para la reunión del lunes con el equipo."},
        {"italian", "Buongiorno, le inviamo i documenti che sono nel file della riunione di questo mese."},
        {"dutch", "Hallo, wij sturen u de documenten van het overleg en dat is voor uw administratie."},
        {"russian", "Здравствуйте, мы отправили вам документы на этой неделе, но что с ответом?"},
        {"ukrainian", "Вітаю, ми надіслали вам документи і це для нас важливо, але що з відповіддю?"},
        {"greek", "Καλημέρα σας, σας στέλνουμε τα έγγραφα"},
        {"japanese", "会議の資料を送ります。よろしくお願いします。"},
        {"chinese", "我们已经把会议的文件发给您了，请查收。"},
        {"korean", "회의 자료를 보내드립니다. 감사합니다."},
        {"arabic", "مرحبا، نرسل لكم الوثائق الخاصة بالاجتماع"},
        {"hebrew", "שלום, אנו שולחים לכם את המסמכים"},
        {"thai", "สวัสดีครับ เราส่งเอกสารการประชุมให้คุณ"},
        {"unknown", "12345 -- 77"},
        {"unknown", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(language_of(str_c(texts[i].no)), texts[i].yes);
    assert_true(language_is("german", str_lit("DE")));
    assert_false(language_is("german", str_lit("french")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_about_how_it_came),
        cmocka_unit_test(rules_about_the_envelope),
        cmocka_unit_test(rules_about_who_vouches_for_it),
        cmocka_unit_test(forged_senders_are_told_by_their_name),
        cmocka_unit_test(rules_about_header_fields),
        cmocka_unit_test(rules_about_the_whole_message),
        cmocka_unit_test(rules_about_text),
        cmocka_unit_test(rules_about_attachments),
        cmocka_unit_test(macros_are_found_in_each_kind_of_document),
        cmocka_unit_test(answers_are_kept_until_the_message_changes),
        cmocka_unit_test(cheap_rules_spare_the_dear_ones),
        cmocka_unit_test(an_expression_that_explodes_is_no_match_and_is_logged),
        cmocka_unit_test(languages_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
