/* A chunk of steps and a set of ranges from a damaged file: read or refused, never more. Also with a whole frame around. */
#include "store/cover.h"
#include "store/track_steps.h"

#include "base/must.h"

#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str text(void *ctx, struct arena *a, uint64_t word)
{
    (void)ctx, (void)a, (void)word;
    return str_lit("a@b.test");
}

static void seen(void *ctx, uint64_t epoch, uint64_t number, const struct event_record *rec)
{
    struct buf again = BUF(8 << 20);

    (void)ctx, (void)epoch;
    steps_pend(&again, number, rec); /* every field can be read */
    buf_done(&again);
}

static void look(struct str chunk)
{
    struct steps_words w = {.text = text};
    struct arena a;

    arena_init(&a, 4096, 8 << 20);
    steps_get(chunk, &w, &a, 4, 7, str_lit("subject"), seen, NULL, NULL);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF(1 << 20);
    struct cover c = {0};
    size_t head = size ? data[0] % 64u : 0, room = ZSTD_compressBound(size);

    steps_init();
    look(str_of(data, size));
    if (size > head + 1 && buf_reserve(&whole, size + room)) { /* what a head says, before octets that unpack */
        buf_add(&whole, str_of(data + 1, head));
        whole.n += ZSTD_compress(whole.p + whole.n, room, data + 1 + head, size - 1 - head, 1);
        look(buf_str(&whole));
    }
    cover_get(&c, str_of(data, size));
    for (size_t i = 1; i < c.n; i++)
        must(c.items[i].first > c.items[i - 1].last + 1);
    cover_done(&c);
    buf_done(&whole);
    return 0;
}
