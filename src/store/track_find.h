/* A search inside one partition. Private to the search: track_search.c is the caller. */
#ifndef STORE_TRACK_FIND_H
#define STORE_TRACK_FIND_H

#include "store/track_search.h"
#include "store/tracking_inside.h"

/* The newest rows found so far: a heap, the oldest of them on top. */
struct found {
    struct track_row row;
    size_t part; /* in the list of the search */
};
struct founds {
    struct found *items;
    size_t n, most;
    bool more; /* there are further ones */
};

/* False when the row is older than all that are wanted. Takes the row's buffers over. */
bool founds_add(struct founds *f, struct track_row *row, size_t part);
/* Whether a row of that time could still come in. */
bool founds_want(const struct founds *f, uint64_t at_ms);

/* Words (addresses, names) that fit a condition. */
struct word_set {
    bool given;
    uint64_t *ids; /* ascending */
    size_t n;
};

struct track_find {
    struct sql *sql;
    const struct tracking_query *q;
    uint64_t day, late_ms, low, high; /* low..high: ids of rows that are looked at */
    uint64_t sources[PART_SOURCES];   /* numbers of appliances that are wanted; none = all */
    size_t n_sources;
    bool some_sources;
    struct word_set sender, recipient, attachment;
    struct buf match;
    struct founds *out;
    size_t part;
};

/* Adds the rows of this partition; the caller has opened it and begun to read. */
enum rc track_find(struct track_find *f, struct err *e);
void track_find_done(struct track_find *f);

/* track_find_words.c */
enum rc track_find_words(struct track_find *f, const struct track_text *t, struct word_set *out, struct err *e);
bool word_set_has(const struct word_set *s, uint64_t id);

/* track_search.c: every key but uid */
enum rc tracking_find(struct tracking *t, const struct tracking_query *q, struct arena *a, struct tracking_hits *out,
                      struct err *e);

/* Is the text what was asked for, whatever its capitals? */
bool track_text_fits(const struct track_text *t, struct str text);

#endif
