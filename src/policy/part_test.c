/* Changes of parts: each sees the octets of the whole message, so what is around a change is seen to stay. */
#include "policy/judge_testing.h"
#include "policy/part.h"

static void frame(const char *before, const char *text, const char *html, bool above, const char *after)
{
    struct judge j;

    judge_settings(&j, "");
    judge_message(&j, "a@x.test", "b@y.test", before);
    part_frame(&j.m, str_c(text), str_c(html), above);
    assert_string_equal(judge_text(&j), after);
    assert_false(j.m.patch.failed);
    judge_log(&j);
    judge_done(&j);
}

static void test_plain(void **state)
{
    (void)state;
    frame("Subject: x\n\nHello\n", "Foot", "", false, "Subject: x\n\nHello\nFoot\n");
    frame("Subject: x\n\nHello\n", "Head", "", true, "Subject: x\n\nHead\nHello\n");
    frame("Subject: x\n\nHello", "Foot\n\n", "", false, "Subject: x\n\nHello\nFoot\n");
}

/* Quoted-printable: what was encoded stays as it was; a soft line break at the end does not swallow what is added. */
static void test_quoted(void **state)
{
    (void)state;
    frame("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
          "quoted-printable\n\nGr=C3=BC=\n=C3=9Fe=\n",
          "F\303\274\303\237e = 2", "", false,
          "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
          "quoted-printable\n\nGr=C3=BC=\n=C3=9Fe=\n"
          "\nF=C3=BC=C3=9Fe =3D 2\n");
    /* Latin 1 gets Latin 1, another alphabet makes it UTF-8 */
    frame("MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
          "quoted-printable\n\nGr=FC=DFe\n",
          "\303\274ber", "", false,
          "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
          "quoted-printable\n\nGr=FC=DFe\n=FCber\n");
    frame("MIME-Version: 1.0\nContent-Type: text/plain; format=flowed; charset=iso-8859-1\nContent-Transfer-Encoding: "
          "quoted-printable\n\nGr=FC=DFe\n",
          "\316\251", "", false,
          "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: "
          "quoted-printable\n\n"
          "Gr=C3=BC=C3=9Fe\n=CE=A9\n");
}

static void test_base64(void **state)
{
    (void)state;
    frame("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nSGFsbG8NCg==\n",
          "Fu\303\237", "", false,
          "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
          "base64\n\nSGFsbG8NCkZ1w58NCg==\n");
}

/* A text of 7 bits that gets others says so. */
static void test_seven_bits(void **state)
{
    (void)state;
    frame("Subject: x\n\nHello\n", "\303\274", "", false,
          "Subject: x\nContent-Type: text/plain; charset=utf-8\nMIME-Version: 1.0\nContent-Transfer-Encoding: "
          "quoted-printable\n\n"
          "Hello\n=C3=BC\n");
}

static void test_alternatives(void **state)
{
    (void)state;
    frame("MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\npreamble\n--b\n\nHello\n--b\n"
          "Content-Type: text/html\n\n<html><BODY class=x><p>Hello</p></Body></html>\n--b--\nepilogue\n",
          "Foot", "<p>Foot</p>", false,
          "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\npreamble\n--b\n\nHello\nFoot\n\n--b\n"
          "Content-Type: text/html\n\n<html><BODY class=x><p>Hello</p><p>Foot</p></Body></html>\n--b--\nepilogue\n");
    frame("MIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<html><body "
          "class=3D\"x\"><p>H</p></body></html>\n",
          "", "<i>F</i>", true,
          "MIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<html><body "
          "class=3D\"x\"><i>F</i><p>H</p></body></html>\n");
}

/* A signed message keeps its signed part to the octet: the text comes beside it. */
static void test_signed(void **state)
{
    const char *signed_part =
        "Content-Type: multipart/signed; boundary=s; micalg=sha-256;\n protocol=\"application/pkcs7-signature\"\n";
    char before[2000], *after;
    struct judge j;

    (void)state;
    snprintf(before, sizeof before,
             "From: a@x.test\n%sMIME-Version: 1.0\nSubject: s\n\n--s\n\nHello\n--s\nContent-Type: "
             "application/pkcs7-signature\n\nAAAA\n--s--\n",
             signed_part);
    judge_settings(&j, "");
    judge_message(&j, "a@x.test", "b@y.test", before);
    part_frame(&j.m, str_lit("Foot"), STR_NONE, false);
    after = (char *)(uintptr_t)judge_text(&j);
    assert_non_null(strstr(after, "--s\n\nHello\n--s\nContent-Type: application/pkcs7-signature\n\nAAAA\n--s--\n"));
    assert_true(str_eq(message_mime(&j.m)->root->type, str_lit("multipart/mixed")));
    assert_true(str_eq(message_mime(&j.m)->root->first->type, str_lit("multipart/signed")));
    assert_true(str_eq(message_mime(&j.m)->root->first->next->type, str_lit("text/plain")));
    assert_true(str_eq(mime_header(message_mime(&j.m), str_lit("Subject")), str_lit("s")));
    judge_log(&j);
    judge_done(&j);
}

static void test_drop(void **state)
{
    struct part_changes c;
    struct judge j;

    (void)state;
    judge_settings(&j, "");
    judge_message(&j, "a@x.test", "b@y.test",
                  "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b\nContent-Type: "
                  "application/pdf; name=a.pdf\n"
                  "Content-Transfer-Encoding: base64\n\nAAAA\n--b--\n");
    part_changes_begin(&c, &j.m);
    part_drop(&c, c.mime->root->first->next, str_lit("gone"));
    part_drop(&c, c.mime->root->first->next, str_lit("twice"));
    assert_int_equal(part_changes_make(&c), 1);
    assert_string_equal(judge_text(&j),
                        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nHello\n--b\nContent-Type: "
                        "text/plain; charset=utf-8\n"
                        "Content-Transfer-Encoding: quoted-printable\nContent-Disposition: inline\n\ngone\n--b--\n");
    judge_log(&j);
    judge_message(&j, "a@x.test", "b@y.test",
                  "Subject: x\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\nContent-ID: "
                  "<1>\n\nAAAA\n");
    part_changes_begin(&c, &j.m);
    part_drop(&c, c.mime->root, str_lit("gone"));
    part_changes_make(&c);
    assert_string_equal(judge_text(&j),
                        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nSubject: x\n"
                        "MIME-Version: 1.0\n\ngone\n");
    judge_log(&j);
    judge_done(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),      cmocka_unit_test(test_quoted), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_seven_bits), cmocka_unit_test(test_signed), cmocka_unit_test(test_alternatives),
        cmocka_unit_test(test_drop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
