/* Any octets as a journal file, and as a list of edits: replay ends, entries lie in the file, numbers only rise. */
#include "spool/journal_file.h"

#include "base/must.h"
#include "spool/rope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void entry(void *ctx, uint64_t kind, struct str octets)
{
    struct str *file = ctx;

    (void)kind;
    must(octets.n == 0 || (octets.p >= file->p && octets.p + octets.n <= file->p + file->n));
}

/* The input as the entries of groups that fit their CRC. */
static void as_groups(struct buf *out, const uint8_t *data, size_t n)
{
    unsigned char head[JOURNAL_HEAD];

    journal_file_head(head, 1);
    buf_add(out, str_of(head, sizeof head));
    for (size_t at = 0; at + 9 < n;) {
        size_t take = data[at] % 64 < n - at - 1 ? data[at] % 64 : n - at - 1;
        struct str entries = str_of(data + at + 1, take);

        journal_group_head(head, data[at + 1], data[at] / 8, entries);
        buf_add(out, str_of(head, sizeof head));
        buf_add(out, entries);
        at += 1 + take;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str raw = str_of(data, n), file;
    struct buf b = BUF(1 << 20);
    struct arena a;
    struct edits edits;
    uint64_t last = 0;
    bool torn = false;

    journal_replay(raw, &last, entry, &raw, &torn);
    as_groups(&b, data, n);
    file = buf_str(&b);
    last = 0;
    journal_replay(file, &last, entry, &file, &torn);
    buf_done(&b);
    arena_init(&a, 1024, 1 << 20);
    if (edits_decode(&a, raw, 100000, &edits, NULL) == RC_OK)
        for (size_t i = 0; i < edits.n; i++)
            must(edits.items[i].offset + edits.items[i].length <= 100000);
    arena_done(&a);
    return 0;
}
