/*
 * Ranges of reports. See report_range.h.
 *
 * Called by report_verbs.c. Owns nothing; a word that is no range gives false.
 */
#include "record/report_range.h"

#include "store/reporting.h"

#include <time.h>

static const uint64_t HOUR = 3600000, DAY = 86400000;

static bool digits(struct str *in, size_t n, uint64_t *out)
{
    bool good = in->n >= n && str_u64(str_first(*in, n), out);

    *in = str_from(*in, n);
    return good;
}

static bool mark(struct str *in, char c)
{
    bool good = in->n && *in->p == c;

    *in = str_from(*in, 1);
    return good;
}

static bool instant(struct str word, uint64_t *ms_out)
{
    uint64_t year, month, day, hour = 0, minute = 0, seconds;
    struct tm tm = {0};

    if (str_u64(word, &seconds)) {
        *ms_out = seconds * 1000;
        return seconds < 1ull << 40;
    }
    if (!digits(&word, 4, &year) || !mark(&word, '-') || !digits(&word, 2, &month) || !mark(&word, '-') ||
        !digits(&word, 2, &day) || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    if (word.n && (!mark(&word, 'T') || !digits(&word, 2, &hour) || !mark(&word, ':') || !digits(&word, 2, &minute) ||
                   word.n || hour > 23 || minute > 59))
        return false;
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day;
    tm.tm_hour = (int)hour;
    tm.tm_min = (int)minute;
    *ms_out = (uint64_t)timegm(&tm) * 1000;
    return true;
}

/* The first of the month `back` months before that of now. */
static uint64_t month_begin(uint64_t now_ms, int back)
{
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm tm;

    gmtime_r(&now_s, &tm);
    tm = (struct tm){.tm_year = tm.tm_year, .tm_mon = tm.tm_mon - back, .tm_mday = 1};
    return (uint64_t)timegm(&tm) * 1000;
}

static bool custom(struct str word, uint64_t end, uint64_t *from_out, uint64_t *to_out)
{
    size_t dots = str_find_str(word, str_lit(".."));
    struct str last = str_from(word, dots + 2);
    uint64_t from, to = end;

    if (dots == word.n || !instant(str_first(word, dots), &from) || (last.n && !instant(last, &to)) || from >= to)
        return false;
    *from_out = from - from % SLOT_MS;
    *to_out = (to + SLOT_MS - 1) / SLOT_MS * SLOT_MS;
    return true;
}

bool report_range(struct str word, uint64_t now_ms, uint64_t *from_out, uint64_t *to_out)
{
    static const struct {
        const char *word;
        uint64_t hours;
    } spans[] = {{"hour", 1},  {"day", 24},   {"week", 168},  {"7d", 168},
                 {"30d", 720}, {"90d", 2160}, {"year", 8760}, {"1d", 24}};
    uint64_t end = now_ms - now_ms % SLOT_MS + SLOT_MS, today = now_ms - now_ms % DAY;

    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
        if (str_eqi(word, str_c(spans[i].word))) {
            *to_out = end;
            *from_out = end - spans[i].hours * HOUR;
            return true;
        }
    if (str_eqi(word, str_lit("yesterday"))) {
        *from_out = today - DAY;
        *to_out = today;
        return true;
    }
    if (str_eqi(word, str_lit("month")) || str_eqi(word, str_lit("lastmonth"))) {
        bool last = word.n > 5;

        *from_out = month_begin(now_ms, last ? 1 : 0);
        *to_out = last ? month_begin(now_ms, 0) : end;
        return true;
    }
    return custom(word, end, from_out, to_out);
}
