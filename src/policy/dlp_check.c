/*
 * What is refused of DLP before a commit: rules, actions, names, thresholds. See check.h.
 *
 * Called by control's checks. Owns a scratch arena for one call. The error says path, entry and what was expected.
 */
#include "policy/check.h"
#include "policy/dlp_inside.h"
#include "policy/filters.h"

static enum rc check_rule(struct arena *a, const struct conf *c, struct str line, struct err *e)
{
    struct dlp_rule rule;
    struct pattern p;

    TRY(dlp_rule_read(a, c, line, &rule, e));
    if (rule.kind == DLP_DICTIONARY)
        return RC_OK;
    p = dlp_rule_pattern(&rule);
    return pattern_check(a, &p, e);
}

static enum rc check_classifier(struct arena *a, const struct conf *c, const struct conf_dlp_classifier *k, struct err *e)
{
    if (k->rules.n > DLP_RULES_MAX)
        return err_set(e, RC_INVALID, "dlp_classifier.%.*s.rules: a classifier has %d rules at most", STR(k->name),
                       DLP_RULES_MAX);
    for (size_t i = 0; i < k->rules.n; i++)
        if (check_rule(a, c, k->rules.items[i], e) != RC_OK)
            return err_wrap(e, RC_INVALID, "dlp_classifier.%.*s.rules, entry %zu", STR(k->name), i + 1);
    return RC_OK;
}

static enum rc check_actions(struct arena *a, const struct conf *c, const struct conf_dlp_policy *p, enum dlp_severity s,
                             struct err *e)
{
    static const char *const fields[] = {"", "low", "medium", "high", "critical"};
    struct strs lines = dlp_action_lines(p, s);

    for (size_t i = 0; i < lines.n; i++) {
        struct filter_action action = {0};
        struct str missing = STR_NONE;
        enum rc rc = filter_parse_action(a, lines.items[i], &action, e);

        if (rc == RC_OK && !filter_action_valid(c, a, &action, &missing))
            rc = err_set(e, RC_INVALID, "there is no %.*s", STR(missing));
        if (rc != RC_OK)
            return err_wrap(e, RC_INVALID, "dlp_policy.%.*s.actions_%s, entry %zu", STR(p->name), fields[s], i + 1);
    }
    return RC_OK;
}

static enum rc check_thresholds(const struct conf_dlp_policy *p, struct err *e)
{
    static const char *const names[] = {"low", "medium", "high", "critical"};
    const uint64_t values[] = {p->low, p->medium, p->high, p->critical};

    for (size_t i = 0; i + 1 < sizeof values / sizeof *values; i++)
        if (values[i] > values[i + 1])
            return err_set(e, RC_INVALID, "dlp_policy.%.*s.%s: %llu or more is expected, as %s is", STR(p->name),
                           names[i + 1], (unsigned long long)values[i], names[i]);
    return RC_OK;
}

static enum rc check_policy(struct arena *a, const struct conf *c, const struct conf_dlp_policy *p, struct err *e)
{
    for (size_t i = 0; i < p->classifiers.n; i++)
        if (!conf_find(&c->dlp_classifier, p->classifiers.items[i]))
            return err_set(e, RC_INVALID, "dlp_policy.%.*s.classifiers: there is no DLP classifier '%.*s'", STR(p->name),
                           STR(str_first(p->classifiers.items[i], 100)));
    for (enum dlp_severity s = DLP_LOW; s <= DLP_CRITICAL; s++)
        TRY(check_actions(a, c, p, s, e));
    return check_thresholds(p, e);
}

static enum rc check_users(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->mail_policy.n; i++) {
        const struct conf_mail_policy *p = &c->mail_policy.items[i];

        for (size_t k = 0; k < p->dlp_policies.n; k++)
            if (!conf_find(&c->dlp_policy, p->dlp_policies.items[k]))
                return err_set(e, RC_INVALID, "mail_policy.%.*s.dlp_policies: there is no DLP policy '%.*s'", STR(p->name),
                               STR(str_first(p->dlp_policies.items[k], 100)));
    }
    return RC_OK;
}

enum rc dlp_check(const struct conf *c, struct err *e)
{
    struct arena a;
    enum rc rc = RC_OK;

    arena_init(&a, 65536, 256 << 20);
    for (size_t i = 0; i < c->dlp_classifier.n && rc == RC_OK; i++)
        rc = check_classifier(&a, c, &c->dlp_classifier.items[i], e);
    for (size_t i = 0; i < c->dlp_policy.n && rc == RC_OK; i++)
        rc = check_policy(&a, c, &c->dlp_policy.items[i], e);
    arena_done(&a);
    return rc == RC_OK ? check_users(c, e) : rc;
}
