/* Role `clock`: chronyd as a supervised child: asks servers, sets the clock, may answer neighbours (FW-15). */
#ifndef CLOCK_ROOM_CLOCK_H
#define CLOCK_ROOM_CLOCK_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"

struct clock;

struct clock_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    const char *home;
};

/* Starts chronyd with the settings of now and follows their changes. Fails when HOME/clock cannot be written. */
enum rc clock_new(const struct clock_options *o, struct clock **out, struct err *e);
/* Ends chronyd; stopped(ctx) once it is gone. */
void clock_stop(struct clock *k, void (*stopped)(void *ctx), void *ctx);

#endif
