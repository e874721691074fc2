/*
 * The published test suite of RFC 7208 (203 cases), as tools/spf-suite laid it down: every case through our check_host()
 * with the DNS records of its scenario. Prints how many pass; each must. Results that the suite allows beside the preferred
 * one count.
 */
#include "mail/spf.h"

#include "base/io.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { CASES = 203, LINES_MAX = 2000, WORDS = 7 };

struct zone_line {
    struct str name, type, value;
    uint64_t preference;
};

struct suite {
    struct arena text, work;
    struct zone_line zone[LINES_MAX];
    size_t n;
};

static struct suite suite;

static int setup(void **state)
{
    (void)state;
    arena_init(&suite.text, 65536, 16 << 20);
    arena_init(&suite.work, 65536, 16 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&suite.text);
    arena_done(&suite.work);
    return 0;
}

/* Percent-decoded copy; "-" is the empty word. */
static struct str decode(struct arena *a, struct str s)
{
    char *to = arena_must_alloc(a, s.n + 1);
    size_t n = 0;
    uint64_t v;

    if (str_eq(s, str_lit("-")))
        return str_lit("");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%' && str_hex(str_of(s.p + i + 1, 2), &v)) {
            to[n++] = (char)v;
            i += 2;
        } else {
            to[n++] = s.p[i];
        }
    }
    return str_of(to, n);
}

/* An address as octets; 0 = no address. */
static struct str octets(struct arena *a, struct str text)
{
    char *to = arena_must_alloc(a, 16), name[64];

    snprintf(name, sizeof name, "%.*s", STR(text));
    if (inet_pton(AF_INET, name, to) == 1)
        return str_of(to, 4);
    return inet_pton(AF_INET6, name, to) == 1 ? str_of(to, 16) : STR_NONE;
}

static struct str no_dot(struct str s)
{
    return s.n && s.p[s.n - 1] == '.' ? str_first(s, s.n - 1) : s;
}

static void add_record(struct arena *a, const struct zone_line *z, struct dns_answer *d, struct dns_record *to)
{
    to->preference = z->preference;
    to->data = d->question.type == DNS_A || d->question.type == DNS_AAAA ? octets(a, z->value)
               : d->question.type == DNS_TXT                             ? z->value
                                                                         : no_dot(z->value);
    d->n++;
}

/* What the zone says: records, else the target of an alias, else a time-out when the name has one, else nothing. */
static void answer(struct arena *a, struct dns_answer *d, struct str name, int depth)
{
    struct dns_record *r = arena_must_alloc(a, sizeof *r * 64);
    bool known = false, timeout = depth > 8;
    struct str alias = STR_NONE;

    d->records = r;
    for (size_t i = 0; i < suite.n && d->n < 64; i++) {
        const struct zone_line *z = &suite.zone[i];

        if (!str_eqi(no_dot(z->name), name))
            continue;
        known = true;
        if (str_eq(z->type, str_c(dns_type_name(d->question.type))))
            add_record(a, z, d, &r[d->n]);
        else if (str_eq(z->type, str_lit("CNAME")))
            alias = no_dot(z->value);
        timeout = timeout || str_eq(z->type, str_lit("TIMEOUT"));
    }
    if (!d->n && alias.p && !timeout)
        answer(a, d, alias, depth + 1);
    else
        d->result = d->n ? DNS_OK : timeout ? DNS_TEMPORARY : known ? DNS_NODATA : DNS_NXDOMAIN;
}

static enum rc zone_ask(void *ctx, struct arena *a, const struct dns_question *q, size_t n, const struct dns_answer **out)
{
    struct dns_answer *d = arena_must_alloc(a, sizeof *d * n);

    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        d[i].question = q[i];
        answer(a, &d[i], q[i].name, 0);
    }
    *out = d;
    return RC_OK;
}

/* words: name, helo, host, mailfrom, results, explanation. */
static bool run_case(const struct str words[WORDS])
{
    struct dns_source dns = {zone_ask, NULL};
    struct auth_spf got;
    struct spf_query q = {.helo = words[2], .sender = words[4], .receiver = str_lit("receiver.example")};
    struct str results = words[5], one;
    bool good = false;

    q.ip = octets(&suite.work, words[3]);
    spf_check_mailfrom(&suite.work, &dns, &q, &got);
    while (str_split(&results, ',', &one))
        good = good || str_eq(one, str_c(auth_result_word(got.result)));
    if (good && got.result == AUTH_FAIL && !str_eq(words[6], str_lit("*")))
        good = str_eq(got.explanation, words[6]);
    if (!good)
        print_message("%.*s: %s, not %.*s (%.*s) explanation \"%.*s\"\n", STR(words[1]), auth_result_word(got.result),
                      STR(words[5]), STR(got.problem), STR(got.explanation));
    return good;
}

static void every_case_of_the_published_suite_passes(void **state)
{
    struct buf file = BUF(4 << 20);
    struct str rest, line;
    size_t cases = 0, passed = 0;
    struct err e = ERR_NONE;

    (void)state;
    if (access("build/suites/rfc7208.txt", R_OK) != 0)
        assert_int_equal(system("tools/spf-suite"), 0); /* setup was not run */
    if (io_read_file("build/suites/rfc7208.txt", &file, &e) != RC_OK)
        fail_msg("%s: tools/spf-suite makes it", err_text(&e));
    rest = buf_str(&file);
    while (str_split(&rest, '\n', &line)) {
        struct str words[WORDS] = {{0}};

        for (size_t i = 0; i < WORDS && str_word(&line, &words[i]); i++)
            words[i] = decode(&suite.text, words[i]);
        if (str_eq(words[0], str_lit("scenario"))) {
            suite.n = 0;
        } else if (str_eq(words[0], str_lit("zone"))) {
            struct zone_line *z = &suite.zone[suite.n++];

            assert_true(suite.n < LINES_MAX);
            *z = (struct zone_line){words[1], words[2], words[3], 0};
            assert_true(str_u64(words[4], &z->preference));
        } else if (str_eq(words[0], str_lit("case"))) {
            cases++;
            passed += run_case(words);
            arena_reset(&suite.work);
        }
    }
    print_message("RFC 7208 suite: %zu of %zu cases pass\n", passed, cases);
    assert_int_equal(cases, CASES);
    assert_int_equal(passed, cases);
    buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_of_the_published_suite_passes)};

    return cmocka_run_group_tests_name("mail: SPF, the published suite", tests, setup, teardown);
}
