/* Own judging alone, for bench/judging: SETTINGS DIR ROUNDS. All stages of the work queue without engines, over every file
 * of DIR, signed with DKIM first; the DNS is answered from memory. Prints microseconds of CPU per message. */
#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "conf/conf.h"
#include "mail/dkim.h"
#include "policy/compiled.h"
#include "policy/dlp.h"
#include "scan/pipeline.h"
#include "scan/stage.h"
#include "scan/world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGES_MOST = 20000, FILE_MOST = 64 << 20 };

struct bench {
    struct scan_world world;
    struct arena messages;
    struct str octets[MESSAGES_MOST];
    size_t n, bytes;
    struct buf dkim_record;
    unsigned long asked, held, dropped, signed_pass, spf_pass, dlp_hits, edits, unscannable;
};

/* --- the DNS: every domain has SPF, every second one DMARC ----------------------------------------------------------------
 */
static bool ends(struct str s, const char *with)
{
    return s.n >= strlen(with) && str_eqi(str_from(s, s.n - strlen(with)), str_c(with));
}

static struct dns_record *one(struct arena *a, struct dns_answer *d, struct str data)
{
    struct dns_record *r = arena_must_alloc(a, sizeof *r);

    *r = (struct dns_record){.data = data, .preference = 10};
    d->result = DNS_OK;
    d->records = r;
    d->n = 1;
    return r;
}

static void answer(struct bench *b, struct arena *a, struct dns_answer *d)
{
    struct str name = d->question.name;

    if (d->question.type == DNS_A)
        one(a, d, str_of("\xc6\x33\x64\x01", 4));
    else if (d->question.type == DNS_MX)
        one(a, d, str_lit("mx.bench.test"));
    else if (d->question.type != DNS_TXT)
        d->result = DNS_NODATA;
    else if (ends(name, "_domainkey.bench.test"))
        one(a, d, buf_str(&b->dkim_record));
    else if (str_starts(name, str_lit("_dmarc.")) && name.n % 2)
        one(a, d, str_lit("v=DMARC1; p=none; rua=mailto:dmarc@bench.test"));
    else if (str_starts(name, str_lit("_")) && !ends(name, "_spf.bench.test"))
        d->result = DNS_NXDOMAIN;
    else if (ends(name, "_spf.bench.test"))
        one(a, d, str_lit("v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.0/24 -all"));
    else
        one(a, d, str_lit("v=spf1 a mx ip4:198.51.100.0/24 include:_spf.bench.test -all"));
}

static enum rc ask(void *ctx, struct arena *a, const struct dns_question *q, size_t n, const struct dns_answer **out)
{
    struct bench *b = ctx;
    struct dns_answer *d = arena_must_alloc(a, n * sizeof *d);

    memset(d, 0, n * sizeof *d);
    for (size_t i = 0; i < n; i++) {
        d[i].question = q[i];
        d[i].ttl = 3600;
        answer(b, a, &d[i]);
    }
    b->asked += n;
    *out = d;
    return RC_OK;
}

/* --- the messages: in SMTP's form, with a signature of ours
 * ----------------------------------------------------------------- */
static struct str crlf(struct arena *a, const char *p, size_t n)
{
    char *out = arena_must_alloc(a, 2 * n + 2), *w = out;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n' && (w == out || w[-1] != '\r'))
            *w++ = '\r';
        *w++ = p[i];
    }
    return str_of(out, (size_t)(w - out));
}

static struct str sign(struct dkim *dkim, const struct dkim_key *key, struct arena *a, struct str m)
{
    struct dkim_profile p = {.domain = str_lit("bench.test"),
                             .selector = str_lit("s1"),
                             .header = DKIM_RELAXED,
                             .body = DKIM_RELAXED,
                             .fields = dkim_usual_fields(),
                             .key = key};
    struct arena own;
    struct buf out = BUF(FILE_MOST);
    struct dkim_stream *s;
    struct err e = ERR_NONE;
    struct str made;

    arena_init(&own, 65536, 256 << 20);
    s = dkim_stream_new(dkim, &own, 1u << DKIM_RELAXED);
    dkim_stream_add(s, m);
    if (dkim_stream_end(s, &e) != RC_OK || dkim_sign(s, &p, clock_wall_ms() / 1000, &out, &e) != RC_OK)
        out.n = 0; /* no From field: goes unsigned */
    buf_add(&out, m);
    made = arena_str(a, buf_str(&out));
    dkim_stream_done(s);
    arena_done(&own);
    buf_done(&out);
    return made;
}

static void load(struct bench *b, const char *dir)
{
    struct dkim *dkim = dkim_new();
    struct buf priv = BUF(10000), pub = BUF(10000);
    struct dkim_key *key;
    struct err e = ERR_NONE;
    DIR *d = opendir(dir);
    char *text = malloc(FILE_MOST);

    must(d && text && dkim_key_generate(DKIM_RSA, 2048, &priv, &pub, &e) == RC_OK &&
         dkim_key_load(buf_str(&priv), &key, &e) == RC_OK);
    dkim_key_record(DKIM_RSA, buf_str(&pub), false, &b->dkim_record);
    for (struct dirent *x; (x = readdir(d)) && b->n < MESSAGES_MOST;) {
        char path[4096];
        FILE *f;
        size_t n;
        const char *p = text;

        if (x->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, x->d_name);
        if (!(f = fopen(path, "rb")))
            continue;
        n = fread(text, 1, FILE_MOST, f);
        fclose(f);
        if (n > 5 && !memcmp(text, "From ", 5) && memchr(text, '\n', n)) {
            p = (const char *)memchr(text, '\n', n) + 1;
            n -= (size_t)(p - text);
        }
        b->octets[b->n] = sign(dkim, key, &b->messages, crlf(&b->messages, p, n));
        b->bytes += b->octets[b->n++].n;
    }
    free(text);
    closedir(d);
}

/* --- judging
 * ------------------------------------------------------------------------------------------------------------------ */
static void content(void *ctx, struct message *m, struct mime *mime)
{
    content_read(((struct bench *)ctx)->world.content, mime, &m->conf->scanning);
}

static const struct auth_results *(*evaluate)(void *ctx, struct message *m);
static const struct auth_results *auth(void *ctx, struct message *m)
{
    return evaluate(&((struct bench *)ctx)->world, m);
}

static void judge(struct bench *b, size_t i, struct arena *a)
{
    struct recipient to[2] = {{.address = str_lit("bob@example.org")}, {.address = str_lit("eve@example.org")}};
    struct envelope env = {.sender = str_lit("anna@sender.bench.test"),
                           .recipients = to,
                           .n_recipients = 1 + i % 2,
                           .icid = 1,
                           .listener = str_lit("InboundMail"),
                           .sender_group = str_lit("UNKNOWNLIST"),
                           .flow_policy = str_lit("ACCEPTED"),
                           .helo = str_lit("mx.sender.bench.test"),
                           .client_ip = str_lit("192.0.2.1")};
    struct message m = {.conf = conf_now(b->world.conf),
                        .compiled = b->world.compiled,
                        .world = &b->world.calls,
                        .events = b->world.events,
                        .mid = i + 1};
    struct bus_scan_verdict verdict;

    must(message_init(&m, a, b->octets[i], &env, NULL) == RC_OK);
    pipeline_run(&b->world, &m);
    if (m.policy && m.policy->dlp_policies.n && b->world.compiled->dlp)
        b->dlp_hits += dlp_scan(b->world.compiled->dlp, &m, m.policy->dlp_policies).n;
    b->held += m.outcome.n_holds > 0;
    b->dropped += m.outcome.final == FINAL_DROP;
    if (m.auth) {
        b->spf_pass += m.auth->spf_mailfrom.result == AUTH_PASS;
        b->signed_pass += m.auth->n_dkim > 0 && m.auth->dkim[0].result == AUTH_PASS;
    }
    b->edits += patch_changed(&m.patch);
    verdict_make(&m, &verdict);
}

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct bench b;

int main(int argc, char **argv)
{
    struct err e = ERR_NONE;
    struct buf settings = BUF(FILE_MOST);
    struct arena a;
    double best = 0, start;

    must(argc == 4);
    must(io_read_file(argv[1], &settings, &e) == RC_OK);
    buf_add(&settings, str_of("", 1));
    arena_init(&b.messages, 1 << 20, (size_t)1 << 32);
    arena_init(&a, 65536, (size_t)1 << 30);
    b.dkim_record = BUF(10000);
    b.world.content = content_new();
    b.world.conf = conf_source_test(settings.p, &e);
    if (!b.world.conf || compiled_new(conf_now(b.world.conf), &b.world.compiled, &e) != RC_OK) {
        fprintf(stderr, "judging: %s\n", err_text(&e));
        return 1;
    }
    b.world.auth = world_auth_new(&b.world);
    evaluate = b.world.calls.auth;
    b.world.calls = (struct message_world){.ctx = &b, .content = content, .auth = auth, .dns = {ask, &b}};
    load(&b, argv[2]);
    for (long round = 0; round <= strtol(argv[3], NULL, 10); round++) { /* the first warms up */
        start = cpu_us();
        b.asked = b.held = b.dropped = b.signed_pass = b.spf_pass = b.dlp_hits = b.edits = 0;
        for (size_t i = 0; i < b.n; i++) {
            if (i % 500 == 0) {
                events_free(b.world.events);
                b.world.events = events_test_new();
            }
            judge(&b, i, &a);
            arena_reset(&a);
        }
        start = (cpu_us() - start) / (double)b.n;
        if (round && (!best || start < best))
            best = start;
        fprintf(stderr, "round %ld: %.1f us\n", round, start);
    }
    printf("messages=%zu bytes=%zu us=%.1f dns=%.1f held=%lu dropped=%lu edited=%lu dkim_pass=%lu spf_pass=%lu dlp=%lu\n",
           b.n, b.bytes, best, (double)b.asked / (double)b.n, b.held, b.dropped, b.edits, b.signed_pass, b.spf_pass,
           b.dlp_hits);
    return 0;
}
