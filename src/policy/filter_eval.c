/*
 * Evaluates conditions and keeps what rules found out. See filter_eval.h.
 *
 * Called by the runners of filters. Owns the memory of a message's answers, in its arena. Answers are forgotten when the
 * message changed or is judged for other recipients.
 */
#include "policy/compiled.h"
#include "policy/filter_gate.h"
#include "policy/rules.h"

#include "base/must.h"

enum { ANSWERS = 512, SAID = 16, KEEP_FROM = 2, SCANNED = 64 };

struct answer {
    struct str form; /* p NULL = free */
    uint64_t key;
    bool yes;
};

/* Which words of the gate stand in a text. */
struct scanned {
    struct str text;
    uint64_t *bits;
};

/* What a reader sees of a part. */
struct visible {
    const struct mime_part *part;
    struct str text;
};

struct filter_memory {
    uint64_t changes;
    const uint32_t *recipients;
    size_t n_recipients;
    struct answer answers[ANSWERS]; /* open addressing; half full at most */
    size_t n;
    uint64_t evaluated;
    uint64_t regex_ms; /* left for all expressions of this message */
    struct str matched;
    const struct filter_regex *said[SAID]; /* expressions that gave up, and were logged */
    size_t n_said;
    struct scanned scanned[SCANNED]; /* round and round */
    size_t n_scanned;
    struct visible visible[SCANNED];
    size_t n_visible;
    struct rule_headers headers;
};

static rule_fn *const functions[] = {
#define RULE(name, arguments, operators, operand, cost, function) rule_##function,
#include "spec/filter_rules.def"
#undef RULE
};

struct filter_memory *rule_memory(struct message *m)
{
    struct filter_memory *k = m->memory;

    if (!k) {
        k = arena_must_alloc(m->arena, sizeof *k);
        k->regex_ms = RULE_REGEX_MS;
        k->changes = m->patch.changes;
        k->recipients = m->recipients;
        k->n_recipients = m->n_recipients;
        m->memory = k;
    }
    if (k->changes != m->patch.changes || k->recipients != m->recipients || k->n_recipients != m->n_recipients) {
        memset(k->answers, 0, sizeof k->answers);
        k->n = 0;
        k->n_scanned = k->n_visible = 0;
        memset(k->visible, 0, sizeof k->visible);
        k->headers = (struct rule_headers){0};
        memset(k->scanned, 0, sizeof k->scanned);
        k->changes = m->patch.changes;
        k->recipients = m->recipients;
        k->n_recipients = m->n_recipients;
    }
    return k;
}

struct str filter_matched(const struct message *m)
{
    return m->memory ? m->memory->matched : STR_NONE;
}

uint64_t filter_evaluated(const struct message *m)
{
    return m->memory ? m->memory->evaluated : 0;
}

/* The slot of a test: its answer, or a free one. */
static struct answer *slot(struct filter_memory *k, const struct filter_rule *r)
{
    size_t i = r->key % ANSWERS;

    while (k->answers[i].form.p && (k->answers[i].key != r->key || !str_eq(k->answers[i].form, r->form)))
        i = (i + 1) % ANSWERS;
    return &k->answers[i];
}

/* Without regard to !=. */
static bool answer(struct message *m, const struct filter_rule *r)
{
    struct filter_memory *k = rule_memory(m);
    struct answer *place;
    bool yes;

    if (r->row->cost >= KEEP_FROM && r->form.p) {
        place = slot(k, r);
        if (place->form.p)
            return place->yes;
    }
    yes = functions[filter_rule_index(r->row)](m, r);
    k->evaluated++;
    if (r->row->cost >= KEEP_FROM && r->form.p && k->n < ANSWERS / 2) {
        place = slot(k, r);
        *place = (struct answer){r->form, r->key, yes};
        k->n++;
    }
    return yes;
}

bool filter_true(struct message *m, const struct filter_rule *r)
{
    if (r->node == FILTER_TEST)
        return answer(m, r) != (r->op == FILTER_NE && !strchr(r->row->operators, 'o'));
    if (r->node == FILTER_NOT)
        return !filter_true(m, r->parts[0]);
    for (size_t i = 0; i < r->n_parts; i++)
        if (filter_true(m, r->parts[i]) == (r->node == FILTER_OR))
            return r->node == FILTER_OR;
    return r->node == FILTER_AND;
}

/* --- what rules share ---------------------------------------------------------------------------------------------- */

void rule_found(struct message *m, struct str text)
{
    struct str cut = str_first(text, RULE_MATCHED_MOST);

    while (cut.n && cut.n < text.n && ((unsigned char)text.p[cut.n] & 0xc0) == 0x80)
        cut.n--;
    rule_memory(m)->matched = arena_str(m->arena, cut);
}

static void gave_up(struct message *m, const struct filter_regex *regex)
{
    struct filter_memory *k = rule_memory(m);

    for (size_t i = 0; i < k->n_said; i++)
        if (k->said[i] == regex)
            return;
    if (k->n_said < SAID)
        k->said[k->n_said++] = regex;
    event(m->events, filter_regex_limit, .mid = m->mid, .regex = str_first(filter_regex_source(regex), 200));
}

uint64_t rule_count(struct message *m, const struct filter_regex *regex, struct str text, uint64_t most)
{
    struct filter_memory *k = rule_memory(m);
    size_t at = 0, start, end;
    uint64_t n = 0;

    while (n < most && at <= text.n) {
        enum filter_found found = filter_regex_find(regex, text, at, &start, &end, &k->regex_ms);

        if (found == FILTER_GAVE_UP) {
            gave_up(m, regex);
            return 0;
        }
        if (found == FILTER_NOT_FOUND)
            break;
        if (n++ == 0)
            rule_found(m, str_of(text.p + start, end - start));
        for (at = end > start ? end : end + 1; at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80;)
            at++;
    }
    return n;
}

struct rule_headers *rule_headers(struct message *m)
{
    return &rule_memory(m)->headers;
}

struct str *rule_visible(struct message *m, const struct mime_part *p)
{
    struct filter_memory *k = rule_memory(m);
    struct visible *place = &k->visible[k->n_visible % SCANNED];

    for (size_t i = 0; i < SCANNED; i++)
        if (k->visible[i].part == p)
            return &k->visible[i].text;
    *place = (struct visible){p, STR_NONE};
    k->n_visible++;
    return &place->text;
}

/* The words that stand in the text; looked for once. NULL: not known. */
static const uint64_t *words_in(struct message *m, struct str text)
{
    struct filter_memory *k = rule_memory(m);
    const struct filter_gate *g = m->compiled->gate;
    struct scanned *place = &k->scanned[k->n_scanned % SCANNED];

    for (size_t i = 0; i < SCANNED; i++)
        if (k->scanned[i].bits && k->scanned[i].text.p == text.p && k->scanned[i].text.n == text.n)
            return k->scanned[i].bits;
    place->bits = arena_array(m->arena, uint64_t, (filter_gate_words(g) + 63) / 64);
    if (!place->bits)
        return NULL;
    place->text = text;
    k->n_scanned++;
    filter_gate_scan(g, text, place->bits);
    return place->bits;
}

uint64_t rule_count_gated(struct message *m, const struct filter_regex *regex, struct str text, uint64_t most)
{
    size_t word = m->compiled && m->compiled->gate ? filter_gate_word(m->compiled->gate, regex) : SIZE_MAX;
    const uint64_t *bits = word != SIZE_MAX && text.n ? words_in(m, text) : NULL;

    if (bits && !(bits[word / 64] >> word % 64 & 1))
        return 0;
    return rule_count(m, regex, text, most);
}

bool rule_finds(struct message *m, const struct filter_regex *regex, struct str text)
{
    return rule_count(m, regex, text, 1) == 1;
}

bool rule_compare(const struct filter_rule *r, double value)
{
    double with = r->operand.type == 'D' ? (double)r->operand.number : r->operand.decimal;

    switch (r->op) {
    case FILTER_EQ:
        return !(value < with) && !(value > with);
    case FILTER_NE:
        return value < with || value > with;
    case FILTER_LT:
        return value < with;
    case FILTER_GT:
        return value > with;
    case FILTER_LE:
        return value <= with;
    case FILTER_GE:
        return value >= with;
    case FILTER_ALONE:
        break;
    }
    return value > 0;
}

bool rule_listed(struct strs list, struct str word)
{
    for (size_t i = 0; i < list.n; i++)
        if (str_eqi(list.items[i], word))
            return true;
    return false;
}

bool rule_opinion(struct message *m, enum opinion_kind kind, struct str of, struct str by, struct opinion *out)
{
    *out = (struct opinion){0};
    if (m->world && m->world->opinion && of.n)
        m->world->opinion(m->world->ctx, m, kind, of, by, out);
    return out->known;
}

bool rule_words_reach(struct message *m, const struct filter_rule *r, size_t at, uint64_t score)
{
    uint64_t threshold = filter_number(r->args, r->n_args, at, 1);

    (void)m;
    return score >= (threshold ? threshold : 1);
}
