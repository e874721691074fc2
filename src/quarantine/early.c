/*
 * What a quarantine adds to mail that the program lets out early: text around the subject, a header (central.md 9).
 *
 * Called by decide.c, which writes the member `edits` of a release, and by leave.c, which has it made into edits of the
 * message (mail/released.h). Owns nothing. Attachments are taken out by scan, which knows what is one (scan/rescan.c).
 */
#include "base/io.h"
#include "base/json.h"
#include "mail/released.h"
#include "quarantine/inside.h"

void early_json(const struct conf_quarantine *row, struct buf *out)
{
    if (!row || (!row->subject_prefix.n && !row->subject_suffix.n && !row->header_name.n && !row->strip_attachments))
        return;
    buf_add(out, str_lit(",\"edits\":{"));
    if (row->subject_prefix.n)
        cpq_put_text(out, "subject_prefix", row->subject_prefix);
    if (row->subject_suffix.n)
        cpq_put_text(out, "subject_suffix", row->subject_suffix);
    if (row->header_name.n) {
        if (out->p[out->n - 1] != '{')
            buf_addc(out, ',');
        buf_add(out, str_lit("\"headers\":[{"));
        cpq_put_text(out, "name", row->header_name);
        cpq_put_text(out, "value", row->header_value);
        buf_add(out, str_lit("}]"));
    }
    if (row->strip_attachments) {
        if (out->p[out->n - 1] != '{')
            buf_addc(out, ',');
        buf_add(out, str_lit("\"strip_attachments\":true"));
    }
    buf_addc(out, '}');
}

struct str early_edits(struct arena *a, int fd, uint64_t offset, uint64_t body_bytes, const struct json *edits)
{
    size_t n = body_bytes < RELEASED_HEAD ? (size_t)body_bytes : RELEASED_HEAD;
    char *octets = edits ? arena_alloc(a, n + 1) : NULL;

    if (!octets || io_pread(fd, octets, n, offset, NULL) != RC_OK)
        return STR_NONE;
    return released_edits(a, str_of(octets, n), edits);
}
