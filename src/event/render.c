/*
 * Lines of text from events. See render.h.
 *
 * Called by record for every line of every log, and by tests. Owns the compiled programs and the date of the last second.
 * A template that does not compile is our own mistake and ends the process at start (a test compiles them all).
 */
#include "event/render.h"
#include "event/template.h"

#include "base/must.h"

#include <stdlib.h>
#include <time.h>

enum { DATE = 25 }; /* ctime and a space */
static const uint32_t NO_PROGRAM = UINT32_MAX;

struct renderer {
    struct op *ops;
    uint32_t n_ops;
    uint64_t logs[EVENT_TYPE_COUNT];
    uint32_t programs[EVENT_TYPE_COUNT][LOG_TYPE_COUNT];
    uint64_t second; /* of `date` */
    bool dated;
    char date[DATE];
};

static const struct {
    uint64_t condition;
} conditions[] = {{IF_SUBJECT}, {IF_MESSAGE_ID}, {IF_RESPONSE}};

static uint64_t logs_of(const struct event_info *row, uint64_t on)
{
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
        if (row->logs & conditions[i].condition && !(on & conditions[i].condition))
            return 0;
    return (row->logs | (row->logs & on & IF_STATUS_IN_MAIL ? LOG_MAIL : 0ull)) & LOG_TYPES;
}

struct renderer *renderer_new(enum log_dialect dialect, uint64_t on)
{
    struct renderer *r = calloc(1, sizeof *r);
    struct err e = ERR_NONE;

    must(r);
    for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++) {
        const struct event_info *row = event_info(type);

        r->logs[type] = logs_of(row, on);
        for (unsigned log = 0; log < LOG_TYPE_COUNT; log++) {
            r->programs[type][log] = NO_PROGRAM;
            if (r->logs[type] & 1ull << log)
                must(template_compile(row, (enum log_type)log, dialect, &r->ops, &r->n_ops, &r->programs[type][log], &e) ==
                     RC_OK);
        }
    }
    return r;
}

void renderer_free(struct renderer *r)
{
    if (r)
        free(r->ops);
    free(r);
}

uint64_t renderer_logs(const struct renderer *r, enum event_type type)
{
    return r->logs[type];
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static char *put_two(char *at, int v, char pad)
{
    static const char digits[] = "0123456789";

    at[0] = pad;
    if (v >= 10)
        at[0] = digits[v / 10 % 10];
    at[1] = digits[v % 10];
    return at + 2;
}

void render_ctime(uint64_t wall_ms, char out[24])
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    char *at = out;
    int year;

    localtime_r(&t, &tm);
    memcpy(at, days + 3 * tm.tm_wday, 3);
    at[3] = ' ';
    memcpy(at + 4, months + 3 * tm.tm_mon, 3);
    at[7] = ' ';
    at = put_two(at + 8, tm.tm_mday, ' ');
    *at++ = ' ';
    at = put_two(at, tm.tm_hour, '0');
    *at++ = ':';
    at = put_two(at, tm.tm_min, '0');
    *at++ = ':';
    at = put_two(at, tm.tm_sec, '0');
    *at++ = ' ';
    year = tm.tm_year + 1900;
    at = put_two(at, year / 100 % 100, '0');
    put_two(at, year % 100, '0');
}

struct str render_date(struct renderer *r, uint64_t wall_ms)
{
    uint64_t second = wall_ms / 1000;

    if (!r->dated || second != r->second) {
        render_ctime(wall_ms, r->date);
        r->date[DATE - 1] = ' ';
        r->second = second;
        r->dated = true;
    }
    return str_of(r->date, DATE);
}

struct str render_level(enum event_level level)
{
    static const struct str names[] = {str_lit("Critical"), str_lit("Warning"), str_lit("Info"), str_lit("Debug"),
                                       str_lit("Trace")};

    return names[level];
}

bool render_text(struct renderer *r, enum log_type log, const struct event_record *ev, struct buf *out)
{
    uint32_t program = r->programs[ev->type][log];
    size_t before = out->n;

    if (program == NO_PROGRAM)
        return false;
    template_run(r->ops, program, ev->fields, out);
    return out->n > before;
}

bool render_line(struct renderer *r, enum log_type log, const struct event_record *ev, struct buf *out)
{
    size_t before = out->n;

    buf_add(out, render_date(r, ev->wall_ms));
    buf_add(out, render_level(event_info(ev->type)->level));
    buf_add(out, str_lit(": "));
    if (!render_text(r, log, ev, out)) {
        out->n = before;
        return false;
    }
    buf_addc(out, '\n');
    return !out->failed;
}
