/*
 * Fuzz target of the CPQ server: any octets, in pieces of any size, with and without TLS.
 *
 * The first octet chooses the kind of socket and the size of the pieces; with its lowest bit the conversation begins ready
 * for mail, or within RESCAN or DROP, so that metadata, content and arguments are reached. What must hold besides memory: it
 * ends once, and no message is taken without metadata that fits it.
 */
#include "base/must.h"
#include "smtp/cpq_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void settle(struct conversation *c, bool facts_ok)
{
    static const struct tls_facts facts = {.version = {"TLSv1.3", 7}, .cipher = {"X", 1}};

    if (c->at.what == STEP_TLS && !c->ended)
        conversation_test_tls(c, facts_ok ? &facts : NULL);
    if (c->at.what == STEP_FLUSH && !c->ended) {
        buf_clear(&c->out);
        conversation_input_came(c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ready[] = {
        "EHLO x\r\nXCPQ HELLO proto=1 serial=SER1 class=pvo\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n",
        "EHLO x\r\nXCPQ HELLO proto=1 serial=SER1 class=pvo\r\nXCPQ RESCAN ",
        "EHLO x\r\nXCPQ HELLO proto=1 serial=SER1 class=pvo-release\r\nXCPQ DROP "};
    struct holder h = {.ctx = {&holder_handler}};
    struct conversation *c;
    struct str in;
    size_t piece;

    if (!size)
        return 0;
    h.tls = data[0] & 2;
    piece = (size_t)(data[0] >> 2) + 1;
    in = str_of(data + 1, size - 1);
    c = conversation_test_new(&holder_kind, &h);
    conversation_run(c);
    if (data[0] & 1)
        conversation_feed(c, str_c(ready[(data[0] >> 3) % 3]));
    while (in.n && !c->ended) {
        conversation_feed(c, str_first(in, piece));
        in = str_from(in, piece);
        settle(c, data[0] & 4);
    }
    if (!c->ended)
        conversation_feed_eof(c);
    conversation_test_free(c);
    must(h.ends == 1);
    return 0;
}
