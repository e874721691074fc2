/*
 * Counters, rates and gauges as text: the Status line (logs.md 9) and the verb `status [detail]` (cli.md 7.1).
 */
#ifndef RECORD_STATUS_H
#define RECORD_STATUS_H

#include "base/board.h"
#include "record/counters.h"
#include "record/machine.h"

struct status_view {
    const struct counters *counters;
    const struct board *board; /* may be NULL: gauges and numbers are 0 */
    const struct machine_load *machine;
    uint64_t wall_ms, mono_ms, born_ms;
    bool modern;           /* dialect: SwapUsage is written */
    struct strs suspended; /* listeners that the settings suspend */
};

/* What follows "Status: ", in exactly the order of logs.md. */
void status_line(const struct status_view *v, struct buf *out);
void status_text(const struct status_view *v, bool detail, struct buf *out);
/* {"counters":{...},"rates":{...},"gauges":{...}, ...} with the names of cli.md 7.1. */
void status_json(const struct status_view *v, struct buf *out);

#endif
