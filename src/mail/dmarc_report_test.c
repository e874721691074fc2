/* Aggregate reports: rows survive as lines, are counted, make documents of both schemas, mails, and go where they may. */
#include "mail/dmarc_report.h"
#include "mail/dns_canned.h"
#include "mail/header.h"

#include <libxml/xmlschemas.h>
#include <setjmp.h>
#include <stdarg.h>
#include <zlib.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 4096, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void assert_str(struct str s, const char *want)
{
    if (!str_eq(s, str_c(want)))
        fail_msg("\"%.*s\" is not \"%s\"", STR(s), want);
}

static struct dmarc_row sample_row(enum dmarc_method method)
{
    return (struct dmarc_row){.domain = str_lit("example.org"),
                              .record = str_lit("v=DMARC1; p=reject; pct=50; fo=1; rua=mailto:r@example.org"),
                              .method = method,
                              .source_ip = str_lit("192.0.2.1"),
                              .disposition = DMARC_QUARANTINE,
                              .override = str_lit("sampled_out"),
                              .header_from = str_lit("example.org"),
                              .envelope_from = str_lit("b<o>&unce.example\xff\n"),
                              .spf = AUTH_SOFTFAIL,
                              .spf_domain = str_lit("bounce.example"),
                              .dkim = {{str_lit("example.org"), str_lit("s 1%"), AUTH_FAIL}},
                              .n_dkim = 1,
                              .count = 1};
}

static void a_row_is_a_line_and_reads_back(void **state)
{
    struct dmarc_row r = sample_row(DMARC_BY_WALK), back;
    struct buf line = BUF(65536), again = BUF(65536);

    (void)state;
    dmarc_row_write(&r, &line);
    assert_int_equal(str_find(buf_str(&line), '\n'), line.n);
    assert_int_equal(dmarc_row_read(&arena, buf_str(&line), &back, NULL), RC_OK);
    assert_str(back.envelope_from, "b<o>&unce.example\xff\n");
    assert_str(back.dkim[0].selector, "s 1%");
    assert_true(back.disposition == DMARC_QUARANTINE && back.spf == AUTH_SOFTFAIL && back.n_dkim == 1 &&
                back.method == DMARC_BY_WALK);
    dmarc_row_write(&back, &again);
    assert_true(str_eq(buf_str(&line), buf_str(&again)));
    for (size_t n = 0; n < line.n; n++)
        dmarc_row_read(&arena, str_first(buf_str(&line), n), &back, NULL);
    assert_int_equal(dmarc_row_read(&arena, str_lit("example.org 192.0.2.1 0 9"), &back, NULL), RC_CORRUPT);
    buf_done(&line);
    buf_done(&again);
}

static void only_messages_with_a_record_make_rows(void **state)
{
    const struct dmarc_record *record = dmarc_record_parse(&arena, str_lit("v=DMARC1; p=none"));
    struct auth_results r = {.dmarc = {.checked = true, .result = AUTH_NONE}};
    struct dmarc_row row;

    (void)state;
    assert_false(dmarc_row_of(&r, DMARC_BY_LIST, str_lit("192.0.2.1"), str_lit("a@b.example"), &row));
    r.dmarc =
        (struct auth_dmarc){.checked = true, .result = AUTH_PASS, .record = record, .record_domain = str_lit("d.example")};
    assert_true(dmarc_row_of(&r, DMARC_BY_LIST, str_lit("192.0.2.1"), str_lit("a@b.example"), &row));
    assert_str(row.envelope_from, "b.example");
    assert_str(row.domain, "d.example");
    r.dmarc.result = AUTH_TEMPERROR;
    assert_false(dmarc_row_of(&r, DMARC_BY_LIST, str_lit("192.0.2.1"), STR_NONE, &row));
}

static void alike_rows_are_counted_and_grouped_by_domain(void **state)
{
    struct dmarc_tally *t = dmarc_tally_new();
    struct dmarc_report r;
    size_t at = 0;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct dmarc_row row = sample_row(DMARC_BY_LIST);
        struct buf line = BUF(65536);

        row.domain = i % 2 ? str_lit("b.example") : str_lit("a.example");
        row.source_ip = arena_printf(&arena, "192.0.2.%d", i % 10 == 2 ? 0 : i % 10);
        dmarc_row_write(&row, &line);
        assert_true(dmarc_tally_add(t, buf_str(&line)));
        buf_done(&line);
    }
    dmarc_tally_add(t, str_lit("zzz broken line"));
    dmarc_tally_sort(t);
    assert_true(dmarc_tally_next(t, &arena, &at, &r));
    assert_str(r.domain, "a.example");
    assert_int_equal(r.n, 4);
    assert_int_equal(r.rows[0].count, 1000);
    assert_str(r.rows[0].source_ip, "192.0.2.0");
    assert_int_equal(r.rows[1].count, 500);
    assert_true(dmarc_tally_next(t, &arena, &at, &r));
    assert_str(r.domain, "b.example");
    assert_int_equal(r.n, 5);
    assert_true(dmarc_tally_next(t, &arena, &at, &r));
    assert_int_equal(r.n, 0); /* the broken line */
    assert_int_equal(r.omitted, 1);
    assert_false(dmarc_tally_next(t, &arena, &at, &r));
    dmarc_tally_free(t);
}

static struct dmarc_report sample_report(const struct dmarc_row *rows, size_t n)
{
    return (struct dmarc_report){.organization = str_lit("Example & Sons"),
                                 .email = str_lit("dmarc@gw.example.net"),
                                 .contact = str_lit("https://gw.example.net/?a=1&b=2"),
                                 .receiver = str_lit("gw.example.net"),
                                 .domain = str_lit("example.org"),
                                 .begin = 1700000000,
                                 .end = 1700086399,
                                 .rows = rows,
                                 .n = n};
}

static void silent(void *ctx, const char *fmt, ...)
{
    (void)ctx, (void)fmt;
}

static void assert_valid(struct str xml, const char *schema_file)
{
    xmlSchemaParserCtxtPtr p = xmlSchemaNewParserCtxt(schema_file);
    xmlSchemaPtr schema = xmlSchemaParse(p);
    xmlSchemaValidCtxtPtr v = schema ? xmlSchemaNewValidCtxt(schema) : NULL;
    xmlDocPtr doc = xmlReadMemory(xml.p, (int)xml.n, "report.xml", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR);
    int result;

    assert_non_null(v);
    assert_non_null(doc);
    result = xmlSchemaValidateDoc(v, doc);
    xmlFreeDoc(doc);
    xmlSchemaFreeValidCtxt(v);
    xmlSchemaFree(schema);
    xmlSchemaFreeParserCtxt(p);
    if (result != 0)
        fail_msg("not valid by %s:\n%.*s", schema_file, STR(xml));
}

/* The document is valid by the schema of its RFC, whatever a stranger's texts hold. */
static void documents_follow_their_schemas(void **state)
{
    static const char *const files[] = {"tests/schemas/dmarc-rfc7489.xsd", "tests/schemas/dmarc-rfc9990.xsd"};

    (void)state;
    xmlSetGenericErrorFunc(NULL, silent);
    for (int m = 0; m < 2; m++) {
        struct dmarc_row rows[3] = {sample_row((enum dmarc_method)m), sample_row((enum dmarc_method)m),
                                    sample_row((enum dmarc_method)m)};
        struct dmarc_report r = sample_report(rows, 3);
        struct buf xml = BUF(1 << 20);

        rows[1].override = str_lit("policy_test_mode");
        rows[2] = (struct dmarc_row){.domain = rows[0].domain,
                                     .record = rows[0].record,
                                     .method = (enum dmarc_method)m,
                                     .passed = true,
                                     .source_ip = str_lit("2001:db8::1"),
                                     .header_from = str_lit("example.org"),
                                     .count = 7};
        r.omitted = 3;
        dmarc_report_xml(&r, &xml);
        assert_false(xml.failed);
        assert_valid(buf_str(&xml), files[m]);
        assert_int_not_equal(
            str_find_str(buf_str(&xml), str_lit("<envelope_from>b&lt;o&gt;&amp;unce.example?\?</envelope_from>")), xml.n);
        assert_int_not_equal(str_find_str(buf_str(&xml), str_lit("<org_name>Example &amp; Sons</org_name>")), xml.n);
        buf_done(&xml);
    }
}

static void unzip(struct str z, struct buf *out)
{
    z_stream s = {.next_in = (unsigned char *)(uintptr_t)z.p, .avail_in = (uInt)z.n};
    char *to = buf_reserve(out, 64 << 20);

    assert_int_equal(inflateInit2(&s, 15 + 16), Z_OK);
    s.next_out = (unsigned char *)to;
    s.avail_out = 64 << 20;
    assert_int_equal(inflate(&s, Z_FINISH), Z_STREAM_END);
    out->n += s.total_out;
    inflateEnd(&s);
}

static void a_report_that_is_too_large_loses_its_rarest_rows(void **state)
{
    static struct dmarc_row rows[4000];
    struct dmarc_report r = sample_report(rows, 4000);
    struct buf all = BUF(1 << 24), small = BUF(1 << 24), xml = BUF(128 << 20);

    (void)state;
    for (size_t i = 0; i < 4000; i++) {
        rows[i] = sample_row(DMARC_BY_LIST);
        rows[i].source_ip = arena_printf(&arena, "10.%zu.%zu.7", i / 200, i * i % 200);
        rows[i].count = 4000 - i;
    }
    assert_int_equal(dmarc_report_gzip(&r, 1 << 24, &all), RC_OK);
    assert_int_equal(dmarc_report_gzip(&r, all.n / 2, &small), RC_OK);
    assert_true(small.n <= all.n / 2);
    unzip(buf_str(&small), &xml);
    assert_valid(buf_str(&xml), "tests/schemas/dmarc-rfc7489.xsd");
    assert_int_not_equal(str_find_str(buf_str(&xml), str_lit(" messages are left out")), xml.n);
    assert_int_not_equal(str_find_str(buf_str(&xml), str_lit("<count>4000</count>")), xml.n);
    assert_int_equal(str_find_str(buf_str(&xml), str_lit("<count>1</count>")), xml.n);
    buf_clear(&small);
    assert_int_equal(dmarc_report_gzip(&r, 100, &small), RC_TOO_LARGE);
    buf_done(&all);
    buf_done(&small);
    buf_done(&xml);
}

static void the_mail_carries_the_report(void **state)
{
    struct dmarc_row row = sample_row(DMARC_BY_WALK);
    struct dmarc_report r = sample_report(&row, 1);
    struct buf z = BUF(1 << 20), mail = BUF(1 << 20);
    struct header_field f;

    (void)state;
    assert_int_equal(dmarc_report_gzip(&r, 1 << 20, &z), RC_OK);
    dmarc_report_mail(&r, str_lit("dmarc@gw.example.net"), str_lit("r@example.org"), buf_str(&z), 1700090000000, &mail);
    assert_true(header_find(buf_str(&mail), str_lit("Subject"), &f));
    assert_str(header_unfold(&arena, f.value, 1000), "Report Domain: example.org Submitter: gw.example.net Report-ID: "
                                                     "<example.org.1700000000.1700086399@gw.example.net>");
    assert_int_not_equal(
        str_find_str(buf_str(&mail), str_lit("filename=\"gw.example.net!example.org!1700000000!1700086399.xml.gz\"")),
        mail.n);
    assert_int_not_equal(str_find_str(buf_str(&mail), str_lit("Content-Type: application/gzip")), mail.n);
    for (size_t i = 0; i < mail.n; i++)
        assert_true(mail.p[i] != '\n' || mail.p[i - 1] == '\r');
    buf_done(&z);
    buf_done(&mail);
}

/* RFC 7489 7.1: a host of another owner must say in the DNS that it takes reports about the domain. */
static void reports_go_to_others_only_with_their_consent(void **state)
{
    struct dns_canned dns = {.lines =
                                 "example.org._report._dmarc.yes.example TXT v=DMARC1\n"
                                 "example.org._report._dmarc.other.example TXT v=DMARC1; rua=mailto:x@other.example!5k\n"
                                 "example.org._report._dmarc.trick.example TXT v=DMARC1; rua=mailto:x@victim.example\n"
                                 "example.org._report._dmarc.spf.example TXT v=spf1 -all\n"
                                 "example.org._report._dmarc.lost.example TEMPORARY"};
    static const struct {
        const char *address, *to; /* NULL: not permitted */
    } rows[] = {
        {"r@example.org", "r@example.org"},
        {"r@mail.example.org", "r@mail.example.org"},
        {"r@yes.example", "r@yes.example"},
        {"r@other.example", "x@other.example"},
        {"r@trick.example", "r@trick.example"},
        {"r@spf.example", NULL},
        {"r@lost.example", NULL},
        {"r@no.example", NULL},
        {"r@badexample.org", NULL},
    };
    struct dns_source asker = dns_canned(&dns);
    struct suffixes *s = suffixes_load(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dmarc_uri uri = {.address = str_c(rows[i].address)}, to = {0};

        assert_int_equal(dmarc_uri_permitted(&arena, &asker, s, str_lit("example.org"), &uri, &to), rows[i].to != NULL);
        if (rows[i].to)
            assert_str(to.address, rows[i].to);
    }
    suffixes_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_is_a_line_and_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(only_messages_with_a_record_make_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(alike_rows_are_counted_and_grouped_by_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(documents_follow_their_schemas, setup, teardown),
        cmocka_unit_test_setup_teardown(a_report_that_is_too_large_loses_its_rarest_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(the_mail_carries_the_report, setup, teardown),
        cmocka_unit_test_setup_teardown(reports_go_to_others_only_with_their_consent, setup, teardown),
    };

    return cmocka_run_group_tests_name("mail: DMARC reports", tests, NULL, NULL);
}
