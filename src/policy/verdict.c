/*
 * Coding of the messages a verdict makes. See verdict.h.
 *
 * Called by scan (writes) and queue (reads). Owns nothing; a list that is cut is RC_CORRUPT and the worker that sent it is
 * wrong.
 */
#include "policy/verdict.h"

void verdict_copies_encode(const struct verdict_copy *copies, size_t n, struct buf *out)
{
    if (!n)
        return;
    buf_put_varint(out, n);
    for (size_t i = 0; i < n; i++) {
        const struct verdict_copy *c = &copies[i];

        buf_put_varint(out, c->kind);
        buf_put_str(out, c->by);
        buf_put_str(out, c->filter);
        buf_put_varint(out, c->same_sender);
        buf_put_str(out, c->sender);
        buf_put_str(out, c->indices);
        buf_put_str(out, c->recipients);
        buf_put_str(out, c->body);
        buf_put_str(out, c->carried);
        buf_put_str(out, c->destination);
    }
}

static bool decode_one(struct str *in, struct verdict_copy *c)
{
    return get_varint(in, &c->kind) && get_str(in, &c->by) && get_str(in, &c->filter) && get_varint(in, &c->same_sender) &&
           get_str(in, &c->sender) && get_str(in, &c->indices) && get_str(in, &c->recipients) && get_str(in, &c->body) &&
           get_str(in, &c->carried) && get_str(in, &c->destination) && c->kind <= COPY_REWRITTEN;
}

enum rc verdict_copies_decode(struct arena *a, struct str in, const struct verdict_copy **out, size_t *n_out, struct err *e)
{
    struct verdict_copy *items;
    uint64_t n = 0;

    if (in.n && (!get_varint(&in, &n) || n > VERDICT_COPIES))
        return err_set(e, RC_CORRUPT, "list of copies is cut");
    items = arena_array(a, struct verdict_copy, n + 1);
    if (!items)
        return err_set(e, RC_NO_MEMORY, "list of copies");
    for (size_t i = 0; i < n; i++)
        if (!decode_one(&in, &items[i]))
            return err_set(e, RC_CORRUPT, "copy %zu is cut", i);
    *out = items;
    *n_out = (size_t)n;
    return RC_OK;
}
