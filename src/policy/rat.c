/*
 * Compiles and asks the recipient access table. See rat.h.
 *
 * Called by receive: compile at each snapshot, match for each recipient. Owns nothing (the snapshot's arena does).
 */
#include "policy/rat.h"

#include "policy/name_table.h"

enum { KEY_MAX = 400 };

struct entry {
    bool accept, bypass;
    struct str text;
};

struct rat {
    struct name_table names;
    struct entry *entries;
    bool has_all;
    struct entry all;
};

/* "PATTERN [accept [bypass] [bypass-ldap] | reject [text]]" */
static struct entry read_entry(struct str line, struct str *pattern_out)
{
    struct str word;
    struct entry entry = {.accept = true};

    if (!str_word(&line, pattern_out))
        *pattern_out = STR_NONE;
    if (str_word(&line, &word) && str_eqi(word, str_lit("reject")))
        entry = (struct entry){.text = str_trim(line)};
    while (entry.accept && str_word(&line, &word))
        entry.bypass |= str_eqi(word, str_lit("bypass-ldap"));
    return entry;
}

enum rc rat_compile(struct arena *a, struct strs lines, struct rat **out, struct err *e)
{
    struct rat *r = arena_new(a, struct rat);

    if (!r || !(r->entries = arena_array(a, struct entry, lines.n)))
        return err_set(e, RC_NO_MEMORY, "recipient access table");
    name_table_begin(&r->names, a);
    for (size_t i = 0; i < lines.n; i++) {
        struct str pattern;

        r->entries[i] = read_entry(lines.items[i], &pattern);
        if (!pattern.n)
            continue;
        if (str_eqi(pattern, str_lit("ALL"))) {
            r->has_all = true;
            r->all = r->entries[i];
            continue;
        }
        TRY(name_table_add(&r->names, pattern, (uint32_t)i, e));
    }
    name_table_build(&r->names);
    *out = r;
    return RC_OK;
}

static struct str join(char *to, struct str local, struct str domain)
{
    if (local.n + 1 + domain.n > KEY_MAX)
        return STR_NONE;
    if (local.n)
        memcpy(to, local.p, local.n);
    to[local.n] = '@';
    if (domain.n)
        memcpy(to + local.n + 1, domain.p, domain.n);
    return str_of(to, local.n + 1 + domain.n);
}

static uint32_t find(const struct name_table *t, struct str local, struct str domain)
{
    char key[KEY_MAX];
    uint32_t rank = name_table_find(t, join(key, local, domain));

    if (rank == NAME_TABLE_NONE)
        rank = name_table_find(t, join(key, local, STR_NONE));
    if (rank == NAME_TABLE_NONE && domain.n)
        rank = name_table_find(t, domain);
    if (rank == NAME_TABLE_NONE)
        name_table_find_suffix(t, domain, &rank);
    return rank;
}

struct rat_result rat_match(const struct rat *r, struct str local, struct str domain)
{
    uint32_t rank = r->names.n ? find(&r->names, local, domain) : NAME_TABLE_NONE;

    if (rank != NAME_TABLE_NONE)
        return (struct rat_result){r->entries[rank].accept, true, r->entries[rank].bypass, r->entries[rank].text};
    if (r->has_all)
        return (struct rat_result){r->all.accept, false, r->all.bypass, r->all.text};
    return (struct rat_result){0};
}

bool address_listed(struct strs list, struct str local, struct str domain)
{
    for (size_t i = 0; i < list.n; i++) {
        struct str item = list.items[i];
        size_t at = str_find_last(item, '@');

        if (at < item.n) {
            if (str_eqi(str_first(item, at), local) && str_eqi(str_from(item, at + 1), domain))
                return true;
        } else if (str_eqi(item, domain) || (item.n && item.p[0] == '.' && domain.n > item.n && str_endsi(domain, item))) {
            return true;
        }
    }
    return false;
}
