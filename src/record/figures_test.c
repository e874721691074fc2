/*
 * Figures of reports: stretches without them are told by the next segment and are gaps on both ends; what is counted where.
 */
#include "base/clock.h"
#include "record/inside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t NOW = 1795255206000ull;
static const char ON[] = "system.serial=S\nlog.mail_logs.type=mail\n",
                  OFF[] = "system.serial=S\nlog.mail_logs.type=mail\nreporting.enabled=no\n";

static struct world {
    char home[64];
    struct conf_source *conf;
    struct exports x;
    struct figures f;
    struct reporting *db;
    struct buf saved;
} w;

static void set(const char *lines)
{
    conf_source_free(w.conf);
    w.conf = conf_source_test(lines, NULL);
    assert_non_null(w.conf);
    figures_apply(&w.f, conf_now(w.conf));
}

static struct reporting *database(const char *name)
{
    struct reporting *db;
    char dir[100];

    snprintf(dir, sizeof dir, "%s/%s", w.home, name);
    assert_int_equal(reporting_open(dir, &db, NULL), RC_OK);
    return db;
}

static int begin(void **state)
{
    (void)state;
    strcpy(w.home, access("/dev/shm", W_OK) == 0 ? "/dev/shm/postern-figures-XXXXXX" : "/tmp/postern-figures-XXXXXX");
    assert_non_null(mkdtemp(w.home));
    clock_test_set(NOW, 5000);
    w.conf = conf_source_test(ON, NULL);
    exports_init(&w.x, w.home, NULL, conf_now(w.conf), STR_NONE);
    w.db = database("record");
    w.saved = BUF(1 << 20);
    figures_init(&w.f, w.db, w.x.epoch, STR_NONE);
    return 0;
}

static int end(void **state)
{
    char command[100];

    (void)state;
    figures_done(&w.f);
    reporting_close(w.db);
    exports_done(&w.x);
    buf_done(&w.saved);
    conf_source_free(w.conf);
    w.conf = NULL;
    snprintf(command, sizeof command, "rm -rf %s", w.home);
    return system(command);
}

/* One save: what is in memory as a state, then into the stores. */
static void save(void)
{
    buf_clear(&w.saved);
    figures_save(&w.f, &w.saved);
    figures_stored(&w.f, &w.x);
    assert_string_equal(w.f.error, "");
}

/* The role is started again. */
static void restart(void)
{
    figures_done(&w.f);
    figures_init(&w.f, w.db, w.x.epoch, buf_str(&w.saved));
    figures_apply(&w.f, conf_now(w.conf));
}

static void assert_paused(struct reporting *db, size_t n, uint64_t last_from_ms, uint64_t last_to_ms)
{
    struct availability *a;
    size_t n_found;

    assert_int_equal(ledger_availability(db, SEGMENT_REPORTING, &a, &n_found, NULL), RC_OK);
    assert_int_equal(n_found, 1);
    assert_int_equal(a->n_gaps, n);
    assert_int_equal(a->gaps[n - 1].cause, GAP_PAUSED);
    assert_int_equal(a->gaps[n - 1].start_ms, last_from_ms);
    assert_int_equal(a->gaps[n - 1].end_ms, last_to_ms);
    ledger_free(a, n_found);
}

/* central.md 5, over restarts: the stretch is in the next segment, and a gap on both ends. */
static void a_stretch_switched_off(void **state)
{
    struct reporting *manager = database("tracking");
    struct segment_reader *in;
    char path[SEGMENT_PATH];

    (void)state;
    set(OFF);
    save();
    figures_saved(&w.f);
    clock_test_advance(60000);
    restart();
    clock_test_advance(60000);
    set(ON);
    save();
    figures_saved(&w.f);
    restart();
    clock_test_advance(SLOT_MS);
    save();
    assert_true(figures_saved(&w.f));
    assert_int_equal(w.f.n_pauses, 0);
    assert_paused(w.db, 1, NOW, NOW + 120000);
    segment_path(path, w.x.dir, SEGMENT_REPORTING, w.x.epoch, 1, false);
    assert_int_equal(segment_open(path, &in, NULL), RC_OK);
    assert_int_equal(reporting_import(manager, in, NULL), RC_OK);
    segment_close(in);
    assert_paused(manager, 1, NOW, NOW + 120000);
    reporting_close(manager);
}

/* More stretches in a quarter than are kept apart: none is lost, the last ones are told as one, also when it grows while the
 * others leave. */
static void many_stretches_in_a_quarter(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= FIGURES_PAUSES; i++) {
        if (i == FIGURES_PAUSES) { /* the quarter ends, what was is in its segment, which is not listed yet */
            clock_test_advance(SLOT_MS);
            save();
        }
        set(OFF);
        clock_test_advance(1000);
        set(ON);
        clock_test_advance(1000);
    }
    assert_true(figures_saved(&w.f));
    clock_test_advance(SLOT_MS);
    save();
    assert_true(figures_saved(&w.f));
    assert_paused(w.db, FIGURES_PAUSES, NOW + (FIGURES_PAUSES - 1) * 2000, NOW + FIGURES_PAUSES * 2000 + SLOT_MS + 1000);
}

static void sum_connections(void *ctx, const struct figure *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->parts[i].counter == FIGURE_outgoing_connections)
            *(uint64_t *)ctx += f->parts[i].amount;
}

/* A domain that looks like one of our objects is one all the same; to those nothing is delivered. */
static void our_objects_alone_are_no_destinations(void **state)
{
    static const char *const names[] = {"the.cpq.host", "the.example", "the.cpq.release.host/SERIAL", "example.org"};
    struct report_query q = {.report = REPORT_mail_system_capacity, .to_ms = NOW * 2};
    struct event_record ev;
    uint64_t connections = 0;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        event_record_set(&ev, EVENT_delivery_connection, NOW,
                         &(struct event_delivery_connection){.dcid = i + 1, .domain = str_c(names[i])});
        figures_take(&w.f, &ev);
    }
    figures_now(&w.f);
    save();
    assert_int_equal(reporting_query(w.db, &q, sum_connections, &connections, NULL), RC_OK);
    assert_int_equal(connections, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stretch_switched_off),
        TEST(many_stretches_in_a_quarter),
        TEST(our_objects_alone_are_no_destinations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
