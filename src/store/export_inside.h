/* What export_index.c and export_evict.c share. Nothing outside the room includes this. */
#ifndef STORE_EXPORT_INSIDE_H
#define STORE_EXPORT_INSIDE_H

#include "db/sql.h"
#include "store/export_index.h"

#include <pthread.h>

enum export_statement {
    EX_ADD,
    EX_LIST,
    EX_LIST_LOST,
    EX_DIGEST,
    EX_MARK,
    EX_MANAGER,
    EX_MANAGER_ADD,
    EX_KNOWN,
    EX_IS_LOST,
    EX_OLDEST,
    EX_OLDEST_DONE,
    EX_REMOVE,
    EX_RUN,
    EX_RUN_GROW,
    EX_RUN_ADD,
    EX_RUN_OLD,
    EX_BYTES,
    EX_EPOCH,
    EX_FIRST,
    EX_LAST,
    EX_TOTALS,
    EX_WAITING,
    EX_ACKED,
    EX_NEXT,
    EX_STATEMENTS
};

struct export_index {
    char dir[400];
    struct sql sql;
    pthread_mutex_t lock;
    uint64_t bytes;
};

/* Bit of a manager in the column `acks`; 0: not known (and not to be added). */
uint64_t export_manager(struct export_index *x, struct str serial, bool add);
uint64_t export_managers(struct export_index *x, const struct str *serials, size_t n);

#endif
