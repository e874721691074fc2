/*
 * Reports and data availability as text, CSV and JSON. See report_verbs.h.
 *
 * Called in the thread pool by report_verbs.c. Owns nothing beyond the call. Rows are sorted by the report's first counter,
 * the largest first; with steps by time, then so.
 */
#include "record/report_verbs.h"

#include "base/json.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COLUMNS_MOST = 24 };

struct row {
    uint64_t slot_ms, values[COLUMNS_MOST];
    char key[FIGURE_KEY_MOST + 1];
    size_t n_key;
};

struct table {
    enum report_counter columns[COLUMNS_MOST];
    size_t n_columns;
    struct row *rows;
    size_t n, cap;
};

static void columns_of(enum report report, struct table *t)
{
    struct str rest = str_c(report_info(report)->counters), word;

    while (str_word(&rest, &word) && t->n_columns < COLUMNS_MOST)
        must(report_counter_named(word, &t->columns[t->n_columns++])); /* our own table */
}

static void take(void *ctx, const struct figure *f)
{
    struct table *t = ctx;
    struct row *r;

    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        must((t->rows = realloc(t->rows, t->cap * sizeof *t->rows)));
    }
    r = &t->rows[t->n++];
    *r = (struct row){.slot_ms = f->slot_ms, .n_key = f->key.n};
    memcpy(r->key, f->key.p ? f->key.p : "", f->key.n);
    for (size_t i = 0; i < f->n; i++)
        for (size_t c = 0; c < t->n_columns; c++)
            if (t->columns[c] == f->parts[i].counter)
                r->values[c] = f->parts[i].amount;
}

static int in_order(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->slot_ms != y->slot_ms)
        return x->slot_ms < y->slot_ms ? -1 : 1;
    for (size_t i = 0; i < COLUMNS_MOST; i++)
        if (x->values[i] != y->values[i])
            return x->values[i] > y->values[i] ? -1 : 1;
    return str_cmp(str_of(x->key, x->n_key), str_of(y->key, y->n_key));
}

static void gmt(uint64_t ms, const char *format, char out[40])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&s, &tm);
    strftime(out, 40, format, &tm);
}

/* --- one report ----------------------------------------------------------------------------------------------------- */

static void put_csv_field(struct buf *out, struct str value)
{
    if (str_find(value, ',') == value.n && str_find(value, '"') == value.n && str_find(value, '\n') == value.n) {
        buf_add(out, value);
        return;
    }
    buf_addc(out, '"');
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"')
            buf_addc(out, '"');
        buf_addc(out, value.p[i]);
    }
    buf_addc(out, '"');
}

static void csv(const struct table *t, const struct report_query *q, struct buf *out)
{
    char begin[40], end[40];

    buf_add(out, str_lit("Begin Timestamp,End Timestamp,Begin Date,End Date,Key"));
    for (size_t c = 0; c < t->n_columns; c++)
        buf_addf(out, ",%s", report_counter_name(t->columns[c]));
    buf_addc(out, '\n');
    for (size_t i = 0; i < t->n; i++) {
        const struct row *r = &t->rows[i];
        uint64_t to = q->step_ms ? r->slot_ms + q->step_ms : q->to_ms;

        gmt(r->slot_ms, "%Y-%m-%d %H:%M GMT", begin);
        gmt(to, "%Y-%m-%d %H:%M GMT", end);
        buf_addf(out, "%" PRIu64 ",%" PRIu64 ",%s,%s,", r->slot_ms / 1000, to / 1000, begin, end);
        put_csv_field(out, str_of(r->key, r->n_key));
        for (size_t c = 0; c < t->n_columns; c++)
            buf_addf(out, ",%" PRIu64, r->values[c]);
        buf_addc(out, '\n');
    }
}

static void text_rows(const struct table *t, const struct report_query *q, struct buf *out)
{
    const struct report_info *info = report_info(q->report);
    char begin[40], end[40];

    gmt(q->from_ms, "%Y-%m-%d %H:%M", begin);
    gmt(q->to_ms, "%Y-%m-%d %H:%M", end);
    buf_addf(out, "%s\n%s to %s GMT\n", info->title, begin, end);
    if (!t->n)
        buf_add(out, str_lit("\nNo data in this range.\n"));
    for (size_t i = 0; i < t->n; i++) {
        const struct row *r = &t->rows[i];

        buf_addc(out, '\n');
        if (q->step_ms) {
            gmt(r->slot_ms, "%Y-%m-%d %H:%M", begin);
            buf_addf(out, "%s GMT\n", begin);
        }
        if (info->key[0])
            buf_addf(out, "%s: %.*s\n", info->key, STR(str_of(r->key, r->n_key)));
        for (size_t c = 0; c < t->n_columns; c++)
            if (r->values[c] || !info->key[0])
                buf_addf(out, "  %-34s %12" PRIu64 "\n", report_counter_name(t->columns[c]), r->values[c]);
    }
}

static void json_rows(const struct table *t, const struct report_query *q, struct buf *out)
{
    buf_addf(out, "{\"report\":\"%s\",\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"rows\":[", report_info(q->report)->name,
             q->from_ms, q->to_ms);
    for (size_t i = 0; i < t->n; i++) {
        const struct row *r = &t->rows[i];

        buf_addf(out, "%s{\"begin\":%" PRIu64 ",\"key\":", i ? "," : "", r->slot_ms);
        json_str(out, str_of(r->key, r->n_key));
        for (size_t c = 0; c < t->n_columns; c++)
            buf_addf(out, ",\"%s\":%" PRIu64, report_counter_name(t->columns[c]), r->values[c]);
        buf_addc(out, '}');
    }
    buf_add(out, str_lit("]}"));
}

enum rc report_show(struct reporting *db, const struct report_query *q, uint64_t top, bool as_csv, struct buf *text,
                    struct buf *json, struct err *e)
{
    struct table t = {0};
    enum rc rc;

    columns_of(q->report, &t);
    rc = reporting_query(db, q, take, &t, e);
    if (rc == RC_OK) {
        if (t.n)
            qsort(t.rows, t.n, sizeof *t.rows, in_order);
        if (t.n > top)
            t.n = top;
        if (as_csv)
            csv(&t, q, text);
        else
            text_rows(&t, q, text);
        json_rows(&t, q, json);
    }
    free(t.rows);
    return rc;
}

void report_list(struct buf *text, struct buf *json)
{
    buf_addc(json, '[');
    for (unsigned i = 0; i < REPORTS; i++) {
        const struct report_info *info = report_info((enum report)i);

        buf_addf(text, "%-40s %s\n", info->name, info->title);
        buf_addf(json, "%s{\"name\":\"%s\",\"title\":\"%s\",\"key\":\"%s\",\"counters\":\"%s\"}", i ? "," : "", info->name,
                 info->title, info->key, info->counters);
    }
    buf_addc(json, ']');
}

/* --- availability --------------------------------------------------------------------------------------------------- */

/* NULL: no appliance of now has that serial number. */
static const struct report_name *name_of(const struct report_names *names, const char *serial)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->items[i].serial, serial) == 0)
            return &names->items[i];
    return NULL;
}

static void gap_text(const struct gap *g, struct buf *out)
{
    char a[40], b[40];

    gmt(g->start_ms, "%Y-%m-%d %H:%M:%S", a);
    gmt(g->end_ms, "%Y-%m-%d %H:%M:%S", b);
    buf_addf(out, "  Gap: %s to %s GMT, %s", a, b, gap_cause_text(g->cause));
    if (g->seq)
        buf_addf(out, ", segments %" PRIu64 "-%" PRIu64 " to %" PRIu64 "-%" PRIu64 ", %" PRIu64 " records", g->epoch, g->seq,
                 g->epoch, g->seq_to, g->last + 1 - g->first);
    buf_addc(out, '\n');
}

static void gap_json(const struct gap *g, struct buf *out)
{
    buf_addf(out,
             "{\"cause\":\"%s\",\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"seq_to\":%" PRIu64 ",\"first\":%" PRIu64
             ",\"last\":%" PRIu64 ",\"start\":%" PRIu64 ",\"end\":%" PRIu64 "}",
             gap_cause_text(g->cause), g->epoch, g->seq, g->seq_to, g->first, g->last, g->start_ms, g->end_ms);
}

static void one_appliance(const struct availability *a, const struct report_name *n, struct buf *text, struct buf *json)
{
    bool away = n && n->away;
    const char *name = n ? n->name : "", *state = away          ? "no contact"
                                                  : !a->last_ms ? "no data"
                                                  : a->backlog  ? "receiving backlog"
                                                                : "OK";
    uint64_t since = !away ? 0 : n->heard_ms ? n->heard_ms : a->last_ms;
    char first[40], last[40], heard[40];

    gmt(a->first_ms, "%Y-%m-%d %H:%M:%S", first);
    gmt(a->last_ms, "%Y-%m-%d %H:%M:%S", last);
    gmt(since, "%Y-%m-%d %H:%M:%S", heard);
    buf_addf(text, "%s%s%s%s: %s%s%s%s\n", name, name[0] ? " (" : "", a->serial, name[0] ? ")" : "", state,
             since ? " since " : "", since ? heard : "", since ? " GMT" : "");
    if (a->last_ms)
        buf_addf(text, "  Data from %s to %s GMT\n", first, last);
    buf_add(json, str_lit("{\"serial\":"));
    json_str(json, str_c(a->serial));
    buf_add(json, str_lit(",\"name\":"));
    json_str(json, str_c(name));
    buf_addf(json, ",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"backlog\":%" PRIu64 ",\"state\":\"%s\"", a->first_ms,
             a->last_ms, a->backlog, state);
    if (away)
        buf_addf(json, ",\"no_contact_since\":%" PRIu64, since);
    buf_add(json, str_lit(",\"gaps\":["));
    for (size_t i = 0; i < a->n_gaps; i++) {
        gap_text(&a->gaps[i], text);
        if (i)
            buf_addc(json, ',');
        gap_json(&a->gaps[i], json);
    }
    buf_add(json, str_lit("]}"));
}

/* Gateways of which nothing ever came. */
static void silent_appliances(const struct report_names *names, const struct availability *all, size_t n, struct buf *text,
                              struct buf *json)
{
    for (size_t i = 0; i < names->n; i++) {
        struct availability none = {0};
        bool known = !names->items[i].away;

        for (size_t k = 0; k < n; k++)
            known = known || strcmp(all[k].serial, names->items[i].serial) == 0;
        if (known)
            continue;
        snprintf(none.serial, sizeof none.serial, "%s", names->items[i].serial);
        if (json->p[json->n - 1] == '}')
            buf_addc(json, ',');
        one_appliance(&none, &names->items[i], text, json);
    }
}

enum rc report_availability(struct reporting *db, enum segment_kind kind, const struct report_names *names, struct buf *text,
                            struct buf *json, struct err *e)
{
    struct availability *all;
    uint64_t from = 0, to = UINT64_MAX;
    char a[40], b[40];
    size_t n;

    TRY(ledger_availability(db, kind, &all, &n, e));
    buf_add(json, str_lit("{\"appliances\":["));
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_addc(json, ',');
        one_appliance(&all[i], name_of(names, all[i].serial), text, json);
        from = all[i].first_ms > from ? all[i].first_ms : from;
        to = all[i].last_ms < to ? all[i].last_ms : to;
    }
    silent_appliances(names, all, n, text, json);
    if (!text->n)
        buf_add(text, str_lit("There is no data yet.\n"));
    if (!n || from > to)
        from = to = 0;
    gmt(from, "%Y-%m-%d %H:%M:%S", a);
    gmt(to, "%Y-%m-%d %H:%M:%S", b);
    if (to)
        buf_addf(text, "All appliances: from %s to %s GMT\n", a, b);
    buf_addf(json, "],\"common\":{\"first\":%" PRIu64 ",\"last\":%" PRIu64 "}}", from, to);
    ledger_free(all, n);
    return RC_OK;
}
