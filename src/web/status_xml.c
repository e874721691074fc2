/*
 * The figures of `status` as XML, laid out for the shell plugins that read it line by line (spec/api.md 8.1).
 *
 * Called by pages.c. Pure: JSON of record/status.c in, text out. A figure that is missing is 0. Names, order and the breaks
 * of lines are fixed.
 */
#include "web/inside.h"

#include "conf/product.h"

#include <inttypes.h>
#include <time.h>

static const char *const counters[] = {"inj_msgs",
                                       "inj_recips",
                                       "gen_bounce_recips",
                                       "rejected_recips",
                                       "dropped_msgs",
                                       "soft_bounced_evts",
                                       "completed_recips",
                                       "hard_bounced_recips",
                                       "dns_hard_bounced_recips",
                                       "5xx_hard_bounced_recips",
                                       "filter_hard_bounced_recips",
                                       "expired_hard_bounced_recips",
                                       "other_hard_bounced_recips",
                                       "delivered_recips",
                                       "deleted_recips",
                                       "global_unsub_hits"};
static const char *const rates[] = {"inj_msgs",         "inj_recips",          "soft_bounced_evts",
                                    "completed_recips", "hard_bounced_recips", "delivered_recips"};
/* Name here, name in the figures. */
static const char *const gauges[][2] = {
    {"ram_utilization", "ram_utilization"},
    {"total_utilization", "total_utilization"},
    {"cpu_utilization", "cpu_utilization"},
    {"av_utilization", "av_utilization"},
    {"case_utilization", "case_utilization"},
    {"bm_utilization", "bm_utilization"},
    {"disk_utilization", "disk_utilization"},
    {"resource_conservation", "resource_conservation"},
    {"log_used", "log_used"},
    {"log_available", ""},
    {"conn_in", "conn_in"},
    {"conn_out", "conn_out"},
    {"active_recips", "active_recips"},
    {"unattempted_recips", "unattempted_recips"},
    {"attempted_recips", "attempted_recips"},
    {"msgs_in_work_queue", "msgs_in_work_queue"},
    {"dests_in_memory", "dests_in_memory"},
    {"kbytes_used", "kbytes_used"},
    {"kbytes_free", "kbytes_free"},
    {"msgs_in_policy_virus_outbreak_quarantine", "msgs_in_quarantine"},
    {"kbytes_in_policy_virus_outbreak_quarantine", "kbytes_in_quarantine"},
    {"reporting_utilization", "reporting_utilization"},
    {"quarantine_utilization", "quarantine_utilization"},
    {"msgs_in_quarantine", "msgs_in_quarantine"},
    {"kbytes_in_quarantine", "kbytes_in_quarantine"},
};
/* No licence is needed: what is built in never ends. */
static const char *const features[] = {"Incoming Mail Handling", "Outbreak Filters", "Anti-Spam", "Anti-Virus",
                                       "Bounce Verification"};

static uint64_t number(const json_t *object, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(object, name));

    return v > 0 ? (uint64_t)v : 0;
}

static void put_time(struct buf *out, uint64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    char text[32];
    struct tm tm;

    buf_add(out, str_of(text, localtime_r(&s, &tm) ? strftime(text, sizeof text, "%Y%m%d%H%M%S", &tm) : 0));
}

static void put_head(json_t *f, struct str hostname, struct buf *out)
{
    uint64_t now = number(f, "timestamp_ms"), born = number(f, "birth_ms"), reset = number(f, "last_reset_ms");
    uint64_t up = now > born ? (now - born) / 1000 : 0;
    const json_t *oldest = json_object_get(f, "oldest_message");
    const char *state = json_string_value(json_object_get(f, "system_status"));

    buf_add(out, str_lit("<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?>\n"
                         "<status build=\"phoebe " PRODUCT_VERSION "-" PRODUCT_BUILD "\" hostname=\""));
    xml_text(out, hostname);
    buf_add(out, str_lit("\" timestamp=\""));
    put_time(out, now);
    buf_add(out, str_lit("\">\n  <birth_time timestamp=\""));
    put_time(out, born);
    buf_addf(out, " (%" PRIu64 "d %" PRIu64 "h %" PRIu64 "m %" PRIu64 "s)\" />\n  <last_counter_reset timestamp=\"",
             up / 86400, up / 3600 % 24, up / 60 % 60, up % 60);
    put_time(out, reset ? reset : born);
    buf_add(out, str_lit("\" />\n  <system status=\""));
    for (; state && *state; state++)
        xml_text(out, str_of(&(char){ascii_lower(*state)}, 1));
    buf_addf(out, "\" />\n  <oldest_message secs=\"%" PRIu64 "\" mid=\"%" PRIu64 "\" />\n", number(oldest, "secs"),
             number(oldest, "mid"));
    buf_add(out, str_lit("  <features>\n"));
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        buf_addf(out, "    <feature name=\"%s\" time_remaining=\"Dormant/Perpetual\" />\n", features[i]);
    buf_add(out, str_lit("  </features>\n"));
}

static void put_counters(const json_t *f, struct buf *out)
{
    const json_t *all = json_object_get(f, "counters"), *ids = json_object_get(f, "current_ids");

    buf_add(out, str_lit("  <counters>\n"));
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        const json_t *c = json_object_get(all, counters[i]);

        buf_addf(out,
                 "    <counter name=\"%s\"\n             reset=\"%" PRIu64 "\"\n             uptime=\"%" PRIu64
                 "\"\n             lifetime=\"%" PRIu64 "\" />\n",
                 counters[i], number(c, "reset"), number(c, "uptime"), number(c, "lifetime"));
    }
    buf_addf(out,
             "  </counters>\n  <current_ids message_id=\"%" PRIu64 "\"\n               injection_conn_id=\"%" PRIu64
             "\"\n               delivery_conn_id=\"%" PRIu64 "\" />\n",
             number(ids, "mid"), number(ids, "icid"), number(ids, "dcid"));
}

static void put_rates(const json_t *f, struct buf *out)
{
    const json_t *all = json_object_get(f, "rates");

    buf_add(out, str_lit("  <rates>\n"));
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        const json_t *r = json_object_get(all, rates[i]);

        buf_addf(out,
                 "    <rate name=\"%s\"\n          last_1_min=\"%" PRIu64 "\"\n          last_5_min=\"%" PRIu64
                 "\"\n          last_15_min=\"%" PRIu64 "\" />\n",
                 rates[i], number(r, "last_1_min"), number(r, "last_5_min"), number(r, "last_15_min"));
    }
    buf_add(out, str_lit("  </rates>\n"));
}

/* 388G: three digits at most and a unit. */
static void put_size(struct buf *out, uint64_t kb)
{
    static const char units[] = "KMGTP";
    size_t unit = 0;

    while (kb >= 1000 && unit + 2 < sizeof units) {
        kb = (kb + 512) / 1024;
        unit++;
    }
    buf_addf(out, "%" PRIu64 "%c", kb, units[unit]);
}

static void put_gauges(const json_t *f, struct buf *out)
{
    const json_t *all = json_object_get(f, "gauges");
    bool empty = !number(all, "kbytes_used") && !number(all, "kbytes_free"); /* clients divide by their sum */

    buf_add(out, str_lit("  <gauges>\n"));
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        buf_addf(out, "    <gauge name=\"%s\" current=\"", gauges[i][0]);
        if (!*gauges[i][1])
            put_size(out, number(all, "log_available_kb"));
        else
            buf_addf(out, "%" PRIu64, empty && !strcmp(gauges[i][0], "kbytes_free") ? 1 : number(all, gauges[i][1]));
        buf_add(out, str_lit("\" />\n"));
    }
    buf_add(out, str_lit("  </gauges>\n"));
}

void status_xml(json_t *figures, struct str hostname, struct buf *out)
{
    put_head(figures, hostname, out);
    put_counters(figures, out);
    put_rates(figures, out);
    put_gauges(figures, out);
    buf_add(out, str_lit("</status>\n"));
}
