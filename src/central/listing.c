/*
 * Lines of list-exports. See listing.h.
 *
 * Called in the threads of lines. Owns nothing. Strict about what is used: a line that lacks it ends the whole listing.
 */
#include "central/listing.h"

#include "base/json_read.h"

enum { LINE_MAX_TREE = 64 << 10 };

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool digest(struct str text, unsigned char out[32])
{
    if (text.n != 64)
        return false;
    for (size_t i = 0; i < 32; i++) {
        int high = hex(text.p[i * 2]), low = hex(text.p[i * 2 + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

static enum rc take(const struct json *v, struct listed *l, struct err *e)
{
    struct str state = json_str_of(json_get(v, "state"));

    if (!json_u64(json_get(v, "epoch"), &l->epoch) || !json_u64(json_get(v, "seq"), &l->seq))
        return err_set(e, RC_INVALID, "a listed segment without epoch and seq");
    l->lost = str_eq(state, str_lit("lost"));
    l->seqs = 1;
    if (l->lost) {
        json_u64(json_get(v, "seqs"), &l->seqs);
        return l->seqs ? RC_OK : err_set(e, RC_INVALID, "a run of no lost segments");
    }
    if (!str_eq(state, str_lit("ready")) || !json_u64(json_get(v, "bytes"), &l->bytes) ||
        !digest(json_str_of(json_get(v, "sha256")), l->digest))
        return err_set(e, RC_INVALID, "a listed segment without state, bytes and sha256");
    return RC_OK;
}

enum rc listing_line(struct str line, struct listed *out, struct err *e)
{
    struct listed l = {0};
    const struct json *v;
    struct arena a;
    enum rc rc;

    arena_init(&a, 2048, LINE_MAX_TREE);
    rc = json_read(&a, line, &v, e);
    if (rc != RC_OK)
        rc = err_set(e, RC_INVALID, "a listed segment that is no JSON");
    else
        rc = take(v, &l, e);
    arena_done(&a);
    if (rc == RC_OK)
        *out = l;
    return rc;
}

void listing_hex(const unsigned char d[32], char out[65])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < 32; i++) {
        out[i * 2] = digits[d[i] >> 4];
        out[i * 2 + 1] = digits[d[i] & 15];
    }
    out[64] = '\0';
}
