/*
 * Rules of the filter language: one function a row of spec/filter_rules.def, and what they share. Of policy/rules_*.c and
 * filter_eval.c alone.
 *
 * A function of a rule with == and != answers for ==. Functions read the message and change nothing.
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "policy/filter_eval.h"
#include "policy/filter_regex.h"

typedef bool rule_fn(struct message *m, const struct filter_rule *r);

#define RULE(name, arguments, operators, operand, cost, function) rule_fn rule_##function;
#include "spec/filter_rules.def"
#undef RULE

enum { RULE_REGEX_MS = 4000, RULE_MATCHED_MOST = 200 };

struct filter_memory *rule_memory(struct message *m);

/* Is the expression found in the text? A search without an answer is no match, logged once for the message. */
bool rule_finds(struct message *m, const struct filter_regex *regex, struct str text);
/* How often, counted up to `most`. */
uint64_t rule_count(struct message *m, const struct filter_regex *regex, struct str text, uint64_t most);
/* The same for expressions that many filters look for in one text: words they need are looked for in one pass first. */
uint64_t rule_count_gated(struct message *m, const struct filter_regex *regex, struct str text, uint64_t most);
/* The fields of the header section, read once; made by rules_header.c. */
struct rule_headers {
    const struct header_field *items;
    size_t n;
    bool made;
};
struct rule_headers *rule_headers(struct message *m);
/* Place where the visible text of a part is kept; p NULL = not made yet. */
struct str *rule_visible(struct message *m, const struct mime_part *p);
/* By the rule's comparison. */
bool rule_compare(const struct filter_rule *r, double value);
/* The operand's list has this word, letters of either case. */
bool rule_listed(struct strs list, struct str word);
void rule_found(struct message *m, struct str text);

/* Score of a text by a dictionary: weights of its terms, each as often as it occurs; 0 when there is no such dictionary. */
uint64_t rule_words(struct message *m, struct str dictionary, struct str text);
/* Its terms as written. */
struct strs rule_terms(struct message *m, struct str dictionary);
/* Argument 0 is a dictionary, `at` the threshold (1 when missing): does the text reach it? */
bool rule_words_reach(struct message *m, const struct filter_rule *r, size_t at, uint64_t score);
/* What an outside service says; false = not known. */
bool rule_opinion(struct message *m, enum opinion_kind kind, struct str of, struct str by, struct opinion *out);

/* rules_text.c: what a reader sees of a part, UTF-8; parts that are no text: their octets. */
struct str rule_part_text(struct message *m, struct mime *mime, struct mime_part *p);
/* rules_header.c: values of all fields of a name, decoded. */
struct strs rule_header_values(struct message *m, struct str name);
/* The same before encoded words are decoded: for addresses, which must be found first. */
struct strs rule_header_raw(struct message *m, struct str name);
/* The address of a raw From-like value "Name <a@b>", and the name in it. */
struct str rule_address(struct message *m, struct str value, struct str *name_out);
/* A part that is a file: an attachment or a member of one. */
bool rule_is_file(const struct mime_part *p);
/* Is the sender (envelope, or address in From) in the address list? Empty name: no. */
bool rule_excepted(struct message *m, struct str list);
bool rule_in_lines(struct strs lines, struct str address);
/* rules_url.c: is the normalised URL in the list? rules_attachment.c: is the file, by its octets? */
bool rule_url_listed(struct message *m, struct str list, struct str url);
bool rule_file_listed(struct message *m, struct str list, struct str octets);

#endif
