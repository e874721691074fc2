/*
 * Streams a stored body with its edits. See rope.h.
 *
 * Called by deliver, and by whatever shows or signs a message. Owns nothing. Fails like the spool reader, or with RC_CORRUPT
 * at the end when the body is not what was stored.
 */
#include "spool/rope.h"

void rope_init(struct rope *r, struct spool_reader *reader, const struct spool_head *head, struct edits edits)
{
    *r = (struct rope){.reader = reader, .head = *head, .edits = edits};
}

uint64_t rope_bytes(const struct rope *r)
{
    uint64_t n = r->head.body_bytes;

    for (size_t i = 0; i < r->edits.n; i++)
        n = n - r->edits.items[i].length + r->edits.items[i].replacement.n;
    return n;
}

/* Reads what an edit removed, for the CRC alone. */
static enum rc skip(struct rope *r, uint64_t to, struct err *e)
{
    char part[4096];

    while (r->at < to) {
        size_t n = to - r->at < sizeof part ? (size_t)(to - r->at) : sizeof part;

        TRY(spool_read_body(r->reader, &r->head, r->at, part, n, &r->crc, e));
        r->at += n;
    }
    return RC_OK;
}

/* Original octets up to the next edit. */
static enum rc read_original(struct rope *r, uint64_t to, char *out, size_t n, size_t *got, struct err *e)
{
    if (n > to - r->at)
        n = (size_t)(to - r->at);
    TRY(spool_read_body(r->reader, &r->head, r->at, out, n, &r->crc, e));
    r->at += n;
    *got += n;
    return RC_OK;
}

static enum rc read_edit(struct rope *r, const struct edit *edit, char *out, size_t n, size_t *got, struct err *e)
{
    struct str rest = str_from(edit->replacement, r->in);

    if (rest.n) {
        rest = str_first(rest, n);
        memcpy(out, rest.p, rest.n);
        r->in += rest.n;
        *got += rest.n;
        return RC_OK;
    }
    TRY(skip(r, edit->offset + edit->length, e));
    r->edit++;
    r->in = 0;
    return RC_OK;
}

enum rc rope_read(struct rope *r, void *out, size_t n, size_t *got, struct err *e)
{
    size_t done = 0;

    while (done < n) {
        const struct edit *edit = r->edit < r->edits.n ? &r->edits.items[r->edit] : NULL;
        uint64_t to = edit ? edit->offset : r->head.body_bytes;

        if (r->at < to)
            TRY(read_original(r, to, (char *)out + done, n - done, &done, e));
        else if (edit)
            TRY(read_edit(r, edit, (char *)out + done, n - done, &done, e));
        else
            break;
    }
    if (n && !done && r->crc != r->head.body_crc)
        return err_set(e, RC_CORRUPT, "MID %llu: body does not fit its CRC", (unsigned long long)r->head.mid);
    *got = done;
    return RC_OK;
}
