/*
 * Messages that queue makes itself: put into its own segment and, once they are on stable storage there, into the queue.
 *
 * Called by bounce.c (notifications), own.c (alerts, mailed files), verdict.c (splits, copies) and release.c (out of
 * quarantine). What the body needs later (dots, 8-bit octets) is found on the way. Owns nothing: struct made is the caller's
 * and lies still until `stored` ran. Its owner says so in the log and lets it go with work_verdict() or work_add().
 */
#include "queue/made.h"
#include "base/must.h"
#include "mail/envelope.h"
#include "smtp/body.h"

#include <unistd.h>

enum { CHUNK = 64 << 10 };

struct sink {
    struct spool_body *body;
    enum rc rc;
};

static void body_sink(void *ctx, struct str octets)
{
    struct sink *k = ctx;

    if (k->rc == RC_OK)
        k->rc = spool_body_add(k->body, octets, NULL);
}

static void appended(void *ctx, enum rc rc, const struct spool_ref *ref)
{
    struct made *m = ctx;
    struct queue *q = m->q;
    uint32_t message, segment;

    if (rc != RC_OK) {
        m->stored(m->ctx, rc, 0);
        return;
    }
    segment = segment_get(q, ref->segment, ref->generation, QUEUE_COLUMN);
    message = message_new(q, m->mid, segment, ref->offset, 0);
    message_at(q, message)->state = MESSAGE_MAKING;
    arena_reset(&q->scratch);
    if (message_load(q, message, NULL, NULL) != RC_OK) {
        message_leave(q, message);
        m->stored(m->ctx, RC_CORRUPT, 0);
        return;
    }
    segment_at(q, segment)->known_to = ref->offset + message_at(q, message)->record_bytes;
    if (!m->later)
        entry_known(q, message);
    m->stored(m->ctx, RC_OK, message);
}

static enum rc append(struct made *m, const struct envelope *env, uint64_t flags, struct spool_body *body)
{
    struct queue *q = m->q;
    struct buf octets = BUF(ENVELOPE_BYTES);

    envelope_encode(env, &octets);
    if (octets.failed) {
        buf_done(&octets);
        spool_body_free(body);
        return RC_NO_MEMORY;
    }
    m->bytes = spool_body_bytes(body);
    if (!m->mid)
        m->mid = board_next(q->board, NUMBER_MID);
    spool_append(q->writer, 0, m->mid, flags, buf_str(&octets), body, appended, m);
    buf_done(&octets);
    return RC_OK;
}

enum rc made_store(struct made *m, struct envelope *env, struct str text)
{
    struct smtp_body scan;
    struct sink k = {spool_body_new(m->q->writer), RC_OK};

    if (!k.body)
        return RC_NO_MEMORY;
    smtp_body_begin(&scan, SMTP_BODY_CHUNK);
    smtp_body_feed(&scan, text, body_sink, &k);
    smtp_body_finish(&scan, body_sink, &k);
    env->body = scan.flags & SMTP_BODY_HAS_8BIT ? BODY_8BITMIME : BODY_7BIT;
    env->outgoing = 1;
    if (k.rc != RC_OK) {
        spool_body_free(k.body);
        return k.rc;
    }
    return append(m, env, scan.flags, k.body);
}

static enum rc copy_body(struct queue *q, const struct spool_head *head, struct spool_body *to)
{
    char part[CHUNK];
    uint32_t crc = 0;

    for (uint64_t at = 0; at < head->body_bytes;) {
        size_t n = head->body_bytes - at < CHUNK ? (size_t)(head->body_bytes - at) : CHUNK;

        TRY(spool_read_body(q->reader, head, at, part, n, &crc, NULL));
        TRY(spool_body_add(to, str_of(part, n), NULL));
        at += n;
    }
    return crc == head->body_crc ? RC_OK : RC_CORRUPT;
}

enum rc made_copy(struct made *m, const struct envelope *env, const struct spool_head *head)
{
    struct spool_body *body = spool_body_new(m->q->writer);
    enum rc rc = body ? copy_body(m->q, head, body) : RC_NO_MEMORY;

    if (rc != RC_OK) {
        if (body)
            spool_body_free(body);
        return rc;
    }
    return append(m, env, head->flags, body);
}

static enum rc read_file(int fd, uint64_t offset, uint64_t bytes, struct smtp_body *scan, struct sink *k)
{
    char part[CHUNK];

    while (bytes) {
        size_t n = bytes < CHUNK ? (size_t)bytes : CHUNK;
        ssize_t got = pread(fd, part, n, (off_t)offset);

        if (got <= 0)
            return RC_IO;
        smtp_body_feed(scan, str_of(part, (size_t)got), body_sink, k);
        offset += (uint64_t)got;
        bytes -= (uint64_t)got;
    }
    smtp_body_finish(scan, body_sink, k);
    return k->rc;
}

enum rc made_file(struct made *m, const struct envelope *env, int fd, uint64_t offset, uint64_t bytes)
{
    struct smtp_body scan;
    struct sink k = {spool_body_new(m->q->writer), RC_OK};
    enum rc rc;

    if (!k.body)
        return RC_NO_MEMORY;
    smtp_body_begin(&scan, SMTP_BODY_RAW);
    rc = read_file(fd, offset, bytes, &scan, &k);
    if (rc != RC_OK) {
        spool_body_free(k.body);
        return rc;
    }
    return append(m, env, scan.flags, k.body);
}
