/*
 * The command line of an scp session. See scp.h.
 *
 * Called by scp.c. The caller's arena owns the words. There is no shell here: quotes and backslashes are taken off, and
 * everything else that a shell would act on is an ordinary character.
 */
#include "shell/scp_inside.h"

/* Adds the next word, quotes taken off, to out; false at the end of the line. */
static bool next_word(struct str *line, struct buf *out, bool *open_out)
{
    char quote = 0;

    while (line->n && (line->p[0] == ' ' || line->p[0] == '\t'))
        *line = str_from(*line, 1);
    if (line->n == 0)
        return false;
    while (line->n) {
        char c = line->p[0];

        if (!quote && (c == ' ' || c == '\t'))
            break;
        *line = str_from(*line, 1);
        if (c == quote)
            quote = 0;
        else if (!quote && (c == '\'' || c == '"'))
            quote = c;
        else if (c == '\\' && quote != '\'' && line->n) {
            buf_addc(out, line->p[0]);
            *line = str_from(*line, 1);
        } else
            buf_addc(out, c);
    }
    *open_out = quote != 0;
    return true;
}

enum rc scp_words(struct arena *a, struct str line, struct strs *out, struct err *e)
{
    struct str *words = arena_array(a, struct str, SCP_WORDS);
    struct buf word = BUF(SCP_COMMAND_MAX);
    bool open = false;
    size_t n = 0;

    if (line.n > SCP_COMMAND_MAX || !words)
        return err_set(e, RC_TOO_LARGE, "the command is too long");
    while (next_word(&line, &word, &open) && n < SCP_WORDS) {
        words[n++] = arena_str(a, buf_str(&word));
        buf_clear(&word);
    }
    buf_done(&word);
    if (open)
        return err_set(e, RC_SYNTAX, "a quote is open");
    if (line.n || (n && !words[n - 1].p))
        return err_set(e, RC_TOO_LARGE, "too many file names");
    *out = (struct strs){words, n};
    return RC_OK;
}

static bool set_option(struct scp_request *r, char c)
{
    bool ignored = false;
    struct {
        char c;
        bool *is;
    } options[] = {{'f', &r->from},      {'t', &r->to},   {'p', &r->times}, {'d', &r->folder},
                   {'r', &r->recursive}, {'v', &ignored}, {'q', &ignored},  {'E', &ignored}};

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].c == c) {
            *options[i].is = true;
            return true;
        }
    return false;
}

bool scp_command(struct str command)
{
    struct str word;

    return str_word(&command, &word) && (str_eq(word, str_lit("scp")) || str_ends(word, str_lit("/scp")));
}

enum rc scp_request_parse(struct arena *a, struct str line, struct scp_request *out, struct err *e)
{
    struct scp_request r = {0};
    struct strs words;
    size_t i = 1;

    if (!scp_command(line))
        return err_set(e, RC_UNKNOWN_COMMAND, "not an scp command");
    TRY(scp_words(a, line, &words, e));
    for (; i < words.n && words.items[i].n > 1 && words.items[i].p[0] == '-'; i++) {
        if (str_eq(words.items[i], str_lit("--"))) {
            i++;
            break;
        }
        for (size_t k = 1; k < words.items[i].n; k++)
            if (!set_option(&r, words.items[i].p[k]))
                return err_set(e, RC_INVALID, "unknown option");
    }
    r.paths = words.items + i;
    r.n = words.n - i;
    if (r.from == r.to || r.n == 0 || (r.to && r.n != 1))
        return err_set(e, RC_SYNTAX, "usage: scp -f FILE... or scp -t FILE");
    *out = r;
    return RC_OK;
}
