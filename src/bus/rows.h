/* The tables behind the bus as data: what roles are called, and what each message type is and who may send it to whom.
 * Free of loop and sockets, so that master (which speaks no bus) can use it to decide which processes to join. */
#ifndef BUS_ROWS_H
#define BUS_ROWS_H

#include "bus/bus.h"

struct bus_row {
    const char *name;
    const char *send_point, *take_point; /* places of POSTERN_FAULT (base/io.h): bus.send.NAME, bus.take.NAME */
    enum role from, to;                  /* ROLE_any = every role */
    const struct field *fields;
};

/* NULL when there is no such type (BUS_NONE included). */
const struct bus_row *bus_row(unsigned type);
/* May a message of this row go from one role to the other? */
bool bus_row_permits(const struct bus_row *row, enum role from, enum role to);
/* Does any row join the two, in either direction? Pairs of the same role never are. */
bool bus_joined(enum role a, enum role b);

struct role_row {
    const char *name;
    unsigned least, most; /* processes */
    unsigned processors;  /* one process for so many, 0 = one in all */
    unsigned restart_ms;  /* wait before the first restart */
    const char *help;
};
const struct role_row *role_row(enum role r);
/* ROLE_COUNT when unknown. */
enum role role_by_name(const char *name);

#endif
