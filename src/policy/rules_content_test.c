/* Rules of the filter language about texts and attachments, seen true and false on a message. */
#include "policy/rules_testing.h"

#include "policy/language.h"

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
    fixture_message(&f, fixture_plain);
    JUDGE(&f, on_plain);
    fixture_message(&f, fixture_mixed);
    JUDGE(&f, on_mixed);
    assert_true(str_eqi(filter_matched(&f.m), str_lit("secret")));
    f.world.opinion = NULL;
    fixture_message(&f, fixture_plain);
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
    fixture_message(&f, fixture_mixed);
    judge(&f, pairs, 12);
    fixture_message(&f, crlf_free);
    judge(&f, pairs + 12, 3);
    fixture_message(&f, fixture_plain);
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
        cmocka_unit_test(rules_about_text),
        cmocka_unit_test(rules_about_attachments),
        cmocka_unit_test(macros_are_found_in_each_kind_of_document),
        cmocka_unit_test(languages_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
