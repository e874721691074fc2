/*
 * Messages that queue makes itself: put into its own segment and, once they are on stable storage there, into the queue.
 *
 * Called by bounce.c (notifications) and own.c (alerts, mailed files). What the body needs later (dots, 8-bit octets) is
 * found on the way. Owns nothing: struct made is the caller's and lies still until `stored` ran. Such a message is not
 * scanned; its owner says so in the log and lets it go with work_verdict().
 */
#include "base/must.h"
#include "mail/envelope.h"
#include "queue/state.h"
#include "smtp/body.h"

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
    arena_reset(&q->scratch);
    if (message_load(q, message, NULL) != RC_OK) {
        message_leave(q, message);
        m->stored(m->ctx, RC_CORRUPT, 0);
        return;
    }
    segment_at(q, segment)->known_to = ref->offset + message_at(q, message)->record_bytes;
    entry_known(q, message);
    m->stored(m->ctx, RC_OK, message);
}

enum rc made_store(struct made *m, struct envelope *env, struct str text)
{
    struct queue *q = m->q;
    struct smtp_body scan;
    struct sink k = {spool_body_new(q->writer), RC_OK};
    struct buf octets = BUF(ENVELOPE_BYTES);

    if (!k.body)
        return RC_NO_MEMORY;
    smtp_body_begin(&scan, SMTP_BODY_CHUNK);
    smtp_body_feed(&scan, text, body_sink, &k);
    smtp_body_finish(&scan, body_sink, &k);
    env->body = scan.flags & SMTP_BODY_HAS_8BIT ? BODY_8BITMIME : BODY_7BIT;
    env->outgoing = 1;
    envelope_encode(env, &octets);
    if (k.rc != RC_OK || octets.failed) {
        spool_body_free(k.body);
        buf_done(&octets);
        return k.rc != RC_OK ? k.rc : RC_NO_MEMORY;
    }
    m->bytes = scan.bytes;
    m->mid = board_next(q->board, NUMBER_MID);
    spool_append(q->writer, 0, m->mid, scan.flags, buf_str(&octets), k.body, appended, m);
    buf_done(&octets);
    return RC_OK;
}
