/*
 * Fuzzes the SMTP client conversation: the input is what a hostile next hop says, cut into packets by its own octets. The
 * client must neither crash nor send a final dot without a 354, nor leave a recipient without result.
 */
#include "smtp/client.h"

#include "base/must.h"

#include <stdlib.h>

struct side {
    struct smtp_job job;
    struct envelope envelope;
    struct recipient recipients[3];
    uint32_t indices[3];
    unsigned given, done, answers;
};

static void on_connected(void *ctx, struct smtp_client *cl)
{
    (void)ctx;
    (void)cl;
}

static struct smtp_job *on_next(void *ctx, struct smtp_client *cl)
{
    struct side *s = ctx;

    (void)cl;
    if (s->given > s->done || s->given >= 5)
        return NULL;
    s->given++;
    return &s->job;
}

static void on_begin(void *ctx, struct smtp_client *cl, struct smtp_job *job)
{
    (void)ctx;
    (void)cl;
    (void)job;
}

static enum rc on_read(void *ctx, struct smtp_job *job, uint64_t at, char *out, size_t n)
{
    static const char BODY[] = "Subject: x\r\n\r\n.dot\r\nend\r\n";

    (void)ctx;
    must(at + n <= job->body_bytes && job->body_bytes == sizeof BODY - 1);
    memcpy(out, BODY + at, n);
    return RC_OK;
}

static enum rc on_downgrade(void *ctx, struct smtp_job *job)
{
    (void)ctx;
    job->has_8bit = false;
    return RC_OK;
}

static void on_dot(void *ctx, struct smtp_job *job)
{
    (void)ctx;
    (void)job;
}

static void on_done(void *ctx, struct smtp_client *cl, struct smtp_job *job, const struct delivery_result *r, size_t n)
{
    (void)cl;
    must(n == job->n_recipients);
    for (size_t i = 0; i < n; i++)
        must(r[i].class <= RESULT_DROPPED && r[i].text.n <= 8192 + 1);
    ((struct side *)ctx)->done++;
}

static void on_news(void *ctx, struct smtp_client *cl, bool ok, struct str why)
{
    (void)ctx;
    (void)cl;
    (void)ok;
    (void)why;
}

static void on_failed(void *ctx, struct smtp_client *cl, const struct smtp_client_failure *f)
{
    (void)cl;
    if (f->job)
        ((struct side *)ctx)->done++;
}

static void on_closed(void *ctx, struct smtp_client *cl)
{
    struct side *s = ctx;

    (void)cl;
    must(s->done == s->given);
}

static void on_answered(void *ctx, struct smtp_client *cl, unsigned code, struct str lines)
{
    (void)cl;
    must(code >= 200 && code <= 599 && ++((struct side *)ctx)->answers <= 2);
    for (size_t i = 0; i < lines.n; i++)
        must(lines.p[i] != '\r');
}

static const struct smtp_client_handler HANDLER = {.connected = on_connected,
                                                   .ready = on_connected,
                                                   .next = on_next,
                                                   .begin = on_begin,
                                                   .read = on_read,
                                                   .downgrade = on_downgrade,
                                                   .dot = on_dot,
                                                   .done = on_done,
                                                   .tls = on_news,
                                                   .auth = on_news,
                                                   .answered = on_answered,
                                                   .failed = on_failed,
                                                   .closed = on_closed};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tls_facts FACTS = {.version = {"TLSv1.3", 7}};
    static const struct smtp_client_cpq CPQ = {.class_name = {"pvo", 3}, .serial = {"S", 1}},
                                        SAYS = {.class_name = {"pvo", 3},
                                                .serial = {"S", 1},
                                                .commands = {"XCPQ DROP mid=1\nXCPQ DROP mid=2", 31}};
    struct side s = {.indices = {0, 1, 2}};
    struct smtp_client_options o = {.helo = str_lit("gw"),
                                    .host = str_lit("mx"),
                                    .pipelining = true,
                                    .auth_plain_text = true,
                                    .max_messages = 3,
                                    .max_recipients = 2,
                                    .idle_ms = 1000};
    struct smtp_client_setup setup = {&HANDLER, &o, &s};
    struct str rest = str_of(data, size);
    struct conversation *c;

    if (size < 1)
        return 0;
    o.tls = (enum smtp_client_tls)(data[0] & 3) % 3;
    if (data[0] & 4)
        o.auth_user = o.auth_password = str_lit("u");
    o.pipelining = !(data[0] & 8);
    s.recipients[0].address = str_lit("a@x");
    s.recipients[1].address = str_lit("\xc3\xbc@x");
    s.recipients[2].address = str_lit("c@x");
    s.envelope = (struct envelope){.sender = str_lit("me@x"), .recipients = s.recipients, .n_recipients = 3, .smtputf8 = 1};
    s.job = (struct smtp_job){.envelope = &s.envelope,
                              .recipients = s.indices,
                              .n_recipients = 3,
                              .body_bytes = 25,
                              .has_dot = true,
                              .has_bare = data[0] & 16};
    if (data[0] & 128) {
        o.cpq = data[0] & 8 ? &SAYS : &CPQ;
        s.job.meta = str_lit("{}");
    }
    rest = str_from(rest, 1);
    c = conversation_test_new(&smtp_client_kind, &setup);
    while (rest.n && !c->ended) {
        size_t n = (unsigned char)rest.p[0] % 64 + 1;

        conversation_feed(c, str_first(rest, n));
        rest = str_from(rest, n);
        buf_clear(&c->out);
        if (c->at.what == STEP_TLS)
            conversation_test_tls(c, data[0] & 32 ? NULL : &FACTS);
    }
    if (data[0] & 64)
        conversation_feed_eof(c);
    else
        conversation_expire(c);
    conversation_test_free(c);
    return 0;
}
