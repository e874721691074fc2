/* Replay takes whatever lies in a journal entry; the state it leaves can be told in a checkpoint and is gone without a
 * trace. */
#include "queue/changes.h"
#include "queue/state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_all(struct queue *q, struct str in)
{
    struct str octets;
    uint8_t kind;

    while (get_u8(&in, &kind) && get_str(&in, &octets))
        entries_replay(q, kind, octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct conf_source *conf;
    struct queue *q = calloc(1, sizeof *q);

    if (!conf)
        conf = conf_source_test("", NULL);
    q->conf = conf;
    q->loop = loop_new();
    q->entry = BUF(4 << 20);
    slab_init(&q->messages, sizeof(struct message));
    slab_init(&q->pieces, sizeof(struct piece));
    slab_init(&q->recipients, sizeof(struct queue_recipient));
    slab_init(&q->segments, sizeof(struct queue_segment));
    slab_init(&q->destinations, sizeof(struct destination));
    slab_init(&q->kept, sizeof(struct kept));
    slab_init(&q->changes, sizeof(struct change));
    heap_init(&q->waiting, &q->pieces);
    replay_all(q, str_of(data, size));
    for (uint32_t i = 1; i < q->messages.end; i++)
        if (message_at(q, i)->mid) {
            changes_drop(q, i);
            message_leave(q, i);
        }
    if (q->changes.used || q->messages.used || q->recipients.used)
        abort();
    destinations_done(q);
    messages_done(q);
    slab_done(&q->messages);
    slab_done(&q->pieces);
    slab_done(&q->recipients);
    slab_done(&q->segments);
    slab_done(&q->destinations);
    slab_done(&q->kept);
    slab_done(&q->changes);
    buf_done(&q->entry);
    loop_free(q->loop);
    free(q->work_reason);
    free(q);
    return 0;
}
