/*
 * Metadata of a message that was held on its gateway and moves to the manager. See cpq_meta.h.
 *
 * Called by quarantine for each message of a migration. Owns nothing. What was written when it was held stays, octet for
 * octet; holds, recipients and exits are those of now, so that what was decided meanwhile counts on the manager too.
 */
#include "mail/cpq_meta.h"

enum { MADE_MAX = 2 * CPQ_META_MAX };

static void put_member(struct buf *out, const struct json *m)
{
    if (out->p[out->n - 1] != '{')
        buf_addc(out, ',');
    buf_addf(out, "\"%.*s\":%.*s", STR(m->key), STR(m->raw));
}

/* How the same was described when it came: by reason and rule, since a move changes the name. */
static const struct cpq_hold *described(const struct cpq_meta *m, const struct cpq_hold *h)
{
    for (size_t i = 0; i < m->n_holds; i++)
        if (str_eq(m->holds[i].reason, h->reason) && str_eq(m->holds[i].rule, h->rule))
            return &m->holds[i];
    return NULL;
}

static void put_hold(struct buf *out, const struct cpq_meta *m, const struct cpq_hold *h)
{
    const struct cpq_hold *was = described(m, h);

    buf_addc(out, '{');
    cpq_put_text(out, "quarantine", h->quarantine);
    cpq_put_text(out, "kind", str_c(cpq_kind_name((enum cpq_kind)h->kind)));
    cpq_put_text(out, "reason", h->reason);
    if (h->rule.n)
        cpq_put_text(out, "rule", h->rule);
    if (was && was->level)
        cpq_put_u64(out, "level", was->level);
    cpq_put_u64(out, "exit", h->exit);
    cpq_put_text(out, "action", h->action == 1 ? str_lit("release") : str_lit("delete"));
    if (was && was->matched.n)
        buf_addf(out, ",\"matched\":%.*s", STR(was->matched));
    buf_addc(out, '}');
}

static void put_holds(struct buf *out, const struct cpq_meta *m, const struct cpq_move *x)
{
    buf_add(out, str_lit(",\"holds\":["));
    for (size_t i = 0; i < x->n_holds; i++) {
        if (i)
            buf_addc(out, ',');
        put_hold(out, m, &x->holds[i]);
    }
    buf_addc(out, ']');
}

static void put_spam(struct buf *out, const struct cpq_meta *m, const struct cpq_move *x)
{
    buf_add(out, str_lit(",\"spam\":{"));
    cpq_put_text(out, "verdict", m->spam_verdict);
    if (m->spam_score.n)
        buf_addf(out, ",\"score\":%.*s", STR(m->spam_score));
    cpq_put_u64(out, "exit", x->spam_exit);
    buf_addc(out, '}');
}

static void put_made(struct buf *out, const struct cpq_meta *m, const struct cpq_move *x)
{
    const struct cpq_migration *g = &x->migration;

    buf_addc(out, '{');
    for (const struct json *one = m->root->first; one; one = one->next)
        if (!str_eq(one->key, str_lit("holds")) && !str_eq(one->key, str_lit("spam")) &&
            !str_eq(one->key, str_lit("migration")))
            put_member(out, one);
    if (m->class == CPQ_SPAM)
        put_spam(out, m, x);
    else
        put_holds(out, m, x);
    buf_addf(out, ",\"migration\":{\"id\":%llu,\"n\":%llu,\"total\":%llu%s}}", (unsigned long long)g->run,
             (unsigned long long)g->n, (unsigned long long)g->total, g->deleted ? ",\"deleted\":true" : "");
}

static bool stays(const struct cpq_move *x, struct str address)
{
    for (size_t i = 0; i < x->n_recipients; i++)
        if (str_eq(x->recipients[i], address))
            return true;
    return false;
}

/* Of spam each recipient decides for himself: who has done so is none any more. */
static enum rc envelope_now(struct arena *a, const struct cpq_meta *m, const struct cpq_move *x, struct envelope *out,
                            struct err *e)
{
    struct recipient *list = arena_array(a, struct recipient, m->envelope.n_recipients);

    if (!list)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    *out = m->envelope;
    out->recipients = list;
    out->n_recipients = 0;
    for (size_t i = 0; i < m->envelope.n_recipients; i++)
        if (m->class != CPQ_SPAM || stays(x, m->envelope.recipients[i].address))
            list[out->n_recipients++] = m->envelope.recipients[i];
    return out->n_recipients ? RC_OK : err_set(e, RC_INVALID, "no recipient is left");
}

enum rc cpq_meta_move(struct arena *a, const struct cpq_meta *m, const struct cpq_move *x, struct buf *out, struct err *e)
{
    struct buf made = BUF(MADE_MAX);
    struct envelope env;
    struct str text;

    TRY(envelope_now(a, m, x, &env, e));
    put_made(&made, m, x);
    text = arena_str(a, buf_str(&made));
    if (made.failed || !text.p) {
        buf_done(&made);
        return err_set(e, RC_TOO_LARGE, "metadata is too large");
    }
    buf_done(&made);
    return cpq_meta_complete(a, text,
                             &(struct cpq_facts){.class = m->class,
                                                 .serial = x->serial,
                                                 .host = m->host,
                                                 .mid = x->mid,
                                                 .now_ms = m->held,
                                                 .size = m->size,
                                                 .sha256 = m->sha256,
                                                 .envelope = &env},
                             out, e);
}
