/*
 * What the files of the pulls share: each gateway with ticks (struct site), each kind of data fetched from it (struct pull).
 *
 * list-exports says what is there (pull_list.c), get brings it (pull_get.c), record imports it and then it is acknowledged
 * (pull_import.c); pull.c decides what comes when.
 */
#ifndef CENTRAL_PULL_H
#define CENTRAL_PULL_H

#include "central/inside.h"
#include "central/listing.h"
#include "central/ranges.h"
#include "store/segment.h"

enum {
    PULL_IMPORTS = 4,      /* segments of one pull that wait to be imported */
    PULL_IMPORTS_ALL = 32, /* of all */
    PULL_WANTED = 20000,   /* segments that are known and not fetched yet, of one pull; more are listed when there is room */
    PULL_HELLO_MS = 60000, /* a hello at least so often */
    PULL_WATCH_MS = 1000,  /* a cut so often while somebody watches */
    PULL_BACK_OFF_MS = 1000, /* after a failure, doubled up to ... */
    PULL_BACK_OFF_MOST_MS = 60000,
    PULL_AGAIN_MS = 10000, /* a damaged segment is fetched again after */
    PULL_PAUSE_MS = 30000  /* while our disk is full one is tried so often */
};

struct wanted {
    struct listed is;
    uint64_t due_ms; /* not before, monotonic */
};

struct import {
    struct import *next;
    struct listed is;
    char path[SEGMENT_PATH];
    uint64_t took_ms; /* to fetch it */
    bool sent;        /* record has it now */
};

struct pull {
    struct site *site;
    enum segment_kind kind;
    struct ranges have;
    bool known, asking; /* have: what record says; asked for */
    struct wanted *wanted;
    size_t n_wanted, cap_wanted;
    uint64_t epoch, seq; /* the listing goes on from here */
    bool more;           /* the last listing was cut off: go on at once */
    bool listing, getting, acking;
    uint64_t list_ms; /* next listing, monotonic */
    struct import *imports;
    size_t n_imports;
    struct listed *acks; /* imported, to be acknowledged */
    size_t n_acks, cap_acks;
};

struct site {
    struct site *next;
    struct central *central;
    char *name, *serial;
    struct pull pull[SEGMENT_KINDS];
    struct loop_timer tick;
    uint64_t back_off_ms, quiet_until_ms; /* after a failure */
    uint64_t hello_ms;                    /* next hello */
    bool greeting;
};

/* --- site.c, pull.c
 * ------------------------------------------------------------------------------------------------------------------ */

/* Jobs hold a key: their site may be gone, or be another's, when they end. */
struct site_key {
    struct central *central;
    char *name, *serial;
    enum segment_kind kind;
};
struct site_key *site_key(const struct site *s, enum segment_kind kind);
void site_key_free(struct site_key *k);
struct site *site_find(const struct site_key *k); /* NULL: gone */
struct pull *pull_find(const struct site_key *k);
struct pull *pull_of_serial(struct central *c, struct str serial, struct str kind);
/* Looks at what is to be done now. */
void site_look(struct site *s);
void sites_look(struct central *c);
/* A job of this site failed: not again before a while. */
void site_failed(struct site *s, enum rc rc);
void site_good(struct site *s);
/* Our disk is full (or was): nothing is fetched for a while; an alert the first time. */
void pulls_pause(struct central *c, const char *why);
void pulls_go_on(struct central *c);
bool pull_wants(const struct pull *p);
struct wanted *pull_next(struct pull *p, uint64_t now);
void pull_want(struct pull *p, const struct listed *l, uint64_t due_ms);
void pull_unwant(struct pull *p, const struct listed *l);

/* --- the steps
 * ---------------------------------------------------------------------------------------------------------------- */

void pull_list(struct pull *p);
void pull_get(struct pull *p, const struct listed *l);
void pull_ack(struct pull *p);
/* A whole segment lies in the file. */
void pull_import(struct pull *p, const struct listed *l, const char *path, uint64_t took_ms);
void pull_imports_done(struct pull *p);
void imports_begin(struct central *c);
/* Asks record what it has. */
void pull_ask(struct pull *p);

#endif
