/* Operator verbs that a scan worker answers: learning, state of the engines. Asked by control. */
#ifndef SCAN_VERBS_H
#define SCAN_VERBS_H

#include "scan/world.h"

void scan_verbs_begin(struct scan_world *w);

#endif
