/*
 * The engine of `grep`. See log_grep.h.
 *
 * Called by the console for one command. Owns the files, the pattern and the lines kept for context. Works on blocks: the
 * pattern looks for the next line that matches, everything before it is passed over at once, so the cost of lines that are
 * not shown is that of the search alone.
 */
#include "console/log_grep.h"
#include "console/log_match.h"
#include "console/log_tail.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { TAIL_LINES = 10, KEPT_LINE_MOST = 64 << 10 };

struct grep {
    const struct log_grep *what;
    const struct log_out *out;
    struct log_match *match;
    uint64_t hits;
    bool stopped;
    /* context */
    size_t context;   /* lines */
    struct buf *kept; /* ring of `context` lines before the next hit */
    size_t first, n;  /* oldest, number */
    size_t after;     /* lines still to be shown behind the last hit */
    bool shown, gap;  /* something was shown; lines were left out since */
};

static void show(struct grep *g, struct str line)
{
    if (!g->stopped)
        g->stopped = !g->out->line(g->out->ctx, line);
    g->shown = true;
}

/* --- context ------------------------------------------------------------------------------------------------------ */

static void keep(struct grep *g, struct str line)
{
    struct buf *slot;

    if (g->n == g->context) {
        g->first = (g->first + 1) % g->context;
        g->n--;
        g->gap = true;
    }
    slot = &g->kept[(g->first + g->n++) % g->context];
    buf_clear(slot);
    buf_add(slot, str_first(line, KEPT_LINE_MOST));
}

static void show_kept(struct grep *g)
{
    if (g->context && g->shown && g->gap)
        show(g, str_lit("--"));
    g->gap = false;
    for (; g->n; g->n--, g->first = (g->first + 1) % g->context)
        show(g, buf_str(&g->kept[g->first]));
}

/* The last `lines` lines of a block of whole lines. */
static struct str last_lines(struct str block, size_t lines)
{
    size_t at = block.n && block.p[block.n - 1] == '\n' ? block.n - 1 : block.n;

    while (lines) {
        const char *end = at ? memrchr(block.p, '\n', at) : NULL;

        if (!end)
            return block;
        at = (size_t)(end - block.p);
        lines--;
    }
    return str_from(block, at + 1);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static void take_hits(struct grep *g, struct str lines)
{
    struct str line;

    while (!g->stopped && log_line_take(&lines, &line)) {
        g->hits++;
        if (g->what->count)
            continue;
        show_kept(g);
        show(g, line);
        g->after = g->context;
    }
}

static void pass_over(struct grep *g, struct str lines)
{
    struct str line, rest;

    if (!g->context || g->what->count)
        return;
    for (; g->after && !g->stopped && log_line_take(&lines, &line); g->after--)
        show(g, line);
    rest = last_lines(lines, g->context);
    g->gap = g->gap || rest.n < lines.n;
    if (rest.n < lines.n)
        g->n = 0;
    while (log_line_take(&rest, &line))
        keep(g, line);
}

static void grep_block(struct grep *g, struct str block)
{
    while (block.n && !g->stopped) {
        size_t at = log_match_find(g->match, block), end = at;

        if (at < block.n)
            end = at + str_find(str_from(block, at), '\n') + 1;
        (g->what->invert ? take_hits : pass_over)(g, str_first(block, at));
        (g->what->invert ? pass_over : take_hits)(g, str_of(block.p + at, (end < block.n ? end : block.n) - at));
        block = str_from(block, end);
    }
}

static void grep_files(struct grep *g, const struct log_files *files)
{
    struct log_reader r;
    struct str block;

    log_reader_init(&r, files);
    while (!g->stopped && !(g->out->stop && g->out->stop(g->out->ctx, 0)) && log_reader_next(&r, &block))
        grep_block(g, block);
    log_reader_done(&r);
}

/* --- the tail ----------------------------------------------------------------------------------------------------- */

static bool tail_line(void *ctx, struct str line)
{
    struct grep *g = ctx;

    if (log_match_line(g->match, line) == g->what->invert)
        return true;
    return g->out->line(g->out->ctx, line);
}

static bool tail_stop(void *ctx, unsigned wait_ms)
{
    struct grep *g = ctx;

    return !g->out->stop || g->out->stop(g->out->ctx, wait_ms);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static enum rc run(struct grep *g, const char *home, struct str name, struct err *e)
{
    struct log_files files;

    if (g->what->tail) {
        struct log_out picked = {tail_line, tail_stop, g};

        return log_tail(home, name, TAIL_LINES, &picked, e);
    }
    TRY(log_files_list(home, name, &files, e));
    grep_files(g, &files);
    log_files_done(&files);
    if (g->what->count && !g->stopped) {
        char number[24];

        snprintf(number, sizeof number, "%llu", (unsigned long long)g->hits);
        show(g, str_c(number));
    }
    return RC_OK;
}

enum rc log_grep(const char *home, struct str name, const struct log_grep *what, const struct log_out *out, struct err *e)
{
    struct grep g = {.what = what, .out = out};
    uint64_t hard;
    enum rc rc;

    TRY(log_match_new(what->pattern, what->ignore_case, &g.match, e));
    g.context = (size_t)(what->context < GREP_CONTEXT_MOST ? what->context : GREP_CONTEXT_MOST);
    if (g.context)
        must((g.kept = calloc(g.context, sizeof *g.kept)));
    for (size_t i = 0; i < g.context; i++)
        g.kept[i] = BUF(KEPT_LINE_MOST);
    rc = run(&g, home, name, e);
    hard = log_match_given_up(g.match);
    for (size_t i = 0; i < g.context; i++)
        buf_done(&g.kept[i]);
    free(g.kept);
    log_match_free(g.match);
    if (rc == RC_OK && hard)
        return err_set(e, RC_LIMIT, "the regular expression costs too much: %llu lines were not searched",
                       (unsigned long long)hard);
    return rc;
}
