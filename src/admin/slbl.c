/*
 * Safelists and blocklists of recipients: the store and the verb `slbl`. See slbl.h, policy/slbl.h.
 *
 * Owns the lists as text, a line an entry, and HOME/slbl, which is written whole at each change before anybody is told. A
 * file that cannot be written changes nothing. Users see nothing here: verbs are the operators', the spam quarantine asks
 * for them (slbl_wanted).
 */
#include "admin/slbl.h"

#include "admin/verbs.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/must.h"
#include "policy/slbl.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct slbl_store {
    struct admin *admin;
    struct buf text;
    uint64_t version; /* counts changes of this process */
    uint64_t changed_ms;
};

static const char *path_of(const struct admin *a, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/slbl", a->home);
    return out;
}

static void send_to(void *ctx, struct bus_peer *p)
{
    struct slbl_store *s = ctx;

    if (p->role == ROLE_scan)
        bus_send(s->admin->bus, p, BUS_slbl_lists,
                 &(struct bus_slbl_lists){.version = s->version, .text = buf_str(&s->text)});
}

static void on_wanted(void *ctx, const struct bus_in *in);

enum rc slbl_open(struct admin *a, struct err *e)
{
    struct slbl_store *s = calloc(1, sizeof *s);
    char path[PATH_MAX];
    enum rc rc;

    must(s);
    s->admin = a;
    s->text = BUF(SLBL_TEXT_MAX);
    s->changed_ms = clock_wall_ms();
    a->slbl = s;
    rc = io_read_file(path_of(a, path), &s->text, e);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    if (!a->bus)
        return RC_OK;
    bus_on_peer(a->bus, send_to, NULL, s);
    bus_on(a->bus, BUS_slbl_wanted, on_wanted, s);
    return RC_OK;
}

uint64_t slbl_version(const struct admin *a)
{
    return a->slbl ? a->slbl->version : 0;
}

void slbl_close(struct admin *a)
{
    if (!a->slbl)
        return;
    buf_done(&a->slbl->text);
    free(a->slbl);
    a->slbl = NULL;
}

/* --- changes ------------------------------------------------------------------------------------------------------------
 */

/* `now` (taken over) becomes the lists. */
static enum rc put_in_force(struct slbl_store *s, struct buf *now, struct err *e)
{
    char path[PATH_MAX];
    enum rc rc = now->failed ? err_set(e, RC_TOO_LARGE, "the lists are too long")
                             : io_replace_file("slbl.file", path_of(s->admin, path), buf_str(now), e);

    if (rc != RC_OK) {
        buf_done(now);
        return rc;
    }
    buf_done(&s->text);
    s->text = *now;
    s->version++;
    s->changed_ms = clock_wall_ms();
    if (s->admin->bus)
        bus_each(s->admin->bus, ROLE_scan, send_to, s);
    return RC_OK;
}

struct change {
    struct str user, entry;
    enum slbl_list list;
    bool remove;
    size_t found, others, entries; /* the entry there; on the other list; of this user */
};

/* The lists without the entry; counts on the way. */
static void walk(const struct slbl_store *s, struct change *c, struct buf *out)
{
    struct str rest = buf_str(&s->text), line, user, entry;
    enum slbl_list list;

    while (rest.n && str_split(&rest, '\n', &line)) {
        bool same;

        if (!slbl_line(line, &user, &list, &entry))
            continue;
        same = str_eqi(user, c->user);
        c->entries += same;
        same = same && str_eqi(entry, c->entry);
        c->others += same && list != c->list;
        c->found += same && list == c->list;
        if (same && list == c->list)
            continue;
        buf_add(out, line);
        buf_addc(out, '\n');
    }
}

static void put_line(struct buf *out, struct str user, enum slbl_list list, struct str entry)
{
    for (size_t i = 0; i < user.n; i++)
        buf_addc(out, ascii_lower(user.p[i]));
    buf_add(out, list == SLBL_SAFE ? str_lit("\tsafe\t") : str_lit("\tblock\t"));
    buf_add(out, entry);
    buf_addc(out, '\n');
}

static enum rc refuse(const struct change *c, struct err *e)
{
    const char *name = c->list == SLBL_SAFE ? "safelist" : "blocklist";

    if (c->remove)
        return c->found ? RC_OK
                        : err_set(e, RC_NOT_FOUND, "%.*s is not on the %s of %.*s", STR(c->entry), name, STR(c->user));
    if (c->found)
        return err_set(e, RC_EXISTS, "%.*s is on the %s of %.*s already", STR(c->entry), name, STR(c->user));
    if (c->others)
        return err_set(e, RC_EXISTS, "%.*s is on the other list of %.*s", STR(c->entry), STR(c->user));
    if (c->entries >= SLBL_ENTRIES)
        return err_set(e, RC_LIMIT, "%.*s has %d entries already", STR(c->user), SLBL_ENTRIES);
    return RC_OK;
}

static enum rc change(struct slbl_store *s, struct change *c, struct err *e)
{
    struct buf now = BUF(SLBL_TEXT_MAX);
    enum rc rc;

    walk(s, c, &now);
    rc = refuse(c, e);
    if (rc != RC_OK) {
        buf_done(&now);
        return rc;
    }
    if (!c->remove)
        put_line(&now, c->user, c->list, c->entry);
    return put_in_force(s, &now, e);
}

/* --- releases from the spam quarantine ----------------------------------------------------------------------------------
 */

/* One entry on the safelist; it leaves the blocklist, since the user has just said the opposite. What is there already,
 * makes no sense or is beyond the limit changes nothing: the message is released all the same. */
static void want(struct slbl_store *s, struct str user, struct str entry, struct str by)
{
    struct change off = {.user = user, .entry = entry, .list = SLBL_BLOCK, .remove = true};
    struct change on = {.user = user, .entry = entry, .list = SLBL_SAFE};
    struct err e = ERR_NONE;

    if (str_find(user, '@') == user.n || slbl_entry_fits(user, NULL) != RC_OK || slbl_entry_fits(entry, NULL) != RC_OK)
        return;
    if (change(s, &off, &e) == RC_OK)
        event(s->admin->events, slbl_changed, .user = user, .by = by, .entry = entry, .removed = true);
    e = ERR_NONE;
    if (change(s, &on, &e) == RC_OK)
        event(s->admin->events, slbl_changed, .user = user, .by = by, .entry = entry, .safe = true);
    else if (e.rc != RC_EXISTS)
        event(s->admin->events, slbl_refused, .user = user, .entry = entry, .why = str_c(err_text(&e)));
}

static void on_wanted(void *ctx, const struct bus_in *in)
{
    const struct bus_slbl_wanted *m = in->msg;
    struct str entries = m->entries, entry;

    while (get_str(&entries, &entry))
        want(ctx, m->user, entry, m->by);
}

/* --- the verb -----------------------------------------------------------------------------------------------------------
 */

static void show(struct verb_call *c, struct str only)
{
    struct str rest = buf_str(&c->admin->slbl->text), line, user, entry;
    enum slbl_list list;
    size_t n = 0;

    buf_add(&c->json, str_lit("{\"entries\":["));
    while (rest.n && str_split(&rest, '\n', &line)) {
        if (!slbl_line(line, &user, &list, &entry) || (only.n && !str_eqi(only, user)))
            continue;
        buf_addf(&c->text, "%.*s %s %.*s\n", STR(user), list == SLBL_SAFE ? "safe" : "block", STR(entry));
        buf_add(&c->json, n++ ? str_lit(",{\"user\":") : str_lit("{\"user\":"));
        json_str(&c->json, user);
        buf_addf(&c->json, ",\"list\":\"%s\",\"entry\":", list == SLBL_SAFE ? "safe" : "block");
        json_str(&c->json, entry);
        buf_addc(&c->json, '}');
    }
    buf_add(&c->json, str_lit("]}"));
    if (!n)
        buf_add(&c->text, str_lit("There are no entries.\n"));
    verb_end(c, RC_OK);
}

static void status(struct verb_call *c)
{
    const struct slbl_store *s = c->admin->slbl;
    struct slbl *t = slbl_new(buf_str(&s->text));
    uint64_t age_s = (clock_wall_ms() - s->changed_ms) / 1000;

    must(t);
    buf_addf(&c->text, "Users: %zu\nVersion: %" PRIu64 "\nAge: %" PRIu64 " s\n", slbl_users(t), s->version, age_s);
    buf_addf(&c->json, "{\"users\":%zu,\"version\":%" PRIu64 ",\"age_s\":%" PRIu64 "}", slbl_users(t), s->version, age_s);
    slbl_free(t);
    verb_end(c, RC_OK);
}

static void add_or_remove(struct verb_call *c, bool remove)
{
    struct change x = {.user = c->args.items[1], .entry = c->args.items[3], .remove = remove};
    struct err e = ERR_NONE;

    x.list = str_eqi(c->args.items[2], str_lit("safe"))    ? SLBL_SAFE
             : str_eqi(c->args.items[2], str_lit("block")) ? SLBL_BLOCK
                                                           : SLBL_NONE;
    if (x.list == SLBL_NONE || str_find(x.user, '@') == x.user.n || slbl_entry_fits(x.user, NULL) != RC_OK) {
        verb_usage(c);
        return;
    }
    if ((!remove && slbl_entry_fits(x.entry, &e) != RC_OK) || change(c->admin->slbl, &x, &e) != RC_OK) {
        verb_fail(c, &e);
        return;
    }
    event(c->admin->events, slbl_changed, .user = x.user, .by = c->user, .entry = x.entry, .safe = x.list == SLBL_SAFE,
          .removed = remove);
    buf_addf(&c->text, "%s.\n", remove ? "Removed" : "Added");
    verb_end(c, RC_OK);
}

/* CSV: user,safe|block,entry; a first line that names the columns is passed over. Replaces everything. */
static void import(struct verb_call *c, struct str csv)
{
    struct buf now = BUF(SLBL_TEXT_MAX);
    struct str rest = csv, line, user, list;
    struct err e = ERR_NONE;
    size_t number = 0, n = 0;

    while (e.rc == RC_OK && rest.n && str_split(&rest, '\n', &line)) {
        struct str fields = str_trim(line);
        enum slbl_list which;

        number++;
        if (!fields.n || (number == 1 && str_startsi(fields, str_lit("user,"))))
            continue;
        if (!str_split(&fields, ',', &user) || !fields.p || !str_split(&fields, ',', &list) || !fields.p) {
            err_set(&e, RC_SYNTAX, "line %zu: not user,safe|block,entry", number);
            break;
        }
        which = str_eqi(list, str_lit("safe")) ? SLBL_SAFE : str_eqi(list, str_lit("block")) ? SLBL_BLOCK : SLBL_NONE;
        if (which == SLBL_NONE || str_find(user, '@') == user.n || slbl_entry_fits(user, NULL) != RC_OK)
            err_set(&e, RC_SYNTAX, "line %zu: not user,safe|block,entry", number);
        else if (slbl_entry_fits(fields, &e) != RC_OK)
            err_wrap(&e, RC_INVALID, "line %zu", number);
        put_line(&now, user, which, fields);
        n++;
    }
    if (e.rc != RC_OK)
        buf_done(&now);
    if (e.rc != RC_OK || put_in_force(c->admin->slbl, &now, &e) != RC_OK) {
        verb_fail(c, &e);
        return;
    }
    buf_addf(&c->text, "%zu entries imported.\n", n);
    verb_end(c, RC_OK);
}

static void export(struct verb_call *c)
{
    struct str rest = buf_str(&c->admin->slbl->text), line, user, entry;
    enum slbl_list list;

    buf_add(&c->text, str_lit("user,list,entry\r\n"));
    while (rest.n && str_split(&rest, '\n', &line))
        if (slbl_line(line, &user, &list, &entry))
            buf_addf(&c->text, "%.*s,%s,%.*s\r\n", STR(user), list == SLBL_SAFE ? "safe" : "block", STR(entry));
    event(c->admin->events, slbl_saved, .users = 0);
    verb_end(c, RC_OK);
}

void verb_slbl(struct verb_call *c)
{
    struct str what = c->args.n ? c->args.items[0] : STR_NONE;
    size_t n = c->args.n;

    if (str_eqi(what, str_lit("show")) && n <= 2)
        show(c, n == 2 ? c->args.items[1] : STR_NONE);
    else if (str_eqi(what, str_lit("status")) && n == 1)
        status(c);
    else if ((str_eqi(what, str_lit("add")) || str_eqi(what, str_lit("remove"))) && n == 4)
        add_or_remove(c, str_eqi(what, str_lit("remove")));
    else if (str_eqi(what, str_lit("import")) && n == 2)
        import(c, c->args.items[1]);
    else if (str_eqi(what, str_lit("export")) && n == 1)
        export(c);
    else
        verb_usage(c);
}
