/*
 * The health figures (spec/api.md 8): {base}/health, /api/v1.0/health/ and one of them alone.
 *
 * Called by route. Pure but for the question to control. Every value is a number.
 */
#include "web/inside.h"

#include <inttypes.h>

static const struct {
    const char *name, *gauge; /* gauge "": computed */
} parameters[] = {
    {"percentage_ram_utilization", "ram_utilization"},   {"percentage_diskio", "disk_utilization"},
    {"resource_conservation", "resource_conservation"},  {"percentage_cpu_load", "total_utilization"},
    {"percentage_swap_utilization", "swap_utilization"}, {"percentage_queue_utilization", ""},
    {"messages_in_workqueue", "msgs_in_work_queue"},     {"messages_in_pvo_quarantines", "msgs_in_quarantine"},
};

static uint64_t gauge(const json_t *gauges, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(gauges, name));

    return v > 0 ? (uint64_t)v : 0;
}

static void put_queue(struct buf *out, const json_t *gauges)
{
    uint64_t used = gauge(gauges, "kbytes_used"), all = used + gauge(gauges, "kbytes_free"),
             tenths = all ? (used * 1000 + all / 2) / all : 0;

    buf_addf(out, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}

void health_json(json_t *figures, struct str parameter, struct str v1_uri, struct buf *out)
{
    const json_t *gauges = json_object_get(figures, "gauges");
    const char *comma = "";

    buf_add(out, str_lit("{\"data\":{"));
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        if (parameter.n && !str_eq(parameter, str_c(parameters[i].name)))
            continue;
        buf_addf(out, "%s\"%s\":", comma, parameters[i].name);
        comma = ",";
        if (*parameters[i].gauge)
            buf_add_u64(out, gauge(gauges, parameters[i].gauge));
        else
            put_queue(out, gauges);
    }
    buf_addc(out, '}');
    if (v1_uri.n) {
        buf_add(out, str_lit(",\"uri\":"));
        json_text(out, v1_uri);
    }
    buf_addc(out, '}');
}

static void health_figures(struct request *r, json_t *figures)
{
    struct str uri = r->found.base != BASE_V1 ? STR_NONE : r->found.word.n ? r->target.raw : str_lit("/api/v1.0/health/");

    health_json(figures, request_word(r), uri, &r->reply);
    reply_send(r, 200, "application/json");
}

static bool is_parameter(struct str name)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (str_eq(name, str_c(parameters[i].name)))
            return true;
    return name.n == 0;
}

void web_health(struct request *r)
{
    static const struct str words[] = {{"status", sizeof "status" - 1}, {NULL, 0}};

    if (!is_parameter(request_word(r)))
        reply_error(r, 404, "There is no such parameter.");
    else
        verb_ask_figures(r, STR_NONE, words, health_figures);
}

void web_v1_root(struct request *r)
{
    buf_add(&r->reply, str_lit("{\"data\":{},\"links\":{\"health\":\"Health of this machine\"},\"uri\":\"/api/v1.0/\"}"));
    reply_send(r, 200, "application/json");
}
