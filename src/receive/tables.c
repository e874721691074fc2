/*
 * A snapshot as receive uses it: per listener the compiled HAT, RAT and aliases, the lists of XCLIENT and PROXY peers, TLS,
 * names.
 *
 * Made once per snapshot; each conversation holds a reference, so settings may change under way without touching it. Owns
 * its arena and a reference to the snapshot. Fails on lack of memory only: a certificate that does not load means no
 * STARTTLS.
 */
#include "receive/inside.h"

#include "receive/tls.h"
#include "smtp/cpq_tls.h"

#include <stdlib.h>

enum { TABLES_BLOCK = 16384, TABLES_MAX = 512 << 20 };

/* Told, not fatal: mail is still received, in plain text. */
static void tls_of(struct receive *r, const struct conf *conf, const struct conf_listener *l, struct terms *out)
{
    struct err e = ERR_NONE;

    if (receive_tls(conf, l, r->o.home, r->ticket_key, &out->tls, &e) == RC_OK)
        return;
    out->tls = NULL;
    event(r->o.events, certificate_unusable, .listener = l->name, .why = str_c(err_text(&e)));
}

static enum rc compile(struct receive *r, struct tables *t, const struct conf_listener *l, struct terms *out, struct err *e)
{
    struct arena *a = &t->arena;

    *out = (struct terms){.conf = l, .host_name = conf_listener_host(t->conf, l)};
    out->interface = l->interface.n ? l->interface : l->name;
    TRY(hat_compile(a, t->conf, l, &out->hat, e));
    TRY(rat_compile(a, l->rat, &out->rat, e));
    TRY(alias_compile(a, t->conf, l, &out->aliases, e));
    TRY(ip_table_of(a, l->xclient_from, &out->xclient, e));
    TRY(ip_table_of(a, l->proxy_from, &out->proxy, e));
    tls_of(r, t->conf, l, out);
    return RC_OK;
}

static void cpq_of(struct receive *r, struct tables *t)
{
    struct err e = ERR_NONE;

    if (!t->conf->cpq_listener.enabled || cpq_tls_server(t->conf, CPQ_PEER_MANAGER, &t->cpq_tls, &e) == RC_OK)
        return;
    event(r->o.events, certificate_unusable, .listener = str_lit("cpq_listener"), .why = str_c(err_text(&e)));
}

enum rc tables_new(struct receive *r, const struct conf *conf, struct tables **out, struct err *e)
{
    struct tables *t = calloc(1, sizeof *t);

    if (!t)
        return err_set(e, RC_NO_MEMORY, "settings of receiving");
    arena_init(&t->arena, TABLES_BLOCK, TABLES_MAX);
    t->refs = 1;
    t->conf = conf_ref(conf);
    t->terms = arena_array(&t->arena, struct terms, conf->listener.n);
    for (size_t i = 0; t->terms && i < conf->listener.n; i++) {
        enum rc rc = compile(r, t, &conf->listener.items[i], &t->terms[i], e);

        t->n = i + 1;
        if (rc != RC_OK) {
            tables_unref(t);
            return rc;
        }
    }
    cpq_of(r, t);
    *out = t;
    return RC_OK;
}

struct tables *tables_ref(struct tables *t)
{
    t->refs++;
    return t;
}

void tables_unref(struct tables *t)
{
    if (!t || --t->refs)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (t->terms[i].tls)
            tls_unref(t->terms[i].tls);
    if (t->cpq_tls)
        tls_unref(t->cpq_tls);
    conf_unref(t->conf);
    arena_done(&t->arena);
    free(t);
}

const struct terms *tables_find(const struct tables *t, struct str listener)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eqi(t->terms[i].conf->name, listener))
            return &t->terms[i];
    return NULL;
}
