/* What is known of one gateway (contact.c). Not for other rooms. */
#ifndef CENTRAL_CONTACT_H
#define CENTRAL_CONTACT_H

#include "central/inside.h"

enum contact_state { CONTACT_NEVER, CONTACT_UP, CONTACT_DOWN, CONTACT_REFUSED };
struct contact {
    struct contact *next;
    struct central *central;
    char *name;
    enum contact_state state;
    uint64_t since_ms; /* wall clock: of the state */
    uint64_t heard_ms; /* last answer */
    uint64_t bytes;
    bool via_link, told_away, told_clock;
    char error[ERR_TEXT_MAX];
    struct greeting hello;
    struct {
        uint64_t last_ms, segments, bytes;
    } service[CONTACT_SERVICES];
    struct loop_timer away;
};

/* NULL: nothing yet. */
const struct contact *contact_find(const struct central *c, struct str appliance);

#endif
