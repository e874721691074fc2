/*
 * Rows and words of a partition. See track_part.h.
 *
 * Called by the writer inside a batch, part_row_read() by searches too. Owns the cache of words. Statements that fail end
 * the batch at its commit.
 */
#include "base/must.h"
#include "store/track_part.h"
#include "store/track_tokens.h"

#include <stdlib.h>

enum { WORDS_CACHED = 1 << 15 };

bool part_covered(struct track_part *p, uint64_t src, uint64_t epoch, struct cover *out)
{
    sqlite3_stmt *st = sql_bind(&p->sql, T_cover_get, "ii", src, epoch);
    bool found = sql_step(&p->sql, st) && cover_get(out, sql_str(st, 0));

    sqlite3_reset(st);
    return found;
}

struct part_source *part_source_add(struct track_part *p, struct str serial, struct str host)
{
    struct part_source *s = part_source(p, serial);

    if (!s) {
        must((p->sources = realloc(p->sources, (p->n_sources + 1) * sizeof *p->sources)));
        s = &p->sources[p->n_sources];
        *s = (struct part_source){
            .id = ++p->n_sources, .serial = strndup(serial.p ? serial.p : "", serial.n), .host = strdup("")};
        must(s->serial && s->host);
        for (size_t k = 0; k < ROW_KINDS; k++)
            s->range[k].low = UINT64_MAX;
    }
    if (host.n && !str_eq(str_c(s->host), host)) {
        free(s->host);
        must((s->host = strndup(host.p, host.n)));
    }
    return s;
}

/* --- words ------------------------------------------------------------------------------------------------------------ */

static uint64_t find_word(struct track_part *p, struct str text, uint64_t h)
{
    sqlite3_stmt *st = sql_bind(&p->sql, T_word_find, "i", h);
    uint64_t id = 0;

    while (!id && sql_step(&p->sql, st))
        if (str_eq(sql_str(st, 1), text))
            id = sql_u64(st, 0);
    sqlite3_reset(st);
    return id;
}

static uint64_t add_word(struct track_part *p, struct str text, uint64_t h)
{
    struct buf folded = BUF(1 << 16);

    sql_run(&p->sql, T_word_add, "isi", ++p->last_word, text, h);
    track_fold_case(text, &folded);
    buf_clear(&p->tokens);
    track_add_trigrams(&p->tokens, 'w', buf_str(&folded));
    buf_done(&folded);
    sql_run(&p->sql, T_word_index, "is", p->last_word, buf_str(&p->tokens));
    return p->last_word;
}

uint64_t part_word(struct track_part *p, struct str text, bool add)
{
    uint64_t hash, h, id;
    struct part_word *slot;

    text = str_first(text, 1000);
    hash = str_hash_seed(text, p->seed);
    if (!p->words)
        must((p->words = calloc(WORDS_CACHED, sizeof *p->words)));
    slot = &p->words[hash % WORDS_CACHED];
    if (slot->id && slot->hash == hash)
        return slot->id;
    h = str_hashi(text) & UINT32_MAX;
    id = find_word(p, text, h);
    if (!id && add)
        id = add_word(p, text, h);
    if (id)
        *slot = (struct part_word){hash, id};
    return id;
}

static uint64_t step_word(void *ctx, struct str text)
{
    return part_word(ctx, text, false);
}

/* --- rows ------------------------------------------------------------------------------------------------------------- */

void part_row_read(sqlite3_stmt *st, uint64_t day, struct track_row *out)
{
    out->id = sql_u64(st, M_id);
    out->key = sql_u64(st, M_mid);
    out->src = sql_u64(st, M_src);
    out->at_ms = day * DAY_MS + sql_u64(st, M_at);
    out->has_sender = sqlite3_column_type(st, M_sender) != SQLITE_NULL;
    out->sender = sql_u64(st, M_sender);
    out->flags = sql_u64(st, M_flags);
    out->bytes = sql_u64(st, M_bytes);
    out->state = sql_u64(st, M_state);
    out->last_epoch = sql_u64(st, M_epoch);
    out->last_number = sql_u64(st, M_last);
    buf_clear(&out->rcpt);
    buf_clear(&out->subject);
    buf_clear(&out->chunks);
    buf_add(&out->rcpt, sql_str(st, M_rcpt));
    buf_add(&out->subject, sql_str(st, M_subject));
    buf_add(&out->chunks, sql_str(st, M_chunks));
}

bool part_row_find(struct track_part *p, uint64_t key, uint64_t src, struct track_row *out)
{
    uint64_t id = sql_number(&p->sql, T_row_find, 0, "ii", key, src);
    sqlite3_stmt *st;
    bool found;

    if (!id)
        return false;
    st = sql_bind(&p->sql, T_row_get, "i", id);
    found = sql_step(&p->sql, st);
    if (found)
        part_row_read(st, p->day, out);
    sqlite3_reset(st);
    return found;
}

/* The chunk that grows is named in the row, as difference to the one before. */
static void name_chunk(struct track_part *p, struct track_row *row)
{
    struct str in = buf_str(&row->chunks);
    uint64_t last = 0, d;

    while (get_varint(&in, &d))
        last += d;
    if (last != p->chunk_id)
        buf_put_varint(&row->chunks, p->chunk_id - last);
}

static void put_steps(struct track_part *p, struct track_row *row, uint64_t epoch, struct str pending)
{
    struct steps_words w = {.find = step_word, .ctx = p};

    if (!pending.n)
        return;
    if (p->chunk_id && steps_size(&p->chunk) >= STEPS_CHUNK && p->chunk.groups > p->before.groups) {
        buf_clear(&p->scratch);
        if (steps_put(&p->chunk, &p->scratch, &p->sql.err) != RC_OK)
            p->sql.rc = RC_NO_MEMORY;
        sql_run(&p->sql, T_chunk_put, "ib", p->chunk_id, buf_str(&p->scratch));
        steps_chunk_done(&p->chunk);
        p->chunk_id = 0;
        p->before = steps_mark(&p->chunk);
    }
    if (!p->chunk_id)
        p->chunk_id = ++p->last_chunk;
    name_chunk(p, row);
    steps_add(&p->chunk, &w, row->src, row->key, epoch, buf_str(&row->subject), pending);
}

static void note_range(struct track_part *p, const struct track_row *row)
{
    struct track_sum *s = &p->sum;

    for (size_t i = 0; i < p->n_sources; i++)
        if (p->sources[i].id == row->src / ROW_KINDS) {
            struct part_range *r = &p->sources[i].range[row->src % ROW_KINDS];

            r->low = row->key < r->low ? row->key : r->low;
            r->high = row->key > r->high ? row->key : r->high;
        }
    s->low = row->key < s->low ? row->key : s->low;
    s->high = row->key > s->high ? row->key : s->high;
}

/* Rows lie in about the order of receipt: how far from it they are at most. */
static void note_time(struct track_part *p, const struct track_row *row, uint64_t stored_ms)
{
    struct track_sum *s = &p->sum;

    if (stored_ms == row->at_ms)
        return;
    if (stored_ms && row->at_ms > stored_ms)
        s->late_ms += row->at_ms - stored_ms;
    if (!s->min_ms || row->at_ms < s->min_ms)
        s->min_ms = row->at_ms;
    if (s->max_ms > row->at_ms && s->max_ms - row->at_ms > s->late_ms)
        s->late_ms = s->max_ms - row->at_ms;
    if (row->at_ms > s->max_ms)
        s->max_ms = row->at_ms;
}

void part_row_put(struct track_part *p, struct track_row *row, uint64_t stored_ms, uint64_t epoch, struct str pending)
{
    uint64_t at = row->at_ms - p->day * DAY_MS;

    if (!row->id) {
        row->id = ++p->last_row;
        note_range(p, row);
    }
    put_steps(p, row, epoch, pending);
    note_time(p, row, stored_ms);
    if (row->has_sender)
        sql_run(&p->sql, T_row_put, "iiiiibsiiiiib", row->id, row->key, row->src, at, row->sender, buf_str(&row->rcpt),
                buf_str(&row->subject), row->flags, row->bytes, row->state, row->last_epoch, row->last_number,
                buf_str(&row->chunks));
    else
        sql_run(&p->sql, T_row_put, "iiiinbsiiiiib", row->id, row->key, row->src, at, buf_str(&row->rcpt),
                buf_str(&row->subject), row->flags, row->bytes, row->state, row->last_epoch, row->last_number,
                buf_str(&row->chunks));
    if (row->tokens.n)
        sql_run(&p->sql, T_row_index, "is", row->id, buf_str(&row->tokens));
    buf_clear(&row->tokens);
}
