/* What the files of the room share. Nothing outside src/central includes this. */
#ifndef CENTRAL_INSIDE_H
#define CENTRAL_INSIDE_H

#include "central/central.h"

struct central {
    struct central_options o;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct loop_timer stopping;
};

#endif
