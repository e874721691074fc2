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

/* One classifier for one policy. */
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

static void weigh(const struct compiled_dlp *d, size_t classifier, struct weighing *w)
{
    const struct dlp_classifier *c = &d->classifiers[classifier];
    uint64_t counts[DLP_RULES_MAX] = {0}, risk = 0;

    w->count = 0;
    for (size_t i = 0; i < w->found->n; i++) {
        const struct dlp_match *m = &w->found->items[i];
        const struct dlp_rule *rule;

        if (m->classifier != classifier || !m->company || !type_fits(w->policy, w->found->parts[m->text]))
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
        if (w.risk < hit.risk || !w.count || (w.risk == hit.risk && hit.count))
            continue;
        hit.risk = w.risk;
        hit.count = w.count;
        hit.matched = w.matched;
        hit.classifier = d->classifiers[c].conf->name;
    }
    hit.severity = severity_of(p, hit.risk);
    return hit;
}

/* The policies that have a say, and what their classifiers are; false: none has. */
static bool choose(const struct compiled_dlp *d, const struct message *m, struct strs names, bool *says, bool *wanted)
{
    bool any = false;

    for (size_t i = 0; i < d->n_policies; i++) {
        const struct conf_dlp_policy *p = d->policies[i].conf;

        says[i] = named(names, p->name) && policy_fits(p, m);
        any |= says[i];
        for (size_t c = 0; c < d->n && says[i]; c++)
            wanted[c] |= named(p->classifiers, d->classifiers[c].conf->name);
    }
    return any;
}

struct dlp_result dlp_scan(struct compiled_dlp *d, struct message *m, struct strs policies)
{
    struct dlp_hit *hits = arena_array(m->arena, struct dlp_hit, d->n_policies + 1);
    bool *says = arena_array(m->arena, bool, d->n_policies + 1), *wanted = arena_array(m->arena, bool, d->n + 1);
    struct dlp_result r = {.hits = hits};
    struct dlp_found found;

    if (!hits || !says || !wanted) {
        r.limited = true;
        return r;
    }
    if (!choose(d, m, policies, says, wanted))
        return r;
    dlp_find(d, m, wanted, &found);
    r.limited = found.limited;
    for (size_t i = 0; i < d->n_policies; i++) {
        if (!says[i])
            continue;
        hits[r.n] = judge(d, &found, d->policies[i].conf);
        r.triggered |= hits[r.n].count > 0;
        r.n += hits[r.n].severity != DLP_NONE;
    }
    return r;
}

const struct filter_action *dlp_actions(const struct compiled_dlp *d, const struct dlp_hit *hit, size_t *n_out)
{
    for (size_t i = 0; i < d->n_policies; i++)
        if (d->policies[i].conf == hit->policy) {
            *n_out = d->policies[i].n_actions[hit->severity];
            return d->policies[i].actions[hit->severity];
        }
    *n_out = 0;
    return NULL;
}
