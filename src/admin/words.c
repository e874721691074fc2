/*
 * Splits a command line (spec/cli.md 1.5): words, quotes, `;`. See client.h.
 *
 * Called by `postern cli`; later by the SSH shell. Owns nothing; words live in the caller's arena.
 */
#include "admin/client.h"

enum { WORDS_MAX = 10000 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One word off the front; false when a quote stays open. */
static bool take_word(struct str *line, struct buf *out)
{
    bool quoted = false;
    size_t i = 0;

    for (; i < line->n && (quoted || (!is_blank(line->p[i]) && line->p[i] != ';')); i++) {
        char c = line->p[i];

        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (c == '\\' && i + 1 < line->n && (line->p[i + 1] == '"' || line->p[i + 1] == '\\'))
            c = line->p[++i];
        buf_addc(out, c);
    }
    *line = str_from(*line, i);
    return !quoted;
}

bool words_take(struct arena *a, struct str *line, struct strs *words_out, struct err *e)
{
    struct str *words = arena_array(a, struct str, WORDS_MAX);
    struct buf word = BUF(line->n + 64);
    size_t n = 0;

    while (words) {
        while (line->n && (is_blank(line->p[0]) || (line->p[0] == ';' && n == 0)))
            *line = str_from(*line, 1);
        if (line->n == 0 || line->p[0] == ';')
            break;
        buf_clear(&word);
        if (n == WORDS_MAX || !take_word(line, &word)) {
            err_set(e, RC_SYNTAX, n == WORDS_MAX ? "too many words" : "a quote is not closed");
            n = 0;
            break;
        }
        words[n++] = arena_str(a, buf_str(&word));
    }
    buf_done(&word);
    *words_out = (struct strs){words, n};
    return n > 0;
}
