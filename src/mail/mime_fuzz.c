/* Fuzz target: a hostile message as a whole. Every part keeps to its limits, every view to the octets it is a view of. */
#include "base/must.h"
#include "mail/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct mime *m;
    size_t n = 0;

    arena_init(&a, 4096, 128 << 20);
    m = mime_read(&a, str_of(data, size));
    must(m && m->root && m->all == m->root);
    for (struct mime_part *p = m->all; p; p = p->all_next) {
        must(p->depth < MIME_DEPTH && ++n <= MIME_PARTS);
        must(p->inside || !p->raw.n || (p->raw.p >= (const char *)data && p->raw.p + p->raw.n <= (const char *)data + size));
        mime_body(m, p);
        mime_text(m, p);
    }
    mime_urls(m);
    mime_first_text(m);
    mime_header(m, str_lit("subject"));
    must(m->decoded <= MIME_DECODED);
    arena_done(&a);
    return 0;
}
