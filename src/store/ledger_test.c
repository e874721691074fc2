/*
 * Imports of reporting segments, the ledger and its gaps, the index of exports and what it evicts.
 */
#include "store/export_index.h"
#include "store/ledger.h"

#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static const uint64_t NOW = 1795255200000ull; /* 2026-11-21 10:00 */

static int fresh(void **state)
{
    char path[100];

    (void)state;
    strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/postern-ledger-XXXXXX" : "/tmp/postern-ledger-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, i == 0 ? "tracking" : i == 1 ? "reporting" : "other");
        mkdir(path, 0750);
    }
    return 0;
}

static int gone(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static struct segment_header head(const char *serial, enum segment_kind kind, uint64_t epoch, uint64_t seq, uint64_t first,
                                  uint64_t n)
{
    struct segment_header h = {.kind = kind,
                               .epoch = epoch,
                               .seq = seq,
                               .first = first,
                               .last = first + n - 1,
                               .events = n,
                               .start_ms = NOW + seq * 1000,
                               .end_ms = NOW + seq * 1000 + 1000};

    snprintf(h.serial, sizeof h.serial, "%s", serial);
    return h;
}

static struct availability only(struct reporting *r, enum segment_kind kind)
{
    struct availability *all, one;
    size_t n;

    assert_int_equal(ledger_availability(r, kind, &all, &n, NULL), RC_OK);
    assert_int_equal(n, 1);
    one = all[0];
    free(all);
    return one;
}

/* They arrive after all, the store is made anew, a stretch is not recorded. */
static void the_rest_arrives(struct reporting *r)
{
    struct segment_header h = head("GW1", SEGMENT_TRACKING, 7, 8, 71, 10);
    struct availability a;

    assert_int_equal(ledger_add(r, &h, NULL), RC_OK);
    h = head("GW1", SEGMENT_TRACKING, 7, 12, 111, 20);
    assert_int_equal(ledger_add(r, &h, NULL), RC_OK);
    h = head("GW1", SEGMENT_TRACKING, 9, 1, 1, 5);
    assert_int_equal(ledger_add(r, &h, NULL), RC_OK);
    assert_int_equal(ledger_paused(r, str_lit("GW1"), SEGMENT_TRACKING, NOW, NOW + 5, NULL), RC_OK);
    a = only(r, SEGMENT_TRACKING);
    assert_int_equal(a.n_gaps, 4);
    assert_int_equal(a.gaps[1].cause, GAP_LOST);
    assert_int_equal(a.gaps[2].cause, GAP_REBUILT);
    assert_int_equal(a.gaps[3].cause, GAP_PAUSED);
    assert_int_equal(a.backlog, 0);
    free(a.gaps);

    /* numbers that do not follow are a lie */
    h = head("GW1", SEGMENT_TRACKING, 9, 2, 99, 5);
    assert_int_equal(ledger_add(r, &h, NULL), RC_CORRUPT);
}

/* ST-33: import twice, shuffled, with holes: the gaps are exactly the missing segments and numbers, with time and cause. */
static void exact_gaps(void **state)
{
    static const uint64_t order[] = {9, 2, 3, 1, 9, 5, 2, 11, 10, 3};
    struct segment_header h;
    struct availability a;
    struct reporting *r;

    (void)state;
    assert_int_equal(reporting_open(dir, &r, NULL), RC_OK);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) { /* each has 10 numbers */
        bool again = false;

        for (size_t k = 0; k < i; k++)
            again = again || order[k] == order[i];
        h = head("GW1", SEGMENT_TRACKING, 7, order[i], (order[i] - 1) * 10 + 1, 10);
        assert_int_equal(ledger_has(r, &h), again);
        assert_int_equal(ledger_add(r, &h, NULL), again ? RC_EXISTS : RC_OK);
        assert_true(ledger_has(r, &h));
    }
    a = only(r, SEGMENT_TRACKING);
    assert_int_equal(a.n_gaps, 2);
    assert_int_equal(a.gaps[0].cause, GAP_NOT_FETCHED);
    assert_int_equal(a.gaps[0].seq, 4);
    assert_int_equal(a.gaps[0].seq_to, 4);
    assert_int_equal(a.gaps[0].first, 31);
    assert_int_equal(a.gaps[0].last, 40);
    assert_int_equal(a.gaps[0].start_ms, NOW + 4000);
    assert_int_equal(a.gaps[0].end_ms, NOW + 5000);
    assert_int_equal(a.gaps[1].seq, 6);
    assert_int_equal(a.gaps[1].seq_to, 8);
    assert_int_equal(a.gaps[1].first, 51);
    assert_int_equal(a.gaps[1].last, 80);
    assert_int_equal(a.backlog, 4);
    assert_int_equal(a.first_ms, NOW + 1000);
    assert_int_equal(a.last_ms, NOW + 12000);
    free(a.gaps);

    /* the gateway lists what it has and what it evicted: causes become known */
    assert_int_equal(
        ledger_listed(
            r, str_lit("GW1"), SEGMENT_TRACKING,
            str_lit("{\"epoch\":7,\"seq\":3,\"first\":21,\"last\":70,\"start\":1795255203000,\"end\":1795255208000,"
                    "\"events\":50,\"bytes\":0,\"sha256\":\"\",\"state\":\"lost\",\"seqs\":5}\n"
                    "{\"epoch\":7,\"seq\":8,\"first\":71,\"last\":80,\"start\":1795255208000,\"end\":1795255209000,"
                    "\"events\":10,\"bytes\":99,\"sha256\":\"aa\",\"state\":\"ready\"}\n"
                    "{\"epoch\":7,\"seq\":12,\"first\":111,\"last\":130,\"start\":1795255212000,\"end\":1795255213000,"
                    "\"events\":20,\"bytes\":99,\"sha256\":\"bb\",\"state\":\"ready\"}\nnonsense\n"),
            NULL),
        RC_OK);
    a = only(r, SEGMENT_TRACKING);
    assert_int_equal(a.n_gaps, 4);
    assert_int_equal(a.gaps[0].cause, GAP_LOST); /* 4 */
    assert_int_equal(a.gaps[0].seq, 4);
    assert_int_equal(a.gaps[0].first, 31);
    assert_int_equal(a.gaps[0].last, 40);
    assert_int_equal(a.gaps[1].cause, GAP_LOST); /* 6, 7 */
    assert_int_equal(a.gaps[1].seq, 6);
    assert_int_equal(a.gaps[1].seq_to, 7);
    assert_int_equal(a.gaps[1].last, 70);
    assert_int_equal(a.gaps[2].cause, GAP_NOT_FETCHED); /* 8 */
    assert_int_equal(a.gaps[2].seq, 8);
    assert_int_equal(a.gaps[3].seq, 12);
    assert_int_equal(a.backlog, 2);
    free(a.gaps);

    the_rest_arrives(r);
    reporting_close(r);
}

/* --- figures -------------------------------------------------------------------------------------------------------- */

static bool give_one(void *ctx, struct figure *out)
{
    unsigned *n = ctx;

    if (*n >= 30)
        return false;
    *out = (struct figure){.report = *n % 2 ? REPORT_mail_users_detail : REPORT_mail_incoming_traffic_summary,
                           .slot_ms = NOW + *n / 10 * SLOT_MS,
                           .key = *n % 2 ? str_lit("a,\"b@example.org") : STR_NONE,
                           .n = 1};
    out->parts[0].counter = *n % 2 ? FIGURE_incoming_total_recipients : FIGURE_total_recipients;
    out->parts[0].amount = ++*n;
    return true;
}

struct sum {
    uint64_t rows, amount;
};

static void sum_up(void *ctx, const struct figure *f)
{
    struct sum *s = ctx;

    s->rows++;
    for (size_t i = 0; i < f->n; i++)
        s->amount += f->parts[i].amount;
}

static struct sum total(struct reporting *r, enum report report, uint64_t from, uint64_t to)
{
    struct report_query q = {.report = report, .from_ms = from, .to_ms = to};
    struct sum s = {0};

    assert_int_equal(reporting_query(r, &q, sum_up, &s, NULL), RC_OK);
    return s;
}

static void write_slot(struct reporting *r, uint64_t slot, uint64_t seq, uint64_t first, char path[SEGMENT_PATH],
                       uint64_t *last)
{
    struct segment_writer w = {.fd = -1};
    struct segment_header h = head("GW1", SEGMENT_REPORTING, 7, seq, first, 1);
    char digest[SEGMENT_DIGEST];
    uint64_t bytes;

    assert_int_equal(segment_begin(&w, dir, &h, NULL), RC_OK);
    assert_int_equal(reporting_write(r, str_lit("GW1"), slot, &w, NULL), RC_OK);
    h = w.head;
    h.end_ms = h.start_ms + 1;
    segment_writer_done(&w);
    assert_int_equal(segment_finish(dir, &h, &bytes, digest, NULL), RC_OK);
    segment_path(path, dir, SEGMENT_REPORTING, 7, seq, false);
    *last = h.last;
}

static enum rc import(struct reporting *r, const char *path)
{
    struct segment_reader *in;
    enum rc rc = segment_open(path, &in, NULL);

    if (rc != RC_OK)
        return rc;
    rc = reporting_import(r, in, NULL);
    segment_close(in);
    return rc;
}

/* ST-15: what the gateway counted is what the manager has, whatever the order, and however often it comes. */
static void counters_are_equal(void **state)
{
    char path[3][SEGMENT_PATH], other[100];
    struct reporting *gateway, *manager;
    uint64_t last = 0;
    unsigned n = 0;

    (void)state;
    snprintf(other, sizeof other, "%s/other", dir);
    assert_int_equal(reporting_open(dir, &gateway, NULL), RC_OK);
    assert_int_equal(reporting_open(other, &manager, NULL), RC_OK);
    assert_int_equal(reporting_add(gateway, str_lit("GW1"), 5, give_one, &n, NULL), RC_OK);
    n = 0;
    assert_int_equal(reporting_add(gateway, str_lit("GW1"), 5, give_one, &n, NULL), RC_OK); /* after a kill: passed over */
    assert_int_equal(total(gateway, REPORT_mail_users_detail, NOW, NOW + 3 * SLOT_MS).amount, 240);
    assert_int_equal(total(gateway, REPORT_mail_incoming_traffic_summary, NOW, NOW + 3 * SLOT_MS).amount, 225);
    for (unsigned i = 0; i < 3; i++)
        write_slot(gateway, NOW + i * SLOT_MS, i + 1, last + 1, path[i], &last);
    assert_int_equal(last, 6);
    assert_int_equal(import(manager, path[2]), RC_OK);
    assert_int_equal(import(manager, path[0]), RC_OK);
    assert_int_equal(import(manager, path[2]), RC_EXISTS);
    assert_int_equal(import(manager, path[1]), RC_OK);
    assert_int_equal(import(manager, path[1]), RC_EXISTS);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned report = 0; report < REPORTS; report++)
            assert_int_equal(total(manager, (enum report)report, NOW + i * SLOT_MS, NOW + (i + 1) * SLOT_MS).amount,
                             total(gateway, (enum report)report, NOW + i * SLOT_MS, NOW + (i + 1) * SLOT_MS).amount);
    assert_int_equal(total(manager, REPORT_mail_users_detail, NOW, NOW + 3 * SLOT_MS).rows, 1);

    /* years later: folded to hours, days and months, the sums are the same */
    assert_int_equal(reporting_age(manager, NOW + 10ull * 86400000, 1ull << 40, NULL), RC_OK);
    assert_int_equal(total(manager, REPORT_mail_users_detail, NOW, NOW + 3 * SLOT_MS).amount, 240);
    assert_int_equal(reporting_age(manager, NOW + 500ull * 86400000, 1ull << 40, NULL), RC_OK);
    assert_int_equal(total(manager, REPORT_mail_users_detail, NOW - 21 * 86400000ull, NOW + 86400000).amount, 240);
    assert_int_equal(total(manager, REPORT_mail_users_detail, NOW, NOW + 86400000).amount, 0); /* the month began before */
    reporting_close(manager);
    reporting_close(gateway);
}

/* A reporting segment whose lines are not figures is refused whole. */
static void refused_whole(void **state)
{
    struct segment_writer w = {.fd = -1};
    struct segment_header h = head("GW1", SEGMENT_REPORTING, 7, 1, 1, 1);
    char path[SEGMENT_PATH], digest[SEGMENT_DIGEST];
    struct reporting *r;
    uint64_t bytes;

    (void)state;
    assert_int_equal(reporting_open(dir, &r, NULL), RC_OK);
    assert_int_equal(segment_begin(&w, dir, &h, NULL), RC_OK);
    buf_add(segment_line(&w),
            str_lit("{\"n\":1,\"s\":1795255200000,\"r\":\"mail_users_detail\",\"k\":\"x\",\"c\":{\"delivered\":3}}\n"));
    segment_added(&w);
    buf_add(segment_line(&w),
            str_lit("{\"n\":2,\"s\":1795255200000,\"r\":\"mail_users_detail\",\"k\":\"y\",\"c\":{\"delivered\":-3}}\n"));
    segment_added(&w);
    assert_int_equal(segment_flush(&w, NULL), RC_OK);
    h = w.head;
    segment_writer_done(&w);
    assert_int_equal(segment_finish(dir, &h, &bytes, digest, NULL), RC_OK);
    segment_path(path, dir, SEGMENT_REPORTING, 7, 1, false);
    assert_int_equal(import(r, path), RC_CORRUPT);
    assert_int_equal(total(r, REPORT_mail_users_detail, NOW, NOW + SLOT_MS).rows, 0);
    assert_false(ledger_has(r, &h));
    reporting_close(r);
}

/* Every counter of the table of reports exists, and no report has more than fit. */
static void table_of_reports(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REPORTS; i++) {
        struct str rest = str_c(report_info((enum report)i)->counters), word;
        enum report_counter c;
        size_t n = 0;

        while (str_word(&rest, &word)) {
            assert_true(report_counter_named(word, &c));
            n++;
        }
        assert_true(n >= 1 && n <= 20);
    }
}

/* --- the index of exports -------------------------------------------------------------------------------------------- */

static void make(struct export_index *x, uint64_t seq, unsigned n)
{
    struct segment_writer w = {.fd = -1};
    struct segment_header h = head("GW1", SEGMENT_TRACKING, 7, seq, (seq - 1) * n + 1, 1);
    char digest[SEGMENT_DIGEST];
    uint64_t bytes;

    assert_int_equal(segment_begin(&w, dir, &h, NULL), RC_OK);
    for (unsigned i = 0; i < n; i++) {
        buf_addf(segment_line(&w), "{\"n\":%" PRIu64 ",\"x\":\"%016" PRIx64 "%016" PRIx64 "\"}\n", segment_next(&w),
                 random_u64(), random_u64());
        segment_added(&w);
    }
    assert_int_equal(segment_flush(&w, NULL), RC_OK);
    h = w.head;
    h.end_ms = h.start_ms + 1000;
    segment_writer_done(&w);
    assert_int_equal(segment_finish(dir, &h, &bytes, digest, NULL), RC_OK);
    if (x)
        assert_int_equal(export_index_add(x, &h, bytes, digest, NULL), RC_OK);
}

static const char *listing(struct export_index *x)
{
    static struct buf out = {.max = 1 << 20};

    buf_clear(&out);
    assert_int_equal(export_index_list(x, SEGMENT_TRACKING, 0, 0, &out, NULL), RC_OK);
    buf_addc(&out, '\0');
    return out.p;
}

static void digest_of(uint64_t seq, char out[SEGMENT_DIGEST])
{
    char path[SEGMENT_PATH];
    uint64_t bytes;

    segment_path(path, dir, SEGMENT_TRACKING, 7, seq, false);
    assert_int_equal(segment_digest(path, &bytes, out, NULL), RC_OK);
}

/* ST-33: over the budget acknowledged ones go first; one that nobody fetched leaves its range listed as lost, also when the
 * index is lost: no silent loss. */
static void retention(void **state)
{
    struct str managers[] = {str_lit("M1"), str_lit("M2")};
    struct export_limits l = {NOW + 100000, 1u << 30, 1u << 30, managers, 2};
    struct export_evicted gone_now;
    struct export_index *x;
    struct export_state s;
    char digest[SEGMENT_DIGEST], path[SEGMENT_PATH];
    uint64_t each;

    (void)state;
    assert_int_equal(export_index_open(dir, &x, NULL), RC_OK);
    for (uint64_t seq = 1; seq <= 6; seq++)
        make(x, seq, 1000);
    each = export_index_bytes(x) / 6;
    digest_of(5, digest);
    assert_int_equal(export_index_ack(x, managers[0], SEGMENT_TRACKING, 7, 4, 5, str_c(digest), NULL), RC_OK);
    assert_int_equal(export_index_ack(x, managers[1], SEGMENT_TRACKING, 7, 5, 5, str_c(digest), NULL), RC_OK);
    assert_int_equal(export_index_ack(x, managers[1], SEGMENT_TRACKING, 7, 1, 6, str_c(digest), NULL), RC_CONFLICT);
    assert_int_equal(export_index_ack(x, managers[1], SEGMENT_TRACKING, 7, 1, 9, str_c(digest), NULL), RC_NOT_FOUND);
    export_index_state(x, SEGMENT_TRACKING, managers, 2, &s);
    assert_int_equal(s.waiting, 5);

    l.max_bytes = each * 5 + each / 2; /* one has to go: 5, which both have */
    assert_int_equal(export_index_evict(x, &l, &gone_now, NULL), RC_OK);
    assert_int_equal(gone_now.segments, 1);
    assert_int_equal(gone_now.unfetched, 0);
    assert_non_null(strstr(listing(x), "\"seq\":5,\"first\":4001,\"last\":5000,"));
    assert_non_null(strstr(listing(x), "\"state\":\"lost\""));

    l.max_bytes = each * 3 + each / 2; /* two more: the oldest, not fetched */
    assert_int_equal(export_index_evict(x, &l, &gone_now, NULL), RC_OK);
    assert_int_equal(gone_now.unfetched, 2);
    assert_int_equal(gone_now.events, 2000);
    assert_int_equal(gone_now.start_ms, NOW + 1000);
    assert_int_equal(gone_now.end_ms, NOW + 3000);
    assert_non_null(strstr(listing(x), "{\"epoch\":7,\"seq\":1,\"first\":1,\"last\":2000,"));
    assert_non_null(strstr(listing(x), "\"state\":\"lost\",\"seqs\":2}"));
    segment_path(path, dir, SEGMENT_TRACKING, 7, 1, false);
    assert_int_not_equal(access(path, F_OK), 0);

    make(NULL, 7, 10); /* a kill between name and row */
    export_index_close(x);
    assert_int_equal(export_index_open(dir, &x, NULL), RC_OK);
    assert_non_null(strstr(listing(x), "\"seq\":7,"));
    assert_non_null(strstr(listing(x), "\"seqs\":2}"));

    l.now_ms = NOW + 5000 + l.max_age_ms; /* age: what ended before */
    l.max_bytes = 1u << 30;
    assert_int_equal(export_index_evict(x, &l, &gone_now, NULL), RC_OK);
    assert_int_equal(gone_now.segments, 1); /* 3 */
    export_index_close(x);
}

/* An index that is damaged is made anew from the files. */
static void index_lost(void **state)
{
    struct export_index *x;
    char path[200];
    int fd;

    (void)state;
    assert_int_equal(export_index_open(dir, &x, NULL), RC_OK);
    make(x, 1, 10);
    make(x, 2, 10);
    export_index_close(x);
    snprintf(path, sizeof path, "%s/exports.db", dir);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(io_write("test", fd, str_lit("this is no database, nor was it ever one, whatever its name says"), NULL),
                     RC_OK);
    close(fd);
    assert_int_equal(export_index_open(dir, &x, NULL), RC_OK);
    assert_non_null(strstr(listing(x), "\"seq\":1,"));
    assert_non_null(strstr(listing(x), "\"seq\":2,"));
    export_index_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exact_gaps, fresh, gone),
        cmocka_unit_test_setup_teardown(counters_are_equal, fresh, gone),
        cmocka_unit_test_setup_teardown(refused_whole, fresh, gone),
        cmocka_unit_test(table_of_reports),
        cmocka_unit_test_setup_teardown(retention, fresh, gone),
        cmocka_unit_test_setup_teardown(index_lost, fresh, gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
