/*
 * Which addresses and names of a partition fit a condition. See track_find.h.
 *
 * Called by track_find.c. Owns nothing but the lists it fills. What the index of trigrams proposes is compared with the
 * text.
 */
#include "store/track_find.h"

#include "base/must.h"

#include <stdlib.h>

bool track_text_fits(const struct track_text *t, struct str text)
{
    struct buf folded = BUF(1 << 16);
    struct str s;
    bool good;

    if (t->how == HOW_EMPTY)
        return !text.n;
    track_fold_case(text, &folded);
    s = buf_str(&folded);
    good = t->how == HOW_IS       ? str_eq(s, t->value)
           : t->how == HOW_BEGINS ? str_starts(s, t->value)
                                  : str_find_str(s, t->value) < s.n;
    buf_done(&folded);
    return good;
}

static void add(struct word_set *s, size_t *cap, uint64_t id)
{
    if (s->n == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        must((s->ids = realloc(s->ids, *cap * sizeof *s->ids)));
    }
    s->ids[s->n++] = id;
}

static sqlite3_stmt *candidates(struct track_find *f, const struct track_text *t)
{
    struct buf match = BUF(1 << 16);
    sqlite3_stmt *st;

    if (t->how == HOW_IS)
        return sql_bind(f->sql, T_word_find, "i", str_hashi(t->value) & UINT32_MAX);
    if (track_match_trigrams(&match, 'w', t->value, t->how == HOW_BEGINS)) {
        st = sql_prepare(f->sql, str_lit("SELECT w.id,w.t FROM d CROSS JOIN w ON w.id=d.rowid WHERE d MATCH ?1"));
        if (st)
            sql_put(st, 1, buf_str(&match));
    } else {
        st = sql_prepare(f->sql, str_lit("SELECT id,t FROM w"));
    }
    buf_done(&match);
    return st;
}

bool word_set_has(const struct word_set *s, uint64_t id)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->ids[mid] == id)
            return true;
        if (s->ids[mid] < id)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

enum rc track_find_words(struct track_find *f, const struct track_text *t, struct word_set *out, struct err *e)
{
    sqlite3_stmt *st;
    size_t cap = 0;

    *out = (struct word_set){.given = t->given};
    if (!t->given)
        return RC_OK;
    if (!t->value.n) { /* the empty sender */
        add(out, &cap, 0);
        return RC_OK;
    }
    st = candidates(f, t);
    while (st && sql_step(f->sql, st))
        if (track_text_fits(t, sql_str(st, 1)))
            add(out, &cap, sql_u64(st, 0));
    if (t->how == HOW_IS)
        sqlite3_reset(st);
    else
        sql_free(st);
    if (out->n)
        qsort(out->ids, out->n, sizeof *out->ids, by_number);
    return f->sql->rc == RC_OK ? RC_OK : err_set(e, f->sql->rc, "%s", f->sql->err.text);
}
