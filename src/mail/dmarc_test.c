/* DMARC: records, author domains, organizational domains by list and by walk, alignment, what is asked for and what remains.
 */
#include "mail/dmarc.h"
#include "mail/dns_canned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;
static struct suffixes *suffixes;
static struct dns_canned dns;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 4096, 8 << 20);
    suffixes = suffixes_load(NULL);
    assert_non_null(suffixes);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    suffixes_free(suffixes);
    return 0;
}

static void assert_str(struct str s, const char *want)
{
    if (!str_eq(s, str_c(want)))
        fail_msg("\"%.*s\" is not \"%s\"", STR(s), want);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static void a_record_is_read(void **state)
{
    const struct dmarc_record *r = dmarc_record_parse(
        &arena, str_lit("v=DMARC1; p=quarantine; sp = reject;np=none; adkim=s; aspf=r; pct=25; t=y; psd=n; fo=1:d; x=y;"
                        "rua=mailto:a@example.org!10m , https://x.example/, mailto:b%2Bc@example.net"));

    (void)state;
    assert_non_null(r);
    assert_true(r->p == DMARC_QUARANTINE && r->sp == DMARC_REJECT && r->np == DMARC_NONE);
    assert_true(r->strict_dkim && !r->strict_spf && r->percent == 25 && r->testing && r->psd == DMARC_PSD_NO);
    assert_str(r->fo, "1:d");
    assert_int_equal(r->n_rua, 2);
    assert_str(r->rua[0].address, "a@example.org");
    assert_int_equal(r->rua[0].max_bytes, 10 << 20);
    assert_str(r->rua[1].address, "b+c@example.net");
}

/* RFC 7489 6.6.3: without p= a record counts as p=none when it says where to report to, else it is none. */
static void broken_records_fall_back_or_do_not_count(void **state)
{
    static const char *const none[] = {"v=DMARC1",
                                       "v=DMARC1; p=",
                                       "v=dmarc1; p=none",
                                       "p=none; v=DMARC1",
                                       "v=DMARC1x; p=none",
                                       "v=DMARC1; rua=http://x",
                                       "",
                                       ";",
                                       "v=DMARC1; p=bounce"};
    const struct dmarc_record *r;

    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(dmarc_record_parse(&arena, str_c(none[i])));
    r = dmarc_record_parse(&arena, str_lit("v=DMARC1;p=bounce;rua=mailto:a@b.example"));
    assert_true(r && !r->has_policy && r->p == DMARC_NONE);
    r = dmarc_record_parse(
        &arena, str_lit("V = DMARC1 ;P=Reject;sp=foo;pct=200;adkim=x;p=none;rua=mailto:a@b!0,mailto:@b,mailto:a@b!1x"));
    assert_true(r && r->p == DMARC_REJECT && r->sp == DMARC_REJECT && r->np == DMARC_REJECT && r->percent == 100 &&
                r->n_rua == 0);
}

/* --- authors ------------------------------------------------------------------------------------------------------- */

static void author_domains_are_all_that_a_client_could_show(void **state)
{
    static const char *const rows[][2] = {
        {"From: Anna <anna@Example.ORG>\r\n\r\n", "example.org"},
        {"From: anna@example.org\r\n", "example.org"},
        {"From: \"b@evil.example\" <anna@example.org>\r\n", "example.org"},
        {"From: anna@example.org (b@evil.example)\r\n", "example.org"},
        {"From: a@one.example, B <b@two.example>\r\n", "one.example two.example"},
        {"From: Group: a@one.example, b@two.example;\r\n", "one.example two.example"},
        {"From: a@one.example\r\nSubject: x\r\nfrom: b@two.example\r\n", "one.example two.example"},
        {"From: <a@one.example> <b@two.example>\r\n", "one.example two.example"},
        {"From: \"a <x@one.example>\r\n", "one.example"},
        {"From: (a <x@one.example>\r\n", "one.example"},
        {"From: <@relay.example,@r2.example:a@one.example>\r\n", "one.example"},
        {"From: a@one.example <b>\r\n", "one.example"},
        {"From: a @\r\n one . example\r\n", "one.example"},
        {"From: \"a\\\"b@x.example\" <\"c@d\"@one.example>\r\n", "one.example"},
        {"From: a@b\xc3\xbc"
         "cher.example\r\n",
         "xn--bcher-kva.example"},
        {"From: a@one.example.\r\n", "one.example"},
        {"From: a@[192.0.2.1]\r\n", ""},
        {"From: undisclosed\r\n", ""},
        {"From:\r\n", ""},
        {"Subject: x\r\n\r\nFrom: a@b.example\r\n", ""},
        {"From: a@x.example,b@X.example\r\n", "x.example"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str domains[DMARC_AUTHORS_MAX];
        char text[400] = "";
        size_t n, at = 0;

        assert_true(dmarc_author_domains(&arena, str_c(rows[i][0]), domains, &n));
        for (size_t k = 0; k < n; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", k ? " " : "", STR(domains[k]));
        if (strcmp(text, rows[i][1]) != 0)
            fail_msg("%s gives \"%s\", not \"%s\"", rows[i][0], text, rows[i][1]);
    }
}

static void too_many_authors_are_told(void **state)
{
    struct buf b = BUF(4096);
    struct str domains[DMARC_AUTHORS_MAX];
    size_t n;

    (void)state;
    buf_add(&b, str_lit("From: "));
    for (int i = 0; i < 11; i++)
        buf_addf(&b, "a@d%d.example,", i);
    assert_false(dmarc_author_domains(&arena, buf_str(&b), domains, &n));
    assert_int_equal(n, DMARC_AUTHORS_MAX);
    buf_done(&b);
}

/* --- organizational domains ---------------------------------------------------------------------------------------- */

static void the_list_gives_organizational_domains(void **state)
{
    static const char *const rows[][2] = {
        {"mail.example.com", "example.com"},
        {"example.com", "example.com"},
        {"a.b.example.co.uk", "example.co.uk"},
        {"co.uk", "co.uk"},
        {"a.b.nosuchtop", "b.nosuchtop"},
        {"x.xn--55qx5d.cn", "x.xn--55qx5d.cn"}, /* a rule with non-ASCII letters */
        {"y.x.xn--55qx5d.cn", "x.xn--55qx5d.cn"},
        {"a.b.city.kawasaki.jp", "city.kawasaki.jp"}, /* an exception */
        {"a.b.foo.kawasaki.jp", "b.foo.kawasaki.jp"}, /* a wildcard */
        {"com", "com"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_str(orgdomain_by_list(suffixes, str_c(rows[i][0])), rows[i][1]);
    assert_str(orgdomain_by_list(NULL, str_lit("a.b.c")), "b.c");
    assert_null(suffixes_load("/nonexistent/list"));
}

static void walk(const char *zone, const char *name, struct tree_walk *out)
{
    struct dns_source asker = dns_canned(&dns);

    dns = (struct dns_canned){.lines = zone};
    orgdomain_walk(&arena, &asker, str_c(name), out);
}

/* RFC 9989 4.10.2: psd=n ends it there, psd=y one below, else the record of fewest labels. */
static void the_walk_gives_organizational_domains(void **state)
{
    static const char *const rows[][3] = {
        {"", "a.b.example.com", "a.b.example.com"},
        {"_dmarc.example.com TXT v=DMARC1; p=none", "a.b.example.com", "example.com"},
        {"_dmarc.example.com TXT v=DMARC1; p=none\n_dmarc.b.example.com TXT v=DMARC1; p=none; psd=n", "a.b.example.com",
         "b.example.com"},
        {"_dmarc.co.example TXT v=DMARC1; p=none; psd=y", "a.b.co.example", "b.co.example"},
        {"_dmarc.co.example TXT v=DMARC1; p=none; psd=y", "co.example", "co.example"},
        {"_dmarc.example.com TXT v=DMARC1; p=none\n_dmarc.com TXT v=DMARC1; p=none; psd=y", "x.example.com", "example.com"},
        {"_dmarc.example.com TXT v=DMARC1; p=none\n_dmarc.example.com TXT v=DMARC1; p=none", "x.example.com",
         "x.example.com"},
    };
    struct tree_walk w;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        walk(rows[i][0], rows[i][1], &w);
        assert_str(w.org, rows[i][2]);
        assert_false(w.temporary);
    }
}

/* Of a long name its seven last labels are looked at behind the name itself: eight questions. */
static void a_walk_asks_eight_times_at_most(void **state)
{
    struct tree_walk w;

    (void)state;
    walk("", "a.b.c.d.e.f.g.h.i.j.mail.example.com", &w);
    assert_int_equal(dns.asked, 8);
    assert_str(w.names[0], "a.b.c.d.e.f.g.h.i.j.mail.example.com");
    assert_str(w.names[1], "g.h.i.j.mail.example.com");
    assert_str(w.names[7], "com");
    walk("", "a.b.c.d.e.f.g.h", &w);
    assert_int_equal(dns.asked, 8);
    walk("_dmarc.b.example TEMPORARY", "a.b.example", &w);
    assert_true(w.temporary);
}

/* --- the whole check ----------------------------------------------------------------------------------------------- */

struct row {
    const char *from, *spf; /* spf: domain that passed */
    const char *dkim;       /* domains that passed */
    const char *record;     /* lines of the zone */
    const char *want;       /* "result policy disposition" */
    enum dmarc_method method;
};

static void run(const struct row *row, unsigned sample, struct auth_dmarc *out)
{
    struct dns_source asker = dns_canned(&dns);
    struct auth_spf spf = {.checked = row->spf != NULL, .result = AUTH_PASS, .domain = str_c(row->spf)};
    struct auth_dkim dkim = {.result = AUTH_PASS, .domain = str_c(row->dkim)};
    struct dmarc_query q = {.headers = arena_printf(&arena, "From: <%s>\r\n\r\n", row->from),
                            .mailfrom = &spf,
                            .dkim = &dkim,
                            .n_dkim = row->dkim != NULL,
                            .method = row->method,
                            .suffixes = suffixes,
                            .sample = sample};

    dns = (struct dns_canned){.lines = row->record};
    dmarc_check(&arena, &asker, &q, out);
}

static const char *shown(const struct auth_dmarc *d)
{
    return arena_printf(&arena, "%s %s %s", auth_result_word(d->result), dmarc_policy_word(d->policy),
                        dmarc_policy_word(d->disposition))
        .p;
}

#define ORG "_dmarc.example.com TXT v=DMARC1; p=reject; "

static void both_methods_judge_alike_where_the_standards_agree(void **state)
{
    static const struct row rows[] = {
        {"a@example.com", "example.com", NULL, ORG, "pass reject none", 0},
        {"a@example.com", "b.example.com", NULL, ORG, "pass reject none", 0},
        {"a@example.com", "b.example.com", NULL, ORG "aspf=s", "fail reject reject", 0},
        {"a@example.com", "evil.example", "example.com", ORG, "pass reject none", 0},
        {"a@example.com", NULL, "b.example.com", ORG "adkim=s", "fail reject reject", 0},
        {"a@example.com", "example.net", "badexample.com", ORG, "fail reject reject", 0},
        {"a@example.com", "com", NULL, ORG, "fail reject reject", 0},
        {"a@b.example.com", "example.com", NULL, ORG, "pass reject none", 0},
        {"a@b.example.com", NULL, NULL, ORG "sp=quarantine\nb.example.com A 192.0.2.1", "fail quarantine quarantine", 0},
        {"a@b.example.com", NULL, NULL, ORG "sp=none; np=quarantine", "fail quarantine quarantine", 0},
        {"a@b.example.com", NULL, NULL, ORG "np=none\nb.example.com MX 1 x.example", "fail reject reject", 0},
        {"a@b.example.com", NULL, NULL, ORG "\n_dmarc.b.example.com TXT v=DMARC1; p=quarantine",
         "fail quarantine quarantine", 0},
        {"a@example.com", NULL, NULL, "", "none none none", 0},
        {"a@example.com", NULL, NULL, "_dmarc.example.com TEMPORARY", "temperror none none", 0},
        {"a@example.com", NULL, NULL, ORG "t=y", "fail reject quarantine", 0},
        {"a@example.com, b@other.example", "example.com", NULL, ORG "\n_dmarc.other.example TXT v=DMARC1; p=quarantine",
         "fail quarantine quarantine", 0},
    };
    struct auth_dmarc d;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int m = 0; m < 2; m++) {
            struct row row = rows[i];

            row.method = m ? DMARC_BY_WALK : DMARC_BY_LIST;
            run(&row, 50, &d);
            if (strcmp(shown(&d), row.want) != 0)
                fail_msg("row %zu, method %d: \"%s\", not \"%s\"", i, m, shown(&d), row.want);
        }
}

/* What the setting decides: list with pct=, or walk with psd= and a policy of a public suffix. */
static void the_methods_differ_where_the_standards_do(void **state)
{
    static const struct row rows[] = {
        {"a@example.com", NULL, NULL, ORG "pct=10", "fail reject quarantine", DMARC_BY_LIST},
        {"a@example.com", NULL, NULL, ORG "pct=60", "fail reject reject", DMARC_BY_LIST},
        {"a@example.com", NULL, NULL, ORG "pct=10", "fail reject reject", DMARC_BY_WALK},
        {"a@x.bank.example", NULL, NULL, "_dmarc.example TXT v=DMARC1; p=none; sp=reject; psd=y", "fail reject reject",
         DMARC_BY_WALK},
        {"a@x.bank.example", NULL, NULL, "_dmarc.example TXT v=DMARC1; p=none; sp=reject; psd=y", "none none none",
         DMARC_BY_LIST},
        {"a@x.example.com", "y.example.com", NULL, "_dmarc.x.example.com TXT v=DMARC1; p=reject; psd=n",
         "fail reject reject", DMARC_BY_WALK},
        {"a@x.example.com", "y.example.com", NULL, "_dmarc.x.example.com TXT v=DMARC1; p=reject; psd=n", "pass reject none",
         DMARC_BY_LIST},
        /* a name that exists but has no mail: non-existent by RFC 9091, existent by RFC 8020 */
        {"a@b.example.com", NULL, NULL, ORG "np=none\nb.example.com EXISTS", "fail none none", DMARC_BY_LIST},
        {"a@b.example.com", NULL, NULL, ORG "np=none\nb.example.com EXISTS", "fail reject reject", DMARC_BY_WALK},
    };
    struct auth_dmarc d;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run(&rows[i], 50, &d);
        if (strcmp(shown(&d), rows[i].want) != 0)
            fail_msg("row %zu: \"%s\", not \"%s\"", i, shown(&d), rows[i].want);
    }
}

static void a_lost_answer_of_spf_is_no_fail(void **state)
{
    struct dns_source asker = dns_canned(&dns);
    struct auth_spf spf = {.checked = true, .result = AUTH_TEMPERROR, .domain = str_lit("example.com")};
    struct dmarc_query q = {.headers = str_lit("From: a@example.com\r\n"), .mailfrom = &spf, .suffixes = suffixes};
    struct auth_dmarc d;

    (void)state;
    dns = (struct dns_canned){.lines = ORG};
    dmarc_check(&arena, &asker, &q, &d);
    assert_int_equal(d.result, AUTH_TEMPERROR);
    assert_int_equal(d.disposition, DMARC_NONE);
    spf.domain = str_lit("elsewhere.example");
    dmarc_check(&arena, &asker, &q, &d);
    assert_int_equal(d.result, AUTH_FAIL);
    dns.away = true;
    dmarc_check(&arena, &asker, &q, &d);
    assert_int_equal(d.result, AUTH_TEMPERROR);
    q.headers = str_lit("Subject: x\r\n");
    dmarc_check(&arena, &asker, &q, &d);
    assert_int_equal(d.result, AUTH_NONE);
    assert_str(d.problem, "no author domain in a From field");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_records_fall_back_or_do_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(author_domains_are_all_that_a_client_could_show, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_authors_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_list_gives_organizational_domains, setup, teardown),
        cmocka_unit_test_setup_teardown(the_walk_gives_organizational_domains, setup, teardown),
        cmocka_unit_test_setup_teardown(a_walk_asks_eight_times_at_most, setup, teardown),
        cmocka_unit_test_setup_teardown(both_methods_judge_alike_where_the_standards_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(the_methods_differ_where_the_standards_do, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_answer_of_spf_is_no_fail, setup, teardown),
    };

    return cmocka_run_group_tests_name("mail: DMARC", tests, NULL, NULL);
}
