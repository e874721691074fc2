/* Held mail that outbreak filters look at again when rules have changed: the bus rows outbreak_question, outbreak_answer. */
#ifndef SCAN_OUTBREAK_AGAIN_H
#define SCAN_OUTBREAK_AGAIN_H

#include "scan/world.h"

void outbreak_again_begin(struct scan_world *w);

#endif
