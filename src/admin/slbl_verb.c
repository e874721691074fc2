/*
 * The verb `slbl`: single entries, lists, CSV files, the state of the gateways. See slbl.h.
 *
 * Called through spec/verbs.def. Owns nothing.
 */
#include "admin/slbl_inside.h"
#include "admin/verbs.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/must.h"

#include <inttypes.h>

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
    if (c->admin->bus && c->admin->current->conf.system.role == 1) {
        verb_ask(c, ROLE_central, "slbl_status", (struct strs){NULL, 0});
        verb_wait(c);
    } else {
        verb_end(c, RC_OK);
    }
}

/* A full copy to every gateway whose spam is taken here. */
static void sync_all(struct verb_call *c)
{
    if (!c->admin->bus || c->admin->current->conf.system.role != 1) {
        buf_add(&c->text, str_lit("Lists are copied by a manager alone.\n"));
        verb_end(c, RC_NOT_PERMITTED);
        return;
    }
    verb_ask(c, ROLE_central, "slbl_sync", (struct strs){NULL, 0});
    verb_wait(c);
}

static void add_or_remove(struct verb_call *c, bool remove)
{
    struct slbl_change x = {.user = c->args.items[1], .entry = c->args.items[3], .remove = remove};
    struct err e = ERR_NONE;

    x.list = str_eqi(c->args.items[2], str_lit("safe"))    ? SLBL_SAFE
             : str_eqi(c->args.items[2], str_lit("block")) ? SLBL_BLOCK
                                                           : SLBL_NONE;
    if (x.list == SLBL_NONE || str_find(x.user, '@') == x.user.n || slbl_entry_fits(x.user, NULL) != RC_OK) {
        verb_usage(c);
        return;
    }
    if ((!remove && slbl_entry_fits(x.entry, &e) != RC_OK) || slbl_change(c->admin->slbl, &x, &e) != RC_OK) {
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

    slbl_ours(c->admin, &e);
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
        slbl_put_line(&now, user, which, fields);
        n++;
    }
    if (e.rc != RC_OK)
        buf_done(&now);
    if (e.rc != RC_OK || slbl_put_in_force(c->admin->slbl, &now, c->admin->slbl->version + 1, STR_NONE, &e) != RC_OK) {
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
    else if (str_eqi(what, str_lit("sync")) && n == 1)
        sync_all(c);
    else if ((str_eqi(what, str_lit("add")) || str_eqi(what, str_lit("remove"))) && n == 4)
        add_or_remove(c, str_eqi(what, str_lit("remove")));
    else if (str_eqi(what, str_lit("import")) && n == 2)
        import(c, c->args.items[1]);
    else if (str_eqi(what, str_lit("export")) && n == 1)
        export(c);
    else
        verb_usage(c);
}
