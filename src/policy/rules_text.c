/*
 * Rules about the text of a message and of its attachments: regular expressions and dictionaries. See rules.h.
 *
 * Called through the table of filter_eval.c. Text is what a reader sees: decoded, UTF-8, HTML without its tags; where that
 * has no match, the source of the HTML is looked at too, so that addresses behind links are found. Attachments that are no
 * text are searched as octets; members of archives (with them the parts of office documents) count as attachments.
 */
#include "policy/compiled.h"
#include "policy/dictionary.h"
#include "policy/rules.h"

static bool is_html(const struct mime_part *p)
{
    struct str type = p->detected.n ? p->detected : p->type;

    return str_starts(p->type, str_lit("text/html")) || str_starts(type, str_lit("text/html")) ||
           str_ends(type, str_lit("xml"));
}

static bool is_text(const struct mime_part *p)
{
    return str_starts(p->type, str_lit("text/"));
}

bool rule_is_file(const struct mime_part *p)
{
    return (p->attachment || p->member) && !p->multipart;
}

/* As it lies in the part, decoded. */
static struct str source_text(struct mime *mime, struct mime_part *p)
{
    struct str text = is_text(p) ? mime_text(mime, p) : STR_NONE;

    return text.n ? text : mime_body(mime, p);
}

struct str rule_part_text(struct message *m, struct mime *mime, struct mime_part *p)
{
    struct str *kept;

    if (!is_html(p))
        return source_text(mime, p);
    kept = rule_visible(m, p);
    if (!kept->p)
        *kept = mime_html_text(m->arena, source_text(mime, p));
    return *kept;
}

enum where { IN_BODY = 1, IN_FILES = 2 };

static bool looked_at(const struct mime_part *p, enum where where)
{
    if (p->multipart || (p->message && p->first))
        return false;
    return rule_is_file(p) ? where & IN_FILES : (where & IN_BODY) && is_text(p);
}

static uint64_t count_in_part(struct message *m, struct mime *mime, struct mime_part *p, const struct filter_regex *regex,
                              uint64_t most)
{
    uint64_t n = rule_count_gated(m, regex, rule_part_text(m, mime, p), most);

    return n || !is_html(p) ? n : rule_count_gated(m, regex, source_text(mime, p), most);
}

/* Argument 0 is found as often as argument 1 says (1 when missing). */
static bool contains(struct message *m, const struct filter_rule *r, enum where where)
{
    const struct filter_regex *regex = filter_pattern(r->args, r->n_args, 0);
    struct mime *mime = where & IN_FILES ? message_content(m) : message_mime(m);
    uint64_t wanted = filter_number(r->args, r->n_args, 1, 1), n = 0;

    wanted = wanted ? wanted : 1;
    for (struct mime_part *p = mime->all; p && n < wanted; p = p->all_next)
        if (looked_at(p, where))
            n += count_in_part(m, mime, p, regex, wanted - n);
    return n >= wanted;
}

bool rule_body_contains(struct message *m, const struct filter_rule *r)
{
    return contains(m, r, IN_BODY | IN_FILES);
}

bool rule_only_body_contains(struct message *m, const struct filter_rule *r)
{
    return contains(m, r, IN_BODY);
}

bool rule_attachment_contains(struct message *m, const struct filter_rule *r)
{
    return contains(m, r, IN_FILES);
}

/* There are attachments, and each of them (or a member of it) contains it. */
bool rule_every_attachment_contains(struct message *m, const struct filter_rule *r)
{
    const struct filter_regex *regex = filter_pattern(r->args, r->n_args, 0);
    uint64_t wanted = filter_number(r->args, r->n_args, 1, 1);
    struct mime *mime = message_content(m);
    bool any = false;

    wanted = wanted ? wanted : 1;
    for (struct mime_part *p = mime->all; p; p = p->all_next) {
        uint64_t n;

        if (!rule_is_file(p) || p->member)
            continue;
        any = true;
        n = count_in_part(m, mime, p, regex, wanted);
        for (struct mime_part *q = mime->all; q && n < wanted; q = q->all_next) {
            const struct mime_part *up = q->parent;

            while (up && up != p)
                up = up->parent;
            if (up && q->member && !q->multipart)
                n += count_in_part(m, mime, q, regex, wanted - n);
        }
        if (n < wanted)
            return false;
    }
    return any;
}

bool rule_attachment_binary_contains(struct message *m, const struct filter_rule *r)
{
    const struct filter_regex *regex = filter_pattern(r->args, r->n_args, 0);
    struct mime *mime = message_content(m);
    uint64_t wanted = filter_number(r->args, r->n_args, 1, 1), n = 0;

    wanted = wanted ? wanted : 1;
    for (struct mime_part *p = mime->all; p && n < wanted; p = p->all_next)
        if (rule_is_file(p))
            n += rule_count_gated(m, regex, mime_body(mime, p), wanted - n);
    return n >= wanted;
}

/* --- dictionaries -------------------------------------------------------------------------------------------------- */

static struct dictionary *dictionary_of(const struct message *m, struct str name)
{
    return m->compiled && m->compiled->words ? dictionary_find(m->compiled->words, name) : NULL;
}

uint64_t rule_words(struct message *m, struct str dictionary, struct str text)
{
    struct dictionary *d = dictionary_of(m, dictionary);
    struct dictionary_result result = {0};

    if (!d || !text.n)
        return 0;
    dictionary_scan(d, text, 0, &result);
    if (result.matches)
        rule_found(m, str_of(text.p + result.from, result.to - result.from));
    return result.score;
}

struct strs rule_terms(struct message *m, struct str dictionary)
{
    struct dictionary *d = dictionary_of(m, dictionary);

    return d ? dictionary_terms(d) : (struct strs){NULL, 0};
}

static bool words(struct message *m, const struct filter_rule *r, enum where where)
{
    struct mime *mime = where & IN_FILES ? message_content(m) : message_mime(m);
    struct str dictionary = filter_text(r->args, r->n_args, 0);
    uint64_t score = 0;

    for (struct mime_part *p = mime->all; p; p = p->all_next)
        if (looked_at(p, where))
            score += rule_words(m, dictionary, rule_part_text(m, mime, p));
    return rule_words_reach(m, r, 1, score);
}

bool rule_dictionary_match(struct message *m, const struct filter_rule *r)
{
    return words(m, r, IN_BODY | IN_FILES);
}

bool rule_body_dictionary_match(struct message *m, const struct filter_rule *r)
{
    return words(m, r, IN_BODY);
}

bool rule_attachment_dictionary_match(struct message *m, const struct filter_rule *r)
{
    return words(m, r, IN_FILES);
}
