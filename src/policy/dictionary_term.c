/*
 * One line of a dictionary. See dictionary.h.
 *
 * Called by dictionary.c and the console, which needs no patterns. Pure; the term is a view into the line.
 */
#include "policy/dictionary.h"
#include "policy/entity.h"

enum rc dictionary_term_read(struct str line, struct dictionary_term *out, struct err *e)
{
    struct str text = str_trim(line);
    size_t comma = text.n;
    uint64_t weight = 1;

    while (comma && text.p[comma - 1] != ',')
        comma--;
    if (comma > 1 && str_u64(str_trim(str_from(text, comma)), &weight))
        text = str_trim(str_first(text, comma - 1));
    else
        weight = 1;
    if (!text.n)
        return err_set(e, RC_INVALID, "a term is empty");
    if (weight < 1 || weight > DICTIONARY_WEIGHT_MAX)
        return err_set(e, RC_INVALID, "'%.*s': a weight is 1 to %d", STR(str_first(text, 100)), DICTIONARY_WEIGHT_MAX);
    if (text.p[0] == '*' && !entity_find(text))
        return err_set(e, RC_INVALID, "'%.*s': no such smart identifier", STR(str_first(text, 100)));
    *out = (struct dictionary_term){text, weight};
    return RC_OK;
}
