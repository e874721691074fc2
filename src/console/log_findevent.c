/*
 * Finding messages by sender, recipient or subject. See log_findevent.h; the lines of one message: log_trace.c.
 *
 * Called by the console for one command. Owns the files and what it found: number, order, and the text to show.
 */
#include "console/log_findevent.h"
#include "console/log_line.h"
#include "console/log_match.h"

#include "base/must.h"

#include <stdlib.h>

enum { TEXTS_MOST = 64 << 20, GENERATED = 4096, DATE = 24 };

struct hit {
    uint64_t mid;
    uint32_t at, n; /* in texts */
};

struct find {
    enum findevent_kind kind;
    struct log_match *match;
    struct hit *hits;
    size_t n, room;
    struct buf texts;
    uint64_t generated[GENERATED]; /* the MIDs last started with ICID 0: a Subject line does not name the connection */
    size_t n_generated;
    bool full;
};

/* "MID n ICID n From: <a>", "MID n ICID n RID n To: <a>": the value keeps its brackets. */
static bool address_value(struct str text, bool to, uint64_t *mid_out, struct str *value_out)
{
    uint64_t icid, rid;

    if (!log_number(&text, str_lit("MID "), mid_out) || !log_number(&text, str_lit(" ICID "), &icid) || icid == 0 ||
        (to && !log_number(&text, str_lit(" RID "), &rid)))
        return false;
    if (!str_starts(text, to ? str_lit(" To: ") : str_lit(" From: ")))
        return false;
    *value_out = str_from(text, to ? 5 : 7);
    return true;
}

static bool was_generated(const struct find *f, uint64_t mid)
{
    for (size_t i = 0; i < GENERATED && i < f->n_generated; i++)
        if (f->generated[i] == mid)
            return true;
    return false;
}

/* "MID n Subject '...'" or "...", imported logs without quotes. */
static bool subject_value(struct find *f, struct str text, uint64_t *mid_out, struct str *value_out)
{
    struct str v;
    uint64_t icid;

    if (f->kind == FINDEVENT_SUBJECT && log_number(&text, str_lit("Start MID "), mid_out)) {
        if (log_number(&text, str_lit(" ICID "), &icid) && icid == 0)
            f->generated[f->n_generated++ % GENERATED] = *mid_out;
        return false;
    }
    if (!log_number(&text, str_lit("MID "), mid_out) || !str_starts(text, str_lit(" Subject ")) ||
        was_generated(f, *mid_out))
        return false;
    v = str_from(text, 9);
    if (v.n >= 2 && (v.p[0] == '\'' || v.p[0] == '"') && v.p[v.n - 1] == v.p[0])
        v = str_of(v.p + 1, v.n - 2);
    *value_out = v;
    return true;
}

static void add_hit(struct find *f, uint64_t mid, struct str date, struct str value)
{
    if (f->n == FINDEVENT_MOST || f->texts.n + DATE + value.n > TEXTS_MOST) {
        f->full = true;
        return;
    }
    if (f->n == f->room) {
        f->room = f->room ? 2 * f->room : 64;
        must((f->hits = realloc(f->hits, f->room * sizeof *f->hits)));
    }
    f->hits[f->n++] = (struct hit){mid, (uint32_t)f->texts.n, (uint32_t)(DATE + value.n)};
    buf_add(&f->texts, date);
    buf_add(&f->texts, value);
}

static void look_at(struct find *f, struct str line)
{
    struct log_line l;
    uint64_t mid;
    struct str value;

    if (!log_line_read(line, &l))
        return;
    if (f->kind == FINDEVENT_SUBJECT ? !subject_value(f, l.text, &mid, &value)
                                     : !address_value(l.text, f->kind == FINDEVENT_TO, &mid, &value))
        return;
    if (log_match_line(f->match, value))
        add_hit(f, mid, l.date, value);
}

static int by_mid(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;

    if (x->mid != y->mid)
        return x->mid < y->mid ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at); /* as logged */
}

static void show_hits(struct find *f, const struct log_out *out)
{
    struct buf line = BUF(1 << 20);
    bool more = true;

    if (f->n)
        qsort(f->hits, f->n, sizeof *f->hits, by_mid);
    for (size_t i = 0; i < f->n && more; i++) {
        struct str text = str_of(f->texts.p + f->hits[i].at, f->hits[i].n);

        buf_clear(&line);
        buf_addf(&line, "MID %llu (%.*s) ", (unsigned long long)f->hits[i].mid, STR(str_first(text, DATE)));
        buf_add(&line, str_from(text, DATE));
        more = out->line(out->ctx, buf_str(&line));
    }
    buf_done(&line);
}

enum rc log_findevent(const char *home, struct str name, enum findevent_kind kind, struct str pattern, bool ignore_case,
                      const struct log_out *out, struct err *e)
{
    struct log_files files;
    struct log_reader r;
    struct str block, line;
    struct find *f = calloc(1, sizeof *f);
    enum rc rc;

    must(f);
    f->kind = kind;
    f->texts = BUF(TEXTS_MOST);
    rc = log_match_new(pattern, ignore_case, &f->match, e);
    if (rc == RC_OK)
        rc = log_files_list(home, name, &files, e);
    if (rc == RC_OK) {
        bool stopped = false;

        log_reader_init(&r, &files);
        while (!f->full && !stopped && log_reader_next(&r, &block)) {
            while (log_line_take(&block, &line))
                look_at(f, line);
            stopped = out->stop && out->stop(out->ctx, 0);
        }
        log_reader_done(&r);
        log_files_done(&files);
        if (!stopped)
            show_hits(f, out);
        if (f->full)
            rc = err_set(e, RC_LIMIT, "more than %zu lines match, these are the first of them", f->n);
    }
    log_match_free(f->match);
    buf_done(&f->texts);
    free(f->hits);
    free(f);
    return rc;
}
