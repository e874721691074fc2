/*
 * Rules about header fields: values, counts, dictionaries, broken ones. See rules.h.
 *
 * Called through the table of filter_eval.c. Values are unfolded and decoded as a reader would show them; of fields that
 * stand several times each is looked at.
 */
#include "policy/rules.h"

enum { FIELDS = MIME_HEADERS, VALUES = 200, VALUE_MOST = 64 << 10 };

static void read_fields(struct message *m, struct rule_headers *h)
{
    struct str octets = message_octets(m), rest = str_first(octets, header_length(octets));
    struct header_field f, *items = NULL;
    size_t n = 0, cap = 0;

    while (rest.n && n < FIELDS) {
        if (!header_next(&rest, &f)) {
            rest = str_from(rest, str_find(rest, '\n') + 1); /* a line that is no field hides nothing behind it */
            continue;
        }
        if (!arena_room(m->arena, &items, n, &cap, sizeof *items))
            break;
        items[n++] = f;
    }
    *h = (struct rule_headers){items, n, true};
}

static struct strs header_values(struct message *m, struct str name, bool decode)
{
    struct rule_headers *h = rule_headers(m);
    struct str *items = NULL;
    size_t n = 0, cap = 0;

    if (!h->made)
        read_fields(m, h);
    for (size_t i = 0; i < h->n && n < VALUES; i++) {
        if (!str_eqi(h->items[i].name, name))
            continue;
        if (!arena_room(m->arena, &items, n, &cap, sizeof *items))
            break;
        items[n] = header_unfold(m->arena, h->items[i].value, VALUE_MOST);
        if (decode)
            items[n] = mime_decode_words(m->arena, items[n]);
        n++;
    }
    return (struct strs){items, n};
}

struct strs rule_header_values(struct message *m, struct str name)
{
    return header_values(m, name, true);
}

struct strs rule_header_raw(struct message *m, struct str name)
{
    return header_values(m, name, false);
}

bool rule_subject(struct message *m, const struct filter_rule *r)
{
    struct strs values = rule_header_values(m, str_lit("Subject"));

    for (size_t i = 0; i < values.n; i++)
        if (rule_finds(m, r->operand.regex, values.items[i]))
            return true;
    return !values.n && rule_finds(m, r->operand.regex, STR_NONE);
}

bool rule_header(struct message *m, const struct filter_rule *r)
{
    struct strs values = rule_header_values(m, filter_text(r->args, r->n_args, 0));

    if (r->op == FILTER_ALONE)
        return values.n > 0;
    for (size_t i = 0; i < values.n; i++)
        if (rule_finds(m, r->operand.regex, values.items[i]))
            return true;
    return false;
}

bool rule_header_dictionary_match(struct message *m, const struct filter_rule *r)
{
    struct strs values = rule_header_values(m, filter_text(r->args, r->n_args, 1));
    uint64_t score = 0;

    for (size_t i = 0; i < values.n; i++)
        score += rule_words(m, filter_text(r->args, r->n_args, 0), values.items[i]);
    return rule_words_reach(m, r, 2, score);
}

bool rule_subject_dictionary_match(struct message *m, const struct filter_rule *r)
{
    struct strs values = rule_header_values(m, str_lit("Subject"));
    uint64_t score = 0;

    for (size_t i = 0; i < values.n; i++)
        score += rule_words(m, filter_text(r->args, r->n_args, 0), values.items[i]);
    return rule_words_reach(m, r, 1, score);
}

/* --- addresses ----------------------------------------------------------------------------------------------------- */

/* Goes over one octet of an address list: whether it stands inside quotes, a comment or brackets. */
struct scan {
    bool quoted, bracket;
    unsigned comment;
};

static bool plain(struct scan *s, struct str v, size_t *i)
{
    char c = v.p[*i];

    if (c == '\\' && (s->quoted || s->comment)) {
        *i += *i + 1 < v.n;
        return false;
    }
    if (s->quoted || (c == '"' && !s->comment)) {
        s->quoted = c == '"' ? !s->quoted : s->quoted;
        return false;
    }
    if (c == '(' || s->comment) {
        s->comment += c == '(';
        s->comment -= c == ')';
        return false;
    }
    if (c == '<' || s->bracket) {
        s->bracket = c != '>';
        return false;
    }
    return true;
}

/* Addresses in "a@b, Name <c@d>, Group: e@f, g@h;" (RFC 5322 3.4). */
static uint64_t count_addresses(struct str v)
{
    struct scan s = {0};
    uint64_t n = 0;
    bool any = false;

    for (size_t i = 0; i < v.n; i++) {
        size_t at = i;

        if (!plain(&s, v, &i)) {
            any = any || v.p[at] == '<' || v.p[at] == '"';
        } else if (v.p[i] == ',' || v.p[i] == ';') {
            n += any;
            any = false;
        } else if (v.p[i] == ':') {
            any = false; /* the name of a group */
        } else if (v.p[i] != ' ' && v.p[i] != '\t') {
            any = true;
        }
    }
    return n + any;
}

bool rule_addr_count(struct message *m, const struct filter_rule *r)
{
    uint64_t n = 0;

    for (size_t i = 0; i < r->n_args; i++) {
        struct strs values = rule_header_raw(m, r->args[i].text);

        for (size_t j = 0; j < values.n; j++)
            n += count_addresses(values.items[j]);
    }
    return rule_compare(r, (double)n);
}

static struct str unquoted(struct str s)
{
    s = str_trim(s);
    if (s.n > 1 && s.p[0] == '"' && s.p[s.n - 1] == '"')
        s = str_of(s.p + 1, s.n - 2);
    return s;
}

struct str rule_address(struct message *m, struct str value, struct str *name_out)
{
    struct scan s = {0};
    size_t open = value.n, close;

    for (size_t i = 0; i < value.n && open == value.n; i++) {
        size_t at = i;

        if (!plain(&s, value, &i) && value.p[at] == '<' && s.bracket && !s.quoted)
            open = at;
    }
    if (open == value.n) {
        if (name_out)
            *name_out = STR_NONE;
        return str_trim(value);
    }
    close = open + str_find(str_from(value, open), '>');
    if (name_out)
        *name_out = mime_decode_words(m->arena, unquoted(str_first(value, open)));
    return str_trim(str_of(value.p + open + 1, close - open - 1));
}

/* --- others -------------------------------------------------------------------------------------------------------- */

bool rule_malformed_header(struct message *m, const struct filter_rule *r)
{
    const struct mime *mime = message_mime(m);
    uint64_t bad = 1u << MIME_FLAW_BAD_HEADER | 1u << MIME_FLAW_CONFLICTING_HEADERS | 1u << MIME_FLAW_DUPLICATE_HEADER |
                   1u << MIME_FLAW_BAD_TYPE;

    (void)r;
    return mime->root->flaws & bad;
}

/* So many messages of the last hour had the same value of this header. */
bool rule_header_repeats(struct message *m, const struct filter_rule *r)
{
    struct str header = filter_text(r->args, r->n_args, 0), way = filter_text(r->args, r->n_args, 2);
    struct strs values = rule_header_values(m, header);
    struct opinion o;

    if (!values.n || (way.n && str_eqi(way, str_lit("outgoing")) != (m->env->outgoing != 0)))
        return false;
    return rule_opinion(m, OPINION_REPEATS, arena_printf(m->arena, "%.*s: %.*s", STR(header), STR(values.items[0])), way,
                        &o) &&
           o.number >= filter_number(r->args, r->n_args, 1, 1);
}
