/*
 * `findevent` (cli.md 8, logs.md 14): messages of a mail log by sender, recipient or subject, and all lines of one message.
 * Blocking; for a session's process. Memory does not grow with the log.
 */
#ifndef CONSOLE_LOG_FINDEVENT_H
#define CONSOLE_LOG_FINDEVENT_H

#include "console/log_files.h"

enum findevent_kind { FINDEVENT_FROM, FINDEVENT_SUBJECT, FINDEVENT_TO };
enum { FINDEVENT_MOST = 200000, FINDEVENT_MIDS_MOST = 4096 };

/* `MID n ({ctime}) {value}` for each line whose value matches the pattern, in MID order. Messages made by the machine itself
 * (ICID 0) are left out. RC_LIMIT: more than FINDEVENT_MOST; the first of them were shown. */
enum rc log_findevent(const char *home, struct str name, enum findevent_kind kind, struct str pattern, bool ignore_case,
                      const struct log_out *out, struct err *e);
/* All lines of message `mid` and of those it became (split, rewritten, generated, bounced), with the lines of their
 * connections. RC_LIMIT: it became more than FINDEVENT_MIDS_MOST, the rest was left out. */
enum rc log_findevent_mid(const char *home, struct str name, uint64_t mid, const struct log_out *out, struct err *e);

#endif
