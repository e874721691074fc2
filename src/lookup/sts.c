/*
 * MTA-STS: which policy holds for a domain now (RFC 8461 3, 5).
 *
 * Called by lookup.c for sts_question. The TXT record says whether the policy kept is still the newest; a new one is fetched
 * by HTTPS. Owns the kept policies, until their max_age or the end of the process. When the record or the file cannot be
 * had, the policy kept goes on; a domain that has none is delivered to as if it had never published one.
 */
#include "lookup/sts.h"

#include "base/clock.h"
#include "base/must.h"
#include "lookup/https.h"
#include "net/socket.h"

#include <stdlib.h>

enum { BUCKETS = 512, DOMAINS_MOST = 10000, ADDRESSES = 4, RETRY_MS = 300000, SCRATCH = 256 << 10 };

struct waiter {
    struct waiter *next;
    sts_fn *fn;
    void *ctx;
};

struct domain {
    struct domain *next;
    struct sts *s;
    struct str name;
    struct waiter *waiters; /* a question is under way while there is one */
    struct arena kept;      /* id and mx of the policy kept */
    struct sts_policy policy;
    struct str id;
    uint64_t expires_ms; /* wall; 0 = no policy */
    uint64_t retry_ms;   /* monotonic: no fetch before */
    /* the fetch */
    char new_id[33];
    struct address_ip addresses[ADDRESSES];
    size_t n_addresses, at;
    struct https_get get;
    struct arena scratch;
    struct conversation *conversation;
};

struct sts {
    struct loop *loop;
    const struct conf_source *conf;
    sts_dns_fn *dns;
    void *owner;
    struct domain *table[BUCKETS];
    size_t n;
    struct tls_context *tls;
    uint64_t tls_version;
};

struct sts *sts_new(struct loop *loop, const struct conf_source *conf, sts_dns_fn *dns, void *owner)
{
    struct sts *s = calloc(1, sizeof *s);

    must(s);
    s->loop = loop;
    s->conf = conf;
    s->dns = dns;
    s->owner = owner;
    return s;
}

static void domain_free(struct domain *d)
{
    if (d->conversation) {
        d->get.done = NULL;
        conversation_abort(d->conversation, STR_NONE);
    }
    for (struct waiter *w; (w = d->waiters);) {
        d->waiters = w->next;
        free(w);
    }
    arena_done(&d->kept);
    arena_done(&d->scratch);
    free(d);
}

/* Forgets the domains that nobody waits for (or all). */
static void sweep(struct sts *s, bool all)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct domain **at = &s->table[i]; *at;) {
            struct domain *d = *at;

            if (d->waiters && !all) {
                at = &d->next;
                continue;
            }
            *at = d->next;
            s->n--;
            domain_free(d);
        }
}

void sts_flush(struct sts *s)
{
    sweep(s, false);
}

void sts_free(struct sts *s)
{
    if (!s)
        return;
    sweep(s, true);
    tls_unref(s->tls);
    free(s);
}

static struct domain *domain_get(struct sts *s, struct str name)
{
    struct domain **chain = &s->table[str_hashi(name) % BUCKETS], *d;

    for (d = *chain; d; d = d->next)
        if (str_eqi(d->name, name))
            return d;
    if (s->n >= DOMAINS_MOST)
        sweep(s, false);
    d = calloc(1, sizeof *d + name.n + 1);
    must(d);
    memcpy(d + 1, name.p, name.n);
    d->name = str_of(d + 1, name.n);
    d->s = s;
    arena_init(&d->kept, 256, SCRATCH);
    arena_init(&d->scratch, 512, SCRATCH);
    d->next = *chain;
    *chain = d;
    s->n++;
    return d;
}

/* Tells everyone who waits what holds now. */
static void settle(struct domain *d)
{
    struct waiter *list = d->waiters;
    struct sts_policy none = {0};
    bool valid = d->expires_ms > clock_wall_ms();

    d->waiters = NULL;
    arena_reset(&d->scratch);
    for (struct waiter *w; (w = list);) {
        list = w->next;
        w->fn(w->ctx, valid ? &d->policy : &none, valid ? d->expires_ms : 0);
        free(w);
    }
}

static void fetch_failed(struct domain *d)
{
    d->retry_ms = clock_mono_ms() + RETRY_MS;
    settle(d);
}

/* ---- the policy file ---------------------------------------------------------------------------------------------- */

static void fetch_next(struct domain *d);

static void keep(struct domain *d, const struct sts_policy *p)
{
    arena_reset(&d->kept);
    d->policy = *p;
    d->policy.mx = arena_str(&d->kept, p->mx);
    d->id = arena_str(&d->kept, str_c(d->new_id));
    d->expires_ms = clock_wall_ms() + p->max_age_s * 1000;
}

static void on_file(void *ctx, enum rc rc, unsigned status, struct str type, struct str body)
{
    struct domain *d = ctx;
    struct sts_policy p;

    d->conversation = NULL;
    if (rc != RC_OK || status != 200) {
        fetch_next(d);
        return;
    }
    if (!str_startsi(type, str_lit("text/plain")) || sts_policy_parse(&d->scratch, body, &p) != RC_OK) {
        fetch_failed(d);
        return;
    }
    keep(d, &p);
    settle(d);
}

static struct tls_context *client_tls(struct sts *s)
{
    const struct conf *c = conf_now(s->conf);
    struct tls_context *made;

    if (s->tls && s->tls_version == c->version)
        return s->tls;
    if (tls_client_new(str_lit("HIGH"), 0x0303, c->dns.sts_ca_file, &made, NULL) != RC_OK)
        return NULL;
    tls_unref(s->tls);
    s->tls = made;
    s->tls_version = c->version;
    return made;
}

static void fetch_next(struct domain *d)
{
    struct tls_context *tls = client_tls(d->s);
    struct tls_client how = {.check = TLS_CHECK_NAME, .name = d->get.host};

    if (!tls || d->at == d->n_addresses) {
        fetch_failed(d);
        return;
    }
    d->conversation =
        conversation_connect(d->s->loop, &d->addresses[d->at++], NULL, HTTPS_TOTAL_MS / 2, &https_kind, tls, &d->get);
    if (d->conversation)
        conversation_tls_client(d->conversation, &how);
    else
        fetch_failed(d);
}

static void on_addresses(void *ctx, const struct dns_answer *a, size_t n)
{
    struct domain *d = ctx;

    d->n_addresses = d->at = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; a[i].result == DNS_OK && r < a[i].n && d->n_addresses < ADDRESSES; r++) {
            struct address_ip *ip = &d->addresses[d->n_addresses];
            size_t size = a[i].question.type == DNS_A ? 4 : 16;

            if (a[i].records[r].data.n != size)
                continue;
            *ip = (struct address_ip){.family = size == 4 ? AF_INET : AF_INET6,
                                      .port = (uint16_t)conf_now(d->s->conf)->dns.sts_port};
            memcpy(ip->octets, a[i].records[r].data.p, size);
            d->n_addresses++;
        }
    fetch_next(d);
}

static void fetch(struct domain *d)
{
    struct dns_question q[2];

    d->get = (struct https_get){.host = arena_printf(&d->scratch, "mta-sts.%.*s", STR(d->name)),
                                .path = str_lit("/.well-known/mta-sts.txt"),
                                .done = on_file,
                                .ctx = d};
    q[0] = (struct dns_question){DNS_A, d->get.host};
    q[1] = (struct dns_question){DNS_AAAA, d->get.host};
    d->s->dns(d->s->owner, q, 2, on_addresses, d);
}

/* ---- the record --------------------------------------------------------------------------------------------------- */

static void on_txt(void *ctx, const struct dns_answer *a, size_t n)
{
    struct domain *d = ctx;
    struct str id = STR_NONE, found;
    size_t records = 0;

    for (size_t i = 0; n && a->result == DNS_OK && i < a->n; i++)
        if (sts_record_id(a->records[i].data, &found)) {
            id = found;
            records++;
        }
    if (records != 1 || (str_eq(id, d->id) && d->expires_ms > clock_wall_ms()) || clock_mono_ms() < d->retry_ms) {
        settle(d);
        return;
    }
    memcpy(d->new_id, id.p, id.n);
    d->new_id[id.n] = '\0';
    fetch(d);
}

void sts_ask(struct sts *s, struct str domain, sts_fn *fn, void *ctx)
{
    struct domain *d = domain_get(s, domain);
    struct waiter *w = malloc(sizeof *w);
    bool busy = d->waiters != NULL;
    struct dns_question q;

    must(w);
    *w = (struct waiter){d->waiters, fn, ctx};
    d->waiters = w;
    if (busy)
        return;
    q = (struct dns_question){DNS_TXT, arena_printf(&d->scratch, "_mta-sts.%.*s", STR(d->name))};
    s->dns(s->owner, &q, 1, on_txt, d);
}
