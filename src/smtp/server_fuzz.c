/*
 * Fuzz target of the SMTP server conversation: any octets, in pieces of any size, under any offers.
 *
 * The first two octets choose offers, PROXY and the size of the pieces. What must hold besides memory: the conversation ends
 * exactly once, and no message was made of octets behind a bare line end (the body never holds a bare CR, LF or NUL).
 */
#include "base/must.h"
#include "smtp/server_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_body(const struct testing *t)
{
    const char *p = t->body.p;

    if (t->mail.body == 2 /* BINARYMIME */)
        return;
    for (size_t i = 0; i < t->body.n; i++) {
        must(p[i] != 0);
        must(p[i] != '\n' || (i && p[i - 1] == '\r'));
        must(p[i] != '\r' || i + 1 == t->body.n || p[i + 1] == '\n');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tls_facts facts = {.version = {"TLSv1.3", 7}, .cipher = {"X", 1}};
    struct testing t = {.ctx = {&testing_handler}, .max_bytes = 5000, .body = BUF(4000)};
    struct conversation *c;
    struct str in;
    size_t piece;

    if (size < 2)
        return 0;
    t.offers = data[0] & 31;
    t.proxy = (enum smtp_proxy)(data[0] >> 5 & 1);
    t.wait = data[0] >> 6 & 1;
    piece = (size_t)data[1] + 1;
    in = str_of(data + 2, size - 2);
    c = conversation_test_new(&testing_kind, &t);
    conversation_run(c);
    while (in.n && !c->ended) {
        conversation_feed(c, str_first(in, piece));
        in = str_from(in, piece);
        if (c->at.what == STEP_CALL)
            conversation_resume(c);
        if (c->at.what == STEP_TLS && !c->ended)
            conversation_test_tls(c, data[1] & 1 ? &facts : NULL);
        if (c->at.what == STEP_SLEEP && !c->ended)
            conversation_expire(c);
        if (c->at.what == STEP_FLUSH && !c->ended) {
            buf_clear(&c->out);
            conversation_input_came(c);
        }
        check_body(&t);
    }
    if (!c->ended)
        conversation_feed_eof(c);
    conversation_test_free(c);
    must(t.ends == 1);
    buf_done(&t.body);
    return 0;
}
