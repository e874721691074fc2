/*
 * Any pattern over any text: searching a block finds the same first line as asking line by line, and what findevent reads
 * out of lines stays inside them. The first line of the input is the pattern, its first octet says whether case counts.
 */
#include "console/log_line.h"
#include "console/log_match.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t by_line(struct log_match *m, struct str block)
{
    size_t at = 0;

    while (at < block.n) {
        size_t n = str_find(str_from(block, at), '\n');

        if (log_match_line(m, str_first(str_from(block, at), n)))
            return at;
        at += n + 1;
    }
    return block.n;
}

static void read_lines(struct str text)
{
    struct str line, rest;
    struct log_line l;
    uint64_t a, b;

    while (text.n) {
        line = str_first(text, str_find(text, '\n'));
        text = str_from(text, line.n + 1);
        rest = log_line_read(line, &l) ? l.text : line;
        log_line_mid(rest, &a);
        log_line_relation(rest, &a, &b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size), pattern;
    struct log_match *m;

    if (size < 2)
        return 0;
    pattern = str_first(str_from(in, 1), str_find(str_from(in, 1), '\n'));
    in = str_from(in, pattern.n + 2);
    read_lines(in);
    if (!pattern.n || log_match_new(pattern, data[0] & 1, &m, NULL) != RC_OK)
        return 0;
    for (struct str block = in; block.n;) {
        size_t line = by_line(m, block), found = log_match_find(m, block);

        if (log_match_given_up(m))
            break;
        must(line == found);
        block = str_from(block, found + str_find(str_from(block, found), '\n') + 1);
    }
    log_match_free(m);
    return 0;
}
