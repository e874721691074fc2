/*
 * A piece of work: the message and its recipients for one destination, and its octets from the spool.
 *
 * Called by deliver.c (new work), link.c (sending) and outcome.c (the end). Pieces are kept for use again, so a message
 * costs no allocation once the process has warmed up. A record that is not what queue named, or a body whose CRC does not
 * fit, is RC_CORRUPT: the connection is cut before the final dot (design-notes C6).
 */
#include "deliver/inside.h"

#include "base/must.h"
#include "mail/address.h"
#include "mail/downgrade.h"
#include "mail/header.h"

#include <stdlib.h>

enum {
    ENVELOPE_ARENA = 4 << 20,
    SEVEN_ALL_MAX = 256 << 20,
    CARRIED_MAX = 64 << 20,
    CARRIED_KEEP = 64 << 10,
    SIGNATURE_MAX = 1 << 20
};

struct piece *piece_new(struct deliver *d, const struct bus_deliver_work *w)
{
    struct piece *p = d->free_pieces;
    struct str list = w->recipients;
    uint64_t index;

    if (p) {
        d->free_pieces = p->next;
    } else {
        p = calloc(1, sizeof *p);
        must(p);
        arena_init(&p->arena, 2048, ENVELOPE_ARENA);
        p->body = BUF(PIECE_BODY);
        p->carried_octets = BUF(CARRIED_MAX);
        p->signature = BUF(SIGNATURE_MAX);
        p->meta = BUF(CPQ_META_MAX);
    }
    buf_clear(&p->carried_octets);
    buf_add(&p->carried_octets, w->carried);
    p->next = NULL;
    p->slot = w->slot;
    p->mid = w->mid;
    p->attempt = w->attempt;
    p->uncertain = w->uncertain != 0;
    p->again = false;
    p->ref = (struct spool_ref){w->segment, w->generation, w->offset};
    p->tries = 0;
    p->envelope = (struct envelope){0};
    p->head = (struct spool_head){0};
    p->moved = NULL;
    buf_clear(&p->body);
    p->job = (struct smtp_job){.envelope = &p->envelope, .recipients = p->recipients};
    while (list.n && p->job.n_recipients < PIECE_RECIPIENTS && get_varint(&list, &index))
        p->recipients[p->job.n_recipients++] = (uint32_t)index;
    p->n_recipients = p->job.n_recipients;
    return p;
}

enum { HEADER_VALUE_MAX = 500, HEADER_SECTION_MAX = 64 << 10 };

/* The octets the header section lies in. */
static struct str piece_start(struct deliver *d, struct piece *p)
{
    size_t n = p->head.body_bytes < HEADER_SECTION_MAX ? (size_t)p->head.body_bytes : HEADER_SECTION_MAX;
    uint32_t crc = 0;
    char *octets;

    if (p->body.n)
        return buf_str(&p->body);
    octets = arena_alloc(&p->arena, n);
    if (!octets || spool_read_body(d->reader, &p->head, 0, octets, n, &crc, NULL) != RC_OK)
        return STR_NONE;
    return str_of(octets, n);
}

void piece_log_headers(struct deliver *d, struct piece *p, struct buf *out)
{
    struct strs names = deliver_conf(d)->logs.headers;
    struct str message;

    buf_clear(out);
    if (!names.n || !p->head.body_bytes)
        return;
    message = piece_start(d, p);
    for (size_t i = 0; i < names.n; i++) {
        struct header_field f;

        if (!header_find(message, names.items[i], &f))
            continue;
        buf_put_str(out, address_lower(&p->arena, names.items[i]));
        buf_put_str(out, header_unfold(&p->arena, f.value, HEADER_VALUE_MAX));
    }
}

static void seven_drop(struct deliver *d, struct piece *p)
{
    d->seven -= p->seven.n;
    buf_done(&p->seven);
    p->seven = BUF(DOWNGRADE_OUT_MAX);
}

void piece_free(struct deliver *d, struct piece *p)
{
    seven_drop(d, p);
    moved_free(p);
    buf_clear(&p->carried_octets);
    buf_shrink(&p->carried_octets, CARRIED_KEEP);
    buf_clear(&p->signature);
    buf_shrink(&p->signature, CARRIED_KEEP);
    arena_reset(&p->arena);
    buf_clear(&p->meta);
    buf_shrink(&p->meta, PIECE_BODY);
    p->next = d->free_pieces;
    d->free_pieces = p;
}

void pieces_push(struct pieces *list, struct piece *p)
{
    p->next = NULL;
    if (list->last)
        list->last->next = p;
    else
        list->first = p;
    list->last = p;
    list->n++;
}

void pieces_push_front(struct pieces *list, struct piece *p)
{
    p->next = list->first;
    list->first = p;
    if (!list->last)
        list->last = p;
    list->n++;
}

struct piece *pieces_pop(struct pieces *list)
{
    struct piece *p = list->first;

    if (!p)
        return NULL;
    list->first = p->next;
    if (!list->first)
        list->last = NULL;
    list->n--;
    p->next = NULL;
    return p;
}

static enum rc read_checked(struct deliver *d, struct piece *p, uint64_t at, char *out, size_t n, struct err *e)
{
    if (at == 0)
        p->crc = 0;
    TRY(spool_read_body(d->reader, &p->head, at, out, n, &p->crc, e));
    if (at + n == p->head.body_bytes && p->crc != p->head.body_crc)
        return err_set(e, RC_CORRUPT, "message %llu: its body is damaged", (unsigned long long)p->mid);
    return RC_OK;
}

/* A small body with its edits, in memory. */
static enum rc edit_small(struct piece *p, struct str original)
{
    uint64_t at = 0;

    for (size_t i = 0; i < p->edits.n; i++) {
        const struct edit *e = &p->edits.items[i];

        buf_add(&p->body, str_of(original.p + at, (size_t)(e->offset - at)));
        buf_add(&p->body, e->replacement);
        at = e->offset + e->length;
    }
    buf_add(&p->body, str_from(original, (size_t)at));
    return p->body.failed ? RC_NO_MEMORY : RC_OK;
}

/* The reader has just fetched the record's first octets: a small body costs no further call now. */
static enum rc read_small(struct deliver *d, struct piece *p, struct err *e)
{
    size_t n = (size_t)p->head.body_bytes;
    char *out;

    buf_clear(&p->body);
    if (!n || n > PIECE_BODY || p->job.body_bytes > PIECE_BODY)
        return RC_OK;
    out = p->edits.n ? arena_alloc(&p->arena, n) : buf_reserve(&p->body, n);
    if (!out)
        return p->edits.n ? err_set(e, RC_NO_MEMORY, "edits of message %llu", (unsigned long long)p->mid) : RC_OK;
    TRY(read_checked(d, p, 0, out, n, e));
    if (p->edits.n)
        return edit_small(p, str_of(out, n));
    p->body.n = n;
    return RC_OK;
}

static bool has_8bit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return true;
    return false;
}

/* What judging changed: the message as it goes out may be longer, and have dots and 8-bit octets that the stored one has
 * not. */
static enum rc load_edits(struct deliver *d, struct piece *p, struct err *e)
{
    struct str octets = p->carried_octets.n ? buf_str(&p->carried_octets) : p->envelope.carried;

    TRY(carried_decode(octets, &p->carried, e));
    TRY(edits_decode(&p->arena, p->carried.edits, p->head.body_bytes, &p->edits, e));
    rope_init(&p->rope, d->reader, &p->head, p->edits);
    p->job.body_bytes = rope_bytes(&p->rope);
    p->job.has_dot |= p->edits.n > 0;
    for (size_t i = 0; i < p->edits.n; i++)
        p->job.has_8bit |= has_8bit(p->edits.items[i].replacement);
    return RC_OK;
}

enum rc piece_load(struct deliver *d, struct piece *p, struct err *e)
{
    struct str octets;

    if (p->moved)
        return moved_load(p);
    arena_reset(&p->arena);
    seven_drop(d, p);
    buf_clear(&p->signature);
    TRY(spool_read_head(d->reader, p->ref, &p->arena, &p->head, &octets, e));
    if (p->head.mid != p->mid)
        return err_set(e, RC_CORRUPT, "record holds another message");
    TRY(envelope_decode(&p->arena, octets, &p->envelope, e));
    for (size_t i = 0; i < p->n_recipients; i++)
        if (p->recipients[i] >= p->envelope.n_recipients)
            return err_set(e, RC_CORRUPT, "no such recipient in the envelope");
    p->crc = 0;
    p->job.body_bytes = p->head.body_bytes;
    p->job.has_dot = p->head.flags & BODY_HAS_DOT;
    p->job.has_8bit = p->head.flags & BODY_HAS_8BIT;
    p->job.has_8bit_header = p->head.flags & BODY_HAS_8BIT_HEADER;
    p->job.has_bare = p->head.flags & BODY_HAS_BARE;
    TRY(load_edits(d, p, e));
    p->content_bytes = p->job.body_bytes;
    TRY(read_small(d, p, e));
    return p->to && p->to->quarantine ? holder_prepare(d, p, e) : piece_sign(d, p, e);
}

/* The client reads from the start on, without gaps. The end is asked for at once, since only there the CRC is checked. */
static enum rc read_edited(struct deliver *d, struct piece *p, uint64_t at, char *out, size_t n, struct err *e)
{
    size_t got = 0, done = 0;
    char more;

    if (at == 0)
        rope_init(&p->rope, d->reader, &p->head, p->edits);
    do {
        TRY(rope_read(&p->rope, out + done, n - done, &got, e));
        done += got;
    } while (got && done < n);
    if (done < n)
        return err_set(e, RC_CORRUPT, "message %llu: its edits do not fit", (unsigned long long)p->mid);
    return at + n == p->content_bytes ? rope_read(&p->rope, &more, 1, &got, e) : RC_OK;
}

enum rc piece_content(struct deliver *d, struct piece *p, uint64_t at, char *out, size_t n, struct err *e)
{
    if (p->moved)
        return moved_read(p, at, out, n, e);
    if (p->seven.n) {
        memcpy(out, p->seven.p + at, n);
        return RC_OK;
    }
    if (p->body.n) {
        memcpy(out, p->body.p + at, n);
        return RC_OK;
    }
    return p->edits.n ? read_edited(d, p, at, out, n, e) : read_checked(d, p, at, out, n, e);
}

enum rc piece_read(struct deliver *d, struct piece *p, uint64_t at, char *out, size_t n)
{
    struct str front = at < p->signature.n ? str_first(str_from(buf_str(&p->signature), (size_t)at), n) : STR_NONE;
    struct err e = ERR_NONE;

    if (front.n)
        memcpy(out, front.p, front.n);
    if (front.n == n)
        return RC_OK;
    return piece_content(d, p, at + front.n - p->signature.n, out + front.n, n - front.n, &e);
}

static enum rc downgrade_octets(struct deliver *d, struct piece *p, struct buf *whole)
{
    size_t n = (size_t)p->content_bytes;
    char *to = buf_reserve(whole, n);

    if (!to)
        return RC_NO_MEMORY;
    TRY(piece_content(d, p, 0, to, n, NULL));
    whole->n = n;
    return downgrade_message(buf_str(whole), &p->seven);
}

enum rc piece_downgrade(struct deliver *d, struct piece *p)
{
    struct buf whole = BUF(DOWNGRADE_MAX);
    struct err e = ERR_NONE;
    enum rc rc;

    if (p->content_bytes > DOWNGRADE_MAX || p->job.has_8bit_header)
        return RC_NOT_FOUND;
    if (d->seven > SEVEN_ALL_MAX)
        return RC_UNAVAILABLE;
    rc = downgrade_octets(d, p, &whole);
    buf_done(&whole);
    if (rc != RC_OK) {
        buf_done(&p->seven);
        p->seven = BUF(DOWNGRADE_OUT_MAX);
        return rc;
    }
    d->seven += p->seven.n;
    p->job.body_bytes = p->content_bytes = p->seven.n;
    p->job.has_8bit = false;
    return p->signature.n ? piece_sign(d, p, &e) : RC_OK; /* what was signed is no longer what leaves */
}
