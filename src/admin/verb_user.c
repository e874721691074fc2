/*
 * Verbs about who asks and what answers: passwd, version, help.
 *
 * Called through spec/verbs.def. passwd checks and hashes in the pool, then commits the new hash as a version of its own;
 * the surface has asked for the passphrases (`passwd [USER] OLD NEW`), they are wiped with the call's arena.
 */
#include "admin/verbs.h"

#include "base/clock.h"
#include "conf/product.h"
#include "conf/snapshot.h"
#include "conf/xml.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- passwd ------------------------------------------------------------------------------------------------------------ */

enum rc passphrase_check(const struct conf *now, struct str passphrase, struct err *e)
{
    unsigned lower = 0, upper = 0, digit = 0, other = 0;

    for (size_t i = 0; i < passphrase.n; i++) {
        char x = passphrase.p[i];

        if (ascii_digit(x))
            digit = 1;
        else if (ascii_alpha(x))
            *(x == ascii_lower(x) ? &lower : &upper) = 1;
        else
            other = 1;
    }
    if (passphrase.n < now->access.passphrase_min)
        return err_set(e, RC_INVALID, "A passphrase has at least %u characters", (unsigned)now->access.passphrase_min);
    if (lower + upper + digit + other < now->access.passphrase_classes)
        return err_set(e, RC_INVALID, "A passphrase holds at least %u of: lower case, upper case, digits, others",
                       (unsigned)now->access.passphrase_classes);
    return RC_OK;
}

/* The newest hashes, one a line: the one in use and, up to `keep` in all, those before it. */
static struct str former_of(struct arena *a, const struct conf_user *u, uint64_t keep)
{
    struct buf b = BUF(8192);
    struct str rest = u->former, line, out;

    if (keep && u->password.n)
        buf_addf(&b, "%.*s\n", STR(u->password));
    for (uint64_t n = 1; n < keep && str_split(&rest, '\n', &line); n++)
        if (line.n)
            buf_addf(&b, "%.*s\n", STR(line));
    out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

/* The user's item with its new hash; the old one joins the former ones. */
static enum rc store_hash(struct conf_draft *d, struct str name, struct str hash, struct err *e)
{
    const struct conf_section *s = conf_section_find(str_lit("user"));
    struct conf_user *u;
    void *item;

    TRY(conf_draft_item(d, s, name, &item, e));
    u = item;
    u->former = former_of(&d->arena, u, d->conf.access.passphrase_reuse);
    u->password = arena_str(&d->arena, hash);
    u->must_change = 0;
    u->changed_ms = clock_wall_ms();
    u->generation++;
    return RC_OK;
}

static void hashed(void *ctx, struct str hash)
{
    struct verb_call *c = ctx;
    struct conf_draft *d = conf_draft_copy(&c->admin->current->conf);
    struct err e = ERR_NONE;
    uint64_t version;
    enum rc rc = hash.n && d ? RC_OK : err_set(&e, RC_NO_MEMORY, "no memory");

    if (rc == RC_OK)
        rc = store_hash(d, c->args.items[0], hash, &e);
    if (rc == RC_OK)
        rc = store_commit(c->admin, d, c->user, str_lit("passphrase changed"), true, &version, NULL, &e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        verb_fail(c, &e);
        return;
    }
    buf_add(&c->text, str_lit("Passphrase changed.\n"));
    verb_end(c, RC_OK);
}

static void used_before(void *ctx, bool used)
{
    struct verb_call *c = ctx;

    if (!used) {
        auth_hash(c->admin, c->args.items[2], hashed, c);
        return;
    }
    buf_add(&c->text, str_lit("This passphrase was used before.\n"));
    verb_end(c, RC_INVALID);
}

/* Former passphrases are not taken again (access.passphrase_reuse). */
static void take_new(struct verb_call *c)
{
    const struct conf *now = &c->admin->current->conf;
    const struct conf_user *u = conf_find(&now->user, c->args.items[0]);

    if (u && now->access.passphrase_reuse)
        auth_any(c->admin, former_of(&c->arena, u, now->access.passphrase_reuse), c->args.items[2], used_before, c);
    else
        auth_hash(c->admin, c->args.items[2], hashed, c);
}

static void checked(void *ctx, bool ok)
{
    struct verb_call *c = ctx;

    if (ok) {
        take_new(c);
        return;
    }
    buf_add(&c->text, str_lit("The old passphrase is wrong.\n"));
    verb_end(c, RC_AUTH_FAILED);
}

/* args: USER OLD NEW. An administrator changes others without OLD; nobody needs one where none is set. */
void verb_passwd(struct verb_call *c)
{
    const struct conf_user *u, *self;
    struct err e = ERR_NONE;

    if (c->args.n != 3) {
        verb_usage(c);
        return;
    }
    if (c->args.items[0].n == 0)
        ((struct str *)(uintptr_t)c->args.items)[0] = c->user;
    u = conf_find(&c->admin->current->conf.user, c->args.items[0]);
    self = conf_find(&c->admin->current->conf.user, c->user);
    if (!u)
        err_set(&e, RC_NOT_FOUND, "User %.*s does not exist", STR(str_first(c->args.items[0], 100)));
    else if (u != self && self && self->role != 0)
        err_set(&e, RC_NOT_PERMITTED, "Only an administrator sets the passphrases of others");
    else
        passphrase_check(&c->admin->current->conf, c->args.items[2], &e);
    if (e.rc != RC_OK)
        verb_fail(c, &e);
    else if (u == self && u->password.n && (c->session || c->args.items[1].n)) /* not on the local console: passwd NAME */
        auth_check(c->admin, u->name, c->args.items[1], checked, c);
    else
        take_new(c);
}

/* --- version
 * --------------------------------------------------------------------------------------------------------------- */

void verb_version(struct verb_call *c)
{
    const struct conf *now = &c->admin->current->conf;
    bool manager = now->system.role == 1;
    const char *model = manager ? PRODUCT_MODEL_MANAGER : PRODUCT_MODEL_GATEWAY;
    char path[4096], t[40];
    struct stat st = {0};

    snprintf(path, sizeof path, "%s/conf/versions/000001.xml", c->admin->home);
    stat(path, &st);
    buf_add(&c->text, str_lit("Current Version\n===============\n"));
    buf_addf(&c->text, "UDI: %s V01 %.*s\n", model, STR(now->system.serial));
    buf_addf(&c->text, "Name: %s\nProduct: Postern %s Messaging %s Virtual\nModel: %s\n", model, model,
             manager ? "Manager" : "Gateway", model);
    buf_addf(&c->text, "Version: %s-%s\nBuild Date: %s\n", PRODUCT_VERSION, PRODUCT_BUILD, PRODUCT_BUILD_DATE);
    buf_addf(&c->text, "Install Date: %.*s\n", STR(conf_time_text((uint64_t)st.st_mtime * 1000, t)));
    buf_addf(&c->text, "Serial #: %.*s\nBIOS: n/a\nCPUs: %ld\nMemory: %ld MB\n", STR(now->system.serial),
             sysconf(_SC_NPROCESSORS_ONLN), sysconf(_SC_PHYS_PAGES) / 1024 * (sysconf(_SC_PAGESIZE) / 1024));
    buf_addf(&c->text, "RAID: NA\nRAID Status: Unknown\nRAID Type: NA\nBMC: NA\nHypervisor: NA\nPostern: %s\n",
             PRODUCT_RELEASE);
    verb_end(c, RC_OK);
}

/* --- help
 * -------------------------------------------------------------------------------------------------------------------- */

void verb_help(struct verb_call *c)
{
    const struct conf_user *u = conf_find(&c->admin->current->conf.user, c->user);
    uint64_t role = u ? u->role : 0;
    const struct verb *v;

    if (c->args.n) {
        v = verb_find(c->args.items[0]);
        if (!v || !verb_allowed(v, role)) {
            buf_addf(&c->text, "Unknown command or missing feature key: %.*s\n", STR(str_first(c->args.items[0], 100)));
            verb_end(c, RC_UNKNOWN_COMMAND);
            return;
        }
        buf_addf(&c->text, "%s\nUsage: %s\n", v->help, v->usage);
        verb_end(c, RC_OK);
        return;
    }
    for (size_t i = 0; (v = verb_row(i)); i++) {
        if (*v->help && verb_allowed(v, role))
            buf_addf(&c->text, "%-18s %s\n", v->name, v->help);
    }
    verb_end(c, RC_OK);
}
