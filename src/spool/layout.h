/*
 * How segments lie on disk (design-notes C1-C4). Only spool/ includes this.
 *
 * Page 0 is the header page; groups of records begin on later pages. A record: 64-byte header, envelope, inline body, zeros
 * to the next 64 octets. Within a group records follow one another (`more` set on all but the last). Every record carries
 * the segment's salt, 64 random bits of this life of the file: what a peer puts into a body can therefore never pass for a
 * record while recovery looks for readable ones after a damage.
 */
#ifndef SPOOL_LAYOUT_H
#define SPOOL_LAYOUT_H

#include "base/err.h"
#include "spool/spool.h"

enum { PAGE = 4096, RECORD_HEADER = 64, RECORD_ALIGN = 64, ENVELOPE_MAX = 1 << 20 };
enum { RECORD_MESSAGE = 1, RECORD_BIG = 2, RECORD_VOID = 3 };
enum { SEGMENT_IN_USE = 1, SEGMENT_FREE = 2 };

/* All integers little endian. */
struct record_header {
    uint32_t magic;
    uint8_t kind, more;
    uint16_t flags;
    uint64_t segment, generation, mid, salt;
    uint32_t envelope_bytes;
    uint32_t body_crc;
    uint64_t body_bytes;
    uint32_t synced_to; /* everything of this life below this offset was synced when the record was written */
    uint32_t crc;       /* of the 60 octets before and the envelope */
};
_Static_assert(sizeof(struct record_header) == RECORD_HEADER, "record header");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "coded as the processor has it");

struct segment_header {
    uint32_t magic, state;
    uint64_t segment, generation, owner, size, salt;
    uint32_t reserved, crc;
};
_Static_assert(sizeof(struct segment_header) == 56, "segment header");

static inline uint64_t layout_round(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* Fills magic and CRC; `envelope` is what will lie behind the header. */
void layout_seal_record(struct record_header *h, struct str envelope);
/* Magic and sizes fit (the CRC is not looked at): kind, envelope and inline body have possible lengths. */
bool layout_record_plausible(const struct record_header *h);
bool layout_record_fits(const struct record_header *h, struct str envelope);
/* Octets from the header to the next record of the group. */
uint64_t layout_record_bytes(const struct record_header *h);
void layout_head(const struct record_header *h, uint64_t offset, struct spool_head *out);

void layout_seal_segment(struct segment_header *h);
bool layout_segment_fits(const struct segment_header *h, uint64_t segment);

/* What a void record says, in place of an envelope. */
enum { VOID_BYTES = 32 };
void layout_void_encode(const struct spool_void *v, unsigned char out[VOID_BYTES]);
bool layout_void_decode(struct str envelope, struct spool_void *out);

enum { SPOOL_PATH = 4096 };
void layout_segment_path(char out[SPOOL_PATH], const char *dir, uint64_t segment);
void layout_big_path(char out[SPOOL_PATH], const char *dir, uint64_t mid);

#endif
