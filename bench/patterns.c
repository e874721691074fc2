/*
 * How fast many patterns go over a body: PATTERNS TEXT WORDS. Lines of PATTERNS are "L words" or "R expression"; WORDS is a
 * dictionary, a term a line. Prints GB/s of policy/patterns.c over the text, whole and in pieces of 20 KB, of one PCRE2
 * alternation (JIT) of the same patterns, and what a dictionary costs. bench/patterns builds and runs it.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/patterns.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "policy/dictionary.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 60, ROUND_BYTES = 4 << 20, PIECE = 20480, PEER_BYTES = 256 << 10 };

/* CPU time of this process: others may be at work on the machine. */
static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct str file(const char *name)
{
    FILE *f = fopen(name, "rb");
    struct str s = STR_NONE;
    char *p;
    size_t n;

    if (!f || fseek(f, 0, SEEK_END)) {
        perror(name);
        exit(1);
    }
    n = (size_t)ftell(f);
    rewind(f);
    p = malloc(n + 1);
    s = str_of(p, fread(p, 1, n, f));
    fclose(f);
    return s;
}

static bool tally(void *ctx, size_t pattern, size_t from, size_t to)
{
    (void)pattern, (void)from, (void)to;
    ++*(uint64_t *)ctx;
    return true;
}

static void stop(const char *what, const struct err *e)
{
    fprintf(stderr, "%s: %s\n", what, err_text(e));
    exit(1);
}

struct speed {
    double best, middle; /* GB per second of CPU */
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static struct speed speed_of(double *rates, size_t n)
{
    qsort(rates, n, sizeof *rates, by_value);
    return (struct speed){rates[n - 1], rates[n / 2]};
}

/* Rounds over one part of the text after the other: the best one had the processor's core for itself. */
static struct speed rate(struct patterns *p, struct str text, size_t piece)
{
    double rates[ROUNDS];
    uint64_t hits;

    for (int r = 0; r < ROUNDS; r++) {
        struct str part = str_first(str_from(text, (size_t)r * ROUND_BYTES % (text.n - ROUND_BYTES + 1)), ROUND_BYTES);
        uint64_t began = cpu_ns();

        for (size_t at = 0; at < part.n; at += piece)
            patterns_scan(p, str_first(str_from(part, at), piece), tally, &hits);
        rates[r] = (double)part.n / (double)(cpu_ns() - began);
    }
    return speed_of(rates, ROUNDS);
}

/* All patterns as one expression with alternatives. */
static double alternation(const struct pattern *items, size_t n, struct str text, uint64_t *hits)
{
    struct buf b = BUF(1 << 20);
    pcre2_match_data *match = pcre2_match_data_create(4, NULL);
    pcre2_code *code;
    int error;
    PCRE2_SIZE at;
    double best = 0;

    for (size_t i = 0; i < n; i++)
        buf_addf(&b, items[i].literal ? "%s\\b\\Q%.*s\\E\\b" : "%s(?:%.*s)", i ? "|" : "", STR(items[i].text));
    code = pcre2_compile((PCRE2_SPTR)buf_str(&b).p, buf_str(&b).n, PCRE2_CASELESS, &error, &at, NULL);
    if (!code || pcre2_jit_compile(code, PCRE2_JIT_COMPLETE))
        exit(1);
    text = str_first(text, PEER_BYTES);
    for (int r = 0; r < 2; r++) {
        uint64_t began = cpu_ns(), took;

        *hits = 0;
        for (at = 0; pcre2_match(code, (PCRE2_SPTR)text.p, text.n, at, 0, match, NULL) > 0; ++*hits) {
            PCRE2_SIZE *place = pcre2_get_ovector_pointer(match);

            at = place[1] > at ? place[1] : at + 1;
        }
        took = cpu_ns() - began;
        best = (double)text.n / (double)took > best ? (double)text.n / (double)took : best;
    }
    pcre2_match_data_free(match);
    pcre2_code_free(code);
    buf_done(&b);
    return best;
}

static size_t read_patterns(struct arena *a, struct str all, bool literals_only, struct pattern **out)
{
    struct str line;
    size_t n = 0, most = 1;

    for (size_t i = 0; i < all.n; i++)
        most += all.p[i] == '\n';
    *out = arena_array(a, struct pattern, most);
    while (str_split(&all, '\n', &line)) {
        bool literal = line.n && line.p[0] == 'L';

        if (line.n > 2 && (literal || !literals_only))
            (*out)[n++] = (struct pattern){.text = str_from(line, 2), .literal = literal, .whole_word = literal};
    }
    return n;
}

static void measure(struct str lines, struct str text, bool literals_only)
{
    struct pattern *items;
    struct patterns *p;
    struct arena a;
    struct err e = ERR_NONE;
    uint64_t hits = 0, theirs, began;
    double peer, made;
    struct speed whole, pieces;
    size_t n;

    arena_init(&a, 65536, 512 << 20);
    n = read_patterns(&a, lines, literals_only, &items);
    began = cpu_ns();
    if (patterns_new(&a, items, n, &p, NULL, &e) != RC_OK)
        stop("patterns", &e);
    made = (double)(cpu_ns() - began) / 1e9;
    pieces = rate(p, text, PIECE);
    whole = rate(p, text, ROUND_BYTES);
    patterns_scan(p, text, tally, &hits);
    peer = alternation(items, n, text, &theirs);
    printf("patterns %-16s %5zu  compile %.2f s  GB/s best (median): pieces of 4 MiB %.2f (%.2f), of 20 KB %.2f (%.2f)"
           "  %llu matches in %zu MiB\n",
           literals_only ? "words" : "words, 30% expr", n, made, whole.best, whole.middle, pieces.best, pieces.middle,
           (unsigned long long)hits, text.n >> 20);
    printf("ratio patterns %-10s postern/pcre2-jit-alternation: rate x%.1f (%.4f GB/s)\n", literals_only ? "words" : "mixed",
           pieces.middle / peer, peer);
    fflush(stdout);
    arena_done(&a);
}

static void dictionary(struct str words, struct str text)
{
    struct str *terms, line;
    struct conf_dictionary d = {.name = str_lit("big"), .whole_words = 1};
    struct conf c = {0};
    struct compiled_words *made;
    struct dictionary_result r;
    struct err e = ERR_NONE;
    struct arena a;
    uint64_t began;
    double compile, rates[ROUNDS];
    struct speed speed;
    size_t n = 0;

    arena_init(&a, 65536, 512 << 20);
    terms = arena_array(&a, struct str, 200000);
    while (n < 200000 && str_split(&words, '\n', &line))
        if (line.n)
            terms[n++] = line;
    d.terms = (struct strs){terms, n};
    c.dictionary.items = &d;
    c.dictionary.n = 1;
    began = cpu_ns();
    if (dictionaries_compile(&a, &c, &made, &e) != RC_OK)
        stop("dictionary", &e);
    compile = (double)(cpu_ns() - began) / 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        struct str part = str_first(str_from(text, (size_t)i * ROUND_BYTES % (text.n - ROUND_BYTES + 1)), ROUND_BYTES);

        began = cpu_ns();
        for (size_t at = 0; at < part.n; at += PIECE)
            dictionary_scan(dictionary_find(made, d.name), str_first(str_from(part, at), PIECE), 0, &r);
        rates[i] = (double)part.n / (double)(cpu_ns() - began);
    }
    speed = speed_of(rates, ROUNDS);
    printf("dictionary of %zu words: compile %.2f s, GB/s best (median) in pieces of 20 KB %.2f (%.2f)\n", n, compile,
           speed.best, speed.middle);
    arena_done(&a);
}

int main(int argc, char **argv)
{
    struct str lines, text;

    if (argc < 4)
        return 2;
    lines = file(argv[1]);
    text = file(argv[2]);
    measure(lines, text, true);
    measure(lines, text, false);
    dictionary(file(argv[3]), text);
    return 0;
}
