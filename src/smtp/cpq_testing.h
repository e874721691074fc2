/* A holder that agrees to everything, in memory; for the tests and the fuzzer of the CPQ server. */
#ifndef SMTP_CPQ_TESTING_H
#define SMTP_CPQ_TESTING_H

#include "base/must.h"
#include "smtp/cpq_server.h"

#define CPQ_HELPER __attribute__((unused))

struct holder {
    struct smtp_server_ctx ctx; /* first */
    bool tls;                   /* on a port: STARTTLS first */
    unsigned messages, ends, metas;
    char body[2000], digest[65], subject[200];
    enum rc checked;
};

struct holder_session {
    struct cpq_server cs; /* first */
    struct buf body;
};

static struct holder *holder_of(struct smtp_server *s)
{
    return s->c.ctx;
}

CPQ_HELPER static enum rc holder_hello(struct cpq_server *cs, const struct cpq_hello *h, struct err *e)
{
    (void)cs;
    return str_eq(h->serial, str_lit("SER1")) ? RC_OK : err_set(e, RC_NOT_PERMITTED, "not enrolled");
}

CPQ_HELPER static void holder_status(struct cpq_server *cs)
{
    cpq_status_line(cs, "state", str_lit("ready"));
    cpq_status_line(cs, "quarantine", str_lit("File Analysis"));
}

CPQ_HELPER static enum rc holder_query(struct cpq_server *cs, struct str serial, uint64_t mid, struct str release,
                                       struct buf *text)
{
    (void)cs;
    (void)serial;
    (void)release;
    if (mid != 7)
        return RC_NOT_FOUND;
    buf_add(text, str_lit("id=7 state=held sha256=00"));
    return RC_OK;
}

/* MID 7 is held, 8 not now. */
CPQ_HELPER static enum rc holder_word(uint64_t mid, struct err *e)
{
    if (mid == 8)
        return err_set(e, RC_UNAVAILABLE, "later");
    return mid == 7 ? RC_OK : err_set(e, RC_NOT_FOUND, "unknown");
}

CPQ_HELPER static enum rc holder_rescan(struct cpq_server *cs, const struct cpq_pairs *p, struct err *e)
{
    uint64_t mid;

    (void)cs;
    for (size_t i = 0; i < p->n; i++)
        must(p->keys[i].n && p->values[i].p);
    return str_u64(cpq_pair(p, "mid"), &mid) ? holder_word(mid, e) : err_set(e, RC_SYNTAX, "RESCAN needs mid");
}

CPQ_HELPER static enum rc holder_drop(struct cpq_server *cs, uint64_t mid, struct err *e)
{
    must(cs->hello.class == CPQ_PVO_RELEASE);
    return holder_word(mid, e);
}

CPQ_HELPER static void holder_begin(struct smtp_server *s)
{
    static const struct cpq_server_handler handler = {
        .hello = holder_hello, .status = holder_status, .query = holder_query, .rescan = holder_rescan, .drop = holder_drop};
    struct holder_session *x = (struct holder_session *)(void *)s;

    s->host_name = str_lit("hold.test");
    x->body = BUF(1 << 20);
    cpq_server_begin(&x->cs, &(struct cpq_server_options){.handler = &handler,
                                                          .local = !holder_of(s)->tls,
                                                          .serial = str_lit("SER 2"),
                                                          .role = str_lit("manager"),
                                                          .version = str_lit("1"),
                                                          .max_meta = 4000,
                                                          .max_bytes = 5000});
}

CPQ_HELPER static enum smtp_next holder_rcpt(struct smtp_server *s, const struct smtp_rcpt *r)
{
    cpq_recipient(cpq_server_of(s), r->to.address);
    return SMTP_DONE;
}

CPQ_HELPER static enum smtp_next holder_start(struct smtp_server *s)
{
    buf_clear(&((struct holder_session *)(void *)s)->body);
    return SMTP_DONE;
}

CPQ_HELPER static enum rc holder_data(struct smtp_server *s, struct str octets, struct err *e)
{
    struct holder_session *x = (struct holder_session *)(void *)s;

    buf_add(&x->body, octets);
    return x->body.failed ? err_set(e, RC_NO_MEMORY, "too much") : RC_OK;
}

/* The digest is what the test says it is: this room computes none. */
CPQ_HELPER static enum smtp_next holder_end_of_data(struct smtp_server *s)
{
    struct holder_session *x = (struct holder_session *)(void *)s;
    struct holder *h = holder_of(s);
    struct err e = ERR_NONE;
    size_t n = x->body.n < sizeof h->body - 1 ? x->body.n : sizeof h->body - 1;

    if (n)
        memcpy(h->body, x->body.p, n);
    h->body[n] = '\0';
    h->checked = cpq_check(&x->cs, h->digest[0] ? str_c(h->digest) : x->cs.meta.sha256, &e);
    if (h->checked != RC_OK) {
        cpq_refuse_content(&x->cs, &e);
        return SMTP_DONE;
    }
    h->messages++;
    cpq_accepted(&x->cs, x->cs.meta.mid, false);
    return SMTP_DONE;
}

CPQ_HELPER static void holder_end(struct smtp_server *s, enum smtp_end how)
{
    struct holder_session *x = (struct holder_session *)(void *)s;

    (void)how;
    holder_of(s)->ends++;
    buf_done(&x->body);
    cpq_server_done(&x->cs);
}

static const struct smtp_server_handler holder_handler = {.begin = holder_begin,
                                                          .rcpt = holder_rcpt,
                                                          .data_start = holder_start,
                                                          .data = holder_data,
                                                          .data_end = holder_end_of_data,
                                                          .end = holder_end};

static const struct conversation_kind holder_kind = {.name = "holder",
                                                     .first = smtp_server_first,
                                                     .broken = smtp_server_broken,
                                                     .done = smtp_server_done,
                                                     .size = sizeof(struct holder_session),
                                                     .timeout_ms = 1000,
                                                     .max_in = SMTP_MAX_IN};

#endif
