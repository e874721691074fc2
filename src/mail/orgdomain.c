/*
 * Organizational domains. See orgdomain.h.
 *
 * Called by dmarc and trace. The list is libpsl's; the walk asks through the callback and keeps nothing.
 */
#include "mail/orgdomain.h"

#include "mail/dmarc.h"
#include "mail/domain.h"

#include <libpsl.h>
#include <stdlib.h>

struct suffixes {
    psl_ctx_t *list;
};

struct suffixes *suffixes_load(const char *path)
{
    struct suffixes *s = malloc(sizeof *s);

    if (!s)
        return NULL;
    s->list = path ? psl_load_file(path) : psl_latest(NULL);
    if (!s->list) {
        free(s);
        return NULL;
    }
    return s;
}

void suffixes_free(struct suffixes *s)
{
    if (!s)
        return;
    psl_free(s->list); /* leaves the built-in list alone */
    free(s);
}

struct str orgdomain_by_list(const struct suffixes *s, struct str name)
{
    char text[DOMAIN_TEXT_MAX + 1];
    const char *registrable;

    if (name.n > DOMAIN_TEXT_MAX || !s)
        return domain_last(name, 2);
    for (size_t i = 0; i < name.n; i++)
        text[i] = ascii_lower(name.p[i]);
    text[name.n] = '\0';
    registrable = psl_registrable_domain(s->list, text);
    return registrable ? str_from(name, (size_t)(registrable - text)) : name;
}

/* The names to ask: the domain, then its last 7 labels (or one label fewer), and so on to the top. */
static void steps(struct str name, struct tree_walk *w)
{
    size_t labels = domain_labels(name);

    w->names[w->n++] = name;
    for (size_t left = labels > ORGDOMAIN_STEPS ? ORGDOMAIN_STEPS - 1 : labels - 1; left > 0 && w->n < ORGDOMAIN_STEPS;
         left--)
        w->names[w->n++] = domain_last(name, left);
}

/* 4.10.2. The walk ended at names[end]. */
static struct str organizational(const struct tree_walk *w, size_t end)
{
    struct str best = w->names[0];

    for (size_t i = 0; i <= end && i < w->n; i++) {
        if (!w->records[i])
            continue;
        if (w->records[i]->psd == DMARC_PSD_NO)
            return w->names[i];
        if (w->records[i]->psd == DMARC_PSD_YES && i > 0)
            return domain_last(w->names[0], domain_labels(w->names[i]) + 1);
        best = w->names[i];
    }
    return best;
}

static bool ends_walk(const struct dmarc_record *r, size_t step)
{
    return r && (r->psd == DMARC_PSD_NO || (r->psd == DMARC_PSD_YES && step > 0));
}

void orgdomain_walk(struct arena *a, const struct dns_source *dns, struct str name, struct tree_walk *out)
{
    struct dns_question q[ORGDOMAIN_STEPS];
    const struct dns_answer *d;
    size_t end = 0;

    *out = (struct tree_walk){.org = name};
    if (!domain_fits_dns(name))
        return;
    steps(name, out);
    for (size_t i = 0; i < out->n; i++)
        q[i] = (struct dns_question){DNS_TXT, dmarc_name(a, out->names[i])};
    if (dns->ask(dns->ctx, a, q, out->n, &d) != RC_OK) {
        out->temporary = true;
        return;
    }
    for (end = 0; end < out->n; end++) {
        out->temporary = out->temporary || d[end].result == DNS_TEMPORARY || d[end].result == DNS_BOGUS;
        out->records[end] = dmarc_record_select(a, &d[end]);
        if (ends_walk(out->records[end], end))
            break;
    }
    out->org = organizational(out, end);
}
