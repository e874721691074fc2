/* Lines of list-exports (central.md 4): what a gateway says it has, and had. */
#ifndef CENTRAL_LISTING_H
#define CENTRAL_LISTING_H

#include "base/err.h"

struct listed {
    uint64_t epoch, seq;
    uint64_t seqs; /* so many, from seq on: more than 1 only of lost ones */
    uint64_t bytes;
    unsigned char digest[32];
    bool lost;
};

/* One line. RC_INVALID: it is none. What a line says beyond this is record's. */
enum rc listing_line(struct str line, struct listed *out, struct err *e);
void listing_hex(const unsigned char digest[32], char out[65]);

#endif
