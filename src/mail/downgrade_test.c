/* Tests of the conversion for next hops without 8BITMIME (RFC 6152 3). */
#include "mail/downgrade.h"

#include "mail/mime_type.h"
#include "mail/transfer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define EIGHT "Content-Transfer-Encoding: 8bit\r\n"
#define QP "Content-Transfer-Encoding: quoted-printable\r\n"
#define MIME "MIME-Version: 1.0\r\n"
#define MIXED MIME "Content-Type: multipart/mixed; boundary=b\r\n"

static void simple_structures_are_converted(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"Subject: x\r\n\r\nplain\r\n", "Subject: x\r\n\r\nplain\r\n"},
        {MIME TEXT EIGHT "\r\ngr\xc3\xbcn =\r\n", MIME TEXT QP "\r\ngr=C3=BCn =3D\r\n"},
        {"Subject: x\r\n\r\n\xe4\r\n",
         "Subject: x\r\n" MIME "Content-Type: text/plain; charset=unknown-8bit\r\n" QP "\r\n=E4\r\n"},
        {MIME "Content-Type: image/x\r\n" EIGHT "\r\n\xff\xfe\r\n",
         MIME "Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n//4NCg==\r\n"},
        {MIXED EIGHT "\r\npre\r\n--b\r\n" TEXT "\r\n\xe4\r\n--b\t\r\n\r\nascii\r\n--b--\r\npost", MIXED
         "Content-Transfer-Encoding: 7bit\r\n\r\npre\r\n--b\r\n" TEXT QP "\r\n=E4\r\n--b\t\r\n\r\nascii\r\n--b--\r\npost"},
        {MIXED "\r\n--b\r\nContent-Type: multipart/alternative;\r\n boundary=\"c d\"\r\n\r\n--c d\r\n" TEXT
               "\r\n\xe4 \r\n--c d--\r\n--b--\r\n",
         MIXED "\r\n--b\r\nContent-Type: multipart/alternative;\r\n boundary=\"c d\"\r\n\r\n--c d\r\n" TEXT QP
               "\r\n=E4=20\r\n--c d--\r\n--b--\r\n"},
        /* signed parts without 8-bit octets stay as they are */
        {MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nx\r\n--s--\r\n--b\r\n" TEXT
               "\r\n\xe4\r\n--b--\r\n",
         MIXED "\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nx\r\n--s--\r\n--b\r\n" TEXT QP
               "\r\n=E4\r\n--b--\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF(1 << 16);

        assert_int_equal(downgrade_message(str_c(cases[i].in), &out), RC_OK);
        buf_addc(&out, '\0');
        assert_string_equal(out.p, cases[i].out);
        buf_done(&out);
    }
}

static void what_is_not_clear_is_refused(void **state)
{
    static const char *const cases[] = {
        "Subject: \xe4\r\n\r\nx\r\n",
        "no header\r\n\r\n\xe4\r\n",
        "Subject: x\r\n\xe4\r\n",
        "Subject: x\n\n\xe4\n",
        "Subject: x\r\n\r\n\xe4\r",
        MIME TEXT "Content-Transfer-Encoding: base64\r\n\r\n\xe4\r\n",
        MIME TEXT "Content-Transfer-Encoding: x-odd\r\n\r\n\xe4\r\n",
        MIME TEXT EIGHT EIGHT "\r\n\xe4\r\n",
        MIME TEXT TEXT "\r\n\xe4\r\n",
        MIME MIME TEXT "\r\n\xe4\r\n",
        MIME "Content-Type: text\r\n\r\n\xe4\r\n",
        MIME "Content-Type: text/plain (a comment)\r\n\r\n\xe4\r\n",
        MIME "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\n\xe4\r\n",
        MIME "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
        MIME "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
        MIME "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
        MIME "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
        MIME "Content-Type: multipart/mixed; boundary=b; boundary=c\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
        MIME "Content-Type: multipart/mixed; boundary*=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
        MIXED "\r\n--b\r\n\r\n\xe4\r\n",
        MIXED "\r\n\xe4\r\n--b--\r\n",
        MIXED "\r\n\xe4\r\n--b\r\n\r\nx\r\n--b--\r\n",
        MIXED "\r\n--b\r\n\r\nx\r\n--b--\r\n\xe4\r\n",
        MIXED "\r\n--b\r\n\r\n\xe4\r\n--bc\r\n--b--\r\n",
        MIXED "\r\n--b\r\n\r\n\xe4\r\n--b--\r\n--b\r\n\r\nx\r\n--b--\r\n",
        MIXED "\r\n--b\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
        MIXED "\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n--b--\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF(1 << 16);

        if (downgrade_message(str_c(cases[i]), &out) != RC_NOT_FOUND)
            fail_msg("not refused: %s", cases[i]);
        buf_done(&out);
    }
}

/* depth levels of multipart around one 8-bit part */
static enum rc nested(unsigned depth, unsigned parts)
{
    struct buf in = BUF(1 << 20), out = BUF(1 << 20);
    enum rc rc;

    for (unsigned i = 0; i < depth; i++)
        buf_addf(&in, "Content-Type: multipart/mixed; boundary=\"%u:\"\r\n\r\n--%u:\r\n", i, i);
    for (unsigned i = 1; i < parts; i++)
        buf_addf(&in, "\r\nx\r\n--%u:\r\n", depth - 1);
    buf_add(&in, str_lit("\r\n\xe4\r\n"));
    for (unsigned i = depth; i-- > 0;)
        buf_addf(&in, "--%u:--\r\n", i);
    rc = downgrade_message(buf_str(&in), &out);
    buf_done(&in);
    buf_done(&out);
    return rc;
}

static void depth_and_number_of_parts_have_limits(void **state)
{
    (void)state;
    assert_int_equal(nested(8, 1), RC_OK);
    assert_int_equal(nested(9, 1), RC_NOT_FOUND);
    assert_int_equal(nested(1, 1000), RC_OK);
    assert_int_equal(nested(1, 1001), RC_NOT_FOUND);
}

static void long_lines_go_as_base64_and_a_full_buffer_is_told(void **state)
{
    struct buf in = BUF(1 << 16), out = BUF(1 << 16);

    (void)state;
    buf_add(&in, str_lit(MIME TEXT "\r\n\xe4"));
    for (int i = 0; i < 998; i++)
        buf_addc(&in, 'x');
    buf_add(&in, str_lit("\r\n"));
    assert_int_equal(downgrade_message(buf_str(&in), &out), RC_OK);
    assert_true(str_find_str(buf_str(&out), str_lit("base64\r\n\r\n5Hh4eHh4")) < out.n);
    buf_done(&out);
    out = BUF(100);
    assert_int_equal(downgrade_message(buf_str(&in), &out), RC_NO_MEMORY);
    buf_done(&in);
    buf_done(&out);
}

static void encoded_lines_are_short_and_make_no_dots_or_boundaries(void **state)
{
    struct buf in = BUF(1 << 16), out = BUF(1 << 16);
    struct str rest, line;

    (void)state;
    buf_add(&in, str_lit(".\r\n--kept\r\n"));
    for (int i = 0; i < 900; i++)
        buf_addc(&in, ".-\xe4 "[(i / 7) % 4]);
    transfer_quoted_printable(buf_str(&in), &out);
    assert_true(str_starts(buf_str(&out), str_lit("=2E\r\n--kept\r\n")));
    rest = str_from(buf_str(&out), 13);
    while (str_split(&rest, '\n', &line)) {
        assert_true(line.n <= 77);
        assert_true(!line.n || (line.p[0] != '.' && line.p[0] != '-'));
    }
    buf_clear(&out);
    transfer_base64(str_first(buf_str(&in), 58), &out);
    assert_int_equal(out.n, 78 + 6);
    buf_done(&in);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_structures_are_converted),
        cmocka_unit_test(what_is_not_clear_is_refused),
        cmocka_unit_test(depth_and_number_of_parts_have_limits),
        cmocka_unit_test(long_lines_go_as_base64_and_a_full_buffer_is_told),
        cmocka_unit_test(encoded_lines_are_short_and_make_no_dots_or_boundaries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
