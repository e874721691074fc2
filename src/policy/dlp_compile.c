/*
 * Classifiers from their lines. See dlp.h.
 *
 * Called by compiled.c and the checks of a configuration. Memory is the snapshot's arena. A classifier with a bad rule is
 * left out and named; the others work.
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

/* The pattern of a rule; its text stays empty when a dictionary looks for itself. */
static enum rc read_rule(struct arena *a, struct str line, struct compiled_words *words, struct dlp_rule *rule,
                         struct pattern *pattern, struct err *e)
{
    struct str rest = line, kind, value;

    *rule = (struct dlp_rule){0};
    *pattern = (struct pattern){.want_from = true};
    if (!next_word(a, &rest, &kind) || !next_word(a, &rest, &value) || !value.n)
        return err_set(e, RC_INVALID, "'%.*s': entity, dictionary, word or regex and its value are expected",
                       STR(str_first(line, 100)));
    if (str_eqi(kind, str_lit("entity"))) {
        if (!(rule->entity = entity_find(value)))
            return err_set(e, RC_INVALID, "there is no entity '%.*s'", STR(value));
        pattern->text = str_c(rule->entity->expression);
    } else if (str_eqi(kind, str_lit("dictionary"))) {
        if (!(rule->dictionary = dictionary_find(words, value)))
            return err_set(e, RC_INVALID, "there is no dictionary '%.*s'", STR(value));
    } else if (str_eqi(kind, str_lit("word"))) {
        *pattern = (struct pattern){.text = value, .literal = true, .whole_word = true};
    } else if (str_eqi(kind, str_lit("regex"))) {
        pattern->text = value;
    } else {
        return err_set(e, RC_INVALID, "'%.*s': entity, dictionary, word or regex is expected", STR(kind));
    }
    return read_options(a, rest, rule, e);
}

/* Adds the classifier and its patterns; everything of it is taken back when a rule is bad. */
static enum rc add_classifier(struct arena *a, struct compiled_dlp *d, const struct conf_dlp_classifier *c,
                              struct compiled_words *words, struct pattern *patterns, size_t *n_patterns, struct err *e)
{
    struct dlp_classifier *k = &d->classifiers[d->n];
    struct patterns *alone;
    size_t first = *n_patterns;

    k->conf = c;
    k->n = 0;
    k->rules = arena_array(a, struct dlp_rule, c->rules.n + 1);
    if (!k->rules || c->rules.n > DLP_RULES_MAX)
        return err_set(e, RC_INVALID, "a classifier has %d rules at most", DLP_RULES_MAX);
    for (size_t i = 0; i < c->rules.n; i++) {
        struct pattern *p = &patterns[*n_patterns];
        enum rc rc = read_rule(a, c->rules.items[i], words, &k->rules[i], p, e);

        if (rc == RC_OK && p->text.n)
            rc = patterns_new(a, p, 1, &alone, NULL, e);
        if (rc != RC_OK) {
            *n_patterns = first;
            return rc;
        }
        if (p->text.n)
            d->owners[(*n_patterns)++] = (struct dlp_owner){(uint32_t)d->n, (uint32_t)i};
        k->n++;
    }
    d->n++;
    return RC_OK;
}

enum rc dlp_compile(struct arena *a, const struct conf *conf, struct compiled_words *words, struct compiled_dlp **out,
                    struct err *e)
{
    struct compiled_dlp *d = arena_new(a, struct compiled_dlp);
    struct pattern *patterns;
    size_t rules = 1, n = 0;
    enum rc result = RC_OK;

    for (size_t i = 0; i < conf->dlp_classifier.n; i++)
        rules += conf->dlp_classifier.items[i].rules.n;
    patterns = arena_array(a, struct pattern, rules);
    if (!d || !patterns || !(d->owners = arena_array(a, struct dlp_owner, rules)) ||
        !(d->classifiers = arena_array(a, struct dlp_classifier, conf->dlp_classifier.n + 1)))
        return err_set(e, RC_NO_MEMORY, "DLP classifiers");
    d->conf = conf;
    for (size_t i = 0; i < conf->dlp_classifier.n; i++) {
        const struct conf_dlp_classifier *c = &conf->dlp_classifier.items[i];
        enum rc rc = add_classifier(a, d, c, words, patterns, &n, result == RC_OK ? e : NULL);

        if (rc != RC_OK && result == RC_OK)
            result = err_wrap(e, rc, "DLP classifier %.*s", STR(c->name));
    }
    if (n)
        TRY(patterns_new(a, patterns, n, &d->patterns, NULL, e));
    *out = d;
    return result;
}
