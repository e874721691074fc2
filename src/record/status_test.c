/*
 * Counters as folds over events, the Status line, `status` and `status detail`, roll-over times.
 */
#include "conf/schedule.h"
#include "record/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static struct buf out = {.max = 1 << 20};

static void count(struct counters *c, enum event_type type, const void *fields, uint64_t mono_ms)
{
    struct event_record rec;

    event_record_set(&rec, type, 1795255206000ull, fields);
    counters_apply(c, &rec, mono_ms);
}
#define COUNT(c, at, name, ...) count(c, EVENT_##name, &(struct event_##name){__VA_ARGS__}, at)

static uint64_t got(const struct counters *c, enum counter which)
{
    return counters_get(c, COUNTERS_RESET, which);
}

static void every_row(void **state)
{
    struct err e = ERR_NONE;

    (void)state;
    for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++)
        if (counters_check(event_info(type), &e) != RC_OK)
            fail_msg("%s", err_text(&e));
}

/* logs.md 1, 9: what arrives, what is rejected, what is delivered, deleted, bounced and why. */
static void folds(void **state)
{
    struct counters *c = counters_new();

    (void)state;
    COUNT(c, 0, message_ready, .mid = 1, .bytes = 2000, .icid = 5, .recipients = 3);
    COUNT(c, 0, message_ready, .mid = 2, .bytes = 999, .icid = 0, .recipients = 1); /* a bounce of ours */
    COUNT(c, 0, message_generated_bounce, .mid = 2, .parent = 1, .recipients = 1);
    COUNT(c, 0, recipient_rejected, .mid = 1);
    COUNT(c, 0, delivery_done, .mid = 1, .rids = str_of("\0\201\1", 3)); /* RIDs 0 and 129 */
    COUNT(c, 0, delivery_bounced, .mid = 1, .reason = 1);
    COUNT(c, 0, delivery_bounced, .mid = 1, .reason = 2);
    COUNT(c, 0, delivery_bounced, .mid = 1, .reason = 3);
    COUNT(c, 0, delivery_bounced, .mid = 1, .reason = 6);
    COUNT(c, 0, delivery_delayed, .mid = 1);
    COUNT(c, 0, recipients_deleted, .mid = 1, .rids = str_of("\0", 1));
    assert_int_equal(got(c, COUNTER_inj_msgs), 1);
    assert_int_equal(got(c, COUNTER_inj_rcps), 3);
    assert_int_equal(got(c, COUNTER_inj_bytes), 2000);
    assert_int_equal(got(c, COUNTER_gen_bounces), 1);
    assert_int_equal(got(c, COUNTER_rej_rcps), 1);
    assert_int_equal(got(c, COUNTER_dlv_rcps), 2);
    assert_int_equal(got(c, COUNTER_hard_bounces), 4);
    assert_int_equal(
        got(c, COUNTER_hard_5xx) + got(c, COUNTER_hard_dns) + got(c, COUNTER_hard_expired) + got(c, COUNTER_hard_other), 4);
    assert_int_equal(got(c, COUNTER_soft_bounces), 1);
    assert_int_equal(got(c, COUNTER_del_rcps),
                     got(c, COUNTER_cmp_rcps) - got(c, COUNTER_dlv_rcps) - got(c, COUNTER_hard_bounces));
    counters_free(c);
}

/* cli.md 7.1: 100 events in one minute are 6000, 1200 and 400 an hour. */
static void rates(void **state)
{
    struct counters *c = counters_new();

    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        COUNT(c, 1000000 + i * 500, message_ready, .icid = 1, .recipients = 1);
    assert_int_equal(counters_rate(c, 0, 60, 1050000), 6000);
    assert_int_equal(counters_rate(c, 0, 300, 1050000), 1200);
    assert_int_equal(counters_rate(c, 0, 900, 1050000), 400);
    assert_int_equal(counters_rate(c, 0, 60, 1200000), 0);
    assert_int_equal(counters_rate(c, 0, 300, 1200000), 1200);
    assert_int_equal(counters_rate(c, 0, 900, 5000000), 0);
    counters_free(c);
}

static void reset_and_saving(void **state)
{
    struct counters *c = counters_new(), *d = counters_new();
    struct str in;

    (void)state;
    COUNT(c, 0, recipient_rejected, .mid = 1);
    COUNT(c, 0, counters_reset, .user = str_lit("admin"));
    COUNT(c, 0, recipient_rejected, .mid = 1);
    buf_clear(&out);
    counters_save(c, &out);
    in = buf_str(&out);
    assert_true(counters_restore(d, &in));
    counters_begin_uptime(d);
    COUNT(d, 0, recipient_rejected, .mid = 1);
    assert_int_equal(counters_get(d, COUNTERS_RESET, COUNTER_rej_rcps), 2);
    assert_int_equal(counters_get(d, COUNTERS_UPTIME, COUNTER_rej_rcps), 1);
    assert_int_equal(counters_get(d, COUNTERS_LIFETIME, COUNTER_rej_rcps), 3);
    assert_int_equal(counters_reset_ms(d), 1795255206000ull);
    counters_free(c);
    counters_free(d);
}

static struct status_view view(const struct counters *c)
{
    static const struct machine_load m = {
        .cpu_percent = 7, .log_free_kb = 148ull << 20, .ram_percent = 30, .swap_percent = 0};

    return (struct status_view){
        .counters = c, .machine = &m, .wall_ms = 1795255206000ull, .born_ms = 1795255206000ull - 93784000, .modern = true};
}

/* logs.md 9, letter for letter. */
static void status_keys(void **state)
{
    static const char want[] = "CPULd 7 DskIO 0 RAMUtil 30 QKUsd 0 QKFre 0 CrtMID 0 CrtICID 0 CrtDCID 0 InjMsg 1 InjRcp 2 "
                               "GenBncRcp 0 RejRcp 0 DrpMsg 0 SftBncEvnt 0 CmpRcp 0 "
                               "HrdBncRcp 0 DnsHrdBnc 0 5XXHrdBnc 0 FltrHrdBnc 0 ExpHrdBnc 0 OtrHrdBnc 0 DlvRcp 0 DelRcp 0 "
                               "GlbUnsbHt 0 ActvRcp 0 UnatmptRcp 0 AtmptRcp 0 "
                               "CrtCncIn 0 CrtCncOut 0 DnsReq 0 NetReq 0 CchHit 0 CchMis 0 CchEct 0 CchExp 0 CPUTTm 0 "
                               "CPUETm 93784 MaxIO 0 RAMUsd 0 MMLen 0 DstInMem 0 ResCon 0 "
                               "WorkQ 0 QuarMsgs 0 QuarQKUsd 0 LogUsd 0 SophLd 0 BMLd 0 CASELd 0 TotalLd 7 LogAvail 148G "
                               "EuQ 0 EuqRls 0 CmrkLd 0 McafLd 0 SwIn 0 SwOut 0 SwPgIn 0 "
                               "SwPgOut 0 SwapUsage 0% RptLd 0 QtnLd 0 EncrQ 0 InjBytes 99";
    struct counters *c = counters_new();
    struct status_view v = view(c);

    (void)state;
    COUNT(c, 0, message_ready, .mid = 1, .bytes = 99, .icid = 5, .recipients = 2);
    buf_clear(&out);
    status_line(&v, &out);
    buf_addc(&out, '\0');
    assert_string_equal(out.p, want);
    v.modern = false;
    buf_clear(&out);
    status_line(&v, &out);
    assert_int_equal(str_find_str(buf_str(&out), str_lit("SwapUsage")), out.n);
    counters_free(c);
}

/* cli.md 7.1: columns of the sample. */
static void status_columns(void **state)
{
    struct counters *c = counters_new();
    struct status_view v = view(c);

    (void)state;
    for (int i = 0; i < 1204; i++)
        COUNT(c, 0, message_ready, .mid = 1, .icid = 5, .recipients = 1);
    buf_clear(&out);
    status_text(&v, true, &out);
    buf_addc(&out, '\0');
    assert_non_null(strstr(out.p, "Counters:                         Reset          Uptime        Lifetime\n"
                                  "  Receiving\n"
                                  "    Messages Received             1,204           1,204           1,204\n"));
    assert_non_null(strstr(out.p, "Up since:                     Fri Nov 20 07:57:02 2026 (1d 2h 3m 4s)\n"));
    assert_non_null(strstr(out.p, "Rates (Events Per Hour):"));
    assert_non_null(strstr(out.p, "System status:                Online\n"));
    buf_clear(&out);
    status_text(&v, false, &out);
    buf_addc(&out, '\0');
    assert_null(strstr(out.p, "Rates"));
    assert_non_null(strstr(out.p, "status detail"));
    counters_free(c);
}

static uint64_t due(const char *text, uint64_t start_s)
{
    struct schedule s;

    assert_int_equal(schedule_parse(str_c(text), &s, NULL), RC_OK);
    return schedule_due(&s, start_s);
}

static void schedules(void **state)
{
    static const char *const bad[] = {"2x", "daily", "daily 25:00", "weekly 03:00", "h", "2h 3", "90"};
    const uint64_t saturday_ten = 1795255206;
    struct schedule s;

    (void)state;
    assert_true(due("none", 5) == UINT64_MAX);
    assert_true(due("", 5) == UINT64_MAX);
    assert_int_equal(due("2h30m", 1000), 10000);
    assert_int_equal(due("daily 11:00", saturday_ten), saturday_ten + 3594);
    assert_int_equal(due("daily 10:00", saturday_ten), saturday_ten - 6 + 86400);
    assert_int_equal(due("weekly mon 10:00", saturday_ten), saturday_ten - 6 + 2 * 86400);
    assert_int_equal(due("weekly Sat 10:00", saturday_ten), saturday_ten - 6 + 7 * 86400);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(schedule_parse(str_c(bad[i]), &s, NULL), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),        cmocka_unit_test(folds),       cmocka_unit_test(rates),
        cmocka_unit_test(reset_and_saving), cmocka_unit_test(status_keys), cmocka_unit_test(status_columns),
        cmocka_unit_test(schedules),
    };
    int failed;

    setenv("TZ", "UTC", 1);
    tzset();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&out);
    return failed;
}
