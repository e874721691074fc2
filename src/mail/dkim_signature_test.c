/* DKIM: signatures made here and what becomes of them: every form, every reason why one does not count, what it covers. */
#include "mail/dkim_world_testing.h"

/* The message with its signature in front; fed in pieces. */
static struct str signed_message(const struct dkim_profile *p, struct str message, uint64_t now_s, enum rc want)
{
    struct dkim_stream *s = dkim_stream_new(engine, &arena, 1U << p->body);
    struct buf out = BUF(1 << 20);
    struct str copy, rest = message;
    struct err e = ERR_NONE;

    for (; rest.n; rest = str_from(rest, 7))
        dkim_stream_add(s, str_first(rest, 7));
    assert_int_equal(dkim_stream_end(s, &e), RC_OK);
    assert_int_equal(dkim_sign(s, p, now_s, &out, &e), want);
    dkim_stream_done(s);
    buf_add(&out, message);
    copy = arena_str(&arena, buf_str(&out));
    buf_done(&out);
    return copy;
}

static void every_form_of_signature_verifies(void **state)
{
    static const char *const letters[] = {LETTER, "From: a@b.example\r\n\r\n", "From: a@b.example\r\nX: y\r\n\r\n\r\n\r\n",
                                          "From: a@b.example\r\nTo: x@y.example,\r\n\tz@y.example\r\n\r\na b  c \r\n\r\n"};
    struct maker rsa = maker_new(DKIM_RSA, 1024), ed = maker_new(DKIM_ED25519, 0);
    const struct dkim_zone zone[] = {
        {"r._domainkey.b.example", {rsa.record.p}, DNS_OK}, {"e._domainkey.b.example", {ed.record.p}, DNS_OK}, {0}};
    struct dkim_world w = {.zone = zone};

    (void)state;
    for (unsigned bits = 0; bits < 1 << 8; bits++) {
        struct dkim_profile p = {.domain = str_lit("b.example"),
                                 .header = bits & 1,
                                 .body = bits >> 1 & 1,
                                 .oversign = bits & 4,
                                 .every_field = bits & 8,
                                 .timestamp = bits & 16,
                                 .body_length = bits & 32,
                                 .query = bits & 64,
                                 .expires_s = bits & 64 ? 3600 : 0};
        struct auth_results r;

        p.key = bits & 128 ? ed.key : rsa.key;
        p.selector = bits & 128 ? str_lit("e") : str_lit("r");
        p.identity = bits & 16 ? str_lit("odd;=name@sub.b.example") : STR_NONE;
        verify_in(&w, signed_message(&p, str_c(letters[bits % 4]), 1000000, RC_OK), 1000010, &r);
        assert_int_equal(r.n_dkim, 1);
        assert_string_equal(arena_str(&arena, r.dkim[0].reason).p, "signature verified");
        assert_int_equal(r.dkim[0].key_bits, bits & 128 ? 256 : 1024);
        assert_true(str_eq(r.dkim[0].identity, bits & 16 ? p.identity : str_lit("@b.example")));
    }
    maker_done(&rsa);
    maker_done(&ed);
}

static void lines_of_a_signature_are_short(void **state)
{
    struct maker m = maker_new(DKIM_RSA, 2048);
    struct dkim_profile p = {.domain = str_lit("a-rather-long-name.of-a-department.of-some-company.example"),
                             .selector = str_lit("sel"),
                             .header = DKIM_SIMPLE,
                             .body = DKIM_RELAXED,
                             .oversign = true,
                             .timestamp = true,
                             .key = m.key};
    struct str s = signed_message(&p, str_lit(LETTER), 1000000, RC_OK), line;

    (void)state;
    while (str_split(&s, '\n', &line))
        assert_true(line.n <= 79);
    maker_done(&m);
}

struct change {
    const char *tag, *to; /* a tag's value in the signature becomes this; NULL: the tag goes */
    enum auth_result result;
    const char *reason;
};

/* The signature field with one tag another; b= is then wrong, so what is looked for must be found before. */
static struct str changed(struct str message, const char *tag, const char *to)
{
    struct buf out = BUF(1 << 20);
    struct header_field f;
    struct dkim_tags *t = arena_new(&arena, struct dkim_tags);
    struct str rest = message, copy;

    assert_true(header_next(&rest, &f));
    assert_int_equal(dkim_tags_parse(f.value, t, NULL), RC_OK);
    buf_add(&out, str_lit("DKIM-Signature: "));
    for (size_t i = 0; i < t->n; i++) {
        bool this = str_eq(t->items[i].name, str_c(tag));

        if (this && !to)
            continue;
        buf_addf(&out, "%.*s=%.*s; ", STR(t->items[i].name), STR(this ? str_c(to) : t->items[i].value));
    }
    if (to && !dkim_tag(t, tag))
        buf_addf(&out, "%s=%s;", tag, to);
    buf_add(&out, str_lit("\r\n"));
    buf_add(&out, rest);
    copy = arena_str(&arena, buf_str(&out));
    buf_done(&out);
    return copy;
}

/* RFC 6376 3.5 and 6.1.1; RFC 8301. */
static const struct change changes[] = {
    {"v", NULL, AUTH_NEUTRAL, "v= is missing"},
    {"v", "2", AUTH_NEUTRAL, "version is not 1"},
    {"v", "1.0", AUTH_NEUTRAL, "version is not 1"},
    {"a", NULL, AUTH_NEUTRAL, "a= is missing"},
    {"a", "rsa-sha512", AUTH_PERMERROR, "algorithm is not known"},
    {"a", "rsa-sha1", AUTH_POLICY, "rsa-sha1 is no longer taken"},
    {"b", NULL, AUTH_NEUTRAL, "b= is missing"},
    {"b", "", AUTH_NEUTRAL, "b= is no base64"},
    {"b", "%%%%", AUTH_NEUTRAL, "b= is no base64"},
    {"b", "AAAA", AUTH_FAIL, "signature did not verify"},
    {"bh", NULL, AUTH_NEUTRAL, "bh= is missing"},
    {"bh", "AAAA", AUTH_NEUTRAL, "bh= has the wrong length"},
    {"bh", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", AUTH_FAIL, "body hash did not verify"},
    {"c", "nofws", AUTH_PERMERROR, "canonicalization is not known"},
    {"c", "simple/", AUTH_PERMERROR, "canonicalization is not known"},
    {"d", NULL, AUTH_NEUTRAL, "d= is missing"},
    {"d", "example", AUTH_NEUTRAL, "d= is no domain"},
    {"d", "b..example", AUTH_NEUTRAL, "d= is no domain"},
    {"d", "b\xc3\xbc.example", AUTH_NEUTRAL, "d= is not written in A-labels"},
    {"d", "other.example", AUTH_PERMERROR, "no key for signature"},
    {"s", NULL, AUTH_NEUTRAL, "s= is missing"},
    {"s", "a/b", AUTH_NEUTRAL, "s= is no selector"},
    {"s", "gone", AUTH_PERMERROR, "no key for signature"},
    {"s", "nodata", AUTH_PERMERROR, "no key for signature"},
    {"s", "slow", AUTH_TEMPERROR, "key could not be asked for"},
    {"s", "bogus", AUTH_TEMPERROR, "key could not be asked for"},
    {"s", "revoked", AUTH_PERMERROR, "key is revoked"},
    {"s", "ed", AUTH_PERMERROR, "key is of another type"},
    {"s", "sha1", AUTH_PERMERROR, "key is not for this hash"},
    {"s", "tlsrpt", AUTH_PERMERROR, "key is not for mail"},
    {"s", "badv", AUTH_PERMERROR, "key record is malformed: v= is not first or not DKIM1"},
    {"s", "latev", AUTH_PERMERROR, "key record is malformed: v= is not first or not DKIM1"},
    {"s", "nop", AUTH_PERMERROR, "key record is malformed: p= is missing"},
    {"s", "dsa", AUTH_PERMERROR, "key record is malformed: key type \"dsa\" is not known"},
    {"s", "junk", AUTH_PERMERROR, "p= is no base64"},
    {"s", "short", AUTH_POLICY, "key of 512 bits is too short"},
    {"s", "notkey", AUTH_PERMERROR, "p= holds no RSA key"},
    {"h", NULL, AUTH_NEUTRAL, "h= is missing"},
    {"h", "to:subject", AUTH_PERMERROR, "From is not signed"},
    {"h", "", AUTH_NEUTRAL, "h= is no list of field names"},
    {"h", "from::to", AUTH_NEUTRAL, "h= is no list of field names"},
    {"h", "from:a b", AUTH_NEUTRAL, "h= is no list of field names"},
    {"i", "joe@b.example.org", AUTH_NEUTRAL, "i= is not below d="},
    {"i", "joe@bb.example", AUTH_NEUTRAL, "i= is not below d="},
    {"i", "joe", AUTH_NEUTRAL, "i= is no identity"},
    {"l", "-1", AUTH_NEUTRAL, "l= is no number"},
    {"l", "99999999999999999999999999", AUTH_FAIL, "body is shorter than l="},
    {"q", "http", AUTH_PERMERROR, "no known way to ask for the key"},
    {"t", "soon", AUTH_NEUTRAL, "t= is no time"},
    {"t", "1234567890123", AUTH_NEUTRAL, "t= is no time"},
    {"t", "1000311", AUTH_FAIL, "signature comes from the future"},
    {"x", "0x1", AUTH_NEUTRAL, "x= is no time"},
    {"x", "999000", AUTH_NEUTRAL, "x= is not after t="},
    {"x", "1000001", AUTH_FAIL, "signature expired"},
    {"b", "A;b=B", AUTH_NEUTRAL, "its list of tags is malformed"},
};

static void tags_that_do_not_count(void **state)
{
    struct maker m = maker_new(DKIM_RSA, 1024), tiny = maker_new(DKIM_RSA, 512);
    const struct dkim_zone zone[] = {
        {"r._domainkey.b.example", {m.record.p}, DNS_OK},
        {"nodata._domainkey.b.example", {NULL}, DNS_OK},
        {"slow._domainkey.b.example", {NULL}, DNS_TEMPORARY},
        {"bogus._domainkey.b.example", {NULL}, DNS_BOGUS},
        {"revoked._domainkey.b.example", {"v=DKIM1; p="}, DNS_OK},
        {"ed._domainkey.b.example", {"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}, DNS_OK},
        {"sha1._domainkey.b.example", {"h=sha1; p=AAAA"}, DNS_OK},
        {"tlsrpt._domainkey.b.example", {"s=tlsrpt; p=AAAA"}, DNS_OK},
        {"badv._domainkey.b.example", {"v=DKIM2; p=AAAA"}, DNS_OK},
        {"latev._domainkey.b.example", {"p=AAAA; v=DKIM1"}, DNS_OK},
        {"nop._domainkey.b.example", {"v=DKIM1; k=rsa"}, DNS_OK},
        {"dsa._domainkey.b.example", {"k=dsa; p=AAAA"}, DNS_OK},
        {"junk._domainkey.b.example", {"p=***"}, DNS_OK},
        {"notkey._domainkey.b.example", {"p=AAAA"}, DNS_OK},
        {"short._domainkey.b.example", {tiny.record.p}, DNS_OK},
        {0}};
    struct dkim_world w = {.zone = zone};
    struct dkim_profile p = {.domain = str_lit("b.example"), .selector = str_lit("r"), .timestamp = true, .key = m.key};
    struct str good = signed_message(&p, str_lit(LETTER), 1000000, RC_OK);
    struct auth_results r;

    (void)state;
    verify_in(&w, good, 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const struct change *c = &changes[i];

        verify_in(&w, changed(good, c->tag, c->to), str_eq(str_c(c->tag), str_lit("x")) ? 1001000 : 1000010, &r);
        assert_int_equal(r.n_dkim, 1);
        assert_string_equal(arena_str(&arena, r.dkim[0].reason).p, c->reason);
        assert_int_equal(r.dkim[0].result, c->result);
    }
    w.rc = RC_UNAVAILABLE; /* nobody to ask */
    verify_in(&w, good, 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_TEMPERROR);
    maker_done(&m);
    maker_done(&tiny);
}

/* RFC 6376 3.6.1 t=, 6.1.2 step 4, and unknown tags of records (g= of RFC 4871). */
static void records_that_serve(void **state)
{
    struct maker m = maker_new(DKIM_RSA, 1024), other = maker_new(DKIM_RSA, 1024);
    const char *text = str_find_str(str_c(m.record.p), str_lit("p=")) + m.record.p;
    char testing[1024], strict[1024], odd[1024];
    const struct dkim_zone zone[] = {{"r._domainkey.b.example", {m.record.p}, DNS_OK},
                                     {"two._domainkey.b.example", {"v=spf1 -all", other.record.p, m.record.p}, DNS_OK},
                                     {"test._domainkey.b.example", {testing}, DNS_OK},
                                     {"strict._domainkey.b.example", {strict}, DNS_OK},
                                     {"odd._domainkey.b.example", {odd}, DNS_OK},
                                     {0}};
    struct dkim_world w = {.zone = zone};
    struct dkim_profile p = {.domain = str_lit("b.example"), .key = m.key, .identity = str_lit("joe@sub.b.example")};
    struct auth_results r;

    (void)state;
    snprintf(testing, sizeof testing, "t=s:y ; %s", text);
    snprintf(strict, sizeof strict, "v=DKIM1; t=s; n=note; %s", text);
    snprintf(odd, sizeof odd, "v=DKIM1; g=nobody; h = sha1 : sha256; s = email:*; k=RSA; zz=top; %s;", text);
    p.selector = str_lit("two");
    verify_in(&w, signed_message(&p, str_lit(LETTER), 1000000, RC_OK), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS);
    p.selector = str_lit("odd");
    verify_in(&w, signed_message(&p, str_lit(LETTER), 1000000, RC_OK), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS);
    p.selector = str_lit("strict");
    verify_in(&w, signed_message(&p, str_lit(LETTER), 1000000, RC_OK), 1000010, &r);
    assert_string_equal(arena_str(&arena, r.dkim[0].reason).p, "key does not allow i= below d=");
    p.identity = str_lit("joe@B.example");
    verify_in(&w, signed_message(&p, str_lit(LETTER), 1000000, RC_OK), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS);
    p.selector = str_lit("test");
    verify_in(&w, signed_message(&p, str_lit(LETTER), 1000000, RC_OK), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS);
    assert_true(r.dkim[0].testing);
    verify_in(&w, changed(signed_message(&p, str_lit(LETTER), 1000000, RC_OK), "b", "AAAA"), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_NEUTRAL); /* a failure in test mode is as good as no signature */
    maker_done(&m);
    maker_done(&other);
}

static struct str joined(struct str a, struct str b)
{
    return arena_printf(&arena, "%.*s%.*s", STR(a), STR(b));
}

/* h= from the bottom up (RFC 6376 5.4.2), oversigning, l= (3.5), bare LF, and what edits a signature survives. */
static void what_a_signature_covers(void **state)
{
    struct maker m = maker_new(DKIM_ED25519, 0);
    const struct dkim_zone zone[] = {{"e._domainkey.b.example", {m.record.p}, DNS_OK}, {0}};
    struct dkim_world w = {.zone = zone};
    struct dkim_profile p = {.domain = str_lit("b.example"),
                             .selector = str_lit("e"),
                             .header = DKIM_RELAXED,
                             .body = DKIM_RELAXED,
                             .key = m.key};
    struct str plain = signed_message(&p, str_lit(LETTER), 1000000, RC_OK), guarded, part, lf;
    struct auth_results r;
    size_t n = 0;
    char *to;

    (void)state;
    verify_in(&w, joined(str_lit("Subject: another\r\nX-Spam: tag\r\nReceived: by us\r\n"), plain), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS); /* put in front: the signed Subject is the bottom one */
    p.oversign = true;
    guarded = signed_message(&p, str_lit(LETTER), 1000000, RC_OK);
    verify_in(&w, joined(str_lit("X-Spam: tag\r\nReceived: by us\r\n"), guarded), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS);
    verify_in(&w, joined(str_lit("Subject: another\r\n"), guarded), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_FAIL);
    verify_in(&w, joined(str_lit("Reply-To: c@d.example\r\n"), guarded), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_FAIL); /* guarded though it was not there */

    p.body_length = true;
    part = signed_message(&p, str_lit(LETTER), 1000000, RC_OK);
    verify_in(&w, part, 1000010, &r);
    assert_false(r.dkim[0].partial);
    verify_in(&w, joined(part, str_lit("\r\nAdvertisement\r\n")), 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS);
    assert_true(r.dkim[0].partial);
    verify_in(&w, str_first(part, part.n - 4), 1000010, &r);
    assert_string_equal(arena_str(&arena, r.dkim[0].reason).p, "body is shorter than l=");

    to = arena_alloc(&arena, guarded.n);
    for (size_t i = 0; i < guarded.n; i++)
        if (guarded.p[i] != '\r')
            to[n++] = guarded.p[i];
    lf = str_of(to, n);
    verify_in(&w, lf, 1000010, &r);
    assert_int_equal(r.dkim[0].result, AUTH_PASS);
    maker_done(&m);
}

/* Sixteen signatures are looked at, their keys asked at once, bodies hashed once however many l= there are. */
static void many_signatures(void **state)
{
    struct maker m = maker_new(DKIM_ED25519, 0);
    const struct dkim_zone zone[] = {{"e._domainkey.b.example", {m.record.p}, DNS_OK}, {0}};
    struct dkim_world w = {.zone = zone};
    struct dkim_profile p = {.domain = str_lit("b.example"), .selector = str_lit("e"), .body_length = true, .key = m.key};
    struct str message = str_lit(LETTER), body = STR_NONE;
    struct auth_results r;

    (void)state;
    for (int i = 0; i < 20; i++) {
        p.body = i % 2;
        message = signed_message(&p, joined(message, body), 1000000, RC_OK);
        body = str_lit("more\r\n");
    }
    verify_in(&w, message, 1000010, &r);
    assert_int_equal(r.n_dkim, DKIM_SIGNATURES_MOST);
    assert_int_equal(w.asks, 1);
    for (size_t i = 0; i < r.n_dkim; i++) {
        assert_int_equal(r.dkim[i].result, AUTH_PASS);
        assert_int_equal(r.dkim[i].partial, i > 0);
    }
    verify_in(&w, str_lit("From: a@b.example\r\n\r\nx\r\n"), 1000010, &r);
    assert_int_equal(r.n_dkim, 0);
    assert_int_equal(w.asks, 1); /* no signature, no question */
    maker_done(&m);
}

static void what_cannot_be_signed(void **state)
{
    struct maker tiny = maker_new(DKIM_RSA, 512), m = maker_new(DKIM_ED25519, 0);
    struct dkim_profile p = {.domain = str_lit("b.example"), .selector = str_lit("r"), .key = tiny.key};

    (void)state;
    signed_message(&p, str_lit(LETTER), 1000000, RC_INVALID); /* RFC 8301 3.2 */
    p.key = m.key;
    signed_message(&p, str_lit("To: a@b.example\r\n\r\n"), 1000000, RC_INVALID);
    maker_done(&tiny);
    maker_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_signature_verifies),
        cmocka_unit_test(lines_of_a_signature_are_short),
        cmocka_unit_test(tags_that_do_not_count),
        cmocka_unit_test(records_that_serve),
        cmocka_unit_test(what_a_signature_covers),
        cmocka_unit_test(many_signatures),
        cmocka_unit_test(what_cannot_be_signed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
