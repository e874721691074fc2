/* DKIM: the examples of the RFCs, every reason why a signature does not count, signing, canonical forms. */
#include "mail/dkim_inside.h"

#include "mail/dkim_testing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;
static struct dkim *engine;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 65536, 64 << 20);
    engine = dkim_new();
    return engine ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    dkim_free(engine);
    arena_done(&arena);
    return 0;
}

/* RFC 8463 appendix A, and the key of RFC 6376 appendix A. */
static const struct dkim_zone rfc_zone[] = {
    {"brisbane._domainkey.football.example.com",
     {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
     DNS_OK},
    {"test._domainkey.football.example.com",
     {"v=DKIM1; k=rsa; "
      "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx"
      "/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/"
      "K4w3QIDAQAB"},
     DNS_OK},
    {"brisbane._domainkey.example.com",
     {"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcT"
      "Nh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"},
     DNS_OK},
    {0}};

#define LETTER \
    "From: Joe SixPack <joe@football.example.com>\r\n" \
    "To: Suzie Q <suzie@shopping.example.net>\r\n" \
    "Subject: Is dinner ready?\r\n" \
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" \
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n" \
    "\r\n" \
    "Hi.\r\n" \
    "\r\n" \
    "We lost the game. Are you hungry yet?\r\n" \
    "\r\n" \
    "Joe.\r\n"

static const char rfc8463[] = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                              " d=football.example.com; i=@football.example.com;\r\n"
                              " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
                              " subject : date : message-id : from : subject : date;\r\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                              " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n"
                              " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
                              "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
                              " d=football.example.com; i=@football.example.com;\r\n"
                              " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
                              " date : message-id : from : subject : date;\r\n"
                              " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                              " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
                              " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
                              " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n" LETTER;

static const char rfc6376[] = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
                              "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
                              "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
                              "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                              "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\r\n"
                              "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\r\n"
                              "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\r\n"
                              "      4bmp/YzhwvcubU4=;\r\n"
                              "Received: from client1.football.example.com  [192.0.2.1]\r\n"
                              "      by submitserver.example.com with SUBMISSION;\r\n"
                              "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\r\n" LETTER;

static void verify_in(struct dkim_world *w, struct str message, uint64_t now_s, struct auth_results *out)
{
    struct dkim_options o = {.now_s = now_s, .skew_s = 300, .dkim = true, .arc = true};

    *out = (struct auth_results){0};
    assert_int_equal(dkim_verify(engine, &arena, message, &o, dkim_world_asker(w), out), RC_OK);
    assert_true(out->dkim_checked);
}

static void examples_of_the_rfcs(void **state)
{
    struct dkim_world w = {.zone = rfc_zone};
    struct auth_results r;

    (void)state;
    verify_in(&w, str_c(rfc8463), 1528637910, &r);
    assert_int_equal(r.n_dkim, 2);
    assert_int_equal(w.asks, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(arena_str(&arena, r.dkim[i].reason).p, "signature verified");
        assert_int_equal(r.dkim[i].result, AUTH_PASS);
        assert_true(str_eq(r.dkim[i].identity, str_lit("@football.example.com")));
    }
    assert_int_equal(r.dkim[1].key_bits, 1024);
    assert_true(str_eq(r.dkim[0].b, str_lit("/gCrinpc")));
    verify_in(&w, str_c(rfc6376), 1528637910, &r);
    assert_int_equal(r.n_dkim, 1);
    assert_string_equal(arena_str(&arena, r.dkim[0].reason).p, "signature verified");
    assert_true(str_eq(r.dkim[0].identity, str_lit("joe@football.example.com")));
}

/* RFC 6376 3.4.5 and what the text of 3.4.1 to 3.4.4 says beside it. */
static void canonical_forms(void **state)
{
    static const struct {
        const char *in, *simple, *relaxed;
    } fields[] = {
        {"A: X\r\n", "A: X\r\n", "a:X\r\n"},
        {"B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
        {"C:\r\n", "C:\r\n", "c:\r\n"},
        {"C: \t \r\n", "C: \t \r\n", "c:\r\n"},
        {"D: a\n b\n", "D: a\r\n b\r\n", "d:a b\r\n"},
        {"E: a\rb\r\n", "E: a\rb\r\n", "e:a\rb\r\n"},
        {"F: a", "F: a\r\n", "f:a\r\n"},
    };
    static const struct {
        const char *in, *simple, *relaxed;
    } bodies[] = {
        {"", "\r\n", ""},
        {"\r\n\r\n", "\r\n", ""},
        {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
        {"a", "a\r\n", "a\r\n"},
        {"a \t\r\n \t\r\n", "a \t\r\n \t\r\n", "a\r\n"},
        {"a\n\nb\n\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
        {"a\r\r\nb \r", "a\r\r\nb \r\r\n", "a\r\r\nb \r\r\n"},
        {"\r\n\r\n\tx  y\t z", "\r\n\r\n\tx  y\t z\r\n", "\r\n\r\n x y z\r\n"},
        {"   ", "   \r\n", ""},
        {"\xff \xfe\r\n", "\xff \xfe\r\n", "\xff \xfe\r\n"},
    };
    struct buf b = BUF(4096);

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        for (int canon = 0; canon < 2; canon++) {
            buf_clear(&b);
            dkim_canon_field((enum dkim_canon)canon, str_c(fields[i].in), &b);
            assert_string_equal(arena_str(&arena, buf_str(&b)).p, canon ? fields[i].relaxed : fields[i].simple);
        }
    }
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        for (int canon = 0; canon < 2; canon++) {
            for (size_t step = 1; step <= 64; step += step < 8 ? 1 : 56) { /* however it is cut */
                struct str rest = str_c(bodies[i].in);
                struct dkim_canon_body *c = arena_new(&arena, struct dkim_canon_body);

                buf_clear(&b);
                dkim_canon_begin(c, (enum dkim_canon)canon, (dkim_canon_sink *)(void (*)(void))buf_add, &b);
                for (; rest.n; rest = str_from(rest, step))
                    dkim_canon_add(c, str_first(rest, step));
                dkim_canon_end(c);
                assert_string_equal(arena_str(&arena, buf_str(&b)).p, canon ? bodies[i].relaxed : bodies[i].simple);
                assert_int_equal(c->bytes, b.n);
            }
        }
    }
    buf_done(&b);
}

static void tag_lists_are_strict(void **state)
{
    static const char *const good[] = {"a=1", "a=1;", " a = 1 ; b = 2 3 ;\r\n", "a=;b=", "a=x=y; B_2=z", "a=\r\n x"};
    static const char *const bad[] = {"",     ";",     "a",      "a=1;;b=2", "a=1; a=2", "1=a",
                                      "_a=1", "a b=1", "a=\001", "a=1;b",    "a=\x7f",   "=1"};
    struct dkim_tags *t = arena_new(&arena, struct dkim_tags);
    char many[DKIM_TAGS_MAX * 8 + 16];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(dkim_tags_parse(str_c(good[i]), t, NULL), RC_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dkim_tags_parse(str_c(bad[i]), t, NULL), RC_SYNTAX);
    assert_int_equal(dkim_tags_parse(str_lit(" b = A B\r\n C ; B=2"), t, NULL), RC_OK);
    assert_true(str_eq(dkim_tag_value(t, "b"), str_lit("A B\r\n C")));
    assert_true(str_eq(dkim_tag(t, "b")->place, str_lit(" A B\r\n C ")));
    assert_true(str_eq(dkim_tag_value(t, "B"), str_lit("2")));
    assert_null(dkim_tag(t, "c"));
    for (int i = 0; i <= DKIM_TAGS_MAX; i++)
        n += (size_t)sprintf(many + n, "t%d=1;", i);
    assert_int_equal(dkim_tags_parse(str_of(many, n), t, NULL), RC_SYNTAX);
}

static void base64_is_strict(void **state)
{
    static const char *const good[][2] = {
        {"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm 9v\r\n\tYg = =", "foob"}};
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Zm9v=", "Zg==Zg==", "Z.==", "====", "-_=="};
    struct buf b = BUF(64);
    struct str out;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(dkim_base64_decode(&arena, str_c(good[i][0]), &out), RC_OK);
        assert_true(str_eq(out, str_c(good[i][1])));
        buf_clear(&b);
        dkim_base64_encode(out, &b);
        assert_true(str_eq(dkim_unspaced(&arena, str_c(good[i][0])), buf_str(&b)));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(dkim_base64_decode(&arena, str_c(bad[i]), &out), RC_SYNTAX);
    buf_done(&b);
}

/* ---- our own signatures ------------------------------------------------------------------------------------------------
 */

struct maker {
    struct dkim_key *key;
    struct buf record;
};

static struct maker maker_new(enum dkim_key_type type, unsigned bits)
{
    struct buf secret = BUF(16384), public = BUF(4096);
    struct maker m = {.record = BUF(8192)};

    assert_int_equal(dkim_key_generate(type, bits, &secret, &public, NULL), RC_OK);
    assert_int_equal(dkim_key_load(buf_str(&secret), &m.key, NULL), RC_OK);
    dkim_key_record(type, buf_str(&public), false, &m.record);
    buf_addc(&m.record, '\0');
    buf_done(&secret);
    buf_done(&public);
    return m;
}

static void maker_done(struct maker *m)
{
    dkim_key_free(m->key);
    buf_done(&m->record);
}

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
static void tags_that_do_not_count(void **state)
{
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

/* A header section that is meant to cost: bounded, and no pass comes of it. */
static void hostile_headers(void **state)
{
    struct dkim_world w = {.zone = rfc_zone};
    struct buf b = BUF(16 << 20);
    struct auth_results r;

    (void)state;
    buf_add(&b, str_first(str_c(rfc8463), str_find_str(str_c(rfc8463), str_lit("From:"))));
    for (int i = 0; i < DKIM_FIELDS_MAX; i++)
        buf_addf(&b, "X-%d: y\r\n", i);
    buf_add(&b, str_lit(LETTER));
    verify_in(&w, buf_str(&b), 1528637910, &r);
    assert_string_equal(arena_str(&arena, r.dkim[0].reason).p, "header section is too large");
    buf_clear(&b);
    for (int i = 0; i < 16; i++) { /* each names 9,000 fields of one name that stands 9,000 times */
        buf_add(&b, str_lit("DKIM-Signature: v=1; a=ed25519-sha256; d=football.example.com; s=brisbane; "
                            "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA; h=from"));
        for (int k = 0; k < 9000; k++)
            buf_add(&b, str_lit(":x"));
        buf_add(&b, str_lit("\r\n"));
    }
    for (int k = 0; k < 9000; k++)
        buf_add(&b, str_lit("X: y\r\n"));
    buf_add(&b, str_lit(LETTER));
    verify_in(&w, buf_str(&b), 1528637910, &r);
    assert_int_equal(r.n_dkim, 16);
    assert_int_equal(r.dkim[15].result, AUTH_FAIL);
    buf_done(&b);
}

static void keys(void **state)
{
    struct buf secret = BUF(16384), public = BUF(4096), again = BUF(16384), zone = BUF(8192);
    struct dkim_key *k;
    struct err e = ERR_NONE;
    unsigned bits = 0;

    (void)state;
    for (unsigned size = 512; size <= 2048; size *= 2) {
        buf_clear(&secret);
        buf_clear(&public);
        buf_clear(&again);
        assert_int_equal(dkim_key_generate(DKIM_RSA, size, &secret, &public, &e), RC_OK);
        assert_int_equal(dkim_key_load(buf_str(&secret), &k, &e), RC_OK);
        assert_int_equal(dkim_key_bits(k), size);
        dkim_key_public(k, &again);
        assert_true(str_eq(buf_str(&again), buf_str(&public)));
        assert_int_equal(dkim_public_facts(DKIM_RSA, buf_str(&public), &bits, &e), RC_OK);
        assert_int_equal(bits, size);
        assert_int_equal(dkim_public_facts(DKIM_ED25519, buf_str(&public), &bits, &e), RC_INVALID);
        dkim_key_free(k);
    }
    assert_int_equal(dkim_key_generate(DKIM_RSA, 256, &secret, &public, &e), RC_INVALID);
    assert_int_equal(dkim_key_generate(DKIM_RSA, 8192, &secret, &public, &e), RC_INVALID);
    assert_int_equal(dkim_key_load(str_lit("nonsense"), &k, &e), RC_INVALID);
    assert_int_equal(dkim_key_load(STR_NONE, &k, &e), RC_INVALID);
    assert_int_equal(dkim_key_load(str_lit("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &k, &e),
                     RC_INVALID);
    dkim_key_zone_line(str_lit("b.example"), str_lit("s1"), buf_str(&public), &zone);
    assert_true(str_starts(buf_str(&zone), str_lit("s1._domainkey.b.example. IN TXT ( \"MII")));
    assert_true(str_find_str(buf_str(&zone), str_lit("\" \"")) - str_find(buf_str(&zone), '"') == 256);
    buf_done(&secret);
    buf_done(&public);
    buf_done(&again);
    buf_done(&zone);
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
        cmocka_unit_test(examples_of_the_rfcs),
        cmocka_unit_test(canonical_forms),
        cmocka_unit_test(tag_lists_are_strict),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(every_form_of_signature_verifies),
        cmocka_unit_test(lines_of_a_signature_are_short),
        cmocka_unit_test(tags_that_do_not_count),
        cmocka_unit_test(records_that_serve),
        cmocka_unit_test(what_a_signature_covers),
        cmocka_unit_test(many_signatures),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(keys),
        cmocka_unit_test(what_cannot_be_signed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
