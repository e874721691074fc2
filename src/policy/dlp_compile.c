/*
 * Classifiers and policies from their lines. See dlp.h.
 *
 * Called by compiled.c; dlp_check.c reads single lines. Memory is the snapshot's arena. A classifier with a bad rule, an
 * action that cannot be read is left out and named; the others work. Terms of dictionaries are patterns among all: a message
 * is gone through once, however many classifiers name them.
 */
#include "policy/dlp_inside.h"

/* A word, or a text in quotes with \" inside; false at the end. */
static bool next_word(struct arena *a, struct str *rest, struct str *out)
{
    struct str s = str_trim(*rest);
    char *copy;
    size_t n = 0, i = 1;

    if (!s.n || s.p[0] != '"') {
        *rest = s;
        return str_word(rest, out);
    }
    copy = arena_alloc(a, s.n);
    for (; copy && i < s.n && s.p[i] != '"'; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == '"')
            i++;
        copy[n++] = s.p[i];
    }
    *out = str_of(copy, n);
    *rest = str_from(s, i + 1);
    return copy && i < s.n;
}

static enum rc read_options(struct arena *a, struct str rest, struct dlp_rule *rule, struct err *e)
{
    struct str key, value;

    rule->weight = 10;
    rule->max = 100;
    while (next_word(a, &rest, &key)) {
        uint64_t n;

        if (!next_word(a, &rest, &value) || !str_u64(value, &n) || !n || n > 100000)
            return err_set(e, RC_INVALID, "a number is expected behind '%.*s'", STR(key));
        if (str_eqi(key, str_lit("weight")) && n <= 100)
            rule->weight = n;
        else if (str_eqi(key, str_lit("max")))
            rule->max = n;
        else
            return err_set(e, RC_INVALID, "'%.*s %.*s': weight 1-100 or max N is expected", STR(key), STR(value));
    }
    return RC_OK;
}

static const char *const kinds[] = {"entity", "dictionary", "word", "regex"};

enum rc dlp_rule_read(struct arena *a, const struct conf *conf, struct str line, struct dlp_rule *rule, struct err *e)
{
    struct str rest = line, kind, value;
    size_t k = 0;

    *rule = (struct dlp_rule){0};
    if (!next_word(a, &rest, &kind) || !next_word(a, &rest, &value) || !value.n)
        return err_set(e, RC_INVALID, "'%.*s': entity, dictionary, word or regex and its value are expected",
                       STR(str_first(line, 100)));
    while (k < sizeof kinds / sizeof *kinds && !str_eqi(kind, str_c(kinds[k])))
        k++;
    if (k == sizeof kinds / sizeof *kinds)
        return err_set(e, RC_INVALID, "'%.*s': entity, dictionary, word or regex is expected", STR(str_first(kind, 100)));
    rule->kind = (enum dlp_kind)k;
    rule->value = value;
    if (rule->kind == DLP_ENTITY && !(rule->entity = entity_find(value)))
        return err_set(e, RC_INVALID, "there is no entity '%.*s'", STR(str_first(value, 100)));
    if (rule->kind == DLP_DICTIONARY && !conf_find(&conf->dictionary, value))
        return err_set(e, RC_INVALID, "there is no dictionary '%.*s'", STR(str_first(value, 100)));
    return read_options(a, rest, rule, e);
}

struct pattern dlp_rule_pattern(const struct dlp_rule *rule)
{
    if (rule->kind == DLP_WORD)
        return (struct pattern){.text = rule->value, .literal = true, .whole_word = true, .want_from = true};
    return (struct pattern){.text = rule->entity ? str_c(rule->entity->expression) : rule->value, .want_from = true};
}

struct strs dlp_action_lines(const struct conf_dlp_policy *p, enum dlp_severity severity)
{
    const struct strs lines[] = {{0}, p->actions_low, p->actions_medium, p->actions_high, p->actions_critical};

    return lines[severity];
}

/* --- all of a snapshot ----------------------------------------------------------------------------------------------- */

/* The patterns so far; they grow to `most`. */
struct making {
    struct arena *a;
    struct compiled_dlp *d;
    struct compiled_words *words;
    struct pattern *patterns;
    size_t n, most;
};

static enum rc add_pattern(struct making *k, struct pattern p, struct dlp_owner owner, struct err *e)
{
    if (k->n == k->most)
        return err_set(e, RC_INVALID, "all classifiers together have more than %zu words and expressions", k->most);
    p.want_from = true;
    k->patterns[k->n] = p;
    k->d->owners[k->n++] = owner;
    return RC_OK;
}

static enum rc add_rule(struct making *k, const struct dlp_rule *rule, struct dlp_owner owner, struct err *e)
{
    struct dictionary *dict;
    struct pattern p;

    if (rule->kind != DLP_DICTIONARY) {
        p = dlp_rule_pattern(rule);
        TRY(pattern_check(k->a, &p, e));
        owner.entity = rule->entity;
        owner.weight = 1;
        return add_pattern(k, p, owner, e);
    }
    if (!(dict = dictionary_find(k->words, rule->value)))
        return err_set(e, RC_INVALID, "dictionary '%.*s' cannot be used", STR(rule->value));
    for (size_t i = 0; i < dictionary_size(dict); i++) {
        struct dictionary_piece piece = dictionary_piece(dict, i);

        owner.entity = piece.entity;
        owner.weight = piece.weight;
        TRY(add_pattern(k, piece.pattern, owner, e));
    }
    return RC_OK;
}

/* Adds the classifier and its patterns; everything of it is taken back when a rule is bad. */
static enum rc add_classifier(struct making *k, const struct conf_dlp_classifier *c, struct err *e)
{
    struct dlp_classifier *new = &k->d->classifiers[k->d->n];
    size_t before = k->n;
    enum rc rc = RC_OK;

    *new = (struct dlp_classifier){
        .conf = c, .rules = arena_array(k->a, struct dlp_rule, c->rules.n + 1), .first = k->d->n_rules};
    if (!new->rules || c->rules.n > DLP_RULES_MAX)
        return err_set(e, RC_INVALID, "a classifier has %d rules at most", DLP_RULES_MAX);
    for (; new->n < c->rules.n &&rc == RC_OK; new->n++) {
        struct dlp_rule *rule = &new->rules[new->n];

        rc = dlp_rule_read(k->a, k->d->conf, c->rules.items[new->n], rule, e);
        if (rc == RC_OK)
            rc = add_rule(k, rule, (struct dlp_owner){.classifier = (uint32_t)k->d->n, .rule = (uint32_t) new->n}, e);
    }
    if (rc != RC_OK) {
        k->n = before;
        return rc;
    }
    k->d->n_rules += new->n;
    k->d->n++;
    return RC_OK;
}

static enum rc add_policy(struct arena *a, const struct conf_dlp_policy *p, struct dlp_policy *out, struct err *e)
{
    enum rc rc = RC_OK;

    *out = (struct dlp_policy){.conf = p};
    for (enum dlp_severity s = DLP_LOW; s <= DLP_CRITICAL; s++) {
        struct strs lines = dlp_action_lines(p, s);

        if (!(out->actions[s] = arena_array(a, struct filter_action, lines.n + 1)))
            return err_set(e, RC_NO_MEMORY, "DLP policies");
        for (size_t i = 0; i < lines.n; i++)
            if (filter_parse_action(a, lines.items[i], &out->actions[s][out->n_actions[s]], rc == RC_OK ? e : NULL) == RC_OK)
                out->n_actions[s]++;
            else
                rc = RC_INVALID;
    }
    return rc;
}

/* How many patterns there may be: rules, and the words of the dictionaries they name. */
static size_t room_for(const struct conf *conf)
{
    size_t n = 1, words = 0;

    for (size_t i = 0; i < conf->dictionary.n; i++)
        words += conf->dictionary.items[i].terms.n;
    for (size_t i = 0; i < conf->dlp_classifier.n; i++) {
        struct strs rules = conf->dlp_classifier.items[i].rules;

        n += rules.n;
        for (size_t k = 0; k < rules.n; k++)
            n += str_startsi(str_trim(rules.items[k]), str_lit("dictionary")) ? words : 0;
    }
    return n < DLP_PATTERNS_MAX ? n : DLP_PATTERNS_MAX;
}

static enum rc add_all(struct making *k, const struct conf *conf, struct err *e)
{
    enum rc result = RC_OK;

    for (size_t i = 0; i < conf->dlp_classifier.n; i++) {
        const struct conf_dlp_classifier *c = &conf->dlp_classifier.items[i];
        enum rc rc = add_classifier(k, c, result == RC_OK ? e : NULL);

        if (rc != RC_OK && result == RC_OK)
            result = err_wrap(e, rc, "DLP classifier %.*s", STR(c->name));
    }
    for (; k->d->n_policies < conf->dlp_policy.n; k->d->n_policies++) {
        const struct conf_dlp_policy *p = &conf->dlp_policy.items[k->d->n_policies];
        enum rc rc = add_policy(k->a, p, &k->d->policies[k->d->n_policies], result == RC_OK ? e : NULL);

        if (rc != RC_OK && result == RC_OK)
            result = err_wrap(e, rc, "DLP policy %.*s", STR(p->name));
    }
    return result;
}

enum rc dlp_compile(struct arena *a, const struct conf *conf, struct compiled_words *words, struct compiled_dlp **out,
                    struct err *e)
{
    struct compiled_dlp *d = arena_new(a, struct compiled_dlp);
    struct making k = {.a = a, .d = d, .words = words, .most = room_for(conf)};
    enum rc result;

    k.patterns = arena_array(a, struct pattern, k.most);
    if (!d || !k.patterns || !(d->owners = arena_array(a, struct dlp_owner, k.most)) ||
        !(d->classifiers = arena_array(a, struct dlp_classifier, conf->dlp_classifier.n + 1)) ||
        !(d->policies = arena_array(a, struct dlp_policy, conf->dlp_policy.n + 1)))
        return err_set(e, RC_NO_MEMORY, "DLP classifiers");
    d->conf = conf;
    result = add_all(&k, conf, e);
    if (k.n)
        TRY(patterns_new(a, k.patterns, k.n, &d->patterns, NULL, e));
    *out = d;
    return result;
}
