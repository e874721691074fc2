/* ARC: chains sealed here verify, and every way a chain can be broken is found (RFC 8617 4, 5). */
#include "mail/arc.h"

#include "mail/dkim_inside.h"
#include "mail/dkim_testing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LETTER \
    "From: a@b.example\r\nTo: c@d.example\r\nSubject: hello\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n\r\nbody\r\n"

static struct arena arena;
static struct dkim *engine;
static struct dkim_key *rsa, *ed;
static char rsa_record[1000], ed_record[200];
static const struct dkim_zone zone[] = {{"r._domainkey.gw.example", {rsa_record}, DNS_OK},
                                        {"e._domainkey.gw.example", {ed_record}, DNS_OK},
                                        {"slow._domainkey.gw.example", {NULL}, DNS_TEMPORARY},
                                        {0}};

static struct dkim_key *make(enum dkim_key_type type, char *record, size_t room)
{
    struct buf secret = BUF(16384), public = BUF(4096), text = BUF(4096);
    struct dkim_key *k;

    assert_int_equal(dkim_key_generate(type, 1024, &secret, &public, NULL), RC_OK);
    assert_int_equal(dkim_key_load(buf_str(&secret), &k, NULL), RC_OK);
    dkim_key_record(type, buf_str(&public), false, &text);
    snprintf(record, room, "%.*s", STR(buf_str(&text)));
    buf_done(&secret);
    buf_done(&public);
    buf_done(&text);
    return k;
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 65536, 256 << 20);
    engine = dkim_new();
    rsa = make(DKIM_RSA, rsa_record, sizeof rsa_record);
    ed = make(DKIM_ED25519, ed_record, sizeof ed_record);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dkim_key_free(rsa);
    dkim_key_free(ed);
    dkim_free(engine);
    arena_done(&arena);
    return 0;
}

static const struct auth_arc *chain_of(struct str message)
{
    struct dkim_world *w = arena_new(&arena, struct dkim_world);
    struct dkim_options o = {.now_s = 1000100, .skew_s = 300, .arc = true};
    struct auth_results *r = arena_new(&arena, struct auth_results);

    w->zone = zone;
    assert_int_equal(dkim_verify(engine, &arena, message, &o, dkim_world_asker(w), r), RC_OK);
    assert_true(r->arc_checked);
    assert_false(r->dkim_checked);
    assert_true(w->asks <= 1);
    return &r->arc;
}

static struct str seal_by(struct str message, enum auth_result said, const char *selector, struct dkim_key *key,
                          enum rc want)
{
    struct dkim_stream *s = dkim_stream_new(engine, &arena, 1U << DKIM_RELAXED);
    struct arc_sealer sealer = {
        .profile = {.domain = str_lit("gw.example"), .selector = str_c(selector), .timestamp = true, .key = key},
        .results = str_lit("gw.example; spf=pass smtp.mailfrom=a@b.example;\r\n\tarc=none"),
        .chain = said};
    struct buf out = BUF(4 << 20);
    struct err e = ERR_NONE;
    struct str copy;

    dkim_stream_add(s, message);
    assert_int_equal(dkim_stream_end(s, &e), RC_OK);
    assert_int_equal(arc_seal(s, &sealer, 1000000, &out, &e), want);
    dkim_stream_done(s);
    if (want != RC_OK)
        out.n = 0;
    buf_add(&out, message);
    copy = arena_str(&arena, buf_str(&out));
    buf_done(&out);
    return copy;
}

static struct str sealed(struct str message, enum auth_result said)
{
    return seal_by(message, said, "r", rsa, RC_OK);
}

/* The nth (from 0) place of `from` in the message becomes `to`. */
static struct str with(struct str message, const char *from, const char *to, size_t nth)
{
    size_t at = 0;

    for (size_t i = 0;; i++) {
        size_t found = str_find_str(str_from(message, at), str_c(from));

        assert_true(at + found < message.n);
        at += found;
        if (i == nth)
            break;
        at++;
    }
    return arena_printf(&arena, "%.*s%s%.*s", STR(str_first(message, at)), to, STR(str_from(message, at + strlen(from))));
}

static void check(struct str message, enum auth_result result, const char *reason)
{
    const struct auth_arc *a = chain_of(message);

    if (reason)
        assert_string_equal(arena_str(&arena, a->reason).p, reason);
    assert_int_equal(a->result, result);
}

static void chains_made_here_verify(void **state)
{
    struct str m = str_lit(LETTER);
    const struct auth_arc *a;

    (void)state;
    check(m, AUTH_NONE, NULL);
    for (unsigned i = 1; i <= 50; i++) {
        m = seal_by(m, i == 1 ? AUTH_NONE : AUTH_PASS, i % 2 ? "r" : "e", i % 2 ? rsa : ed, RC_OK);
        if (i > 3 && i < 50)
            continue;
        a = chain_of(m);
        assert_string_equal(arena_str(&arena, a->reason).p, arena_printf(&arena, "chain of %u verified", i).p);
        assert_int_equal(a->result, AUTH_PASS);
        assert_int_equal(a->instances, i);
        assert_true(str_eq(a->oldest_pass, str_lit("0")));
        assert_true(str_eq(a->sealer, str_lit("gw.example")) && str_eq(a->selector, i % 2 ? str_lit("r") : str_lit("e")));
        assert_true(str_starts(a->first_results, str_lit("gw.example; spf=pass")));
    }
    seal_by(m, AUTH_PASS, "r", rsa, RC_NOT_PERMITTED); /* a 51st */
}

/* 5.2 step 4 and 5: only the newest message signature must fit; the older ones say how far the message is unchanged. */
static void a_list_in_between_changes_the_message(void **state)
{
    struct str m = sealed(sealed(str_lit(LETTER), AUTH_NONE), AUTH_PASS);
    const struct auth_arc *a;

    (void)state;
    m = with(m, "Subject: hello", "Subject: [list] hello", 0);
    check(m, AUTH_FAIL, "ARC-Message-Signature 2: signature did not verify");
    m = sealed(sealed(m, AUTH_PASS), AUTH_PASS); /* a sealer that did not look closely */
    a = chain_of(m);
    assert_int_equal(a->result, AUTH_PASS);
    assert_true(str_eq(a->oldest_pass, str_lit("3")));
    check(with(m, "body\r\n", "BODY\r\n", 0), AUTH_FAIL, "ARC-Message-Signature 4: body hash did not verify");
}

static void broken_chains(void **state)
{
    struct str one = sealed(str_lit(LETTER), AUTH_NONE), two = sealed(one, AUTH_PASS);
    struct str slow = seal_by(str_lit(LETTER), AUTH_NONE, "slow", rsa, RC_OK);

    (void)state;
    /* 4.2.1, 5.2 step 2: instances */
    check(with(two, "ARC-Seal: i=1;", "ARC-Seal: i=3;", 0), AUTH_FAIL, "a set of the chain is not whole");
    check(with(two, "ARC-Seal: i=1;", "ARC-Seal: i=2;", 0), AUTH_FAIL, "ARC-Seal stands twice");
    check(with(two, "ARC-Seal: i=1;", "ARC-Seal: i=0;", 0), AUTH_FAIL, "ARC-Seal has no instance");
    check(with(two, "ARC-Seal: i=1;", "ARC-Seal: i=51;", 0), AUTH_FAIL, "ARC-Seal has no instance");
    check(with(two, "ARC-Seal: i=1;", "ARC-Seal: i=x;", 0), AUTH_FAIL, "ARC-Seal has no instance");
    check(with(two, "ARC-Seal: i=1;", "ARC-Seal:", 0), AUTH_FAIL, "ARC-Seal has no instance");
    check(with(two, "ARC-Message-Signature: i=1;", "ARC-Message-Signature: i=2;", 0), AUTH_FAIL,
          "ARC-Message-Signature stands twice");
    check(with(two, "ARC-Message-Signature: i=1;", "ARC-Message-Signature: i=100;", 0), AUTH_FAIL,
          "ARC-Message-Signature has no instance");
    check(with(two, "ARC-Authentication-Results: i=1;", "ARC-Authentication-Results: i=2;", 0), AUTH_FAIL,
          "ARC-Authentication-Results stands twice");
    check(with(two, "ARC-Authentication-Results: i=1;", "ARC-Authentication-Results:", 0), AUTH_FAIL,
          "ARC-Authentication-Results has no instance");
    check(with(two, "ARC-Seal: i=1;", "X-Seal: i=1;", 0), AUTH_FAIL, "a set of the chain is not whole");
    check(with(two, "ARC-Message-Signature: i=2;", "X-Sig: i=2;", 0), AUTH_FAIL, "a set of the chain is not whole");
    check(with(two, "ARC-Authentication-Results: i=1;", "X-Res: i=1;", 0), AUTH_FAIL, "a set of the chain is not whole");
    check(arena_printf(&arena, "ARC-Authentication-Results: i=1; x; none\r\n" LETTER), AUTH_FAIL,
          "a set of the chain is not whole");
    /* 5.2 step 3: cv */
    check(with(one, "cv=none", "cv=pass", 0), AUTH_FAIL, "cv= does not fit the instance");
    check(with(two, "cv=pass", "cv=none", 0), AUTH_FAIL, "cv= does not fit the instance");
    check(with(two, "cv=pass", "cv=fail", 0), AUTH_FAIL, "the last sealer found the chain broken");
    check(with(two, "cv=none", "cv=fail", 0), AUTH_FAIL, "cv= does not fit the instance");
    check(with(two, "cv=pass", "cv=great", 0), AUTH_FAIL, NULL);
    check(with(one, "cv=none; ", "", 0), AUTH_FAIL, NULL);
    /* 4.1.2, 4.1.3: tags */
    check(with(one, "ARC-Seal: i=1;", "ARC-Seal: i=1; h=from;", 0), AUTH_FAIL, "ARC-Seal 1: ARC-Seal with h=");
    check(with(one, "ARC-Seal: i=1;", "ARC-Seal: i=1; a=rsa-sha256;", 0), AUTH_FAIL, NULL);
    check(with(one, "d=gw.example", "d=gw2.example", 0), AUTH_FAIL, "ARC-Seal 1: no key for signature");
    check(with(one, "h=from:", "h=arc-seal:from:", 0), AUTH_FAIL, "ARC-Message-Signature 1: h= names ARC-Seal");
    check(with(one, "h=from:", "h=", 0), AUTH_FAIL, "ARC-Message-Signature 1: From is not signed");
    check(with(one, "a=rsa-sha256", "a=rsa-sha1", 1), AUTH_FAIL, "ARC-Message-Signature 1: rsa-sha1 is no longer taken");
    check(with(one, "a=rsa-sha256", "a=rsa-sha1", 0), AUTH_FAIL, "ARC-Seal 1: rsa-sha1 is no longer taken");
    check(with(one, "t=1000000", "t=9999999", 1), AUTH_FAIL, "ARC-Message-Signature 1: signature comes from the future");
    /* 5.2 step 6: what a seal covers */
    check(with(two, "spf=pass", "spf=fail", 0), AUTH_FAIL, "ARC-Seal 2: signature did not verify");
    check(with(two, "spf=pass", "spf=fail", 1), AUTH_FAIL, "ARC-Seal 2: signature did not verify");
    check(with(two, "t=1000000", "t=1000001", 2), AUTH_FAIL, "ARC-Seal 2: signature did not verify");
    check(with(two, "t=1000000", "t=1000001", 3), AUTH_FAIL, "ARC-Seal 2: signature did not verify");
    /* white space is none of a seal's business: all of it is relaxed */
    check(with(two, "ARC-Authentication-Results: i=1;", "arc-authentication-results:   i=1;\r\n ", 0), AUTH_PASS, NULL);
    check(slow, AUTH_TEMPERROR, "ARC-Message-Signature 1: key could not be asked for");
}

/* i= of ARC-Authentication-Results may have comments around it (4.2.1). */
static void instances_with_comments(void **state)
{
    struct dkim_options o = {.now_s = 1};
    static const struct {
        const char *field;
        uint64_t n;
    } cases[] = {{"ARC-Authentication-Results: (a (b) \\) c) i (x) = (y) 7 (z) ; q; none\r\n\r\n", 7},
                 {"ARC-Authentication-Results: i=07; q; none\r\n\r\n", 7},
                 {"ARC-Authentication-Results: i=007; q\r\n\r\n", 0},
                 {"ARC-Authentication-Results: i=7 q\r\n\r\n", 0},
                 {"ARC-Authentication-Results: (i=7; q\r\n\r\n", 0},
                 {"ARC-Authentication-Results: I=7; q\r\n\r\n", 0},
                 {"ARC-Authentication-Results:\r\n\r\n", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arc_chain *c = arena_new(&arena, struct arc_chain);
        struct dkim_fields f;

        assert_int_equal(dkim_fields_read(&arena, str_c(cases[i].field), &f), RC_OK);
        assert_int_equal(arc_read(&arena, &f, &o, c), RC_OK);
        assert_true(c->present);
        assert_int_equal(c->highest, cases[i].n);
    }
}

/* 5.1: what a sealer must not do, and the seal of a failed chain. */
static void sealing_knows_the_chain(void **state)
{
    struct str one = sealed(str_lit(LETTER), AUTH_NONE), failed;

    (void)state;
    seal_by(one, AUTH_NONE, "r", rsa, RC_INVALID); /* nobody looked */
    seal_by(str_lit(LETTER), AUTH_PASS, "r", rsa, RC_INVALID);
    failed = sealed(with(one, "Subject: hello", "Subject: hullo", 0), AUTH_FAIL);
    assert_true(str_find_str(failed, str_lit("cv=fail")) < failed.n);
    check(failed, AUTH_FAIL, "the last sealer found the chain broken");
    seal_by(failed, AUTH_FAIL, "r", rsa, RC_NOT_PERMITTED);
    failed = sealed(with(one, "ARC-Seal: i=1;", "ARC-Seal: i=9;", 0), AUTH_PASS); /* broken in form, whatever was said */
    assert_true(str_starts(failed, str_lit("ARC-Seal: i=10;")) && str_find_str(failed, str_lit("cv=fail")) < 100);
    seal_by(str_lit("To: a@b.example\r\n\r\nx\r\n"), AUTH_NONE, "r", rsa, RC_INVALID);
}

static void the_word_of_authentication_results(void **state)
{
    enum auth_result r;

    (void)state;
    assert_true(arc_result_in(str_lit("gw; spf=pass; arc=pass (i=1) header.oldest-pass=0"), &r) && r == AUTH_PASS);
    assert_true(arc_result_in(str_lit("gw;\r\n\tARC=Fail"), &r) && r == AUTH_FAIL);
    assert_true(arc_result_in(str_lit("gw; arc=none"), &r) && r == AUTH_NONE);
    assert_false(arc_result_in(str_lit("gw; spf=pass; xarc=pass"), &r));
    assert_false(arc_result_in(str_lit("gw; arc=wonderful"), &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_made_here_verify), cmocka_unit_test(a_list_in_between_changes_the_message),
        cmocka_unit_test(broken_chains),           cmocka_unit_test(instances_with_comments),
        cmocka_unit_test(sealing_knows_the_chain), cmocka_unit_test(the_word_of_authentication_results),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
