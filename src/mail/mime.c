/*
 * The smallest reading of a message: one part. Stands in until the reader proper comes.
 */
#include "mail/mime.h"

struct mime *mime_read(struct arena *a, struct str message)
{
    struct mime *m = arena_must_alloc(a, sizeof *m);

    m->arena = a;
    m->octets = message;
    m->root = m->all = arena_must_alloc(a, sizeof *m->root);
    m->n_parts = 1;
    m->root->path = str_lit("1");
    m->root->type = str_lit("text/plain");
    m->root->raw = str_from(message, header_length(message));
    return m;
}

struct str mime_decode_words(struct arena *a, struct str value)
{
    (void)a;
    return value;
}
