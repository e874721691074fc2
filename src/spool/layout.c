/*
 * Seals and checks the headers of segments and records. See layout.h.
 *
 * Called by the writer (group.c, segment.c), the reader and the scan. Owns nothing; checks say false, they never fail.
 */
#include "spool/layout.h"

#include "base/crc32c.h"

#include <stddef.h>
#include <stdio.h>

static const uint32_t RECORD_MAGIC = 0x63525350u;  /* "PSRc" */
static const uint32_t SEGMENT_MAGIC = 0x67535350u; /* "PSSg" */

static uint32_t record_crc(const struct record_header *h, struct str envelope)
{
    return crc32c(crc32c(0, str_of(h, offsetof(struct record_header, crc))), envelope);
}

void layout_seal_record(struct record_header *h, struct str envelope)
{
    h->magic = RECORD_MAGIC;
    h->crc = record_crc(h, envelope);
}

bool layout_record_plausible(const struct record_header *h)
{
    return h->magic == RECORD_MAGIC && h->kind >= RECORD_MESSAGE && h->kind <= RECORD_VOID &&
           h->envelope_bytes <= ENVELOPE_MAX && (h->kind == RECORD_BIG || h->body_bytes <= SPOOL_INLINE_MAX);
}

bool layout_record_fits(const struct record_header *h, struct str envelope)
{
    return h->crc == record_crc(h, envelope);
}

uint64_t layout_record_bytes(const struct record_header *h)
{
    return layout_round(RECORD_HEADER + h->envelope_bytes + (h->kind == RECORD_BIG ? 0 : h->body_bytes), RECORD_ALIGN);
}

void layout_head(const struct record_header *h, uint64_t offset, struct spool_head *out)
{
    *out = (struct spool_head){
        .ref = {h->segment, h->generation, offset},
        .mid = h->mid,
        .flags = h->flags,
        .envelope_bytes = h->envelope_bytes,
        .body_bytes = h->body_bytes,
        .record_bytes = layout_record_bytes(h),
        .body_crc = h->body_crc,
        .big = h->kind == RECORD_BIG,
    };
}

void layout_seal_segment(struct segment_header *h)
{
    h->magic = SEGMENT_MAGIC;
    h->crc = crc32c(0, str_of(h, offsetof(struct segment_header, crc)));
}

bool layout_segment_fits(const struct segment_header *h, uint64_t segment)
{
    return h->magic == SEGMENT_MAGIC && h->segment == segment &&
           h->crc == crc32c(0, str_of(h, offsetof(struct segment_header, crc)));
}

void layout_void_encode(const struct spool_void *v, unsigned char out[VOID_BYTES])
{
    memcpy(out, v, VOID_BYTES);
}

bool layout_void_decode(struct str envelope, struct spool_void *out)
{
    _Static_assert(sizeof *out == VOID_BYTES, "void record");
    if (envelope.n != VOID_BYTES)
        return false;
    memcpy(out, envelope.p, VOID_BYTES);
    return true;
}

void layout_segment_path(char out[SPOOL_PATH], const char *dir, uint64_t segment)
{
    snprintf(out, SPOOL_PATH, "%s/seg/%08llu", dir, (unsigned long long)segment);
}

void layout_big_path(char out[SPOOL_PATH], const char *dir, uint64_t mid)
{
    snprintf(out, SPOOL_PATH, "%s/big/%llu", dir, (unsigned long long)mid);
}
