/*
 * A line of a log file as a line of BSD syslog (logs.md 10).
 */
#ifndef PUSH_LINE_H
#define PUSH_LINE_H

#include "base/buf.h"

enum { SYSLOG_LINE_MAX = 8192 };

struct syslog_header {
    uint64_t facility; /* 0..23 */
    struct str host;   /* empty: not in the header */
    struct str tag;
};

/* "Sat Nov 21 10:00:06 2026 Info: text" becomes "<166>Nov 21 10:00:06 host tag: Info: text\n", at most SYSLOG_LINE_MAX
 * octets with the \n. CEF lines ("date: CEF:...") have no level there and get none here. False, nothing added: a line that
 * frames a file (Begin Logfile, Version, Time offset, End Logfile), which means nothing outside of it, or an empty one. */
bool syslog_line(const struct syslog_header *h, struct str line, struct buf *out);

#endif
