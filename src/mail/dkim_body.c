/*
 * Hashes of a body. See dkim_inside.h.
 *
 * Called by dkim_verify (a message in memory) and dkim_stream (one on its way). Each canonical form is made and hashed once,
 * however many signatures ask for it: where an l= ends the hash so far is copied. Owns its hash contexts until
 * dkim_body_done().
 */
#include "mail/dkim_inside.h"

static void take(struct dkim_body *b, const struct dkim_body_form *form, struct dkim_body_hash *h)
{
    EVP_MD_CTX *copy = b->d->md;
    unsigned n = 0;

    h->done = EVP_MD_CTX_copy_ex(copy, form->md) == 1 && EVP_DigestFinal_ex(copy, h->value, &n) == 1 && n == DKIM_HASH;
    b->failed |= !h->done;
}

static bool is_due(const struct dkim_body *b, const struct dkim_body_hash *h, const struct dkim_body_form *form)
{
    return h->limited && !h->done && &b->forms[h->canon] == form;
}

static void take_due(struct dkim_body *b, struct dkim_body_form *form)
{
    for (size_t i = 0; i < b->n; i++)
        if (is_due(b, &b->items[i], form) && b->items[i].limit == form->bytes)
            take(b, form, &b->items[i]);
}

static void sink(void *ctx, struct str octets)
{
    struct dkim_body_form *form = ctx;
    struct dkim_body *b = form->owner;

    while (octets.n && !b->failed) {
        size_t n = octets.n;

        for (size_t i = 0; i < b->n; i++)
            if (is_due(b, &b->items[i], form) && b->items[i].limit - form->bytes < n)
                n = (size_t)(b->items[i].limit - form->bytes);
        b->failed |= EVP_DigestUpdate(form->md, octets.p, n) != 1;
        form->bytes += n;
        take_due(b, form);
        octets = str_from(octets, n);
    }
}

void dkim_body_begin(struct dkim_body *b, struct dkim *d)
{
    b->d = d;
    b->n = 0;
    b->failed = false;
    for (size_t i = 0; i < DKIM_CANONS; i++) {
        b->forms[i].owner = b;
        b->forms[i].md = NULL;
        b->forms[i].bytes = 0;
    }
}

size_t dkim_body_want(struct dkim_body *b, enum dkim_canon canon, bool limited, uint64_t limit)
{
    struct dkim_body_form *form = &b->forms[canon];

    if (!form->md) {
        form->md = EVP_MD_CTX_new();
        if (!form->md || EVP_DigestInit_ex2(form->md, b->d->sha256, NULL) != 1)
            b->failed = true;
        dkim_canon_begin(&form->canon, canon, sink, form);
    }
    for (size_t i = 0; i < b->n; i++) {
        const struct dkim_body_hash *h = &b->items[i];

        if (h->canon == canon && h->limited == limited && (!limited || h->limit == limit))
            return i;
    }
    if (b->n == DKIM_BODY_HASHES)
        return SIZE_MAX;
    b->items[b->n] = (struct dkim_body_hash){.canon = canon, .limited = limited, .limit = limit};
    return b->n++;
}

void dkim_body_add(struct dkim_body *b, struct str octets)
{
    for (size_t i = 0; i < DKIM_CANONS && !b->failed; i++)
        if (b->forms[i].md)
            dkim_canon_add(&b->forms[i].canon, octets);
}

bool dkim_body_end(struct dkim_body *b)
{
    for (size_t i = 0; i < DKIM_CANONS && !b->failed; i++) {
        if (!b->forms[i].md)
            continue;
        dkim_canon_end(&b->forms[i].canon);
        take_due(b, &b->forms[i]);
    }
    for (size_t i = 0; i < b->n && !b->failed; i++)
        if (!b->items[i].limited)
            take(b, &b->forms[b->items[i].canon], &b->items[i]);
    return !b->failed;
}

uint64_t dkim_body_bytes(const struct dkim_body *b, enum dkim_canon canon)
{
    return b->forms[canon].bytes;
}

void dkim_body_done(struct dkim_body *b)
{
    for (size_t i = 0; i < DKIM_CANONS; i++) {
        EVP_MD_CTX_free(b->forms[i].md);
        b->forms[i].md = NULL;
    }
}
