/*
 * Importing: a batch of events becomes rows, tokens and steps in the partitions. See tracking.h.
 *
 * Called by record on one thread at a time. Owns the rows that the batch touches until its end. Each partition is committed
 * with the numbers that are in it, the catalog after them: what is cut between two files is given again, and a partition
 * passes over what it has. A failure leaves the batch void.
 */
#include "base/io.h"
#include "base/must.h"
#include "store/tracking_inside.h"

#include <stdlib.h>

/* --- begin ---------------------------------------------------------------------------------------------------------------
 */

static enum rc find_epoch(struct tracking *t, struct str serial, uint64_t epoch, struct err *e)
{
    uint64_t appliance = 0, last = 0;

    for (size_t i = 0; i < t->n_epochs; i++) {
        last = t->epochs[i].appliance > last ? t->epochs[i].appliance : last;
        if (!str_eq(str_c(t->epochs[i].serial), serial))
            continue;
        appliance = t->epochs[i].appliance;
        if (t->epochs[i].epoch == epoch) {
            t->epoch = i;
            return RC_OK;
        }
    }
    if (serial.n > 256)
        return err_set(e, RC_INVALID, "the serial number is too long");
    must((t->epochs = realloc(t->epochs, (t->n_epochs + 1) * sizeof *t->epochs)));
    t->epoch = t->n_epochs++;
    t->epochs[t->epoch] = (struct track_epoch){.appliance = appliance ? appliance : last + 1, .epoch = epoch};
    must((t->epochs[t->epoch].serial = strndup(serial.p ? serial.p : "", serial.n)));
    return RC_OK;
}

/* An appliance that is new in a partition is unknown there; nothing was imported for it, so the list may say more. */
static void find_high(struct tracking *t)
{
    memset(t->high, 0, sizeof t->high);
    for (size_t i = 0; i < t->n_parts; i++) {
        const struct part_source *s = part_source(t->parts[i], str_c(t->serial));

        for (size_t k = 0; s && k < ROW_KINDS; k++)
            if (s->range[k].low <= s->range[k].high && s->range[k].high > t->high[k])
                t->high[k] = s->range[k].high;
    }
}

enum rc tracking_begin(struct tracking *t, struct str serial, struct str host, uint64_t epoch, struct err *e)
{
    must(!t->batch);
    if (epoch > INT64_MAX)
        return err_set(e, RC_INVALID, "the epoch is too large");
    TRY(find_epoch(t, serial, epoch, e));
    if (!t->rows) {
        must((t->rows = calloc(HASH_SLOTS, sizeof(struct batch_row *))));
        must((t->conns = calloc(HASH_SLOTS, sizeof(struct batch_conn *))));
    }
    must((t->serial = strndup(serial.p ? serial.p : "", serial.n)));
    must((t->host = strndup(host.p ? host.p : "", host.n)));
    pthread_mutex_lock(&t->lock);
    t->options = t->given;
    pthread_mutex_unlock(&t->lock);
    t->batch = true;
    t->rc = RC_OK;
    t->err = ERR_NONE;
    find_high(t);
    sql_begin(&t->catalog, true);
    return RC_OK;
}

static void failed(struct tracking *t, enum rc rc, const struct err *e)
{
    if (t->rc != RC_OK)
        return;
    t->rc = rc;
    t->err = *e;
}

/* --- rows ----------------------------------------------------------------------------------------------------------------
 */

/* The partition takes part in the batch from now on. */
static bool use_part(struct tracking *t, struct track_part *p)
{
    struct err e = ERR_NONE;
    enum rc rc = part_begin(p, &e);

    if (rc != RC_OK) {
        failed(t, rc, &e);
        return false;
    }
    p->used = ++t->uses;
    if (p->source)
        return true;
    p->source = part_source_add(p, str_c(t->serial), str_c(t->host))->id;
    p->known.n = 0;
    part_covered(p, p->source, t->epochs[t->epoch].epoch, &p->known);
    return true;
}

static bool has_key(struct track_part *p, struct str serial, uint64_t key, uint64_t kind, uint64_t *src)
{
    const struct part_source *s = part_source(p, serial);

    if (!s || key < s->range[kind].low || key > s->range[kind].high)
        return false;
    *src = s->id * ROW_KINDS + kind;
    return true;
}

static bool find_stored(struct tracking *t, struct batch_row *b)
{
    struct err e = ERR_NONE;
    uint64_t src;
    enum rc rc;

    if (b->row.key > t->high[b->kind])
        return false;
    for (size_t i = t->n_parts; i-- > 0;) {
        struct track_part *p = t->parts[i];

        if (!has_key(p, str_c(t->serial), b->row.key, b->kind, &src))
            continue;
        rc = part_open(p, &e);
        if (rc != RC_OK) {
            failed(t, rc, &e);
            return false;
        }
        if (part_row_find(p, b->row.key, src, &b->row)) {
            b->part = p;
            b->stored_ms = b->row.at_ms;
            return true;
        }
    }
    return false;
}

static struct batch_row *new_row(struct tracking *t, uint64_t key, uint64_t kind, uint64_t wall_ms)
{
    struct batch_row *b = calloc(1, sizeof *b);
    struct err e = ERR_NONE;

    must(b);
    b->kind = kind;
    b->pending = BUF(8 << 20);
    b->row = (struct track_row){
        .key = key, .rcpt = BUF(1 << 20), .subject = BUF(4096), .chunks = BUF(1 << 16), .tokens = BUF(1 << 20)};
    if (!find_stored(t, b) && t->rc == RC_OK) {
        b->part = tracking_part_for(t, wall_ms, &e);
        if (b->part)
            b->part->fresh++;
        else
            failed(t, e.rc ? e.rc : RC_IO, &e);
    }
    if (b->part && use_part(t, b->part) && !b->row.id)
        b->row.src = b->part->source * ROW_KINDS + kind;
    return b;
}

struct batch_row *batch_row(struct tracking *t, uint64_t key, uint64_t kind, uint64_t wall_ms)
{
    struct batch_row **slot = &t->rows[(key * ROW_KINDS + kind) * 0x9e3779b97f4a7c15ull >> 32 & (HASH_SLOTS - 1)], *b;

    if (t->rc != RC_OK || key > INT64_MAX / ROW_KINDS)
        return NULL;
    for (b = *slot; b; b = b->next)
        if (b->row.key == key && b->kind == kind)
            return b;
    b = new_row(t, key, kind, wall_ms);
    b->next = *slot;
    *slot = b;
    return t->rc == RC_OK ? b : NULL;
}

bool batch_row_has(struct tracking *t, const struct batch_row *row, uint64_t number)
{
    (void)t;
    return cover_has(&row->part->known, number, number);
}

static uint64_t fold_word(void *ctx, struct str text)
{
    struct tracking *t = ctx;

    return part_word(t->current, text, true);
}

void batch_apply(struct tracking *t, struct batch_row *row, uint64_t number, const struct event_record *rec)
{
    struct track_fold f = {.word = fold_word, .ctx = t, .no_subject = t->options.no_subject};

    t->current = row->part;
    track_fold(&f, &row->row, t->epochs[t->epoch].epoch, number, rec);
    if (track_is_step(rec) && !(f.no_subject && rec->type == EVENT_message_subject))
        steps_pend(&row->pending, number, rec);
}

enum rc tracking_add(struct tracking *t, uint64_t number, const struct event_record *rec, struct err *e)
{
    uint64_t mid = track_mid(rec);
    struct batch_row *row;

    must(t->batch);
    if (number > INT64_MAX)
        return err_set(e, RC_INVALID, "the number of an event is too large");
    if (cover_has(&t->epochs[t->epoch].cover, number, number) || cover_has(&t->added, number, number))
        return RC_OK;
    cover_add(&t->added, number, number);
    t->day = rec->wall_ms / DAY_MS > t->day ? rec->wall_ms / DAY_MS : t->day;
    if (!mid) {
        conn_take(t, number, rec);
    } else if ((track_is_step(rec) || track_is_fact(rec)) && (row = batch_row(t, mid, ROW_MESSAGE, rec->wall_ms))) {
        if (!batch_row_has(t, row, number))
            batch_apply(t, row, number, rec);
        conn_tie(t, mid, number, rec);
    }
    return t->rc == RC_OK ? RC_OK : err_set(e, t->rc, "%s", t->err.text);
}

/* --- commit --------------------------------------------------------------------------------------------------------------
 */

static void forget(struct tracking *t)
{
    for (size_t i = 0; t->rows && i < HASH_SLOTS; i++) {
        for (struct batch_row *b = t->rows[i], *next; b; b = next) {
            next = b->next;
            track_row_done(&b->row);
            buf_done(&b->pending);
            free(b);
        }
        t->rows[i] = NULL;
    }
    conns_forget(t);
    for (size_t i = 0; i < t->n_parts; i++) {
        part_abandon(t->parts[i]); /* nothing is left of one that was committed */
        t->parts[i]->source = t->parts[i]->fresh = 0;
        cover_done(&t->parts[i]->known);
    }
    sql_rollback(&t->catalog);
    cover_done(&t->added);
    free(t->serial);
    free(t->host);
    t->serial = t->host = NULL;
    t->batch = false;
}

void tracking_abandon(struct tracking *t)
{
    if (t->batch)
        forget(t);
}

/* Stored ones by number, then new ones by receipt. */
static int in_order(const void *a, const void *b)
{
    const struct batch_row *x = *(struct batch_row *const *)a, *y = *(struct batch_row *const *)b;

    if (x->part != y->part)
        return strcmp(x->part->name, y->part->name);
    if (!x->row.id != !y->row.id)
        return x->row.id ? -1 : 1;
    if (x->row.id != y->row.id)
        return x->row.id < y->row.id ? -1 : 1;
    if (x->row.at_ms != y->row.at_ms)
        return x->row.at_ms < y->row.at_ms ? -1 : 1;
    return x->row.key < y->row.key ? -1 : x->row.key > y->row.key;
}

static void put_rows(struct tracking *t)
{
    struct batch_row **list = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < HASH_SLOTS; i++)
        for (struct batch_row *b = t->rows[i]; b; b = b->next) {
            if (n == cap) {
                cap = cap ? cap * 2 : 1024;
                must((list = realloc(list, cap * sizeof *list)));
            }
            list[n++] = b;
        }
    if (n)
        qsort(list, n, sizeof *list, in_order);
    for (size_t i = 0; i < n; i++)
        part_row_put(list[i]->part, &list[i]->row, list[i]->stored_ms, t->epochs[t->epoch].epoch,
                     buf_str(&list[i]->pending));
    free(list);
}

static enum rc put_parts(struct tracking *t, const struct cover *covered, struct err *e)
{
    for (size_t i = 0; i < t->n_parts; i++)
        if (t->parts[i]->batch)
            TRY(part_commit(t->parts[i], t->parts[i]->source, t->epochs[t->epoch].epoch, covered, e));
    return RC_OK;
}

static enum rc put_catalog(struct tracking *t, const struct cover *covered, struct err *e)
{
    const struct track_epoch *x = &t->epochs[t->epoch];

    conns_store(t, covered);
    sql_run(&t->catalog, C_appliance_add, "is", x->appliance, str_c(x->serial));
    buf_clear(&t->scratch);
    cover_put(covered, &t->scratch);
    sql_run(&t->catalog, C_cover_put, "iib", x->appliance, x->epoch, buf_str(&t->scratch));
    io_pass("tracking.catalog");
    TRY(sql_commit(&t->catalog, e));
    io_passed("tracking.catalog");
    return RC_OK;
}

static void show(struct tracking *t)
{
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n_parts; i++)
        if (t->parts[i]->open)
            t->parts[i]->shown = t->parts[i]->sum;
    pthread_mutex_unlock(&t->lock);
}

enum rc tracking_commit(struct tracking *t, uint64_t first, uint64_t last, struct err *e)
{
    struct cover covered = {0};
    enum rc rc = t->rc;

    must(t->batch);
    cover_add_all(&covered, &t->epochs[t->epoch].cover);
    if (first <= last && last <= INT64_MAX)
        cover_add(&covered, first, last);
    else
        cover_add_all(&covered, &t->added);
    if (rc == RC_OK) {
        put_rows(t);
        rc = put_parts(t, &covered, e);
    } else {
        err_set(e, rc, "%s", t->err.text);
    }
    if (rc == RC_OK)
        rc = put_catalog(t, &covered, e);
    if (rc == RC_OK) {
        cover_done(&t->epochs[t->epoch].cover);
        t->epochs[t->epoch].cover = covered;
        covered = (struct cover){0};
    }
    cover_done(&covered);
    forget(t);
    show(t);
    tracking_aside(t);
    tracking_close_some(t, WRITERS_KEPT);
    tracking_quota(t);
    return rc;
}

bool tracking_covered(struct tracking *t, struct str serial, uint64_t epoch, uint64_t first, uint64_t last)
{
    for (size_t i = 0; i < t->n_epochs; i++)
        if (t->epochs[i].epoch == epoch && str_eq(str_c(t->epochs[i].serial), serial))
            return cover_has(&t->epochs[i].cover, first, last);
    return false;
}
