/*
 * Tokens of tracking. See track_tokens.h.
 *
 * Called by the fold (documents) and the searches (conditions). Owns nothing; pure but for track_tokenizer(), which hands a
 * table of functions to SQLite. Any octets may come: lengths are bounded, nothing is taken for UTF-8 that is not.
 */
#include "store/track_tokens.h"

#include <stdint.h>

enum { ANCHOR = 2, TRIGRAMS_MOST = 600 };

/* --- the tokenizer -------------------------------------------------------------------------------------------------- */

static int tokens_create(void *ctx, const char **args, int n, Fts5Tokenizer **out)
{
    static char one;

    (void)ctx;
    (void)args;
    (void)n;
    *out = (Fts5Tokenizer *)(void *)&one;
    return SQLITE_OK;
}

static void tokens_delete(Fts5Tokenizer *t)
{
    (void)t;
}

static int tokens_cut(Fts5Tokenizer *t, void *ctx, int flags, const char *p, int n,
                      int (*take)(void *ctx, int flags, const char *token, int length, int begin, int end))
{
    int rc = SQLITE_OK, at = 0;

    (void)t;
    if (flags & FTS5_TOKENIZE_QUERY)
        return n > 0 ? take(ctx, 0, p, n, 0, n) : SQLITE_OK;
    while (rc == SQLITE_OK && at < n) {
        int length = (unsigned char)p[at];

        if (length > n - at - 1)
            break;
        rc = take(ctx, 0, p + at + 1, length, at, at + 1 + length);
        at += 1 + length;
    }
    return rc;
}

bool track_tokenizer(sqlite3 *db)
{
    static fts5_tokenizer functions = {tokens_create, tokens_delete, tokens_cut};
    sqlite3_stmt *st = NULL;
    fts5_api *api = NULL;

    if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &st, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_pointer(st, 1, &api, "fts5_api_ptr", NULL);
    sqlite3_step(st);
    sqlite3_finalize(st);
    return api && api->xCreateTokenizer(api, "postern", NULL, &functions, NULL) == SQLITE_OK;
}

/* --- characters ----------------------------------------------------------------------------------------------------- */

/* Octets of the character at p: a whole UTF-8 sequence, or 1. */
static size_t char_length(const unsigned char *p, size_t n)
{
    size_t want = *p < 0xc2 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 1;

    if (want > n)
        return 1;
    for (size_t i = 1; i < want; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 1;
    return want;
}

/* Of the letters with two octets: Latin-1, Latin extended A, Greek, Cyrillic. */
static unsigned small_letter(unsigned c)
{
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
        return c | 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return c + (c & 1);
    return c;
}

void track_fold_case(struct str text, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)text.p;

    for (size_t i = 0, length; i < text.n; i += length) {
        length = char_length(p + i, text.n - i);
        if (length == 2) {
            unsigned c = small_letter((p[i] & 0x1fu) << 6 | (p[i + 1] & 0x3fu));

            buf_addc(out, (char)(0xc0 | c >> 6));
            buf_addc(out, (char)(0x80 | (c & 0x3f)));
        } else if (length == 1) {
            buf_addc(out, p[i] ? ascii_lower((char)p[i]) : ' ');
        } else {
            buf_add(out, str_of(text.p + i, length));
        }
    }
}

/* --- tokens --------------------------------------------------------------------------------------------------------- */

struct str track_bare_id(struct str id)
{
    id = str_trim(id);
    if (id.n > 1 && id.p[0] == '<' && id.p[id.n - 1] == '>')
        id = str_of(id.p + 1, id.n - 2);
    return id;
}

static size_t put_number(char *out, char prefix, uint64_t v)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    size_t n = 0;

    out[n++] = prefix;
    do
        out[n++] = digits[v & 63];
    while (v >>= 6);
    return n;
}

static size_t put_exact(char *out, enum track_kind kind, struct str value)
{
    char prefix[2] = {(char)kind, 0};
    uint64_t h = str_hashi(value) ^ str_hash(str_c(prefix));

    h ^= h >> 29;
    return put_number(out, 'h', (h * 0x9e3779b97f4a7c15ull) >> 16);
}

static void add_token(struct buf *doc, const char *token, size_t n)
{
    buf_put_u8(doc, (uint8_t)n);
    buf_add(doc, str_of(token, n));
}

void track_add_number(struct buf *doc, char prefix, uint64_t number)
{
    char token[TOKEN_MAX];

    add_token(doc, token, put_number(token, prefix, number));
}

void track_add_exact(struct buf *doc, enum track_kind kind, struct str value)
{
    char token[TOKEN_MAX];

    if (value.n)
        add_token(doc, token, put_exact(token, kind, value));
}

void track_add_domains(struct buf *doc, struct str host)
{
    for (size_t labels = 0; host.n && labels < 6; labels++) {
        track_add_exact(doc, KIND_DOMAIN, host);
        host = str_from(host, str_find(host, '.') + 1);
        if (str_find(host, '.') == host.n)
            break; /* a top-level domain alone says little */
    }
}

/* Three characters each, one behind the other; the first begins with the anchor. fn gets every one with its number. */
static void each_trigram(struct str folded, bool anchored, void (*fn)(void *ctx, const char *p, size_t n, size_t at),
                         void *ctx)
{
    const unsigned char *p = (const unsigned char *)folded.p;
    size_t len[3] = {0}, at = 0, begin = 0, count = 0;
    char first[9] = {ANCHOR};

    for (size_t i = 0; i < folded.n && at < TRIGRAMS_MOST; i += len[2]) {
        len[0] = len[1];
        len[1] = len[2];
        len[2] = char_length(p + i, folded.n - i);
        count++;
        if (count == 2 && anchored) {
            memcpy(first + 1, p, len[1] + len[2]);
            fn(ctx, first, 1 + len[1] + len[2], at++);
        }
        if (count >= 3) {
            fn(ctx, folded.p + begin, len[0] + len[1] + len[2], at++);
            begin += len[0];
        }
    }
}

struct add {
    struct buf *doc;
    char prefix;
};

static void add_trigram(void *ctx, const char *p, size_t n, size_t at)
{
    struct add *a = ctx;

    (void)at;
    buf_put_u8(a->doc, (uint8_t)(n + 1));
    buf_addc(a->doc, a->prefix);
    buf_add(a->doc, str_of(p, n));
}

void track_add_trigrams(struct buf *doc, char prefix, struct str folded)
{
    each_trigram(folded, true, add_trigram, &(struct add){doc, prefix});
}

/* --- conditions ----------------------------------------------------------------------------------------------------- */

static void add_quoted(struct buf *match, char prefix, const char *p, size_t n)
{
    buf_addc(match, '"');
    if (prefix)
        buf_addc(match, prefix);
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"')
            buf_addc(match, '"');
        buf_addc(match, p[i]);
    }
    buf_addc(match, '"');
}

struct match {
    struct buf *out;
    char prefix;
    size_t count, last;
};

static void count_trigram(void *ctx, const char *p, size_t n, size_t at)
{
    struct match *m = ctx;

    (void)p;
    (void)n;
    m->last = at;
    m->count++;
}

/* Every third, and the last: together they cover the text. */
static void match_trigram(void *ctx, const char *p, size_t n, size_t at)
{
    struct match *m = ctx;

    if (at % 3 && at != m->last)
        return;
    if (m->count++)
        buf_add(m->out, str_lit(" AND "));
    add_quoted(m->out, m->prefix, p, n);
}

bool track_match_trigrams(struct buf *match, char prefix, struct str folded, bool begins)
{
    struct match m = {match, prefix, 0, 0};

    each_trigram(folded, begins, count_trigram, &m);
    if (!m.count)
        return false;
    m.count = 0;
    each_trigram(folded, begins, match_trigram, &m);
    return true;
}

void track_match_number(struct buf *match, char prefix, uint64_t number)
{
    char token[TOKEN_MAX];

    add_quoted(match, 0, token, put_number(token, prefix, number));
}

void track_match_exact(struct buf *match, enum track_kind kind, struct str value)
{
    char token[TOKEN_MAX];

    add_quoted(match, 0, token, put_exact(token, kind, value));
}
