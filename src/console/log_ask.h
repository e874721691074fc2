/* Questions about one log subscription (logconfig NEW and EDIT, logs.md 13). */
#ifndef CONSOLE_LOG_ASK_H
#define CONSOLE_LOG_ASK_H

#include "console/ops.h"

/* "Manual Download" ... of log.retrieval. */
const char *log_ask_retrieval(uint64_t retrieval);
/* Titles of all types, numbered as in spec/log_types.def; in the arena. */
struct strs log_ask_titles(struct session *s);
/* The type by number, word or title; false when there is none. */
bool log_ask_type_find(struct session *s, struct str text, uint64_t *out);
/* Sets one of the choices of an ENUM row by its index. */
bool log_ask_put_choice(struct session *s, struct str name, const char *field, size_t choice);
/* "Log level:" */
void log_ask_level(struct session *s, struct str name);
/* Level, retrieval and what it needs, files, and every other row of the section. */
void log_ask(struct session *s, struct str name);

#endif
