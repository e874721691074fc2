/* What reporting*.c and ledger*.c share. Nothing outside the room includes this. */
#ifndef STORE_REPORTING_INSIDE_H
#define STORE_REPORTING_INSIDE_H

#include "db/sql.h"
#include "store/ledger.h"

#include <pthread.h>

enum reporting_statement {
    RP_APPLIANCE,
    RP_APPLIANCE_ADD,
    RP_APPLIANCES,
    RP_MARK,
    RP_MARK_SET,
    RP_GET,
    RP_PUT,
    RP_SLOT,
    RP_QUERY,
    RP_OLD,
    RP_OLD_REMOVE,
    RP_OLDEST,
    RP_FORGET,
    RP_PAGES,
    LG_LEFT,
    LG_RIGHT,
    LG_PUT,
    LG_REMOVE,
    LG_RUNS,
    LG_PAUSE_ADD,
    LG_PAUSES,
    LG_LISTED_PUT,
    LG_LISTED_TRIM,
    LG_LISTED,
    LG_LISTED_IMPORTED,
    LG_DIGEST,
    LG_SPAN,
    RP_STATEMENTS
};

/* How coarse a stored row is. */
enum figure_level { LEVEL_QUARTER, LEVEL_HOUR, LEVEL_DAY, LEVEL_MONTH, FIGURE_LEVELS };

struct reporting {
    struct sql sql;
    pthread_mutex_t lock;
};

/* Number of an appliance in the tables; inside a transaction when it may be new. 0: unknown. */
uint64_t reporting_appliance(struct reporting *r, struct str serial, bool add);
/* Adds to the stored row, inside a transaction. */
void reporting_put(struct reporting *r, uint64_t appliance, enum figure_level level, const struct figure *f);
/* Adds the amounts of a stored blob to those of f. */
void figure_add_blob(struct figure *f, struct str blob);
/* As ledger_add(), inside a transaction. */
enum rc ledger_note(struct reporting *r, const struct segment_header *h, struct err *e);

#endif
