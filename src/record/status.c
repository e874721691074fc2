/*
 * `status` and `status detail`. See status.h; rows and columns: cli.md 7.1.
 *
 * Called by record.c for the verb. Owns nothing; a full buffer shows in out->failed.
 */
#include "record/status.h"

#include "event/render.h"

#include <inttypes.h>
#include <stdio.h>

enum { FIRST_COLUMN = 39, COLUMN = 16, LABEL = 30 };

/* A row: its label, where its value comes from, and whether plain `status` shows it. A NULL label ends a group's rows. */
struct row {
    const char *label;
    size_t which;
    bool brief;
};

static void add_thousands(uint64_t v, char out[32])
{
    char plain[24];
    int n = snprintf(plain, sizeof plain, "%" PRIu64, v), at = 0;

    for (int i = 0; i < n; i++) {
        out[at++] = plain[i];
        if (i < n - 1 && (n - 1 - i) % 3 == 0)
            out[at++] = ',';
    }
    out[at] = '\0';
}

static void add_row(struct buf *out, const char *label, const uint64_t *values, size_t n)
{
    char text[32];
    size_t used = strlen(label) + 4;

    buf_addf(out, "    %s", label);
    for (size_t i = 0; i < n; i++) {
        add_thousands(values[i], text);
        buf_addf(out, "%*s", i ? COLUMN : (int)(FIRST_COLUMN > used ? FIRST_COLUMN - used : 0), text);
    }
    buf_addc(out, '\n');
}

static void add_heads(struct buf *out, const char *title, const char *const *heads, size_t n)
{
    buf_addf(out, "%s", title);
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%*s", i ? COLUMN : FIRST_COLUMN - (int)strlen(title), heads[i]);
    buf_addc(out, '\n');
}

/* --- counters ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *group;
    struct row rows[9];
} counter_groups[] = {
    {"Receiving",
     {{NULL, COUNTER_inj_msgs, true}, {NULL, COUNTER_inj_rcps, true}, {NULL, COUNTER_gen_bounces, false}, {"", 0, false}}},
    {"Rejection", {{NULL, COUNTER_rej_rcps, true}, {NULL, COUNTER_drp_msgs, true}, {"", 0, false}}},
    {"Queue", {{NULL, COUNTER_soft_bounces, true}, {"", 0, false}}},
    {"Completion",
     {{NULL, COUNTER_cmp_rcps, true},
      {NULL, COUNTER_hard_bounces, false},
      {"  DNS Hard Bounces", COUNTER_hard_dns, false},
      {"  5XX Hard Bounces", COUNTER_hard_5xx, false},
      {"  Filter Hard Bounces", COUNTER_hard_filter, false},
      {"  Expired Hard Bounces", COUNTER_hard_expired, false},
      {"  Other Hard Bounces", COUNTER_hard_other, false},
      {NULL, COUNTER_dlv_rcps, false},
      {"", 0, false}}},
    {NULL, {{NULL, COUNTER_del_rcps, false}, {NULL, COUNTER_unsub_hits, false}, {"", 0, false}}}, /* Completion, continued */
};

static void add_counters(const struct status_view *v, bool detail, struct buf *out)
{
    static const char *const heads[] = {"Reset", "Uptime", "Lifetime"};
    uint64_t values[COUNTERS_SETS];

    add_heads(out, "Counters:", heads, COUNTERS_SETS);
    for (size_t g = 0; g < sizeof counter_groups / sizeof *counter_groups; g++) {
        if (counter_groups[g].group)
            buf_addf(out, "  %s\n", counter_groups[g].group);
        for (const struct row *r = counter_groups[g].rows; !r->label || *r->label; r++) {
            if (!detail && !r->brief)
                continue;
            for (unsigned set = 0; set < COUNTERS_SETS; set++)
                values[set] = counters_get(v->counters, (enum counters_set)set, (enum counter)r->which);
            add_row(out, r->label ? r->label : counter_info((enum counter)r->which)->label, values, COUNTERS_SETS);
        }
    }
    buf_add(out, str_lit("  Current IDs\n"));
    static const struct row ids[] = {{"Message ID (MID)", NUMBER_MID, true},
                                     {"Injection Conn. ID (ICID)", NUMBER_ICID, true},
                                     {"Delivery Conn. ID (DCID)", NUMBER_DCID, true}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        values[0] = v->board ? board_last(v->board, (enum board_number)ids[i].which) : 0;
        add_row(out, ids[i].label, values, 1);
    }
}

static void add_rates(const struct status_view *v, struct buf *out)
{
    static const char *const heads[] = {"1-Minute", "5-Minutes", "15-Minutes"};
    static const unsigned seconds[] = {60, 300, 900};
    static const struct {
        const char *group;
        unsigned first, n;
    } groups[] = {{"Receiving", 0, 2}, {"Queue", 2, 1}, {"Completion", 3, 3}};
    uint64_t values[3];

    add_heads(out, "Rates (Events Per Hour):", heads, 3);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        buf_addf(out, "  %s\n", groups[g].group);
        for (unsigned i = groups[g].first; i < groups[g].first + groups[g].n; i++) {
            for (unsigned k = 0; k < 3; k++)
                values[k] = counters_rate(v->counters, i, seconds[k], v->mono_ms);
            add_row(out, counter_info(counters_rates[i])->label, values, 3);
        }
    }
}

/* --- gauges -------------------------------------------------------------------------------------------------------- */

enum { PERCENT = 1000, NOTHING = 2000 }; /* added to `which`: an offset in struct machine_load; always 0 */

static const struct {
    const char *group;
    struct row rows[11];
} gauge_groups[] = {
#define P(field) PERCENT + offsetof(struct machine_load, field)
    {"System",
     {{"RAM Utilization", P(ram_percent), false},
      {"CPU Utilization", P(cpu_percent), false},
      {"Disk I/O Utilization", P(disk_percent), false},
      {"Resource Conservation", NOTHING, false},
      {"Logging Disk Usage", P(log_percent), false},
      {NULL, 0, false}}},
    {"Connections",
     {{"Current Inbound Conn.", GAUGE_CONN_IN, true}, {"Current Outbound Conn.", GAUGE_CONN_OUT, true}, {NULL, 0, false}}},
    {"Queue",
     {{"Active Recipients", GAUGE_ACTIVE_RECIPIENTS, true},
      {"  Unattempted Recipients", GAUGE_UNATTEMPTED, false},
      {"  Attempted Recipients", GAUGE_ATTEMPTED, false},
      {"Messages In Work Queue", GAUGE_WORK_QUEUE, true},
      {"Messages In Quarantine", GAUGE_QUARANTINE_MESSAGES, true},
      {"Destinations In Memory", GAUGE_DESTINATIONS, false},
      {"Kilobytes Used", GAUGE_QUEUE_KB, true},
      {"Kilobytes Free", GAUGE_QUEUE_FREE_KB, true},
      {"Kilobytes In Quarantine", GAUGE_QUARANTINE_KB, true},
      {NULL, 0, false}}},
#undef P
};

static uint64_t gauge_value(const struct status_view *v, size_t which)
{
    if (which >= NOTHING)
        return 0;
    if (which >= PERCENT)
        return *(const uint64_t *)(const void *)((const char *)v->machine + (which - PERCENT));
    return v->board ? board_gauge(v->board, (enum board_gauge)which) : 0;
}

static void add_gauges(const struct status_view *v, bool detail, struct buf *out)
{
    static const char *const heads[] = {"Current"};

    add_heads(out, "Gauges:", heads, 1);
    for (size_t g = 0; g < sizeof gauge_groups / sizeof *gauge_groups; g++) {
        if (!detail && !gauge_groups[g].rows[0].brief)
            continue;
        buf_addf(out, "  %s\n", gauge_groups[g].group);
        for (const struct row *r = gauge_groups[g].rows; r->label; r++) {
            uint64_t value = gauge_value(v, r->which);

            if (detail || r->brief)
                add_row(out, r->label, &value, 1);
        }
    }
}

/* --- head ---------------------------------------------------------------------------------------------------------- */

static void add_time(struct buf *out, const char *label, uint64_t wall_ms)
{
    char date[24];

    render_ctime(wall_ms, date);
    buf_addf(out, "%-*s%.*s", LABEL, label, 24, date);
}

static void add_span(struct buf *out, uint64_t s)
{
    buf_addf(out, " (%" PRIu64 "d %" PRIu64 "h %" PRIu64 "m %" PRIu64 "s)", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
}

static bool is_on(const struct status_view *v, enum board_gauge gauge)
{
    return v->board && board_gauge(v->board, gauge);
}

static const char *system_status(const struct status_view *v)
{
    bool receiving = is_on(v, GAUGE_RECEIVING_SUSPENDED) || v->suspended.n, delivery = is_on(v, GAUGE_DELIVERY_SUSPENDED);

    if (receiving && delivery)
        return "Offline";
    if (receiving || delivery)
        return receiving ? "Receiving suspended" : "Delivery suspended";
    return is_on(v, GAUGE_WORK_QUEUE_PAUSED) ? "Work queue paused" : "Online";
}

static bool has_messages(const struct status_view *v)
{
    return v->board && board_gauge(v->board, GAUGE_OLDEST_MS);
}

static uint64_t oldest_age_ms(const struct status_view *v)
{
    uint64_t since = has_messages(v) ? board_gauge(v->board, GAUGE_OLDEST_MS) : v->wall_ms;

    return v->wall_ms > since ? v->wall_ms - since : 0;
}

static void add_head(const struct status_view *v, struct buf *out)
{
    uint64_t up_ms = v->wall_ms > v->born_ms ? v->wall_ms - v->born_ms : 0;
    uint64_t oldest = oldest_age_ms(v);

    add_time(out, "Status as of:", v->wall_ms);
    buf_addc(out, '\n');
    add_time(out, "Up since:", v->born_ms);
    add_span(out, up_ms / 1000);
    buf_addc(out, '\n');
    if (counters_reset_ms(v->counters))
        add_time(out, "Last counter reset:", counters_reset_ms(v->counters));
    else
        buf_addf(out, "%-*sNever", LABEL, "Last counter reset:");
    buf_addf(out, "\n%-*s%s\n%-*s", LABEL, "System status:", system_status(v), LABEL, "Oldest Message:");
    if (has_messages(v))
        buf_addf(out, "%" PRIu64 " hours %" PRIu64 " mins %" PRIu64 " secs\n", oldest / 3600000, oldest / 60000 % 60,
                 oldest / 1000 % 60);
    else
        buf_add(out, str_lit("No Messages\n"));
}

void status_text(const struct status_view *v, bool detail, struct buf *out)
{
    if (!detail)
        buf_add(out, str_lit("Enter \"status detail\" for more information.\n\n"));
    add_head(v, out);
    buf_addc(out, '\n');
    add_counters(v, detail, out);
    buf_addc(out, '\n');
    if (detail) {
        add_rates(v, out);
        buf_addc(out, '\n');
    }
    add_gauges(v, detail, out);
}

/* --- JSON ---------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t which;
} gauge_names[] = {
#define P(field) PERCENT + offsetof(struct machine_load, field)
    {"ram_utilization", P(ram_percent)},
    {"total_utilization", P(cpu_percent)},
    {"disk_utilization", P(disk_percent)},
    {"resource_conservation", NOTHING},
    {"log_used", P(log_percent)},
    {"conn_in", GAUGE_CONN_IN},
    {"conn_out", GAUGE_CONN_OUT},
    {"active_recips", GAUGE_ACTIVE_RECIPIENTS},
    {"unattempted_recips", GAUGE_UNATTEMPTED},
    {"attempted_recips", GAUGE_ATTEMPTED},
    {"cpu_utilization", P(cpu_percent)},
    {"swap_utilization", P(swap_percent)},
    {"av_utilization", NOTHING},
    {"case_utilization", NOTHING},
    {"bm_utilization", NOTHING},
    {"reporting_utilization", NOTHING},
    {"quarantine_utilization", NOTHING},
    {"log_available_kb", P(log_free_kb)},
    {"msgs_in_quarantine", GAUGE_QUARANTINE_MESSAGES},
    {"kbytes_in_quarantine", GAUGE_QUARANTINE_KB},
    {"msgs_in_work_queue", GAUGE_WORK_QUEUE},
    {"dests_in_memory", GAUGE_DESTINATIONS},
    {"kbytes_used", GAUGE_QUEUE_KB},
    {"kbytes_free", GAUGE_QUEUE_FREE_KB},
#undef P
};

static const struct {
    const char *name;
    size_t which;
} dns_names[] = {
    {"dns_requests", GAUGE_DNS_REQUESTS},
    {"network_requests", GAUGE_NET_REQUESTS},
    {"cache_hits", GAUGE_CACHE_HITS},
    {"cache_misses", GAUGE_CACHE_MISSES},
    {"cache_exceptions", GAUGE_CACHE_EXCEPTIONS},
    {"cache_expired", GAUGE_CACHE_EXPIRED},
};

void status_json(const struct status_view *v, struct buf *out)
{
    buf_addf(out,
             "{\"timestamp_ms\":%" PRIu64 ",\"birth_ms\":%" PRIu64 ",\"last_reset_ms\":%" PRIu64
             ",\"system_status\":\"%s\",\"counters\":{",
             v->wall_ms, v->born_ms, counters_reset_ms(v->counters), system_status(v));
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        buf_addf(out, "%s\"%s\":{\"reset\":%" PRIu64 ",\"uptime\":%" PRIu64 ",\"lifetime\":%" PRIu64 "}", i ? "," : "",
                 counter_info((enum counter)i)->xml, counters_get(v->counters, COUNTERS_RESET, (enum counter)i),
                 counters_get(v->counters, COUNTERS_UPTIME, (enum counter)i),
                 counters_get(v->counters, COUNTERS_LIFETIME, (enum counter)i));
    buf_add(out, str_lit("},\"rates\":{"));
    for (unsigned i = 0; i < RATE_COUNT; i++)
        buf_addf(out, "%s\"%s\":{\"last_1_min\":%" PRIu64 ",\"last_5_min\":%" PRIu64 ",\"last_15_min\":%" PRIu64 "}",
                 i ? "," : "", counter_info(counters_rates[i])->xml, counters_rate(v->counters, i, 60, v->mono_ms),
                 counters_rate(v->counters, i, 300, v->mono_ms), counters_rate(v->counters, i, 900, v->mono_ms));
    buf_add(out, str_lit("},\"gauges\":{"));
    for (size_t i = 0; i < sizeof gauge_names / sizeof *gauge_names; i++)
        buf_addf(out, "%s\"%s\":%" PRIu64, i ? "," : "", gauge_names[i].name, gauge_value(v, gauge_names[i].which));
    buf_add(out, str_lit("},\"dns\":{"));
    for (size_t i = 0; i < sizeof dns_names / sizeof *dns_names; i++)
        buf_addf(out, "%s\"%s\":%" PRIu64, i ? "," : "", dns_names[i].name, gauge_value(v, dns_names[i].which));
    buf_addf(out, "},\"oldest_message\":{\"secs\":%" PRIu64 ",\"mid\":%" PRIu64, oldest_age_ms(v) / 1000,
             v->board && has_messages(v) ? board_gauge(v->board, GAUGE_OLDEST_MID) : 0);
    buf_addf(out, "},\"current_ids\":{\"mid\":%" PRIu64 ",\"icid\":%" PRIu64 ",\"dcid\":%" PRIu64 "}}",
             v->board ? board_last(v->board, NUMBER_MID) : 0, v->board ? board_last(v->board, NUMBER_ICID) : 0,
             v->board ? board_last(v->board, NUMBER_DCID) : 0);
}
