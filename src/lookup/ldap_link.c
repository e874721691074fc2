/*
 * A connection to a directory as a conversation. See ldap_link.h.
 *
 * Used by ldap_pool.c (searches) and ldap_login.c (a log-in as somebody). Owns the searches under way: number, deadline,
 * entries so far. Anything that is no LDAP ends the connection; a search that gets no answer in time is abandoned, and ends
 * the connection too when it brought nothing since.
 */
#include "lookup/ldap_link.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINK_IN = 2 << 20, IDLE_MS = 10 * 60 * 1000, WHY_MAX = 300 };

struct search {
    struct search *next;
    struct ldap_link *link;
    uint32_t id;
    struct loop_timer deadline;
    uint64_t began; /* messages of the link when it began */
    struct arena arena;
    struct ldap_entry *entries;
    size_t n;
    ldap_found_fn *fn;
    void *ctx;
};

struct ldap_link {
    struct conversation c; /* first */
    struct ldap_link_options o;
    struct search *searches;
    unsigned n_searches;
    uint32_t next_id;
    uint64_t messages;
    struct arena scratch;
    bool ready, closing, told;
    enum rc rc;
    uint32_t code;
    char why[WHY_MAX];
};

static step_fn on_start_tls, on_tls, on_bind, work;

static struct ldap_link *link_of(struct conversation *c)
{
    return (struct ldap_link *)(void *)c;
}

/* --- searches -------------------------------------------------------------------------------------------------------- */

static struct search **place_of(struct ldap_link *l, uint32_t id)
{
    struct search **at = &l->searches;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void search_end(struct search **at, const struct ldap_found *found)
{
    struct search *s = *at;
    struct ldap_found f = *found;

    *at = s->next;
    s->link->n_searches--;
    loop_timer_cancel(s->link->o.loop, &s->deadline);
    f.entries = s->entries;
    f.n = s->n;
    s->fn(s->ctx, &f);
    arena_done(&s->arena);
    free(s);
}

static void on_deadline(void *ctx)
{
    struct search *s = ctx;
    struct ldap_link *l = s->link;

    if (l->messages == s->began) { /* nothing came since: whatever waits here waits in vain */
        snprintf(l->why, sizeof l->why, "no answer in time");
        l->rc = RC_TIMEOUT;
        conversation_abort(&l->c, STR_NONE);
        return;
    }
    ldap_put_abandon(&l->c.out, l->next_id++, s->id);
    conversation_resume(&l->c);
    search_end(place_of(l, s->id), &(struct ldap_found){.rc = RC_TIMEOUT, .why = str_lit("no answer in time")});
}

void ldap_link_search(struct ldap_link *l, const struct ldap_search *what, ldap_found_fn *fn, void *ctx)
{
    struct search *s = calloc(1, sizeof *s);

    must(s && l->ready);
    arena_init(&s->arena, 1024, LDAP_SEARCH_BYTES);
    s->link = l;
    s->id = l->next_id++;
    s->began = l->messages;
    s->fn = fn;
    s->ctx = ctx;
    s->next = l->searches;
    l->searches = s;
    l->n_searches++;
    ldap_put_search(&l->c.out, s->id, what->base, what->filter, what->attributes, LDAP_ENTRIES_MAX,
                    (uint32_t)(l->o.timeout_ms + 999) / 1000);
    loop_timer_set(l->o.loop, &s->deadline, l->o.timeout_ms, on_deadline, s);
    conversation_resume(&l->c);
}

/* An entry is copied: the link's input goes on. False: too much for one search. */
static bool keep_entry(struct search *s, const struct ldap_message *m)
{
    struct ldap_attribute *list = arena_array(&s->arena, struct ldap_attribute, m->n + 1);
    struct ldap_entry *e;

    if (!s->entries)
        s->entries = arena_array(&s->arena, struct ldap_entry, LDAP_ENTRIES_MAX);
    if (!s->entries || !list || s->n == LDAP_ENTRIES_MAX)
        return false;
    e = &s->entries[s->n];
    e->dn = arena_str(&s->arena, m->dn);
    e->attributes = list;
    e->n = m->n;
    for (size_t i = 0; i < m->n; i++) {
        size_t n = m->attributes[i].values.n;
        struct str *values = arena_array(&s->arena, struct str, n + 1);

        for (size_t k = 0; values && k < n; k++) {
            values[k] = arena_str(&s->arena, m->attributes[i].values.items[k]);
            if (!values[k].p)
                return false;
        }
        if (!values)
            return false;
        list[i] = (struct ldap_attribute){arena_str(&s->arena, m->attributes[i].name), {values, n}};
    }
    s->n++;
    return true;
}

static void take_message(struct ldap_link *l, const struct ldap_message *m)
{
    struct search **at = place_of(l, m->id);

    if (!*at)
        return; /* abandoned */
    if (m->kind == LDAP_SEARCH_DONE)
        search_end(at, &(struct ldap_found){.rc = RC_OK, .code = m->code, .why = m->why});
    else if (m->kind == LDAP_ENTRY && !keep_entry(*at, m))
        search_end(at, &(struct ldap_found){.rc = RC_LIMIT, .why = str_lit("answer is too large")});
}

/* --- the conversation ------------------------------------------------------------------------------------------------ */

static struct step fail(struct ldap_link *l, enum rc rc, uint32_t code, const char *what, struct str why)
{
    l->rc = rc;
    l->code = code;
    snprintf(l->why, sizeof l->why, "%s%s%.*s", what, why.n ? ": " : "", STR(str_first(why, 200)));
    return step_end();
}

/* Next message; false with what to return. */
static bool message_or(struct ldap_link *l, step_fn *fn, struct ldap_message *m, struct step *step_out)
{
    struct str in = conversation_input(&l->c);
    size_t before = in.n;
    enum rc rc;

    arena_reset(&l->scratch);
    rc = ldap_message_take(&l->scratch, &in, m);
    if (rc == RC_OK) {
        conversation_take(&l->c, before - in.n);
        l->messages++;
        return true;
    }
    if (rc != RC_UNAVAILABLE)
        *step_out = fail(l, RC_SYNTAX, 0, "the server does not speak LDAP", STR_NONE);
    else if (l->c.eof)
        *step_out = fail(l, RC_CLOSED, 0, "the server closed the connection", STR_NONE);
    else
        *step_out = fn == work ? step_idle(work, IDLE_MS) : step_read(fn, l->o.timeout_ms);
    return false;
}

static struct step ready(struct ldap_link *l)
{
    l->ready = true;
    if (l->o.ready)
        l->o.ready(l->o.ctx);
    return step_goto(work);
}

static struct step log_in(struct ldap_link *l)
{
    if (!l->o.dn.n)
        return ready(l);
    ldap_put_bind(&l->c.out, l->next_id++, l->o.dn, l->o.password);
    return step_read(on_bind, l->o.timeout_ms);
}

static struct step first(struct conversation *c)
{
    struct ldap_link *l = link_of(c);

    if (l->o.tls == LDAP_TLS_SSL)
        return step_tls(on_tls, l->o.timeout_ms);
    if (l->o.tls == LDAP_TLS_NONE)
        return log_in(l);
    ldap_put_start_tls(&c->out, l->next_id++);
    return step_read(on_start_tls, l->o.timeout_ms);
}

static struct step on_start_tls(struct conversation *c)
{
    struct ldap_link *l = link_of(c);
    struct ldap_message m;
    struct step step;

    if (!message_or(l, on_start_tls, &m, &step))
        return step;
    if (m.kind != LDAP_EXTENDED_DONE || m.code != LDAP_CODE_SUCCESS)
        return fail(l, RC_TLS_FAILED, m.code, "STARTTLS is refused", m.why);
    if (conversation_input(c).n) /* RFC 4511 4.14.1: nothing may follow before the handshake */
        return fail(l, RC_SYNTAX, 0, "octets before the TLS handshake", STR_NONE);
    return step_tls(on_tls, l->o.timeout_ms);
}

static struct step on_tls(struct conversation *c)
{
    struct ldap_link *l = link_of(c);

    if (!c->tls)
        return fail(l, RC_TLS_FAILED, 0, "TLS failed", c->why);
    return log_in(l);
}

static struct step on_bind(struct conversation *c)
{
    struct ldap_link *l = link_of(c);
    struct ldap_message m;
    struct step step;

    if (!message_or(l, on_bind, &m, &step))
        return step;
    if (m.kind != LDAP_BIND_DONE)
        return fail(l, RC_SYNTAX, 0, "the server does not speak LDAP", STR_NONE);
    if (m.code != LDAP_CODE_SUCCESS)
        return fail(l, RC_AUTH_FAILED, m.code, ldap_code_text(m.code), m.why);
    return ready(l);
}

static struct step work(struct conversation *c)
{
    struct ldap_link *l = link_of(c);
    struct ldap_message m;
    struct step step;

    while (message_or(l, work, &m, &step)) {
        if (m.id == 0) /* notice of disconnection (RFC 4511 4.4.1) */
            return fail(l, RC_CLOSED, m.code, "the server ends the connection", m.why);
        take_message(l, &m);
        if (l->closing)
            return step_end();
    }
    return step;
}

static struct step broken(struct conversation *c)
{
    struct ldap_link *l = link_of(c);

    return fail(l, c->rc, 0, c->rc == RC_TIMEOUT ? "no answer in time" : rc_info(c->rc)->text, c->why);
}

static void done(struct conversation *c)
{
    struct ldap_link *l = link_of(c);

    l->ready = false;
    l->closing = true;
    if (!l->told) {
        l->told = true;
        if (l->rc == RC_OK && l->searches)
            l->rc = RC_CLOSED;
        while (l->searches)
            search_end(&l->searches, &(struct ldap_found){.rc = l->rc, .why = str_c(l->why)});
        if (l->o.ended)
            l->o.ended(l->o.ctx, l->rc, l->code, str_c(l->why));
    }
    tls_unref(l->o.context);
    l->o.context = NULL;
    arena_done(&l->scratch);
}

static const struct conversation_kind ldap_kind = {
    .name = "ldap",
    .first = first,
    .broken = broken,
    .done = done,
    .size = sizeof(struct ldap_link),
    .timeout_ms = 5000,
    .max_in = LINK_IN,
};

struct ldap_link *ldap_link_open(const struct ldap_link_options *o)
{
    struct tls_client how = {.check = TLS_CHECK_NAME, .name = o->tls_name};
    struct conversation *c = conversation_connect(o->loop, &o->to, NULL, o->timeout_ms, &ldap_kind, o->context, NULL);
    struct ldap_link *l = c ? link_of(c) : NULL;

    if (!l)
        return NULL;
    l->o = *o;
    l->o.context = o->context ? tls_ref(o->context) : NULL;
    l->o.dn = arena_str(&c->arena, o->dn);
    l->o.password = arena_str(&c->arena, o->password);
    l->next_id = 1;
    arena_init(&l->scratch, 4096, LDAP_SEARCH_BYTES);
    if (o->tls != LDAP_TLS_NONE)
        conversation_tls_client(c, &how);
    return l;
}

void ldap_link_close(struct ldap_link *l)
{
    struct buf last = BUF(64);

    if (l->closing)
        return;
    ldap_put_unbind(&last, l->next_id++);
    conversation_abort(&l->c, buf_str(&last));
    buf_done(&last);
}

bool ldap_link_ready(const struct ldap_link *l)
{
    return l->ready;
}

unsigned ldap_link_searches(const struct ldap_link *l)
{
    return l->n_searches;
}
