/*
 * What a quarantine adds to mail that the program lets out early: text around the subject, a header (central.md 9).
 *
 * Called by leave.c with the member `edits` of a release. Owns nothing: reads the header section and leaves the rest to
 * mail/released.h.
 */
#include "base/io.h"
#include "mail/released.h"
#include "quarantine/inside.h"

struct str early_edits(struct arena *a, int fd, uint64_t offset, uint64_t body_bytes, const struct json *edits)
{
    size_t n = body_bytes < RELEASED_HEAD ? (size_t)body_bytes : RELEASED_HEAD;
    char *octets = edits ? arena_alloc(a, n + 1) : NULL;

    if (!octets || io_pread(fd, octets, n, offset, NULL) != RC_OK)
        return STR_NONE;
    return released_edits(a, str_of(octets, n), edits);
}
