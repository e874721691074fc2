/*
 * Which trap says what, and when it is due. See traps.h.
 *
 * Called by snmp.c after each reading of the values. Owns nothing, nothing fails.
 */
#include "snmp/traps.h"

#include <stdio.h>

enum { LASTS_MS = 60000, REPEAT_MS = 5000 };

/* Object of the varbind: a scalar, or table and column. */
static const struct {
    const char *name;
    uint32_t object, column;
    bool is_text;
    const char *sample;
} traps[TRAP_COUNT] = {
#define SNMP_TRAP(number, name, object, column, is_text, sample) [TRAP_##number] = {name, object, column, is_text, sample},
#include "spec/traps.def"
#undef SNMP_TRAP
};

const char *snmp_trap_name(unsigned number)
{
    return number < TRAP_COUNT ? traps[number].name : number == TRAP_WARM_START ? "warmStart" : NULL;
}

unsigned snmp_trap_find(struct str name)
{
    uint64_t number;

    if (str_u64(name, &number))
        return number < TRAP_COUNT && traps[number].name ? (unsigned)number : 0;
    for (unsigned i = 1; i < TRAP_COUNT; i++)
        if (str_eqi(name, str_c(traps[i].name)))
            return i;
    return 0;
}

static struct snmp_trap made(unsigned number, uint32_t row)
{
    struct snmp_trap t = {.number = number};

    if (number >= TRAP_COUNT)
        return t;
    if (traps[number].column)
        t.object = (struct mib_name){{traps[number].object, 1, traps[number].column, row}, 4};
    else
        t.object = (struct mib_name){{traps[number].object, 0}, 2};
    t.is_text = traps[number].is_text;
    return t;
}

struct snmp_trap snmp_trap_text(unsigned number, uint32_t row, const char *text)
{
    struct snmp_trap t = made(number, row);

    snprintf(t.text, sizeof t.text, "%s", text);
    return t;
}

struct snmp_trap snmp_trap_value(unsigned number, uint32_t row, uint64_t value)
{
    struct snmp_trap t = made(number, row);

    t.value = (uint32_t)value;
    return t;
}

struct snmp_trap snmp_trap_sample(unsigned number, const struct snmp_values *now)
{
    if (number < TRAP_COUNT && traps[number].is_text)
        return snmp_trap_text(number, 1, traps[number].sample);
    return snmp_trap_value(number, 1,
                           number == TRAP_MEMORY  ? now->memory
                           : number == TRAP_CPU   ? now->cpu
                           : number == TRAP_POWER ? 2
                                                  : now->conserve);
}

/* --- when ---------------------------------------------------------------------------------------------------------- */

struct look {
    void (*send)(void *ctx, const struct snmp_trap *t);
    void *ctx;
    uint64_t now_ms;
};

static void send(const struct look *l, struct snmp_trap t)
{
    l->send(l->ctx, &t);
}

/* Once when it has been above for a minute; again only after it was below. */
static void threshold(const struct look *l, unsigned number, uint64_t value, uint64_t limit, uint64_t *since_ms, bool *told)
{
    if (value <= limit) {
        *since_ms = 0;
        *told = false;
        return;
    }
    if (!*since_ms)
        *since_ms = l->now_ms ? l->now_ms : 1;
    if (*told || l->now_ms - *since_ms < LASTS_MS)
        return;
    *told = true;
    send(l, snmp_trap_value(number, 0, value));
}

static void sensors(const struct look *l, unsigned number, const struct snmp_sensor *s, size_t n, uint64_t *told_ms)
{
    bool any = false;

    if (*told_ms && l->now_ms - *told_ms < REPEAT_MS)
        return;
    for (size_t i = 0; i < n; i++) {
        if (s[i].alarm)
            send(l, snmp_trap_text(number, (uint32_t)i + 1, s[i].name));
        any |= s[i].alarm;
    }
    *told_ms = any ? l->now_ms : 0;
}

static void raids(const struct look *l, struct snmp_watch *w, const struct snmp_values *v)
{
    for (size_t i = 0; i < v->n_raids; i++) {
        unsigned before = i < w->n_raids ? w->raids[i] : (unsigned)RAID_HEALTHY;

        if (before != v->raids[i].status) {
            w->raid_events++;
            send(l, snmp_trap_text(TRAP_RAID, (uint32_t)i + 1, v->raids[i].name));
        }
        w->raids[i] = v->raids[i].status;
    }
    w->n_raids = v->n_raids;
}

void snmp_watch_look(struct snmp_watch *w, const struct snmp_values *v, const struct conf_snmp *s, uint64_t now_ms,
                     void (*to)(void *ctx, const struct snmp_trap *t), void *ctx)
{
    const struct look l = {to, ctx, now_ms};
    unsigned before = w->conserve ? w->conserve : (unsigned)CONSERVE_NONE;

    if (v->conserve != before)
        send(&l, snmp_trap_value(TRAP_CONSERVATION, 0, v->conserve));
    w->conserve = v->conserve;
    threshold(&l, TRAP_MEMORY, v->memory, s->memory_threshold, &w->memory_since_ms, &w->memory_told);
    threshold(&l, TRAP_CPU, v->cpu, s->cpu_threshold, &w->cpu_since_ms, &w->cpu_told);
    sensors(&l, TRAP_TEMPERATURE, v->temperatures, v->n_temperatures, &w->hot_told_ms);
    sensors(&l, TRAP_FAN, v->fans, v->n_fans, &w->fan_told_ms);
    raids(&l, w, v);
}
