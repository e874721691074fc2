/*
 * Connections of searches: at most so many are kept open, by partition.
 *
 * Called by searches in any thread. The store owns them; one that is lent is busy. Opening one costs more than most searches
 * in it, and a search goes through all partitions: so those of the newest days stay open, which every search needs, rather
 * than those that were used last, of which none would be left when the next one comes.
 */
#include "store/tracking_inside.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

static void reader_free(struct track_reader *r)
{
    sql_close(&r->sql);
    free(r);
}

static struct track_reader *find(struct tracking *t, const char *name)
{
    for (size_t i = 0; i < READERS_MOST; i++)
        if (t->readers[i] && !t->readers[i]->busy && strcmp(t->readers[i]->name, name) == 0)
            return t->readers[i];
    return NULL;
}

struct track_reader *reader_take(struct tracking *t, const char *name, struct err *e)
{
    char path[PART_PATH];
    struct track_reader *r;

    pthread_mutex_lock(&t->lock);
    r = find(t, name);
    if (r)
        r->busy = true;
    pthread_mutex_unlock(&t->lock);
    if (r)
        return r;
    must((r = calloc(1, sizeof *r)));
    r->busy = true;
    snprintf(r->name, sizeof r->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    if (part_connect(&r->sql, path, true, e) != RC_OK) {
        reader_free(r);
        return NULL;
    }
    return r;
}

static bool is_there(struct tracking *t, const char *name)
{
    for (size_t i = 0; i < t->n_parts; i++)
        if (strcmp(t->parts[i]->name, name) == 0)
            return true;
    return false;
}

void reader_give(struct tracking *t, struct track_reader *r)
{
    size_t at = READERS_MOST;

    r->sql.rc = RC_OK;
    pthread_mutex_lock(&t->lock);
    r->busy = false;
    for (size_t i = 0; i < READERS_MOST; i++)
        if (t->readers[i] == r)
            at = i;
    if (!is_there(t, r->name)) { /* its day went meanwhile */
        if (at < READERS_MOST)
            t->readers[at] = NULL;
        pthread_mutex_unlock(&t->lock);
        reader_free(r);
        return;
    }
    for (size_t i = 0; i < READERS_MOST && at == READERS_MOST; i++)
        if (!t->readers[i])
            at = i;
    if (at == READERS_MOST) { /* in place of that of the oldest day; names are dates */
        for (size_t i = 0; i < READERS_MOST; i++)
            if (!t->readers[i]->busy && strcmp(t->readers[i]->name, at < READERS_MOST ? t->readers[at]->name : r->name) < 0)
                at = i;
        if (at < READERS_MOST)
            reader_free(t->readers[at]);
    }
    if (at < READERS_MOST)
        t->readers[at] = r;
    pthread_mutex_unlock(&t->lock);
    if (at == READERS_MOST)
        reader_free(r);
}

void readers_forget(struct tracking *t, const char *name)
{
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < READERS_MOST; i++)
        if (t->readers[i] && !t->readers[i]->busy && (!name || strcmp(t->readers[i]->name, name) == 0)) {
            reader_free(t->readers[i]);
            t->readers[i] = NULL;
        }
    pthread_mutex_unlock(&t->lock);
}
