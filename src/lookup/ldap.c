/*
 * Queries of the settings as searches and log-ins. See ldap.h.
 *
 * Made by lookup.c. Owns the pool of connections, the cache, and an `asked` for each question under way (it keeps the
 * settings it began with). A query of form domain or chain is followed to simple ones, NEST deep.
 */
#include "lookup/ldap.h"

#include "base/clock.h"
#include "base/must.h"
#include "lookup/ldap_cache.h"
#include "mail/address.h"
#include "mail/ldap_filter.h"

#include <stdio.h>
#include <stdlib.h>

enum { NEST = 4, ASKED_ARENA = 8 << 20, BATCHES_MOST = 5000, FILTER_SHOWN = 400 };
/* choices of ldap_query */
enum { ACCEPT, ROUTING, MASQUERADE, GROUP, SMTPAUTH, EXTERNAL, ISQAUTH, ISQALIAS, USERDN };
enum { SIMPLE, DOMAIN, CHAIN };
enum { BY_BIND, BY_ATTRIBUTE };

struct ldap {
    struct ldap_options o;
    struct ldap_pool *pool;
    struct ldap_cache *cache;
    struct batch *batches;
    size_t n_batches;
    bool ending;
};

/* One question under way. `steps`: which part of which query, outermost first. */
struct asked {
    struct ldap *l;
    struct arena arena;
    const struct conf *conf; /* counted */
    struct ldap_question q;
    struct step_of {
        const struct conf_ldap_query *query;
        size_t part;
    } steps[NEST];
    size_t depth;
    const struct conf_ldap_query *query; /* the simple one being asked */
    struct str filter;                   /* as text, for the log */
    uint64_t began_ms;
    struct str dn;
    struct ldap_answer found; /* of the search, while a log-in is tried */
    ldap_answer_fn *fn;
    void *ctx;
};

static void follow(struct asked *a, struct str name);

static void asked_end(struct asked *a, const struct ldap_answer *answer)
{
    a->fn(a->ctx, answer);
    conf_unref(a->conf);
    arena_done(&a->arena);
    free(a);
}

static void fail(struct asked *a, struct str why)
{
    asked_end(a, &(struct ldap_answer){.result = LDAP_TEMPORARY, .why = why});
}

/* What a simple query said; a chain that found nothing goes on. */
static void conclude(struct asked *a, const struct ldap_answer *answer)
{
    while (answer->result == LDAP_NOT_FOUND && a->depth) {
        struct step_of *s = &a->steps[a->depth - 1];

        if (s->query->form == CHAIN && s->part < s->query->parts.n && !a->l->ending) {
            follow(a, s->query->parts.items[s->part++]);
            return;
        }
        a->depth--;
    }
    asked_end(a, answer);
}

/* --- answers --------------------------------------------------------------------------------------------------------- */

static bool is_login(const struct conf_ldap_query *q)
{
    return q->kind == SMTPAUTH || q->kind == EXTERNAL || q->kind == ISQAUTH;
}

struct values {
    struct arena *arena;
    struct ldap_value *items;
    size_t n;
};

static void add_value(struct values *v, const char *name, struct str value)
{
    if (str_startsi(value, str_lit("smtp:"))) /* proxyAddresses of Active Directory */
        value = str_from(value, 5);
    if (v->n < LDAP_ANSWER_VALUES_MAX && value.n)
        v->items[v->n++] = (struct ldap_value){str_c(name), arena_str(v->arena, value)};
}

static void add_values(struct values *v, const struct ldap_entry *e, struct str attribute, const char *name)
{
    for (size_t i = 0; i < e->n && attribute.n; i++)
        for (size_t k = 0; str_eqi(e->attributes[i].name, attribute) && k < e->attributes[i].values.n; k++)
            add_value(v, name, e->attributes[i].values.items[k]);
}

/* Values by kind; a routing or masquerading entry without any says nothing. */
static void read_entries(struct asked *a, const struct ldap_found *f, struct ldap_answer *out)
{
    static const char *const names[] = {[ROUTING] = "recipient", [MASQUERADE] = "address", [EXTERNAL] = "group",
                                        [ISQAUTH] = "address",   [ISQALIAS] = "address",   [USERDN] = NULL};
    const struct conf_ldap_query *q = a->query;
    struct values v = {&a->arena, arena_array(&a->arena, struct ldap_value, LDAP_ANSWER_VALUES_MAX), 0};

    *out = (struct ldap_answer){.result = f->n ? LDAP_FOUND : LDAP_NOT_FOUND, .values = v.items};
    for (size_t i = 0; v.items && i < f->n; i++) {
        if (names[q->kind])
            add_values(&v, &f->entries[i], q->attribute, names[q->kind]);
        if (q->kind == ROUTING)
            add_values(&v, &f->entries[i], q->host_attribute, "host");
        if (q->kind == MASQUERADE)
            add_values(&v, &f->entries[i], q->name_attribute, "name");
        if (q->kind == USERDN || is_login(q))
            add_value(&v, "dn", f->entries[i].dn);
    }
    out->n = v.n;
    if ((q->kind == ROUTING || q->kind == MASQUERADE) && !v.n)
        out->result = LDAP_NOT_FOUND;
    if (!v.items)
        *out = (struct ldap_answer){.result = LDAP_TEMPORARY, .why = str_lit("out of memory")};
}

static bool password_fits(const struct asked *a, const struct ldap_found *f)
{
    for (size_t i = 0; i < f->entries[0].n; i++)
        for (size_t k = 0; k < f->entries[0].attributes[i].values.n; k++)
            if (str_eqi(f->entries[0].attributes[i].name, a->query->attribute) &&
                ldap_secret_fits(f->entries[0].attributes[i].values.items[k], a->q.password))
                return true;
    return false;
}

static struct str key_of(struct asked *a)
{
    struct buf b = BUF(64 << 10);
    struct str key;

    buf_put_str(&b, a->query->name);
    buf_put_str(&b, a->q.address);
    buf_put_str(&b, a->q.from);
    buf_put_str(&b, a->q.group);
    key = b.failed ? STR_NONE : arena_str(&a->arena, buf_str(&b));
    buf_done(&b);
    return key;
}

static void tell_search(const struct asked *a, const struct ldap_found *f, enum ldap_result result, struct str why)
{
    if (a->l->o.events)
        event(a->l->o.events, ldap_search, .query = a->query->name, .server = a->query->server,
              .filter = str_first(a->filter, FILTER_SHOWN), .result = result, .entries = f->n, .why = str_first(why, 200),
              .ms = clock_mono_ms() - a->began_ms);
}

static void on_login(void *ctx, const struct ldap_found *f)
{
    struct asked *a = ctx;
    struct ldap_answer answer = a->found;

    if (f->rc != RC_OK || (f->code != LDAP_CODE_SUCCESS && f->code != LDAP_CODE_INVALID_CREDENTIALS))
        answer = (struct ldap_answer){.result = LDAP_TEMPORARY, .why = arena_str(&a->arena, f->why)};
    else if (f->code != LDAP_CODE_SUCCESS)
        answer = (struct ldap_answer){.result = LDAP_NOT_FOUND, .why = str_lit("wrong passphrase")};
    if (a->l->o.events)
        event(a->l->o.events, ldap_login, .query = a->query->name, .server = a->query->server, .dn = a->dn,
              .result = answer.result, .why = answer.why);
    conclude(a, &answer);
}

static void log_in(struct asked *a, const struct ldap_found *f, const struct ldap_answer *answer)
{
    struct ldap_answer no = {.result = LDAP_NOT_FOUND, .why = str_lit("wrong passphrase")};

    if (f->n != 1) { /* nobody, or nobody can tell who */
        no.why = f->n ? str_lit("more than one user fits") : str_lit("no such user");
        conclude(a, &no);
    } else if (a->query->method == BY_ATTRIBUTE && a->query->kind == SMTPAUTH) {
        conclude(a, password_fits(a, f) ? answer : &no);
    } else {
        a->found = *answer;
        a->dn = arena_str(&a->arena, f->entries[0].dn);
        ldap_pool_login(a->l->pool, a->query->server, a->dn, a->q.password, on_login, a);
    }
}

static void on_found(void *ctx, const struct ldap_found *f)
{
    struct asked *a = ctx;
    const struct conf_ldap_server *s = conf_find(&a->conf->ldap_server, a->query->server);
    struct ldap_answer answer;
    struct str why = STR_NONE, key;

    if (f->rc != RC_OK)
        why = f->why;
    else if (f->code != LDAP_CODE_SUCCESS && f->code != LDAP_CODE_NO_SUCH_OBJECT &&
             !(f->code == LDAP_CODE_SIZE_LIMIT && f->n))
        why =
            arena_printf(&a->arena, "%s%s%.*s", ldap_code_text(f->code), f->why.n ? ": " : "", STR(str_first(f->why, 200)));
    if (why.n || f->rc != RC_OK) {
        tell_search(a, f, LDAP_TEMPORARY, why);
        fail(a, arena_str(&a->arena, why));
        return;
    }
    read_entries(a, f, &answer);
    tell_search(a, f, answer.result, STR_NONE);
    if (is_login(a->query)) {
        log_in(a, f, &answer);
        return;
    }
    key = key_of(a);
    if (s && key.n && a->conf == conf_now(a->l->o.conf))
        ldap_cache_put(a->l->cache, s->name, key, &answer, clock_mono_ms() + s->cache_s * 1000,
                       s->cache_s ? s->cache_entries : 0);
    conclude(a, &answer);
}

/* --- questions ------------------------------------------------------------------------------------------------------- */

static void search(struct asked *a)
{
    const struct conf_ldap_query *q = a->query;
    const struct conf_ldap_server *s = conf_find(&a->conf->ldap_server, q->server);
    struct ldap_tokens t = {.address = a->q.address, .from = a->q.from, .group = a->q.group, .dn = a->dn};
    struct buf text = BUF(LDAP_FILTER_MAX), encoded = BUF(2 * LDAP_FILTER_MAX);
    struct str attributes[3];
    struct ldap_search what = {.attributes = {attributes, 0}};
    struct err e = ERR_NONE;

    if (!s) {
        fail(a, str_lit("there is no such LDAP server"));
        return;
    }
    if (ldap_template_fill(q->filter, &t, &text, &e) != RC_OK || ldap_filter_encode(buf_str(&text), &encoded, &e) != RC_OK) {
        buf_done(&text);
        buf_done(&encoded);
        fail(a, arena_str(&a->arena, str_c(e.text)));
        return;
    }
    a->filter = arena_str(&a->arena, buf_str(&text));
    what.base = arena_str(&a->arena, q->base.n ? q->base : s->base);
    what.filter = arena_str(&a->arena, buf_str(&encoded));
    buf_done(&text);
    buf_done(&encoded);
    for (size_t i = 0; i < 3; i++) {
        struct str name = i == 0 ? q->attribute : i == 1 ? q->host_attribute : q->name_attribute;

        if (name.n)
            attributes[what.attributes.n++] = name;
    }
    a->began_ms = clock_mono_ms();
    ldap_pool_search(a->l->pool, s->name, &what, on_found, a);
}

static void simple(struct asked *a, const struct conf_ldap_query *q)
{
    struct ldap_answer kept;
    struct str key;

    a->query = q;
    key = key_of(a);
    if (!is_login(q) && key.n && ldap_cache_find(a->l->cache, key, clock_mono_ms(), &a->arena, &kept))
        conclude(a, &kept);
    else
        search(a);
}

/* Which query holds for this address: "DOMAIN QUERY" lines, ALL for the others. */
static struct str by_domain(const struct asked *a, const struct conf_ldap_query *q)
{
    struct str local, domain = STR_NONE, all = STR_NONE;

    if (!address_cut(a->q.address, &local, &domain))
        domain = STR_NONE;
    for (size_t i = 0; i < q->parts.n; i++) {
        struct str rest = q->parts.items[i], first;

        if (!str_word(&rest, &first))
            continue;
        if (str_eqi(first, domain))
            return str_trim(rest);
        if (str_eqi(first, str_lit("ALL")))
            all = str_trim(rest);
    }
    return all;
}

static void follow(struct asked *a, struct str name)
{
    static const struct ldap_answer nothing = {.result = LDAP_NOT_FOUND};
    const struct conf_ldap_query *q = conf_find(&a->conf->ldap_query, name);

    if (!q) {
        fail(a, str_lit("there is no such LDAP query"));
        return;
    }
    if (q->form == SIMPLE) {
        simple(a, q);
        return;
    }
    if (a->depth == NEST) {
        fail(a, str_lit("LDAP queries name each other too deeply"));
        return;
    }
    a->steps[a->depth++] = (struct step_of){q, 0};
    if (q->form == CHAIN) {
        conclude(a, &nothing); /* to its first part */
        return;
    }
    name = by_domain(a, q);
    if (name.n)
        follow(a, name);
    else
        conclude(a, &nothing);
}

void ldap_ask(struct ldap *l, const struct ldap_question *q, ldap_answer_fn *fn, void *ctx)
{
    struct asked *a = calloc(1, sizeof *a);

    must(a);
    arena_init(&a->arena, 1024, ASKED_ARENA);
    a->l = l;
    a->conf = conf_ref(conf_now(l->o.conf));
    a->fn = fn;
    a->ctx = ctx;
    a->q = (struct ldap_question){arena_str(&a->arena, q->query), arena_str(&a->arena, q->address),
                                  arena_str(&a->arena, q->from), arena_str(&a->arena, q->group),
                                  arena_str(&a->arena, q->password)};
    follow(a, a->q.query);
}

size_t ldap_flush(struct ldap *l, struct str server)
{
    return ldap_cache_flush(l->cache, server);
}

/* --- the bus --------------------------------------------------------------------------------------------------------- */

/* One ldap_questions message. */
struct batch {
    struct batch *next, *prev;
    struct ldap *l;
    struct bus_peer *from;
    uint64_t call;
    struct arena arena;
    struct ldap_answer *answers;
    struct place {
        struct batch *b;
        size_t i;
    } * places;
    size_t n, missing;
};

static void batch_free(struct batch *b)
{
    *(b->prev ? &b->prev->next : &b->l->batches) = b->next;
    if (b->next)
        b->next->prev = b->prev;
    b->l->n_batches--;
    arena_done(&b->arena);
    free(b);
}

static void batch_reply(struct batch *b)
{
    struct buf out = BUF(16 << 20);

    ldap_answers_encode(b->answers, b->n, &out);
    if (!b->l->ending && !out.failed)
        bus_reply(b->l->o.bus, b->from, b->call, BUS_ldap_answers, &(struct bus_ldap_answers){.answers = buf_str(&out)});
    buf_done(&out);
    batch_free(b);
}

static void on_answer(void *ctx, const struct ldap_answer *answer)
{
    struct place *p = ctx;
    struct batch *b = p->b;

    if (!ldap_answer_copy(&b->arena, answer, &b->answers[p->i]))
        b->answers[p->i] = (struct ldap_answer){.result = LDAP_TEMPORARY};
    if (--b->missing == 0)
        batch_reply(b);
}

static void on_questions(void *ctx, const struct bus_in *in)
{
    struct ldap *l = ctx;
    const struct bus_ldap_questions *m = in->msg;
    const struct ldap_question *q;
    struct batch *b;
    struct str copy;

    if (l->n_batches >= BATCHES_MOST)
        return; /* the asker's own deadline answers */
    b = calloc(1, sizeof *b);
    must(b);
    arena_init(&b->arena, 2048, 32 << 20);
    b->l = l;
    b->from = in->from;
    b->call = in->call;
    b->next = l->batches;
    if (b->next)
        b->next->prev = b;
    l->batches = b;
    l->n_batches++;
    copy = arena_str(&b->arena, m->questions);
    if (!copy.p || ldap_questions_decode(&b->arena, copy, &q, &b->n) != RC_OK || b->n == 0) {
        batch_free(b);
        return;
    }
    b->answers = arena_must_alloc(&b->arena, b->n * sizeof *b->answers);
    b->places = arena_must_alloc(&b->arena, b->n * sizeof *b->places);
    b->missing = b->n;
    for (size_t i = 0, n = b->n; i < n; i++) { /* the last answer frees b */
        b->places[i] = (struct place){b, i};
        ldap_ask(l, &q[i], on_answer, &b->places[i]);
    }
}

static void on_flush(void *ctx, const struct bus_in *in)
{
    const struct bus_ldap_flush *m = in->msg;
    struct ldap *l = ctx;

    bus_reply(l->o.bus, in->from, in->call, BUS_ldap_flushed,
              &(struct bus_ldap_flushed){.answers = ldap_flush(l, m->server)});
}

static void on_change(void *ctx, const struct conf *now, const struct conf *old)
{
    struct ldap *l = ctx;

    (void)old;
    ldap_pool_set(l->pool, now);
    ldap_cache_flush(l->cache, STR_NONE);
}

struct ldap *ldap_new(const struct ldap_options *o)
{
    struct ldap *l = calloc(1, sizeof *l);

    must(l);
    l->o = *o;
    l->cache = ldap_cache_new();
    l->pool = ldap_pool_new(o->loop, o->events, o->dns, o->owner);
    conf_on_change(o->conf, on_change, l);
    if (o->bus) {
        bus_on(o->bus, BUS_ldap_questions, on_questions, l);
        bus_on(o->bus, BUS_ldap_flush, on_flush, l);
    }
    return l;
}

void ldap_free(struct ldap *l)
{
    if (!l)
        return;
    l->ending = true;
    ldap_pool_free(l->pool);
    while (l->batches)
        batch_free(l->batches);
    ldap_cache_free(l->cache);
    free(l);
}
