/* The CPQ server (central.md 7): what may come when, what is consumed, what ends the connection. */
#include "base/clock.h"
#include "smtp/cpq_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HELLO "XCPQ HELLO proto=1 serial=SER1 role=gateway ver=1 class=pvo\r\n"
#define HELLO_OK "250 2.0.0 XCPQ proto=1 serial=SER+202 role=manager ver=1 maxmeta=4000 maxsize=5000 now=1795305600000\r\n"
#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
#define ENVELOPE_OK "250 2.1.0 sender <a@x.test> ok\r\n250 2.1.5 ok\r\n"
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define META \
    "{\"v\":1,\"class\":\"pvo\",\"serial\":\"SER1\",\"host\":\"gw\",\"mid\":7,\"uid\":\"u\",\"held\":1,\"direction\":" \
    "\"in\"," \
    "\"env_from\":\"a@x.test\",\"rcpts\":[{\"addr\":\"b@y.test\"}],\"body\":\"7BIT\",\"size\":4,\"sha256\":\"" SHA "\"," \
    "\"hdr\":{\"subject\":\"s\"},\"holds\":[{\"quarantine\":\"Policy\",\"reason\":\"r\"}],\"future\":1}"

struct place {
    struct holder h;
    struct conversation *c;
    char out[8000];
};

static const char *says(struct place *p, const char *octets)
{
    buf_clear(&p->c->out);
    conversation_feed(p->c, str_c(octets));
    snprintf(p->out, sizeof p->out, "%.*s", STR(buf_str(&p->c->out)));
    return p->out;
}

static struct place *begin(bool tls)
{
    struct place *p = calloc(1, sizeof *p);

    p->h = (struct holder){.ctx = {&holder_handler}, .tls = tls};
    p->c = conversation_test_new(&holder_kind, &p->h);
    conversation_run(p->c);
    return p;
}

static struct place *ready(void)
{
    struct place *p = begin(false);

    says(p, "EHLO gw.test\r\n");
    assert_string_equal(says(p, HELLO), HELLO_OK);
    return p;
}

static void end(struct place *p)
{
    if (!p->c->ended)
        conversation_feed_eof(p->c);
    conversation_test_free(p->c);
    assert_int_equal(p->h.ends, 1);
    free(p);
}

static const char *xmeta(const char *meta)
{
    static char text[6000];

    snprintf(text, sizeof text, "XMETA %zu\r\n%s", strlen(meta), meta);
    return text;
}

/* CPQ-04: SMTP with XCPQ and XMETA, as in the dialogue of central.md 7. */
static void the_conversation_is_smtp_with_extra_commands(void **state)
{
    struct place *p = begin(false);

    (void)state;
    assert_string_equal(
        says(p, "EHLO gw.test\r\n"),
        "250-hold.test\r\n250-PIPELINING\r\n250-SIZE 5000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
        "250-BINARYMIME\r\n250-XCPQ 1\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n");
    assert_string_equal(says(p, HELLO), HELLO_OK);
    assert_string_equal(says(p, "XCPQ STATUS\r\n"),
                        "250-state=ready\r\n250-quarantine=File+20Analysis\r\n250 2.0.0 end\r\n");
    assert_string_equal(says(p, "XCPQ QUERY serial=SER1 mid=7\r\n"), "250 2.0.0 known id=7 state=held sha256=00\r\n");
    assert_string_equal(says(p, "XCPQ QUERY mid=8 serial=SER1 other=x\r\n"), "550 5.1.1 unknown\r\n");
    assert_string_equal(says(p, ENVELOPE), ENVELOPE_OK);
    assert_string_equal(says(p, xmeta(META)), "250 2.0.0 meta ok\r\n");
    assert_string_equal(says(p, "DATA\r\n"), "354 go ahead\r\n");
    assert_string_equal(says(p, "..\r\n.\r\n"), "554 5.6.0 content has 3 octets, metadata says 4\r\n");
    says(p, ENVELOPE);
    says(p, xmeta(META));
    says(p, "DATA\r\n");
    assert_string_equal(says(p, "hi\r\n.\r\n"), "250 ok:  Message 7 accepted\r\n");
    assert_string_equal(p->h.body, "hi\r\n");
    assert_string_equal(says(p, "QUIT\r\n"), "221 2.0.0 hold.test\r\n");
    end(p);
}

/* Everything up to and including the message in one packet; BDAT is opaque. */
static void commands_may_be_pipelined(void **state)
{
    struct place *p = begin(false);
    char all[8000];

    (void)state;
    snprintf(all, sizeof all, "EHLO gw.test\r\n" HELLO ENVELOPE "%sBDAT 4 LAST\r\n\r\n.\n", xmeta(META));
    assert_non_null(strstr(says(p, all), HELLO_OK ENVELOPE_OK "250 2.0.0 meta ok\r\n250 ok:  Message 7 accepted\r\n"));
    assert_string_equal(p->h.body, "\r\n.\n");
    end(p);
}

/* 7.2: a command out of place is 503 and changes nothing; its octets are consumed. */
static void what_comes_out_of_place_is_consumed(void **state)
{
    static const char *const first[] = {
        HELLO,      "MAIL FROM:<a@x.test>\r\n", "XCPQ STATUS\r\n",   "XCPQ QUERY serial=a mid=1\r\n",
        "DATA\r\n", "XMETA 3\r\n...",           "BDAT 3 LAST\r\n..."};
    struct place *p = begin(false);

    (void)state;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        assert_string_equal(says(p, first[i]), "503 5.5.1 bad sequence of commands\r\n");
    says(p, "EHLO gw.test\r\n");
    assert_string_equal(says(p, "XCPQ STATUS\r\n"), "503 5.5.1 bad sequence of commands\r\n");
    assert_string_equal(says(p, HELLO), HELLO_OK);
    assert_string_equal(says(p, HELLO), "503 5.5.1 bad sequence of commands\r\n");
    assert_string_equal(says(p, "XMETA 6\r\nQUIT\r\n"), "503 5.5.1 bad sequence of commands\r\n");
    says(p, ENVELOPE);
    assert_string_equal(says(p, "XCPQ STATUS\r\n"), "503 5.5.1 bad sequence of commands\r\n");
    assert_string_equal(says(p, "BDAT 4 LAST\r\nhi\r\n"), "503 5.5.1 bad sequence of commands\r\n");
    assert_string_equal(says(p, "DATA\r\n"), "503 5.5.1 bad sequence of commands\r\n");
    assert_string_equal(says(p, xmeta(META)), "250 2.0.0 meta ok\r\n");
    assert_string_equal(says(p, "RCPT TO:<c@y.test>\r\n"), "503 5.5.1 bad sequence of commands\r\n");
    assert_string_equal(says(p, xmeta(META)), "503 5.5.1 bad sequence of commands\r\n");
    assert_string_equal(says(p, "BDAT 4 LAST\r\nhi\r\n"), "250 ok:  Message 7 accepted\r\n");
    end(p);
}

/* No answer before the last octet of the metadata is there. */
static void metadata_is_taken_whole_before_the_answer(void **state)
{
    struct place *p = ready();

    (void)state;
    says(p, ENVELOPE);
    assert_string_equal(says(p, "XMETA 5000\r\n{\"v\":1"), "");
    for (int i = 0; i < 499; i++)
        assert_string_equal(says(p, "0123456789"), "");
    assert_string_equal(says(p, "0123"), "552 5.3.4 message size exceeds limit\r\n");
    assert_string_equal(says(p, "RSET\r\n"), "250 2.0.0 reset\r\n");
    end(p);
}

static void bad_metadata_is_told_by_key(void **state)
{
    static const struct {
        const char *meta, *answer;
    } cases[] = {{"{", "554 5.6.0 JSON at octet 1: a key expected\r\n"},
                 {"{}", "554 5.6.0 metadata: v is missing\r\n"},
                 {"{\"v\":2}", "554 5.6.0 metadata: v is not 1\r\n"},
                 {"{\"v\":1,\"class\":\"spam\"}", "554 5.6.0 metadata: serial is missing\r\n"},
                 {"{\"v\":1,\"v\":1}", "554 5.6.0 JSON at octet 10: a key twice\r\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place *p = ready();

        says(p, ENVELOPE);
        assert_string_equal(says(p, xmeta(cases[i].meta)), cases[i].answer);
        assert_string_equal(says(p, "DATA\r\n"), "503 5.5.1 bad sequence of commands\r\n");
        end(p);
    }
}

/* At the end of the message size, digest and envelope must fit (7.3). */
static void content_and_envelope_must_fit_the_metadata(void **state)
{
    struct place *p = ready();

    (void)state;
    says(p, "MAIL FROM:<other@x.test>\r\nRCPT TO:<b@y.test>\r\n");
    says(p, xmeta(META));
    assert_string_equal(says(p, "BDAT 4 LAST\r\nhi\r\n"), "554 5.6.0 the sender is not that of the metadata\r\n");
    says(p, "MAIL FROM:<a@x.test>\r\nRCPT TO:<c@y.test>\r\n");
    says(p, xmeta(META));
    assert_string_equal(says(p, "BDAT 4 LAST\r\nhi\r\n"), "554 5.6.0 the recipients are not those of the metadata\r\n");
    snprintf(p->h.digest, sizeof p->h.digest, "%s", "ff");
    says(p, ENVELOPE);
    says(p, xmeta(META));
    assert_string_equal(says(p, "BDAT 4 LAST\r\nhi\r\n"),
                        "554 5.6.0 the digest of the content is not that of the metadata\r\n");
    assert_int_equal(p->h.messages, 0);
    end(p);
}

/* 7.1, 7.6: a bare CR or LF, and lengths beyond all sense, end the connection. */
static void what_makes_no_sense_ends_the_connection(void **state)
{
    static const struct {
        const char *octets, *answer;
    } cases[] = {{"NOOP\n\r\n", "500 5.5.2 bare CR or LF, or another control character, in a command\r\n"},
                 {"XMETA 40001000\r\n", "421 4.7.0 that length is beyond all sense\r\n"},
                 {"BDAT 50001000 LAST\r\n", "421 4.7.0 that length is beyond all sense\r\n"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place *p = ready();

        assert_string_equal(says(p, cases[i].octets), cases[i].answer);
        assert_true(p->c->ended);
        end(p);
    }
}

static void a_bare_line_end_in_data_ends_the_connection(void **state)
{
    struct place *p = ready();

    (void)state;
    says(p, ENVELOPE);
    says(p, xmeta(META));
    says(p, "DATA\r\n");
    assert_string_equal(says(p, "h\ni\r\n.\r\n"), "554 5.6.0 message contains bare CR, bare LF or NUL\r\n");
    assert_true(p->c->ended);
    end(p);
}

static void versions_classes_and_verbs_are_settled(void **state)
{
    struct place *p = begin(false);

    (void)state;
    says(p, "EHLO gw.test\r\n");
    assert_string_equal(says(p, "XCPQ HELLO proto=0 serial=SER1 class=pvo\r\n"), "504 5.5.4 no common version of XCPQ\r\n");
    assert_string_equal(says(p, "XCPQ HELLO proto=2 serial=SER9 class=pvo\r\n"), "550 5.7.1 not enrolled\r\n");
    assert_string_equal(says(p, "XCPQ HELLO proto=2 serial=SER1 class=nope\r\n"),
                        "501 5.5.2 HELLO needs proto, serial, role, ver and class\r\n");
    assert_string_equal(says(p, "XCPQ DANCE\r\n"), "504 5.5.4 unknown XCPQ verb\r\n");
    assert_string_equal(says(p, "XCPQ HELLO new=+41 proto=2 serial=SER1 class=spam\r\n"), HELLO_OK);
    assert_string_equal(says(p, "XCPQ DROP mid=1\r\n"), "504 5.5.4 DROP is not for this class\r\n");
    assert_string_equal(says(p, "AUTH PLAIN x\r\n"), "500 5.5.1 command not recognized\r\n");
    end(p);
}

/* RESCAN and DROP: each in its class, in state READY, with its arguments. */
static void words_about_outbreak_mail(void **state)
{
    struct place *p = begin(false);

    (void)state;
    says(p, "EHLO gw.test\r\n");
    assert_string_equal(says(p, "XCPQ RESCAN mid=7 verdict=clean rule=\r\n"), "503 5.5.1 bad sequence of commands\r\n");
    says(p, "XCPQ HELLO proto=1 serial=SER1 class=pvo\r\n");
    assert_string_equal(says(p, "XCPQ RESCAN mid=7 verdict=clean rule=\r\n"), "250 2.0.0 ok\r\n");
    assert_string_equal(says(p, "XCPQ RESCAN mid=9 verdict=clean rule=\r\n"), "550 5.1.1 unknown\r\n");
    assert_string_equal(says(p, "XCPQ RESCAN mid=8 verdict=clean rule=\r\n"), "451 4.3.2 later\r\n");
    assert_string_equal(says(p, "XCPQ RESCAN verdict=clean\r\n"), "501 5.5.2 RESCAN needs mid\r\n");
    assert_string_equal(says(p, "XCPQ RESCAN mid=7 mid=7\r\n"), "501 5.5.2 a key twice\r\n");
    assert_string_equal(says(p, "XCPQ DROP mid=7\r\n"), "504 5.5.4 DROP is not for this class\r\n");
    says(p, "MAIL FROM:<a@x.test>\r\n");
    assert_string_equal(says(p, "XCPQ RESCAN mid=7 verdict=clean rule=\r\n"), "503 5.5.1 bad sequence of commands\r\n");
    end(p);
    p = begin(false);
    says(p, "EHLO sma.test\r\n");
    says(p, "XCPQ HELLO proto=1 serial=SER1 class=pvo-release\r\n");
    assert_string_equal(says(p, "XCPQ DROP mid=7\r\n"), "250 2.0.0 ok\r\n");
    assert_string_equal(says(p, "XCPQ DROP mid=8\r\n"), "451 4.3.2 later\r\n");
    assert_string_equal(says(p, "XCPQ DROP mid=18446744073709551616\r\n"), "501 5.5.2 DROP needs mid\r\n");
    assert_string_equal(says(p, "XCPQ RESCAN mid=7 verdict=clean rule=\r\n"), "504 5.5.4 RESCAN is not for this class\r\n");
    end(p);
}

/* 7.1: on a port, before TLS, EHLO, HELO, NOOP, QUIT and STARTTLS only, else 530. */
static void before_tls_nothing_is_served(void **state)
{
    static const char *const refused[] = {
        HELLO, "MAIL FROM:<a@x.test>\r\n", "RSET\r\n", "XCPQ STATUS\r\n", "XMETA 3\r\n...", "BDAT 3\r\n..."};
    static const struct tls_facts facts = {.version = {"TLSv1.3", 7}, .cipher = {"X", 1}};
    struct place *p = begin(true);

    (void)state;
    assert_non_null(strstr(says(p, "EHLO gw.test\r\n"), "250-STARTTLS\r\n250 XCPQ 1\r\n"));
    assert_null(strstr(p->out, "PIPELINING"));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_string_equal(says(p, refused[i]), "530 5.7.0 must issue a STARTTLS command first\r\n");
    assert_string_equal(says(p, "NOOP\r\n"), "250 2.0.0 ok\r\n");
    says(p, "STARTTLS\r\n");
    conversation_test_tls(p->c, &facts);
    assert_non_null(strstr(says(p, "EHLO gw.test\r\n"), "250-XCPQ 1\r\n"));
    assert_string_equal(says(p, HELLO), HELLO_OK);
    end(p);
}

int main(void)
{
    clock_test_set(1795305600000, 1000);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_conversation_is_smtp_with_extra_commands),
        cmocka_unit_test(commands_may_be_pipelined),
        cmocka_unit_test(what_comes_out_of_place_is_consumed),
        cmocka_unit_test(metadata_is_taken_whole_before_the_answer),
        cmocka_unit_test(bad_metadata_is_told_by_key),
        cmocka_unit_test(content_and_envelope_must_fit_the_metadata),
        cmocka_unit_test(what_makes_no_sense_ends_the_connection),
        cmocka_unit_test(a_bare_line_end_in_data_ends_the_connection),
        cmocka_unit_test(versions_classes_and_verbs_are_settled),
        cmocka_unit_test(words_about_outbreak_mail),
        cmocka_unit_test(before_tls_nothing_is_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
