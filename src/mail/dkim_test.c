/* DKIM: the examples of the RFCs, canonical forms, lists of tags, keys, headers that are meant to cost. */
#include "mail/dkim_world_testing.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfcs), cmocka_unit_test(canonical_forms), cmocka_unit_test(tag_lists_are_strict),
        cmocka_unit_test(base64_is_strict),     cmocka_unit_test(hostile_headers), cmocka_unit_test(keys),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
