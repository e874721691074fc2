/*
 * Sums of figures in memory. See figures_sums.h.
 *
 * Called by figures_fold.c and figures.c. Owns its rows; a row has only the counters it needs.
 */
#include "record/figures_sums.h"

#include "base/must.h"

#include <stdlib.h>

enum { PARTS = 20 };

struct figure_row {
    uint64_t slot_ms;
    uint16_t report, n_key;
    uint8_t n;
    struct {
        uint16_t counter;
        uint64_t amount;
    } parts[PARTS];
    char key[];
};

static uint64_t hash_of(unsigned report, uint64_t slot_ms, struct str key)
{
    return str_hash_seed(key, slot_ms / SLOT_MS * 64 + report);
}

static void place(struct figure_sums *s, size_t row)
{
    const struct figure_row *r = s->rows[row];
    size_t at = hash_of(r->report, r->slot_ms, str_of(r->key, r->n_key)) % (s->cap * 2);

    while (s->places[at])
        at = (at + 1) % (s->cap * 2);
    s->places[at] = (uint32_t)row + 1;
}

static void grow(struct figure_sums *s)
{
    s->cap = s->cap ? s->cap * 2 : 64;
    must((s->rows = realloc(s->rows, s->cap * sizeof(void *))));
    free(s->places);
    must((s->places = calloc(s->cap * 2, sizeof *s->places)));
    for (size_t i = 0; i < s->n; i++)
        place(s, i);
}

static struct figure_row *row_of(struct figure_sums *s, enum report report, uint64_t slot_ms, struct str key)
{
    struct figure_row *r;

    if (s->cap)
        for (size_t at = hash_of(report, slot_ms, key) % (s->cap * 2); s->places[at]; at = (at + 1) % (s->cap * 2)) {
            r = s->rows[s->places[at] - 1];
            if (r->report == report && r->slot_ms == slot_ms && str_eq(key, str_of(r->key, r->n_key)))
                return r;
        }
    if (s->n == s->cap)
        grow(s);
    must((r = calloc(1, sizeof *r + key.n)));
    r->report = (uint16_t)report;
    r->slot_ms = slot_ms;
    r->n_key = (uint16_t)key.n;
    if (key.n)
        memcpy(r->key, key.p, key.n);
    s->rows[s->n] = r;
    place(s, s->n++);
    return r;
}

static void add_part(struct figure_row *r, uint16_t counter, uint64_t amount)
{
    for (unsigned i = 0; i < r->n; i++)
        if (r->parts[i].counter == counter) {
            r->parts[i].amount += amount;
            return;
        }
    must(r->n < PARTS); /* no report counts more (a test knows) */
    r->parts[r->n].counter = counter;
    r->parts[r->n++].amount = amount;
}

void sums_add(struct figure_sums *s, enum report report, uint64_t slot_ms, struct str key, enum report_counter counter,
              uint64_t amount)
{
    if (!amount)
        return;
    if (s->n >= SUMS_MOST && key.n) { /* reports without a key always fit */
        report = REPORT_mail_system_capacity;
        key = STR_NONE;
        counter = FIGURE_left_out;
    }
    add_part(row_of(s, report, slot_ms, str_first(key, FIGURE_KEY_MOST)), (uint16_t)counter, amount);
}

void sums_clear(struct figure_sums *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->rows[i]);
    free(s->rows);
    free(s->places);
    *s = (struct figure_sums){0};
}

bool sums_next(void *ctx, struct figure *out)
{
    struct figure_sums *s = ctx;
    const struct figure_row *r;

    if (s->at >= s->n)
        return false;
    r = s->rows[s->at++];
    *out =
        (struct figure){.report = (enum report)r->report, .slot_ms = r->slot_ms, .key = str_of(r->key, r->n_key), .n = r->n};
    for (unsigned i = 0; i < r->n; i++) {
        out->parts[i].counter = (enum report_counter)r->parts[i].counter;
        out->parts[i].amount = r->parts[i].amount;
    }
    return true;
}

void sums_save(const struct figure_sums *s, struct buf *out)
{
    buf_put_varint(out, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct figure_row *r = s->rows[i];

        buf_put_str(out, str_c(report_info((enum report)r->report)->name));
        buf_put_varint(out, r->slot_ms);
        buf_put_str(out, str_of(r->key, r->n_key));
        buf_put_varint(out, r->n);
        for (unsigned k = 0; k < r->n; k++) {
            buf_put_varint(out, r->parts[k].counter);
            buf_put_varint(out, r->parts[k].amount);
        }
    }
}

bool sums_restore(struct figure_sums *s, struct str *in)
{
    uint64_t rows, slot_ms, parts, counter, amount;
    struct str name, key;

    if (!get_varint(in, &rows))
        return false;
    while (rows--) {
        enum report report;
        bool known;

        if (!get_str(in, &name) || !get_varint(in, &slot_ms) || !get_str(in, &key) || !get_varint(in, &parts))
            return false;
        known = report_named(name, &report);
        while (parts--) {
            if (!get_varint(in, &counter) || !get_varint(in, &amount))
                return false;
            if (known && counter < FIGURES)
                sums_add(s, report, slot_ms, key, (enum report_counter)counter, amount);
        }
    }
    return true;
}
