/*
 * libunbound in the loop: context from the settings, questions, answers. See resolver.h.
 *
 * Used by lookup.c. libunbound resolves in a thread of its own and tells by a descriptor; its callbacks run in ours. Owns
 * the context and a small record per question under way. An option that it refuses is skipped: a resolver with one wrong
 * line is better than none.
 */
#include "lookup/resolver.h"

#include "base/must.h"

#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <unbound.h>
#include <unistd.h>

enum { ANSWER_ARENA = 1 << 20, NEGATIVE_TTL_S = 30 };

struct resolver {
    struct ub_ctx *ctx;
    uv_poll_t *poll;
    struct asked *asked;
};

struct asked {
    struct asked *next, *prev;
    struct resolver *r;
    uint64_t type;
    int id;
    resolver_fn *fn;
    void *ctx;
};

/* ---- settings ----------------------------------------------------------------------------------------------------- */

/* DS records of the root's keys 20326 (2017) and 38696 (2024), for systems without the file. */
static const char *const ROOT_ANCHORS[] = {
    ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
};

static const char *c_text(struct str s, char out[1100])
{
    snprintf(out, 1100, "%.*s", STR(s));
    return out;
}

static void check(int status, const char *what, struct str value, struct err *e)
{
    if (status)
        err_set(e, RC_OK, "%s '%.*s': %s", what, STR(value), ub_strerror(status));
}

static void option(struct ub_ctx *ctx, const char *name, const char *value, struct err *e)
{
    check(ub_ctx_set_option(ctx, name, value), name, str_c(value), e);
}

static struct str without_dot(struct str name)
{
    return str_ends(name, str_lit(".")) ? str_first(name, name.n - 1) : name;
}

/* Names that the library would answer itself (RFC 6761, RFC 6303), each parent of `zone` too. */
static void unblock(struct ub_ctx *ctx, struct str zone)
{
    char text[1100];

    for (;;) {
        ub_ctx_zone_remove(ctx, c_text(zone, text));
        size_t dot = str_find(zone, '.');
        if (dot >= zone.n)
            return;
        zone = str_from(zone, dot + 1);
    }
}

/* Does some trust anchor lie at, below or above this zone? Then its own servers must prove what they say. */
static bool anchored(const struct conf_dns *s, struct str zone)
{
    for (size_t i = 0; i < s->trust_anchors.n; i++) {
        struct str rest = s->trust_anchors.items[i], owner;

        if (!str_word(&rest, &owner))
            continue;
        owner = without_dot(owner);
        if (str_eqi(owner, zone) || str_endsi(owner, zone) || str_endsi(zone, owner))
            return true;
    }
    return false;
}

/* "domain address[@port]": authoritative servers. Such a zone need not hang in the public tree, so it is insecure unless an
 * anchor says otherwise. */
static void add_domain(struct ub_ctx *ctx, const struct conf_dns *s, struct str line, struct err *e)
{
    struct str rest = line, zone, server;
    char zone_text[1100], server_text[1100];

    if (!str_word(&rest, &zone))
        return;
    zone = without_dot(zone);
    while (str_word(&rest, &server))
        check(ub_ctx_set_stub(ctx, c_text(zone, zone_text), c_text(server, server_text), 0), "dns.domain_servers", line, e);
    if (s->dnssec && !anchored(s, zone))
        option(ctx, "domain-insecure:", c_text(zone, zone_text), e);
}

static void add_anchors(struct ub_ctx *ctx, const struct conf_dns *s, struct err *e)
{
    char text[1100];
    const char *file = c_text(s->trust_anchor_file, text);

    if (!s->dnssec) {
        option(ctx, "module-config:", "iterator", e);
        return;
    }
    if (s->trust_anchor_file.n && access(file, R_OK) == 0)
        check(ub_ctx_add_ta_file(ctx, file), "dns.trust_anchor_file", s->trust_anchor_file, e);
    else
        for (size_t i = 0; i < sizeof ROOT_ANCHORS / sizeof *ROOT_ANCHORS; i++)
            ub_ctx_add_ta(ctx, ROOT_ANCHORS[i]);
    for (size_t i = 0; i < s->trust_anchors.n; i++)
        check(ub_ctx_add_ta(ctx, c_text(s->trust_anchors.items[i], text)), "dns.trust_anchors", s->trust_anchors.items[i],
              e);
    for (size_t i = 0; i < s->insecure_domains.n; i++)
        option(ctx, "domain-insecure:", c_text(s->insecure_domains.items[i], text), e);
}

static void configure(struct ub_ctx *ctx, const struct conf_dns *s, struct err *e)
{
    char text[1100];

    ub_ctx_debuglevel(ctx, 0);
    option(ctx, "do-not-query-localhost:", "no", e);
    option(ctx, "unblock-lan-zones:", "yes", e);
    option(ctx, "insecure-lan-zones:", "yes", e);
    option(ctx, "infra-keep-probing:", "yes", e);
    option(ctx, "infra-host-ttl:", "60", e);
    option(ctx, "cache-max-negative-ttl:", "300", e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->cache_bytes / 2);
    option(ctx, "rrset-cache-size:", text, e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->cache_bytes / 4);
    option(ctx, "msg-cache-size:", text, e);
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->least_ttl_s);
    option(ctx, "cache-min-ttl:", text, e);
    if (s->root_hints_file.n && access(c_text(s->root_hints_file, text), R_OK) == 0)
        option(ctx, "root-hints:", text, e);
    add_anchors(ctx, s, e);
    for (size_t i = 0; i < s->servers.n; i++)
        check(ub_ctx_set_fwd(ctx, c_text(s->servers.items[i], text)), "dns.servers", s->servers.items[i], e);
    for (size_t i = 0; i < s->domain_servers.n; i++)
        add_domain(ctx, s, s->domain_servers.items[i], e);
}

/* Only after all options: removing a zone ends the set-up of the context. */
static void unblock_zones(struct ub_ctx *ctx, const struct conf_dns *s)
{
    if (s->servers.n) /* the resolvers of this network know best which special names it uses */
        unblock(ctx, str_lit("test"));
    for (size_t i = 0; i < s->domain_servers.n; i++) {
        struct str rest = s->domain_servers.items[i], zone;

        if (str_word(&rest, &zone))
            unblock(ctx, without_dot(zone));
    }
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct resolver *r = poll->data;

    (void)status;
    (void)events;
    ub_process(r->ctx);
}

enum rc resolver_new(struct loop *loop, const struct conf_dns *settings, struct resolver **out, struct err *e)
{
    struct resolver *r = calloc(1, sizeof *r);

    if (!r || !(r->ctx = ub_ctx_create())) {
        free(r);
        return err_set(e, RC_NO_MEMORY, "no resolver");
    }
    configure(r->ctx, settings, e);
    ub_ctx_async(r->ctx, 1);
    unblock_zones(r->ctx, settings);
    r->poll = calloc(1, sizeof *r->poll);
    must(r->poll && uv_poll_init(loop_uv(loop), r->poll, ub_fd(r->ctx)) == 0);
    r->poll->data = r;
    uv_poll_start(r->poll, UV_READABLE, on_readable);
    *out = r;
    return RC_OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void asked_free(struct asked *a)
{
    if (a->prev)
        a->prev->next = a->next;
    else
        a->r->asked = a->next;
    if (a->next)
        a->next->prev = a->prev;
    free(a);
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    uv_poll_stop(r->poll);
    uv_close((uv_handle_t *)r->poll, on_closed);
    while (r->asked) {
        ub_cancel(r->ctx, r->asked->id);
        asked_free(r->asked);
    }
    ub_ctx_delete(r->ctx);
    free(r);
}

/* ---- questions ---------------------------------------------------------------------------------------------------- */

static void records(struct arena *a, uint64_t type, const struct ub_result *u, struct dns_answer *out)
{
    struct dns_record *list;
    size_t n = 0, most = 0;

    while (u->data && u->data[most] && most < DNS_RECORDS_MAX)
        most++;
    list = arena_array(a, struct dns_record, most + 1);
    for (size_t i = 0; list && i < most; i++)
        if (wire_record(a, type, str_of(u->data[i], (size_t)u->len[i]), &list[n]) == RC_OK)
            n++;
    out->records = list;
    out->n = n;
    out->result = n ? DNS_OK : DNS_NODATA;
}

static void judge(struct arena *a, uint64_t type, int status, const struct ub_result *u, struct dns_answer *out)
{
    if (status || !u) {
        *out = (struct dns_answer){.result = DNS_TEMPORARY, .why = str_c(ub_strerror(status))};
        return;
    }
    out->ttl = u->ttl > 0 ? (uint64_t)u->ttl : 0;
    out->secure = u->secure;
    if (u->bogus) {
        out->result = DNS_BOGUS;
        out->secure = false;
        out->why = u->why_bogus ? str_c(u->why_bogus) : str_lit("DNSSEC validation failed");
    } else if (u->havedata) {
        records(a, type, u, out);
    } else if (u->nxdomain || u->rcode == 3) {
        out->result = DNS_NXDOMAIN;
    } else if (u->rcode == 0) {
        out->result = DNS_NODATA;
    } else {
        out->result = DNS_TEMPORARY;
        out->why = u->rcode == 2 ? str_lit("server failure") : str_lit("refused by the name server");
    }
    if (out->result != DNS_OK && out->ttl == 0)
        out->ttl = NEGATIVE_TTL_S;
}

static void on_answer(void *ctx, int status, struct ub_result *u)
{
    struct asked *a = ctx;
    resolver_fn *fn = a->fn;
    void *fn_ctx = a->ctx;
    struct dns_answer answer = {0};
    struct arena arena;

    arena_init(&arena, 2048, ANSWER_ARENA);
    judge(&arena, a->type, status, u, &answer);
    asked_free(a);
    fn(fn_ctx, &answer);
    arena_done(&arena);
    ub_resolve_free(u);
}

/* U-labels (RFC 6531 addresses) as A-labels (RFC 5891, non-transitional). */
static bool a_labels(struct str name, char out[256])
{
    char text[512], *ascii = NULL;
    bool fits;

    if (name.n >= sizeof text || memchr(name.p, 0, name.n))
        return false;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    if (idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
        return false;
    fits = strlen(ascii) < 256;
    if (fits)
        memcpy(out, ascii, strlen(ascii) + 1);
    idn2_free(ascii);
    return fits;
}

/* What the library would read as an escape or an end is no name. */
static bool name_text(struct str name, char out[256])
{
    size_t label = 0;

    if (name.n == 0 || name.n > 253)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        if (c <= 32 || c >= 127 || c == '\\' || c == '"' || (c == '.' && label == 0) || label > 63)
            return false;
        label = c == '.' ? 0 : label + 1;
    }
    if (label == 0 || label > 63)
        return false;
    memcpy(out, name.p, name.n);
    out[name.n] = '\0';
    return true;
}

static bool question_name(struct str name, char out[256])
{
    char ascii[256];

    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] >= 0x80)
            return a_labels(name, ascii) && name_text(str_c(ascii), out);
    return name_text(name, out);
}

int resolver_ask(struct resolver *r, const struct dns_question *q, resolver_fn *fn, void *ctx,
                 struct dns_answer *refused_out)
{
    char name[256];
    struct asked *a;
    int status;

    if (!question_name(q->name, name) || q->type > 65535) {
        *refused_out =
            (struct dns_answer){.result = DNS_NXDOMAIN, .ttl = NEGATIVE_TTL_S, .why = str_lit("this is no domain name")};
        return -1;
    }
    a = calloc(1, sizeof *a);
    must(a);
    *a = (struct asked){.r = r, .type = q->type, .fn = fn, .ctx = ctx, .next = r->asked};
    if (a->next)
        a->next->prev = a;
    r->asked = a;
    status = ub_resolve_async(r->ctx, name, (int)q->type, 1, a, on_answer, &a->id);
    if (status == 0)
        return a->id;
    *refused_out =
        (struct dns_answer){.result = status == UB_SYNTAX ? DNS_NXDOMAIN : DNS_TEMPORARY, .why = str_c(ub_strerror(status))};
    asked_free(a);
    return -1;
}

void resolver_cancel(struct resolver *r, int id)
{
    for (struct asked *a = r->asked; a; a = a->next)
        if (a->id == id) {
            ub_cancel(r->ctx, id);
            asked_free(a);
            return;
        }
}
