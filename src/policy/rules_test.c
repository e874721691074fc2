/* Every rule of the filter language, seen true and false on a message. */
#include "policy/rules_testing.h"

#include "policy/forged.h"

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
    fixture_message(&f, fixture_plain);
    JUDGE(&f, pairs);
    f.env.client_ip = str_lit("198.51.100.1");
    f.env.auth_user = f.env.tls = STR_NONE;
    f.env.reputation = str_lit("unable to retrieve");
    f.env.sender = str_lit("x@elsewhere.test");
    fixture_message(&f, fixture_plain);
    JUDGE(&f, unknown);
    f.env.auth_user = str_lit("alice+news@good.test");
    f.env.sender = str_lit("Alice@good.test");
    fixture_message(&f, fixture_plain);
    assert_rule(&f, "smtp-auth-id-matches('*EnvelopeFrom', '+')");
    assert_no_rule(&f, "smtp-auth-id-matches('*EnvelopeFrom')");
    f.env.client_ip = str_lit("192.0.2.7");
    f.env.sender = str_lit("friend@good.test");
    fixture_message(&f, fixture_plain);
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
    fixture_message(&f, fixture_plain);
    JUDGE(&f, pairs);
    f.m.recipients = second; /* as after a split */
    f.m.n_recipients = 1;
    assert_no_rule(&f, "rcpt-to-group == 'staff'");
    assert_no_rule(&f, "rcpt-to == 'bob'");
    assert_rule(&f, "rcpt-count == 1");
    f.env.sender = str_lit("the-secret@x.test");
    f.recipients[1].address = str_lit("plan 3@x.test");
    fixture_message(&f, fixture_plain);
    assert_rule(&f, "mail-from-dictionary-match('bad')");
    assert_no_rule(&f, "mail-from-dictionary-match('bad', 2)");
    assert_rule(&f, "rcpt-to-dictionary-match('bad')");
    assert_no_rule(&f, "rcpt-to-dictionary-match('nosuch')");
    f.env.sender = STR_NONE;
    fixture_message(&f, fixture_plain);
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
    fixture_message(&f, fixture_plain);
    JUDGE(&f, pairs);
    f.auth.n_dkim = 1;
    f.auth.spf_mailfrom.result = AUTH_PASS;
    fixture_message(&f, fixture_plain);
    assert_rule(&f, "dkim-authentication == 'hardfail'");
    assert_rule(&f, "spf-passed");
    f.world.auth = NULL;
    fixture_message(&f, fixture_plain);
    assert_rule(&f, "spf-status == 'none' and dkim-authentication == 'none' and dmarc == 'none'");
    assert_no_rule(&f, "spf-passed");
    fixture_close(&f);
}

static void forged_senders_are_told_by_their_name(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, fixture_plain);
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
    fixture_message(&f, fixture_plain);
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
    fixture_message(&f, fixture_plain);
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

static void answers_are_kept_until_the_message_changes(void **state)
{
    struct fixture f;
    uint64_t before;

    (void)state;
    fixture_open(&f, fixture_settings);
    fixture_message(&f, fixture_plain);
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
    fixture_message(&f, fixture_plain);
    assert_no_rule(&f, "url-reputation(-10, 10) and rcpt-count > 5");
    assert_rule(&f, "url-reputation(-10, 10) or rcpt-count == 2");
    assert_int_equal(f.opinions, 0);
    fixture_close(&f);
}

/* No answer is no match, said once, and time is bounded. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_about_how_it_came),
        cmocka_unit_test(rules_about_the_envelope),
        cmocka_unit_test(rules_about_who_vouches_for_it),
        cmocka_unit_test(forged_senders_are_told_by_their_name),
        cmocka_unit_test(rules_about_header_fields),
        cmocka_unit_test(rules_about_the_whole_message),
        cmocka_unit_test(answers_are_kept_until_the_message_changes),
        cmocka_unit_test(cheap_rules_spare_the_dear_ones),
        cmocka_unit_test(an_expression_that_explodes_is_no_match_and_is_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
