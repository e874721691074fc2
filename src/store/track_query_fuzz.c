/* Words of a search as an operator may type them, a line each: parsed, and searched for in a small store. */
#include "base/must.h"
#include "store/tracking_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tracking *small_store(void)
{
    static struct tracking *t;
    static struct world w;
    char dir[] = "/tmp/postern-fuzz-tracking-XXXXXX", command[100];

    if (t)
        return t;
    must(mkdtemp(dir));
    must(tracking_open(dir, &(struct tracking_options){.partition_rows = 20, .rejected = true}, &t, NULL) == RC_OK);
    world_init(&w);
    for (unsigned i = 0; i < 40; i++)
        world_message(&w, i);
    world_reject(&w, 1);
    must(tracking_begin(t, str_lit("SER1"), str_lit("gw1"), 1, NULL) == RC_OK);
    for (size_t i = 0; i < w.n; i++)
        must(tracking_add(t, w.events[i].number, &w.events[i].rec, NULL) == RC_OK);
    must(tracking_commit(t, 1, w.n, NULL) == RC_OK);
    snprintf(command, sizeof command, "rm -rf %s", dir); /* the files stay open */
    must(system(command) == 0);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_of(data, size), word;
    struct tracking *t = small_store();
    struct tracking_query q;
    struct tracking_hits hits;
    struct err e = ERR_NONE;
    struct arena a;
    enum rc rc = RC_OK;

    arena_init(&a, 4096, 32 << 20);
    tracking_query_init(&q, 100);
    while (rc == RC_OK && rest.n && str_split(&rest, '\n', &word))
        rc = tracking_query_word(&q, &a, word, &e);
    must(rc == RC_OK || e.text[0]);
    q.limit = q.limit < 200 ? q.limit : 200;
    q.offset = q.offset < 200 ? q.offset : 200;
    if (rc == RC_OK) {
        rc = tracking_search(t, &q, &a, &hits, &e);
        must(rc == RC_OK || e.text[0]);
        must(rc != RC_OK || hits.n <= q.limit || q.uid.n);
    }
    arena_done(&a);
    return 0;
}
