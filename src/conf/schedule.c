/*
 * Roll-over by the clock. See schedule.h.
 *
 * Called by record, and by rules_logs.c before a commit. Pure functions over local time; a text that is no schedule is
 * refused.
 */
#include "conf/schedule.h"

#include <time.h>

/* "2h30m", "1d", "90s": numbers with units, each at least 1. */
static bool parse_interval(struct str text, uint64_t *out)
{
    uint64_t sum = 0, n = 0;
    bool digits = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = ascii_lower(text.p[i]);

        if (ascii_digit(c) && n < 1000000) {
            n = n * 10 + (uint64_t)(c - '0');
            digits = true;
            continue;
        }
        if (!digits || (c != 's' && c != 'm' && c != 'h' && c != 'd'))
            return false;
        sum += n * (c == 's' ? 1 : c == 'm' ? 60 : c == 'h' ? 3600 : 86400);
        n = 0;
        digits = false;
    }
    *out = sum;
    return sum && !digits;
}

static bool parse_clock(struct str text, struct schedule *s)
{
    struct str hour = str_first(text, str_find(text, ':')), minute = str_from(text, hour.n + 1);
    uint64_t h, m;

    if (!str_u64(hour, &h) || !str_u64(minute, &m) || h > 23 || m > 59)
        return false;
    s->hour = (int)h;
    s->minute = (int)m;
    return true;
}

static bool parse_day(struct str text, int *out)
{
    static const struct str days[] = {str_lit("sun"), str_lit("mon"), str_lit("tue"), str_lit("wed"),
                                      str_lit("thu"), str_lit("fri"), str_lit("sat")};

    for (int i = 0; i < 7; i++)
        if (str_startsi(text, days[i])) {
            *out = i;
            return true;
        }
    return false;
}

enum rc schedule_parse(struct str text, struct schedule *out, struct err *e)
{
    struct schedule s = {0};
    struct str rest = text, word = STR_NONE, next = STR_NONE;
    bool good;

    str_word(&rest, &word);
    if (!word.n || str_eqi(word, str_lit("none"))) {
        good = true;
    } else if (str_eqi(word, str_lit("daily"))) {
        s.kind = SCHEDULE_DAILY;
        good = str_word(&rest, &next) && parse_clock(next, &s);
    } else if (str_eqi(word, str_lit("weekly"))) {
        s.kind = SCHEDULE_WEEKLY;
        good = str_word(&rest, &next) && parse_day(next, &s.weekday) && str_word(&rest, &next) && parse_clock(next, &s);
    } else {
        s.kind = SCHEDULE_EVERY;
        good = parse_interval(word, &s.every_s);
    }
    if (!good || str_word(&rest, &next))
        return err_set(e, RC_INVALID, "\"%.*s\" is no roll-over time", STR(text));
    *out = s;
    return RC_OK;
}

uint64_t schedule_due(const struct schedule *s, uint64_t start_s)
{
    time_t t = (time_t)start_s;
    struct tm tm;

    if (s->kind == SCHEDULE_NONE)
        return UINT64_MAX;
    if (s->kind == SCHEDULE_EVERY)
        return start_s + s->every_s;
    localtime_r(&t, &tm);
    tm.tm_hour = s->hour;
    tm.tm_min = s->minute;
    tm.tm_sec = 0;
    tm.tm_isdst = -1;
    if (s->kind == SCHEDULE_WEEKLY)
        tm.tm_mday += (s->weekday - tm.tm_wday + 7) % 7;
    t = mktime(&tm);
    if ((uint64_t)t <= start_s) {
        tm.tm_mday += s->kind == SCHEDULE_WEEKLY ? 7 : 1;
        tm.tm_hour = s->hour;
        tm.tm_min = s->minute;
        tm.tm_isdst = -1;
        t = mktime(&tm);
    }
    return (uint64_t)t;
}
