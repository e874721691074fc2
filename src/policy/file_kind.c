/*
 * What kind of file a part is. See file_kind.h; the table is spec/file_kinds.def.
 *
 * Called by rules and actions about file types. Pure.
 */
#include "policy/file_kind.h"

static const struct kind {
    const char *group, *name, *types, *endings;
} kinds[] = {
#define KIND(group, name, types, endings) {group, name, types, endings},
#include "spec/file_kinds.def"
#undef KIND
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static bool named(const struct kind *k, struct str name)
{
    return str_eqi(name, str_c(k->group)) || str_eqi(name, str_c(k->name));
}

/* Also an ending is a name: "docm" stands for the kind it belongs to. */
static bool listed(const char *words, struct str wanted)
{
    struct str rest = str_c(words), word;

    while (wanted.n && str_word(&rest, &word)) {
        size_t n = word.n - (word.p[word.n - 1] == '*');

        if (n < word.n ? str_startsi(wanted, str_first(word, n)) : str_eqi(wanted, word))
            return true;
    }
    return false;
}

bool file_kind_known(struct str name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (named(&kinds[i], name) || listed(kinds[i].endings, name))
            return true;
    return false;
}

static struct str ending(struct str name)
{
    size_t dot = str_find_last(name, '.');

    return dot < name.n ? str_trim(str_from(name, dot + 1)) : STR_NONE;
}

/* Types that only say that nothing definite was found. */
static bool vague(struct str type)
{
    return !type.n || str_eqi(type, str_lit("application/octet-stream")) || str_eqi(type, str_lit("text/plain")) ||
           str_eqi(type, str_lit("application/x-empty")) || str_eqi(type, str_lit("inode/x-empty"));
}

static bool is(const struct kind *k, const struct mime_part *p)
{
    struct str type = p->detected.n ? p->detected : p->type;

    return listed(k->types, type) ||
           ((vague(p->detected) || listed("application/zip application/x-ole-storage application/cdfv2", type)) &&
            (listed(k->endings, ending(p->name)) || listed(k->endings, ending(p->other_name))));
}

bool file_is(const struct mime_part *p, struct str name)
{
    for (size_t i = 0; i < KINDS; i++)
        if ((named(&kinds[i], name) || listed(kinds[i].endings, name)) && is(&kinds[i], p))
            return true;
    return false;
}

struct str file_kind(const struct mime_part *p)
{
    for (size_t i = 0; i < KINDS; i++)
        if (is(&kinds[i], p))
            return str_c(kinds[i].name);
    return STR_NONE;
}
