/* Ranges of time of reports: hour day week month year 7d 30d 90d yesterday lastmonth, or FROM..TO. */
#ifndef RECORD_REPORT_RANGE_H
#define RECORD_REPORT_RANGE_H

#include "base/str.h"

/* From and to as milliseconds UTC, on quarters of an hour; `to` is exclusive and covers the open quarter. FROM and TO are
 * YYYY-MM-DD, YYYY-MM-DDThh:mm (GMT) or seconds since 1970; an empty TO is now. */
bool report_range(struct str word, uint64_t now_ms, uint64_t *from_out, uint64_t *to_out);

#endif
