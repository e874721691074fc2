/* Tests of addresses, header fields and envelopes as octets. */
#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1024, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static enum rc parse(const char *text, enum address_mode mode, struct path *out, struct str *rest)
{
    return address_parse_path(&arena, str_c(text), mode, out, rest, NULL);
}

static void good_paths_are_read(void **state)
{
    static const struct {
        const char *in, *address, *domain, *rest;
    } cases[] = {
        {"<a@Example.ORG>", "a@example.org", "example.org", ""},
        {"<>", "", "", ""},
        {"<Postmaster> SIZE=3", "Postmaster", "", "SIZE=3"},
        {"<\"a b>\"@x.org>", "\"a b>\"@x.org", "x.org", ""},
        {"<@r1,@r2:u@x.org> BODY=8BITMIME", "u@x.org", "x.org", "BODY=8BITMIME"},
        {"<u@[192.0.2.1]>", "u@[192.0.2.1]", "[192.0.2.1]", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct path p;
        struct str rest;

        assert_int_equal(parse(cases[i].in, ADDRESS_STRICT, &p, &rest), RC_OK);
        assert_true(str_eq(p.address, str_c(cases[i].address)));
        assert_true(str_eq(p.domain, str_c(cases[i].domain)));
        assert_true(str_eq(rest, str_c(cases[i].rest)));
    }
}

static void bad_paths_are_refused(void **state)
{
    static const char *cases[] = {
        "",         "a@b",        "<a@b",       "<a b@x.org>",   "<.a@x.org>",  "<a..b@x.org>", "<a@>",
        "<@x.org>", "<a@x..org>", "<a@-x.org>", "<a@x.org>junk", "<\"a@x.org>", "<a@[1.2.3.4>", "<a@x y>"};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct path p;
        struct str rest;

        if (parse(cases[i], ADDRESS_STRICT, &p, &rest) == RC_OK)
            fail_msg("accepted: %s", cases[i]);
    }
}

static void loose_mode_forgives_missing_brackets(void **state)
{
    struct path p;
    struct str rest;

    (void)state;
    assert_int_equal(parse("a..b@x.org. SIZE=1", ADDRESS_LOOSE, &p, &rest), RC_OK);
    assert_true(str_eq(p.address, str_lit("a..b@x.org")));
}

static void xtext_comes_back(void **state)
{
    struct buf b = BUF(100);
    struct str out;

    (void)state;
    address_xtext_encode(str_lit("a+b=c d"), &b);
    assert_true(str_eq(buf_str(&b), str_lit("a+2Bb+3Dc+20d")));
    assert_int_equal(address_xtext_decode(&arena, buf_str(&b), &out, NULL), RC_OK);
    assert_true(str_eq(out, str_lit("a+b=c d")));
    assert_int_equal(address_xtext_decode(&arena, str_lit("a+2"), &out, NULL), RC_SYNTAX);
    buf_done(&b);
}

static void fields_are_found_and_unfolded(void **state)
{
    struct str m = str_lit("Received: a\r\nSubject: one\r\n two\r\nReceived: b\r\n\r\nSubject: body\r\n");
    struct header_field f;

    (void)state;
    assert_true(header_find(m, str_lit("subject"), &f));
    assert_true(str_eq(header_unfold(&arena, f.value, 100), str_lit("one two")));
    assert_int_equal(header_count(m, str_lit("Received"), 100), 2);
    assert_true(str_eq(str_from(m, header_length(m)), str_lit("Subject: body\r\n")));
    assert_true(str_eq(header_date(&arena, 1795314398000), str_lit("Sun, 22 Nov 2026 02:26:38 +0000")));
}

static void an_envelope_comes_back_and_a_cut_one_does_not(void **state)
{
    struct recipient r[2] = {{.address = str_lit("b@x.org"), .notify = NOTIFY_FAILURE}, {.address = str_lit("c@y.org")}};
    struct envelope in = {.sender = str_lit("a@z.org"), .icid = 7, .recipients = r, .n_recipients = 2}, out;
    struct buf b = BUF(10000);

    (void)state;
    envelope_encode(&in, &b);
    assert_int_equal(envelope_decode(&arena, buf_str(&b), &out, NULL), RC_OK);
    assert_true(out.icid == 7 && out.n_recipients == 2 && str_eq(out.recipients[1].address, str_lit("c@y.org")));
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(envelope_decode(&arena, str_first(buf_str(&b), n), &out, NULL), RC_CORRUPT);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_paths_are_read),
        cmocka_unit_test(bad_paths_are_refused),
        cmocka_unit_test(loose_mode_forgives_missing_brackets),
        cmocka_unit_test(xtext_comes_back),
        cmocka_unit_test(fields_are_found_and_unfolded),
        cmocka_unit_test(an_envelope_comes_back_and_a_cut_one_does_not),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
