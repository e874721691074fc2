/*
 * Time and random numbers, replaceable by tests. See clock.h.
 *
 * Called by every room. POSTERN_CLOCK_OFFSET_MS (lab homes only) moves the wall clock of a whole process tree.
 */
#include "base/clock.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static struct {
    bool on;
    uint64_t wall_ms, mono_ns;
} fake;

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;

    must(clock_gettime(id, &t) == 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t offset_ms(void)
{
    static bool known;
    static uint64_t offset;
    const char *text;

    if (!known) {
        text = getenv("POSTERN_CLOCK_OFFSET_MS");
        offset = text ? (uint64_t)strtoll(text, NULL, 10) : 0;
        known = true;
    }
    return offset;
}

uint64_t clock_wall_ms(void)
{
    return fake.on ? fake.wall_ms : read_ns(CLOCK_REALTIME) / 1000000u + offset_ms();
}

uint64_t clock_mono_ns(void)
{
    return fake.on ? fake.mono_ns : read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000u;
}

void clock_test_set(uint64_t wall_ms, uint64_t mono_ms)
{
    fake.on = true;
    fake.wall_ms = wall_ms;
    fake.mono_ns = mono_ms * 1000000u;
}

void clock_test_advance(uint64_t ms)
{
    fake.wall_ms += ms;
    fake.mono_ns += ms * 1000000u;
}

/* A leading colon (POSIX) marks a zone of ours, so that one of the environment is left alone. */
void clock_zone(struct str zone)
{
    const char *now = getenv("TZ");
    char text[256];

    if (zone.n == 0 || zone.n > sizeof text - 2) {
        if (!now || now[0] != ':')
            return;
        unsetenv("TZ");
    } else {
        snprintf(text, sizeof text, ":%.*s", STR(zone));
        if (now && strcmp(now, text) == 0)
            return;
        setenv("TZ", text, 1);
    }
    tzset();
}

void random_bytes(void *out, size_t n)
{
    char *at = out;

    while (n) {
        ssize_t got = getrandom(at, n, 0);

        must(got > 0);
        at += got;
        n -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;

    random_bytes(&v, sizeof v);
    return v;
}
