/* When a log rolls over besides its size: setting log.rollover. */
#ifndef CONF_SCHEDULE_H
#define CONF_SCHEDULE_H

#include "base/err.h"

enum schedule_kind { SCHEDULE_NONE, SCHEDULE_EVERY, SCHEDULE_DAILY, SCHEDULE_WEEKLY };

struct schedule {
    enum schedule_kind kind;
    uint64_t every_s;
    int weekday, hour, minute; /* local time; weekday 0 = Sunday */
};

/* `none`, `2h30m`, `daily 03:00`, `weekly mon 03:00`. RC_INVALID names what is wrong. */
enum rc schedule_parse(struct str text, struct schedule *out, struct err *e);
/* First moment after start_s (seconds UTC) at which a file begun then rolls over; UINT64_MAX = never. */
uint64_t schedule_due(const struct schedule *s, uint64_t start_s);

#endif
