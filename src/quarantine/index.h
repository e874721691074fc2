/*
 * The index of held mail: what lists, searches and clocks need, in SQLite (index.db). Rows of statements: index.def.
 *
 *   message   one held message and where its record lies        words   its texts, by trigrams
 *   hold      a message in a quarantine (class pvo)             entry   a message for a recipient (class spam)
 *   key       numbers that were taken, 90 days longer           leave   releases that queue has not taken yet
 *   outbreak_left   what gateways have yet to hear of (XCPQ DROP)
 */
#ifndef QUARANTINE_INDEX_H
#define QUARANTINE_INDEX_H

#include "db/sql.h"

enum statement {
#define STATEMENT(name, text) Q_##name,
#include "quarantine/index.def"
#undef STATEMENT
    Q_COUNT
};

/* Opens DIR/index.db. RC_CORRUPT: set it aside and open again, then everything is read from the segments. */
enum rc index_open(struct sql *s, const char *dir, struct err *e);

#endif
