/*
 * A message as it goes out: the stored body with edits applied while it is read (design: a message is immutable, what the
 * pipeline changes is a list of edits). Everyone who shows, counts, signs or sends a message reads it through this.
 */
#ifndef SPOOL_ROPE_H
#define SPOOL_ROPE_H

#include "mail/edits.h"
#include "spool/spool.h"

struct rope {
    struct spool_reader *reader;
    struct spool_head head;
    struct edits edits;
    size_t edit; /* the next or current one */
    uint64_t at; /* in the original */
    size_t in;   /* octets of the current replacement that are out */
    uint32_t crc;
};

/* The head and the edits' octets must stay valid; nothing to free. */
void rope_init(struct rope *r, struct spool_reader *reader, const struct spool_head *head, struct edits edits);
/* Octets after all edits. */
uint64_t rope_bytes(const struct rope *r);
/* Up to n further octets into out; *got = 0 is the end. The whole original passes the CRC, the replaced parts too:
 * RC_CORRUPT instead of the end when it does not fit (C6: then no final dot may be sent). */
enum rc rope_read(struct rope *r, void *out, size_t n, size_t *got, struct err *e);

#endif
