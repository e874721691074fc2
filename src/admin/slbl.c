/*
 * Safelists and blocklists of recipients: the store. See slbl.h, policy/slbl.h; the verb is in slbl_verb.c, what goes to
 * gateways in slbl_delta.c.
 *
 * Owns the lists as text, a line an entry, and HOME/slbl, which is written whole at each change before anybody is told. A
 * file that cannot be written changes nothing. Users see nothing here: verbs are the operators', the spam quarantine asks
 * for them (slbl_wanted).
 */
#include "admin/slbl_inside.h"

#include "admin/verbs.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

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

/* "# VERSION": what slbl_line() passes over. Files from before numbers were kept have none. */
static void read_version(struct slbl_store *s)
{
    struct str rest = buf_str(&s->text), line;

    if (str_split(&rest, '\n', &line) && str_starts(line, str_lit("# ")))
        str_u64(str_trim(str_from(line, 2)), &s->version);
    s->first_delta = s->version;
}

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
    read_version(s);
    slbl_deltas_open(s);
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
    slbl_deltas_close(a->slbl);
    buf_done(&a->slbl->text);
    free(a->slbl);
    a->slbl = NULL;
}

/* --- changes ------------------------------------------------------------------------------------------------------------
 */

/* The text with its number in front. */
static void number(struct buf *now, uint64_t version, struct buf *out)
{
    struct str rest = buf_str(now), line;

    buf_addf(out, "# %" PRIu64 "\n", version);
    if (str_split(&rest, '\n', &line) && str_starts(line, str_lit("# ")))
        buf_add(out, rest);
    else
        buf_add(out, buf_str(now));
    if (now->failed)
        out->failed = true;
    buf_done(now);
}

enum rc slbl_put_in_force(struct slbl_store *s, struct buf *now, uint64_t version, struct str lines, struct err *e)
{
    char path[PATH_MAX];
    struct buf next = BUF(SLBL_TEXT_MAX);
    enum rc rc;

    number(now, version, &next);
    rc = next.failed ? err_set(e, RC_TOO_LARGE, "the lists are too long")
                     : io_replace_file("slbl.file", path_of(s->admin, path), buf_str(&next), e);
    if (rc != RC_OK) {
        buf_done(&next);
        return rc;
    }
    buf_done(&s->text);
    s->text = next;
    slbl_keep_delta(s, version, lines);
    s->version = version;
    s->changed_ms = clock_wall_ms();
    if (s->admin->bus)
        bus_each(s->admin->bus, ROLE_scan, send_to, s);
    if (s->admin->bus)
        bus_send_all(s->admin->bus, ROLE_central, BUS_slbl_master, &(struct bus_slbl_master){.version = version});
    return RC_OK;
}

enum rc slbl_ours(const struct admin *a, struct err *e)
{
    const struct conf *c = a->current ? &a->current->conf : NULL; /* NULL in tests */

    if (c && c->system.role != 1 && c->spam_quarantine.central)
        return err_set(e, RC_NOT_PERMITTED, "the lists are the manager's; change them there");
    return RC_OK;
}

/* The lists without the entry; counts on the way. */
static void walk(const struct slbl_store *s, struct slbl_change *c, struct buf *out)
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

void slbl_put_line(struct buf *out, struct str user, enum slbl_list list, struct str entry)
{
    for (size_t i = 0; i < user.n; i++)
        buf_addc(out, ascii_lower(user.p[i]));
    buf_add(out, list == SLBL_SAFE ? str_lit("\tsafe\t") : str_lit("\tblock\t"));
    buf_add(out, entry);
    buf_addc(out, '\n');
}

static enum rc refuse(const struct slbl_change *c, struct err *e)
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

enum rc slbl_change(struct slbl_store *s, struct slbl_change *c, struct err *e)
{
    struct buf now = BUF(SLBL_TEXT_MAX), lines = BUF(4096);
    enum rc rc;

    TRY(slbl_ours(s->admin, e));
    walk(s, c, &now);
    rc = refuse(c, e);
    if (rc != RC_OK) {
        buf_done(&now);
        return rc;
    }
    if (!c->remove)
        slbl_put_line(&now, c->user, c->list, c->entry);
    slbl_put_op(&lines, c->remove, c->user, c->list, c->entry);
    rc = slbl_put_in_force(s, &now, s->version + 1, buf_str(&lines), e);
    buf_done(&lines);
    return rc;
}

/* --- releases from the spam quarantine ----------------------------------------------------------------------------------
 */

/* One entry on the safelist; it leaves the blocklist, since the user has just said the opposite. What is there already,
 * makes no sense or is beyond the limit changes nothing: the message is released all the same. */
static void want(struct slbl_store *s, struct str user, struct str entry, struct str by)
{
    struct slbl_change off = {.user = user, .entry = entry, .list = SLBL_BLOCK, .remove = true};
    struct slbl_change on = {.user = user, .entry = entry, .list = SLBL_SAFE};
    struct err e = ERR_NONE;

    if (str_find(user, '@') == user.n || slbl_entry_fits(user, NULL) != RC_OK || slbl_entry_fits(entry, NULL) != RC_OK)
        return;
    if (slbl_change(s, &off, &e) == RC_OK)
        event(s->admin->events, slbl_changed, .user = user, .by = by, .entry = entry, .removed = true);
    e = ERR_NONE;
    if (slbl_change(s, &on, &e) == RC_OK)
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
