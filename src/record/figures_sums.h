/* Sums of figures in memory, by report, quarter and key: bounded; what does not fit is counted as left out. */
#ifndef RECORD_FIGURES_SUMS_H
#define RECORD_FIGURES_SUMS_H

#include "store/reporting.h"

struct figure_row;

enum { SUMS_MOST = 50000 };

struct figure_sums {
    struct figure_row **rows;
    size_t n, cap;
    uint32_t *places; /* row + 1 by hash; cap * 2 of them */
    size_t at;        /* for sums_next() */
};

void sums_add(struct figure_sums *s, enum report report, uint64_t slot_ms, struct str key, enum report_counter counter,
              uint64_t amount);
void sums_clear(struct figure_sums *s);
/* figure_next of reporting_add(); begin with s->at = 0. */
bool sums_next(void *s, struct figure *out);
void sums_save(const struct figure_sums *s, struct buf *out);
bool sums_restore(struct figure_sums *s, struct str *in);

#endif
