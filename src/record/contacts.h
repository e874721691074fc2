/*
 * Which gateways a manager has no contact with, as role central tells (bus gateway_contact): said beside the data there is
 * of them (central.md 5, data availability).
 */
#ifndef RECORD_CONTACTS_H
#define RECORD_CONTACTS_H

#include "bus/bus.h"
#include "store/segment.h"

enum { CONTACTS_MOST = 1000 };

struct contacts {
    size_t n;
    struct contact_told {
        char serial[SEGMENT_SERIAL];
        bool away;
        uint64_t heard_ms; /* 0 = not known */
    } * items;
};

void contacts_begin(struct contacts *c, struct bus *bus);
void contacts_done(struct contacts *c);
/* NULL: central has told nothing of it. */
const struct contact_told *contacts_find(const struct contacts *c, struct str serial);

#endif
