/* Cuts input anywhere, parks, resumes, expires: lines come out the same as in one piece, the end comes once. */
#include "base/must.h"
#include "net/conversation.h"

enum { MAX_LINE = 40 };

struct lines {
    struct conversation c;
    uint64_t hash, n;
    int done_ran;
};

static struct step line(struct conversation *c)
{
    struct lines *l = (struct lines *)c;
    struct str s;
    enum rc rc = conversation_line(c, MAX_LINE, &s);

    if (rc == RC_UNAVAILABLE)
        return step_read(line, 0);
    must(rc != RC_OK || s.n + 2 <= MAX_LINE);
    l->hash = l->hash * 31 + (rc == RC_OK ? str_hash(s) : 7);
    l->n++;
    return rc == RC_OK && s.n && s.p[0] == 'C' ? step_call(line, 0) : step_goto(line);
}

static void done(struct conversation *c)
{
    must(((struct lines *)c)->done_ran++ == 0);
}

static const struct conversation_kind kind = {.name = "fuzz", .first = line, .done = done, .size = sizeof(struct lines)};

static void drive(struct conversation *c, struct str in, const uint8_t *cuts, size_t n_cuts)
{
    for (size_t i = 0; in.n; i++) {
        size_t piece = n_cuts ? 1 + cuts[i % n_cuts] % 50u : in.n;

        conversation_feed(c, str_first(in, piece));
        in = str_from(in, piece);
        while (!c->ended && c->at.what == STEP_CALL)
            conversation_resume(c);
        must(c->in.n <= MAX_LINE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_cuts = size ? 1 + data[0] % 16u : 0;
    struct conversation *whole, *cut;
    struct str in;

    if (size < n_cuts + 1)
        return 0;
    in = str_of(data + 1 + n_cuts, size - 1 - n_cuts);
    whole = conversation_test_new(&kind, NULL);
    cut = conversation_test_new(&kind, NULL);
    drive(whole, in, NULL, 0);
    drive(cut, in, data + 1, n_cuts);
    must(((struct lines *)whole)->hash == ((struct lines *)cut)->hash &&
         ((struct lines *)whole)->n == ((struct lines *)cut)->n);
    conversation_feed_eof(cut);
    must(cut->ended);
    conversation_expire(whole);
    must(whole->ended);
    conversation_test_free(whole);
    conversation_test_free(cut);
    return 0;
}
