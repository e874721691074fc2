/*
 * Files of large bodies whose messages have ended.
 *
 * Called by messages.c and once a second. A file goes only after the journal entry that ended its message is synced: before
 * that a power cut would bring the message back without its body. Unlinks run in the thread pool. At the first start of a
 * boot, files of no message with a number below the old ceiling are left-overs and go too.
 */
#include "base/must.h"
#include "queue/state.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

struct gone {
    struct queue *q;
    uint64_t mid, entry;
    struct gone *next;
};

static void unlink_one(void *ctx)
{
    struct gone *g = ctx;
    struct spool_head head = {.mid = g->mid, .big = true};

    spool_remove_big(g->q->dir, &head, NULL);
}

static void unlinked(void *ctx)
{
    struct gone *g = ctx;

    g->q->n_freeing--;
    free(g);
}

void big_gone(struct queue *q, uint64_t mid)
{
    struct gone *g = malloc(sizeof *g);

    must(g);
    *g = (struct gone){q, mid, q->journal ? journal_added(q->journal) : 0, q->gone};
    q->gone = g;
}

void big_run(struct queue *q)
{
    struct gone **at = &q->gone;

    while (*at) {
        struct gone *g = *at;

        if (journal_synced(q->journal) < g->entry) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        q->n_freeing++;
        loop_work(q->loop, unlink_one, unlinked, g);
    }
}

void big_sweep(struct queue *q)
{
    char path[4096];
    struct dirent *entry;
    uint64_t mid;
    DIR *d;

    snprintf(path, sizeof path, "%s/big", q->dir);
    d = opendir(path);
    while (d && (entry = readdir(d)))
        if (str_u64(str_c(entry->d_name), &mid) && mid <= board_last(q->board, NUMBER_MID) && !message_find(q, mid))
            big_gone(q, mid);
    if (d)
        closedir(d);
}

void big_done(struct queue *q)
{
    while (q->gone) {
        struct gone *g = q->gone;

        q->gone = g->next;
        free(g);
    }
}
