/*
 * Safelists and blocklists. See slbl.h.
 *
 * Called by scan (stage_slbl.c) and by control, which checks entries. Owns a copy of the text and a hash table of its users;
 * the entries of a user are found by walking his lines, which stand together.
 */
#include "policy/slbl.h"

#include "net/socket.h"

#include <stdlib.h>

struct user {
    struct str name;
    size_t first, n; /* lines of the sorted list */
};

struct entry {
    struct str user, what;
    enum slbl_list list;
};

struct slbl {
    char *text;
    struct entry *entries;
    size_t n;
    struct user *users; /* open addressing, name.n 0 = free */
    size_t n_users, places;
};

/* --- entries ---------------------------------------------------------------------------------------------------------- */

static bool is_domain(struct str s)
{
    if (!s.n || s.n > 255 || s.p[0] == '-' || s.p[s.n - 1] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!ascii_alpha(c) && !ascii_digit(c) && c != '-' && c != '.' && c != '_' && (unsigned char)c < 0x80)
            return false;
        if (c == '.' && (i == 0 || s.p[i - 1] == '.'))
            return false;
    }
    return true;
}

enum rc slbl_entry_fits(struct str entry, struct err *e)
{
    size_t at = str_find_last(entry, '@');
    struct address_ip ip;

    for (size_t i = 0; i < entry.n; i++)
        if ((unsigned char)entry.p[i] <= ' ' || entry.p[i] == 0x7f)
            return err_set(e, RC_INVALID, "an entry has no blanks and no control characters");
    if (entry.n && entry.n <= SLBL_ENTRY_MAX) {
        if (entry.p[0] == '[' && ip_parse(entry, &ip))
            return RC_OK;
        if (entry.p[0] == '.' && is_domain(str_from(entry, 1)))
            return RC_OK;
        if (at < entry.n ? at > 0 && is_domain(str_from(entry, at + 1)) : is_domain(entry))
            return RC_OK;
    }
    return err_set(e, RC_INVALID, "\"%.*s\" is none of user@domain, domain, .domain, [ip]", STR(str_first(entry, 100)));
}

bool slbl_line(struct str line, struct str *user_out, enum slbl_list *list_out, struct str *entry_out)
{
    struct str rest = line, list;

    if (!str_split(&rest, '\t', user_out) || !rest.p || !str_split(&rest, '\t', &list) || !rest.p)
        return false;
    *entry_out = rest;
    *list_out = str_eq(list, str_lit("safe")) ? SLBL_SAFE : str_eq(list, str_lit("block")) ? SLBL_BLOCK : SLBL_NONE;
    return user_out->n && *list_out != SLBL_NONE && slbl_entry_fits(rest, NULL) == RC_OK;
}

/* --- the table ----------------------------------------------------------------------------------------------------------
 */

static int by_user(const void *a, const void *b)
{
    return str_cmp(((const struct entry *)a)->user, ((const struct entry *)b)->user);
}

static struct user *place_of(const struct slbl *t, struct str name)
{
    size_t i = str_hashi(name) & (t->places - 1);

    while (t->users[i].name.n && !str_eqi(t->users[i].name, name))
        i = (i + 1) & (t->places - 1);
    return &t->users[i];
}

static bool make_users(struct slbl *t)
{
    for (t->places = 16; t->places < t->n * 2; t->places *= 2)
        ;
    t->users = calloc(t->places, sizeof *t->users);
    if (!t->users)
        return false;
    for (size_t i = 0; i < t->n; i++) {
        struct user *u = place_of(t, t->entries[i].user);

        if (!u->name.n) {
            *u = (struct user){.name = t->entries[i].user, .first = i};
            t->n_users++;
        }
        u->n++;
    }
    return true;
}

struct slbl *slbl_new(struct str text)
{
    struct slbl *t = calloc(1, sizeof *t);
    struct str rest, line;
    size_t lines = 1;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    if (!t || !(t->text = malloc(text.n + 1)) || !(t->entries = calloc(lines, sizeof *t->entries))) {
        slbl_free(t);
        return NULL;
    }
    for (size_t i = 0; i < text.n; i++)
        t->text[i] = ascii_lower(text.p[i]);
    rest = str_of(t->text, text.n);
    while (rest.n && str_split(&rest, '\n', &line)) {
        struct entry *one = &t->entries[t->n];

        t->n += slbl_line(line, &one->user, &one->list, &one->what);
    }
    if (t->n)
        qsort(t->entries, t->n, sizeof *t->entries, by_user);
    if (!make_users(t)) {
        slbl_free(t);
        return NULL;
    }
    return t;
}

void slbl_free(struct slbl *t)
{
    if (!t)
        return;
    free(t->text);
    free(t->entries);
    free(t->users);
    free(t);
}

size_t slbl_users(const struct slbl *t)
{
    return t->n_users;
}

/* --- asking ---------------------------------------------------------------------------------------------------------------
 */

/* How close an entry is to an address: 0 not at all, 3 the whole, 2 its domain, 1 a domain above. */
static unsigned closeness(struct str entry, struct str address)
{
    struct str domain = str_from(address, str_find_last(address, '@') + 1);

    if (str_find(entry, '@') < entry.n)
        return str_eqi(entry, address) ? 3 : 0;
    if (entry.p[0] == '.')
        return str_endsi(domain, entry) ? 1 : 0;
    return str_eqi(entry, domain) ? 2 : 0;
}

static unsigned close_to(struct str entry, struct str sender, struct str from, struct str client_ip)
{
    struct str inside = str_of(entry.p + 1, entry.n >= 2 ? entry.n - 2 : 0);
    unsigned a, b;

    if (entry.p[0] == '[')
        return str_eqi(inside, client_ip) ? 3 : 0;
    a = sender.n ? closeness(entry, sender) : 0;
    b = from.n ? closeness(entry, from) : 0;
    return a > b ? a : b;
}

enum slbl_list slbl_ask(const struct slbl *t, struct str user, struct str sender, struct str from, struct str client_ip)
{
    enum slbl_list found = SLBL_NONE;
    const struct user *u = t && user.n ? place_of(t, user) : NULL;
    unsigned best = 0;

    for (size_t i = 0; u && i < u->n; i++) {
        const struct entry *one = &t->entries[u->first + i];
        unsigned close = close_to(one->what, sender, from, client_ip);

        if (close > best || (close == best && close && one->list == SLBL_BLOCK)) {
            best = close;
            found = one->list;
        }
    }
    return found;
}
