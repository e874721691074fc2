/*
 * From matches to risk and severity. See dlp.h.
 *
 * Called by the DLP stage and by `trace`. Memory is the message's arena. What a limit cut short counts as far as it was
 * found, and the hit says so.
 */
#include "policy/dlp_inside.h"

const char *dlp_severity_name(enum dlp_severity s)
{
    static const char *const names[] = {"NONE", "LOW", "MEDIUM", "HIGH", "CRITICAL"};

    return names[s];
}

struct weighing {
    const struct dlp_found *found;
    const struct conf_dlp_policy *policy;
    uint64_t risk, count;
    struct str matched;
};

static bool type_fits(const struct conf_dlp_policy *p, const struct mime_part *part)
{
    if (!p->attachment_types.n || !part || !part->attachment)
        return true;
    for (size_t i = 0; i < p->attachment_types.n; i++)
        if (str_eqi(p->attachment_types.items[i], part->type) || str_eqi(p->attachment_types.items[i], part->detected))
            return true;
    return false;
}

/* Is a match of another rule of the classifier within `proximity` octets? */
static bool has_company(const struct dlp_found *f, size_t i, uint64_t proximity)
{
    const struct dlp_match *m = &f->items[i];

    for (size_t k = 0; k < f->n; k++) {
        const struct dlp_match *o = &f->items[k];
        size_t gap;

        if (o->classifier != m->classifier || o->rule == m->rule || o->text != m->text)
            continue;
        gap = o->from > m->to ? o->from - m->to : m->from > o->to ? m->from - o->to : 0;
        if (gap <= proximity)
            return true;
    }
    return false;
}

static void weigh(const struct compiled_dlp *d, size_t classifier, struct weighing *w)
{
    const struct dlp_classifier *c = &d->classifiers[classifier];
    uint64_t counts[DLP_RULES_MAX] = {0}, risk = 0;

    w->count = 0;
    for (size_t i = 0; i < w->found->n; i++) {
        const struct dlp_match *m = &w->found->items[i];
        const struct dlp_rule *rule;

        if (m->classifier != classifier || !type_fits(w->policy, w->found->parts[m->text]) ||
            (c->conf->proximity && !has_company(w->found, i, c->conf->proximity)))
            continue;
        rule = &c->rules[m->rule];
        if (counts[m->rule] >= rule->max)
            continue;
        counts[m->rule] += m->weight;
        counts[m->rule] = counts[m->rule] < rule->max ? counts[m->rule] : rule->max;
        if (!w->count++)
            w->matched = str_first(str_of(w->found->texts[m->text].p + m->from, m->to - m->from), 200);
    }
    for (size_t r = 0; r < c->n; r++)
        risk += counts[r] * c->rules[r].weight;
    w->risk = risk > 100 ? 100 : risk < c->conf->minimum ? 0 : risk;
}

static enum dlp_severity severity_of(const struct conf_dlp_policy *p, uint64_t risk)
{
    return risk >= p->critical ? DLP_CRITICAL
           : risk >= p->high   ? DLP_HIGH
           : risk >= p->medium ? DLP_MEDIUM
           : risk >= p->low    ? DLP_LOW
                               : DLP_NONE;
}

static bool tag_fits(const struct conf_dlp_policy *p, struct str tags)
{
    struct str line;

    while (str_split(&tags, '\n', &line))
        for (size_t i = 0; i < p->tags.n; i++)
            if (line.n && str_eqi(p->tags.items[i], line))
                return true;
    return !p->tags.n;
}

/* "user@domain", "@domain" or "domain", ".domain" for those below it. */
static bool address_fits(struct strs list, struct str address)
{
    size_t at = address.n;
    struct str domain;

    while (at && address.p[at - 1] != '@')
        at--;
    domain = str_from(address, at);
    for (size_t i = 0; i < list.n; i++) {
        struct str e = list.items[i];

        if (e.n && e.p[0] == '@')
            e = str_from(e, 1);
        if (str_eqi(e, address) || str_eqi(e, domain) || (e.n && e.p[0] == '.' && str_endsi(domain, e)))
            return true;
    }
    return !list.n;
}

static bool policy_fits(const struct conf_dlp_policy *p, const struct message *m)
{
    if (!tag_fits(p, m->carried.tags) || !address_fits(p->senders, m->env->sender))
        return false;
    for (size_t i = 0; i < m->n_recipients; i++)
        if (address_fits(p->recipients, message_recipient(m, i)))
            return true;
    return false;
}

static bool named(struct strs list, struct str name)
{
    for (size_t i = 0; i < list.n; i++)
        if (str_eqi(list.items[i], name))
            return true;
    return false;
}

static struct dlp_hit judge(const struct compiled_dlp *d, const struct dlp_found *f, const struct conf_dlp_policy *p)
{
    struct dlp_hit hit = {.policy = p, .limited = f->limited};

    for (size_t c = 0; c < d->n; c++) {
        struct weighing w = {.found = f, .policy = p};

        if (!named(p->classifiers, d->classifiers[c].conf->name))
            continue;
        weigh(d, c, &w);
        if (w.risk <= hit.risk)
            continue;
        hit.risk = w.risk;
        hit.count = w.count;
        hit.matched = w.matched;
        hit.classifier = d->classifiers[c].conf->name;
    }
    hit.severity = severity_of(p, hit.risk);
    return hit;
}

size_t dlp_scan(struct compiled_dlp *d, struct message *m, struct strs policies, const struct dlp_hit **out)
{
    struct dlp_hit *hits = arena_array(m->arena, struct dlp_hit, d->conf->dlp_policy.n + 1);
    struct dlp_found found;
    size_t n = 0;

    *out = hits;
    if (!hits || !policies.n)
        return 0;
    dlp_find(d, m, &found);
    for (size_t i = 0; i < d->conf->dlp_policy.n; i++) {
        const struct conf_dlp_policy *p = &d->conf->dlp_policy.items[i];

        if (!named(policies, p->name) || !policy_fits(p, m))
            continue;
        hits[n] = judge(d, &found, p);
        n += hits[n].severity != DLP_NONE;
    }
    return n;
}
