/*
 * Reads chronyc's comma-separated output. See report.h.
 *
 * Called by clock.c. Owns nothing. A line with fewer fields than it should have is passed over.
 */
#include "clock/report.h"

#include <inttypes.h>
#include <stdio.h>

enum { FIELDS = 14, TRACKING_FIELDS = 14, SOURCE_FIELDS = 8 };

static size_t split(struct str line, struct str fields[FIELDS])
{
    size_t n = 0;

    while (n < FIELDS && str_split(&line, ',', &fields[n]))
        n++;
    return n;
}

static void copy(char *out, size_t room, struct str s)
{
    s = str_first(s, room - 1);
    for (size_t i = 0; i < s.n; i++)
        out[i] = s.p[i] >= 32 && s.p[i] < 127 ? s.p[i] : '?';
    out[s.n] = '\0';
}

static uint64_t octal(struct str s)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.n && i < 3; i++)
        v = v * 8 + (uint64_t)((s.p[i] - '0') & 7);
    return v;
}

static void read_source(struct str f[FIELDS], struct clock_report *out)
{
    struct clock_source *s = &out->sources[out->n];

    if (out->n == CLOCK_SOURCES || f[1].n != 1 || !strchr("*+-?x~", f[1].p[0]))
        return;
    *s = (struct clock_source){.state = f[1].p[0], .reach = octal(f[5])};
    copy(s->name, sizeof s->name, f[2]);
    copy(s->offset, sizeof s->offset, f[7]);
    str_u64(f[3], &s->stratum);
    out->n++;
}

static void read_tracking(struct str f[FIELDS], struct clock_report *out)
{
    out->tracking = true;
    out->synchronised = !str_eq(f[0], str_lit("00000000")) && !str_eq(f[13], str_lit("Not synchronised"));
    copy(out->reference, sizeof out->reference, f[1]);
    copy(out->offset, sizeof out->offset, f[4]);
    copy(out->leap, sizeof out->leap, f[13]);
    str_u64(f[2], &out->stratum);
}

void clock_report_read(struct str output, struct clock_report *out)
{
    struct str line, f[FIELDS];

    *out = (struct clock_report){0};
    while (output.n && str_split(&output, '\n', &line)) {
        size_t n = split(line, f);

        if (n >= TRACKING_FIELDS && f[0].n == 8)
            read_tracking(f, out);
        else if (n >= SOURCE_FIELDS && f[0].n == 1)
            read_source(f, out);
    }
}

static const char *state_word(const struct clock_source *s)
{
    static const struct {
        char state;
        const char *word;
    } words[] = {{'*', "followed"}, {'+', "good"}, {'-', "not needed"}, {'x', "wrong time"}, {'~', "too variable"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].state == s->state)
            return words[i].word;
    return s->reach ? "not used yet" : "no answer";
}

void clock_report_text(const struct clock_report *r, struct buf *out)
{
    if (!r->tracking)
        buf_add(out, str_lit("The NTP service does not answer.\n"));
    else if (!r->synchronised)
        buf_add(out, str_lit("The clock is not synchronised.\n"));
    else
        buf_addf(out, "The clock follows %s (stratum %" PRIu64 "), offset %s s, leap second: %s.\n", r->reference,
                 r->stratum, r->offset, r->leap);
    if (r->n)
        buf_addf(out, "\n%-40s %7s %6s %-14s %s\n", "Server", "Stratum", "Reach", "State", "Offset (s)");
    for (size_t i = 0; i < r->n; i++)
        buf_addf(out, "%-40s %7" PRIu64 " %6" PRIo64 " %-14s %s\n", r->sources[i].name, r->sources[i].stratum,
                 r->sources[i].reach, state_word(&r->sources[i]), r->sources[i].offset);
}
