/* What the two files of connectivity share. */
#ifndef CONSOLE_CONNECTIVITY_H
#define CONSOLE_CONNECTIVITY_H

#include "console/probe.h"

struct connectivity {
    struct session *s;
    struct buf *json, *services; /* NULL: lines are said; else objects, with commas between them */
    size_t failed;
    bool names_fail; /* probe_run */
};

/* One line for each central service and partner: works or not, who opens which port, why not. */
void connectivity_services(struct connectivity *c);

#endif
