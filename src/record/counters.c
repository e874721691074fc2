/*
 * Folds events into counters. See counters.h.
 *
 * Called by record.c for each event. Owns the rules compiled from spec/events.def, the sums and the rate buckets. A rule
 * that cannot be compiled is our own mistake and ends the process at start (a test compiles them all).
 */
#include "record/counters.h"

#include "base/must.h"

#include <stdlib.h>

enum rule_kind { ADD_ONE, ADD_NUMBER, ADD_LIST, RESET };

struct rule {
    uint8_t kind, counter;
    uint16_t field;          /* what ADD_NUMBER and ADD_LIST add */
    bool conditional, equal; /* only when `condition` is not 0, or is `wanted` */
    uint16_t condition;
    uint64_t wanted;
};

struct counters {
    struct rule *rules;
    size_t n_rules;
    struct {
        uint16_t first, n;
    } by_type[EVENT_TYPE_COUNT];
    uint64_t sums[COUNTERS_SETS][COUNTER_COUNT];
    uint64_t reset_ms;
    int8_t rate_of[COUNTER_COUNT];
    uint64_t second; /* newest bucket */
    uint32_t buckets[RATE_SECONDS][RATE_COUNT];
};

static const struct counter_info infos[] = {
#define COUNTER(name, key, xml, label) {#name, key, xml, label},
#include "spec/counters.def"
#undef COUNTER
};

const enum counter counters_rates[RATE_COUNT] = {COUNTER_inj_msgs, COUNTER_inj_rcps,     COUNTER_soft_bounces,
                                                 COUNTER_cmp_rcps, COUNTER_hard_bounces, COUNTER_dlv_rcps};

const struct counter_info *counter_info(enum counter c)
{
    return &infos[c];
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static bool find_counter(struct str name, uint8_t *out)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        if (str_eq(name, str_c(infos[i].name))) {
            *out = (uint8_t)i;
            return true;
        }
    return false;
}

static bool find_field(const struct event_info *row, struct str name, uint16_t *offset_out, enum field_type *type_out)
{
    size_t offset = 0;

    for (const struct field *f = row->fields; f->type != FIELD_END; f++) {
        if (str_eq(name, str_c(f->name))) {
            *offset_out = (uint16_t)offset;
            *type_out = f->type;
            return true;
        }
        offset += f->type == FIELD_U64 ? sizeof(uint64_t) : sizeof(struct str);
    }
    return false;
}

/* counter[:field][?field[=n]] */
static bool compile(const struct event_info *row, struct str word, struct rule *out)
{
    struct str condition = str_from(word, str_find(word, '?') + 1), amount, wanted;
    enum field_type type = FIELD_U64;
    struct rule r = {.kind = ADD_ONE};

    word = str_first(word, str_find(word, '?'));
    amount = str_from(word, str_find(word, ':') + 1);
    word = str_first(word, str_find(word, ':'));
    if (str_eq(word, str_lit("reset")))
        r.kind = RESET;
    else if (!find_counter(word, &r.counter))
        return false;
    if (amount.n) {
        if (!find_field(row, amount, &r.field, &type))
            return false;
        r.kind = type == FIELD_U64 ? ADD_NUMBER : ADD_LIST;
    }
    if (condition.n) {
        wanted = str_from(condition, str_find(condition, '=') + 1);
        r.conditional = true;
        r.equal = wanted.n > 0;
        if ((wanted.n && !str_u64(wanted, &r.wanted)) ||
            !find_field(row, str_first(condition, str_find(condition, '=')), &r.condition, &type) || type != FIELD_U64)
            return false;
    }
    *out = r;
    return true;
}

enum rc counters_check(const struct event_info *row, struct err *e)
{
    struct str rest = str_c(row->counts), word;
    struct rule r;

    while (str_word(&rest, &word))
        if (!compile(row, word, &r))
            return err_set(e, RC_SYNTAX, "counts of event %s: %.*s", row->name, STR(word));
    return RC_OK;
}

static void add_rules(struct counters *c, unsigned type)
{
    const struct event_info *row = event_info(type);
    struct str rest = str_c(row->counts), word;

    c->by_type[type].first = (uint16_t)c->n_rules;
    while (str_word(&rest, &word)) {
        c->rules = realloc(c->rules, (c->n_rules + 1) * sizeof *c->rules);
        must(c->rules && compile(row, word, &c->rules[c->n_rules]));
        c->n_rules++;
        c->by_type[type].n++;
    }
}

struct counters *counters_new(void)
{
    struct counters *c = calloc(1, sizeof *c);

    must(c);
    for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++)
        add_rules(c, type);
    memset(c->rate_of, -1, sizeof c->rate_of);
    for (unsigned i = 0; i < RATE_COUNT; i++)
        c->rate_of[counters_rates[i]] = (int8_t)i;
    return c;
}

void counters_free(struct counters *c)
{
    if (c)
        free(c->rules);
    free(c);
}

/* --- folding ------------------------------------------------------------------------------------------------------ */

static void move_to_second(struct counters *c, uint64_t second)
{
    if (second < c->second)
        return;
    if (second - c->second >= RATE_SECONDS)
        memset(c->buckets, 0, sizeof c->buckets);
    else
        while (c->second < second)
            memset(c->buckets[++c->second % RATE_SECONDS], 0, sizeof c->buckets[0]);
    c->second = second;
}

static uint64_t list_length(struct str varints)
{
    uint64_t n = 0;

    for (size_t i = 0; i < varints.n; i++) /* the last octet of each varint has no high bit */
        n += !((unsigned char)varints.p[i] & 0x80);
    return n;
}

static uint64_t number_at(const struct event_record *ev, uint16_t field)
{
    return *(const uint64_t *)(const void *)(ev->fields + field);
}

static uint64_t amount_of(const struct rule *r, const struct event_record *ev)
{
    if (r->kind == ADD_NUMBER)
        return number_at(ev, r->field);
    return r->kind == ADD_LIST ? list_length(*(const struct str *)(const void *)(ev->fields + r->field)) : 1;
}

void counters_apply(struct counters *c, const struct event_record *ev, uint64_t mono_ms)
{
    const struct rule *r = c->rules + c->by_type[ev->type].first, *end = r + c->by_type[ev->type].n;

    for (; r < end; r++) {
        uint64_t v = r->conditional ? number_at(ev, r->condition) : 1;

        if (r->equal ? v != r->wanted : !v)
            continue;
        if (r->kind == RESET) {
            memset(c->sums[COUNTERS_RESET], 0, sizeof c->sums[COUNTERS_RESET]);
            c->reset_ms = ev->wall_ms;
            continue;
        }
        v = amount_of(r, ev);
        for (unsigned set = 0; set < COUNTERS_SETS; set++)
            c->sums[set][r->counter] += v;
        if (c->rate_of[r->counter] >= 0) {
            move_to_second(c, mono_ms / 1000);
            c->buckets[c->second % RATE_SECONDS][c->rate_of[r->counter]] += (uint32_t)v;
        }
    }
}

uint64_t counters_get(const struct counters *c, enum counters_set set, enum counter which)
{
    return c->sums[set][which];
}

uint64_t counters_reset_ms(const struct counters *c)
{
    return c->reset_ms;
}

uint64_t counters_rate(const struct counters *c, unsigned rate, unsigned seconds, uint64_t mono_ms)
{
    uint64_t now = mono_ms / 1000, sum = 0;

    for (uint64_t back = 0; back < seconds && back < RATE_SECONDS && back <= now; back++) {
        uint64_t second = now - back;

        if (second <= c->second && c->second - second < RATE_SECONDS)
            sum += c->buckets[second % RATE_SECONDS][rate];
    }
    return sum * 3600 / seconds;
}

void counters_begin_uptime(struct counters *c)
{
    memset(c->sums[COUNTERS_UPTIME], 0, sizeof c->sums[COUNTERS_UPTIME]);
}

void counters_save(const struct counters *c, struct buf *out)
{
    buf_put_varint(out, c->reset_ms);
    buf_put_varint(out, COUNTER_COUNT);
    for (unsigned set = 0; set < COUNTERS_SETS; set++)
        for (unsigned i = 0; i < COUNTER_COUNT; i++)
            buf_put_varint(out, c->sums[set][i]);
}

bool counters_restore(struct counters *c, struct str *in)
{
    uint64_t n, v;

    if (!get_varint(in, &c->reset_ms) || !get_varint(in, &n))
        return false;
    for (unsigned set = 0; set < COUNTERS_SETS; set++)
        for (uint64_t i = 0; i < n; i++) {
            if (!get_varint(in, &v))
                return false;
            if (i < COUNTER_COUNT)
                c->sums[set][i] = v;
        }
    return true;
}
