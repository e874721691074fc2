/*
 * Names of subscriptions and of their files (logs.md 13), for all that write, read or carry them.
 *
 * HOME/log/NAME/STEM.current is the open file, HOME/log/NAME/STEM.@YYYYMMDDThhmmss.s a saved one. Pure functions.
 */
#ifndef EVENT_LOG_NAME_H
#define EVENT_LOG_NAME_H

#include "base/str.h"

enum { LOG_NAME_MAX = 64, LOG_STEM_MAX = 112 }; /* with the NUL */

/* Choices of log.retrieval, in the order of spec/settings/log.def. */
enum log_retrieval { LOG_RETRIEVAL_MANUAL, LOG_RETRIEVAL_FTP, LOG_RETRIEVAL_SCP, LOG_RETRIEVAL_SYSLOG };

/* Letters, digits, `_`, `-`, `.` but not first, shorter than LOG_NAME_MAX: fit to be a directory and a file name. */
bool log_name_safe(struct str name);
/* The stem: setting `file` when it is safe, else mail_logs -> mail, bounces -> bounces.text, others without _logs. */
void log_stem(struct str name, struct str file, char out[LOG_STEM_MAX]);
/* Is this the name of a saved file, STEM.@YYYYMMDDThhmmss.s? `time_out`: the part between @ and .s; may be NULL. */
bool log_saved_name(struct str file, struct str *time_out);

#endif
