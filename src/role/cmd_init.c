/*
 * postern init: makes a home: directories, serial number, certificate, users, the first version of the configuration.
 *
 * Called by main_postern.c. Refuses a directory that has a configuration already. The generated passphrases are printed once
 * and stored as hashes only. The defaults are lines of path=value, the same that --set takes and that tests write.
 */
#include "role/commands.h"
#include "role/init.h"

#include "admin/admin.h"
#include "admin/first.h"
#include "admin/identity.h"
#include "conf/versions.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LAB_BASE_MAX = 57000 };

struct wish {
    const char *home, *role, *lab;
    uint64_t base; /* 0 = not a lab */
    bool force;
    const char *set[256];
    size_t n_set;
};

static int usage(void)
{
    fprintf(stderr,
            "usage: postern init --home DIR --role gateway|manager|bastion [--lab BASE] [--force] [--set PATH=VALUE ...]\n");
    return 2;
}

static bool parse(int argc, char **argv, struct wish *w)
{
    for (int i = 0; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--force") == 0) {
            w->force = true;
            continue;
        }
        if (!value)
            return false;
        i++;
        if (strcmp(argv[i - 1], "--home") == 0)
            w->home = value;
        else if (strcmp(argv[i - 1], "--role") == 0)
            w->role = value;
        else if (strcmp(argv[i - 1], "--lab") == 0)
            w->lab = value;
        else if (strcmp(argv[i - 1], "--set") == 0 && w->n_set < sizeof w->set / sizeof *w->set)
            w->set[w->n_set++] = value;
        else
            return false;
    }
    return w->home && w->role && (!w->lab || (str_u64(str_c(w->lab), &w->base) && w->base && w->base <= LAB_BASE_MAX));
}

/* HOME itself may exist (a mount point, a package made it), its configuration may not. */
static enum rc make_home(const char *home, char path_out[PATH_MAX], struct err *e)
{
    static const char *const parts[] = {"",         "/spool",         "/events",  "/log",     "/run",      "/keys",
                                        "/keys/ca", "/configuration", "/exports", "/central", "/tracking", "/record"};
    char path[PATH_MAX + 16];

    if (mkdir(home, 0700) != 0 && errno != EEXIST)
        return err_errno(e, errno, "%s", home);
    if (!realpath(home, path_out))
        return err_errno(e, errno, "%s", home);
    snprintf(path, sizeof path, "%s/conf/current", path_out);
    if (access(path, F_OK) == 0)
        return err_set(e, RC_EXISTS, "%s has a configuration already", path_out);
    for (size_t i = 1; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s%s", path_out, parts[i]);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return err_errno(e, errno, "%s", path);
    }
    return conf_versions_init(path_out, e);
}

static enum rc set_text(struct conf_draft *d, const char *path, struct str value, struct err *e)
{
    return conf_draft_set(d, str_c(path), value, e);
}

/* A user with a new passphrase, printed for the one who runs init. */
static enum rc add_user(struct conf_draft *d, const char *name, const char *role, bool must_change, struct buf *say,
                        struct err *e)
{
    char hash[crypto_pwhash_STRBYTES], lines[300], password[20];

    init_password(password);
    if (crypto_pwhash_str(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
        return err_set(e, RC_NO_MEMORY, "no memory for a password hash");
    snprintf(lines, sizeof lines, "user.%s.role=%s\nuser.%s.must_change=%s\nuser.%s.password=%s", name, role, name,
             must_change ? "yes" : "no", name, hash);
    TRY(conf_draft_lines(d, str_c(lines), e));
    snprintf(lines, sizeof lines, "user.%s.full_name=%s", name, strcmp(role, "administrator") ? name : "Administrator");
    TRY(conf_draft_line(d, str_c(lines), e));
    buf_addf(say, "login: %s  passphrase: %s%s\n", name, password,
             must_change ? "  (shown once; change it: postern cli passwd)" : "");
    sodium_memzero(password, sizeof password);
    return RC_OK;
}

static enum rc own_settings(struct conf_draft *d, const struct wish *w, const char *home, struct buf *say, struct err *e)
{
    char serial[40], name[256] = "";

    init_serial(home, serial);
    TRY(set_text(d, "system.serial", str_c(serial), e));
    if (gethostname(name, sizeof name - 1) == 0 && *name)
        TRY(set_text(d, "system.hostname", str_c(name), e));
    if (w->base)
        TRY(add_user(d, "demo", "operator", false, say, e));
    TRY(add_user(d, "admin", "administrator", !w->base, say, e));
    for (size_t i = 0; i < w->n_set; i++)
        TRY(conf_draft_line(d, str_c(w->set[i]), e));
    return init_certificate(home, d, e);
}

/* Its keys are sealed by the key of this home, as control will do with all it stores. */
static enum rc own_identity(struct conf_draft *d, const char *home, struct err *e)
{
    struct admin a = {.home = home};
    bool changed;

    TRY(identity_need(d, &changed, e));
    TRY(seal_open(&a, e));
    seal_secrets(&a, d);
    seal_close(&a);
    return RC_OK;
}

static void tell(const struct conf *c, const char *home, struct str logins)
{
    printf("Made %s: serial number %.*s, host name %.*s.\n", home, STR(c->system.serial), STR(c->system.hostname));
    for (size_t i = 0; i < c->listener.n; i++) {
        const struct conf_listener *l = &c->listener.items[i];
        const struct conf_interface *f = conf_find(&c->interface, l->interface);

        printf("listener %.*s: %.*s port %u%s\n", STR(l->name),
               STR(l->address.n ? l->address.items[0]
                   : f          ? f->address
                                : STR_NONE),
               (unsigned)l->port, l->enabled ? "" : " (off)");
    }
    fwrite(logins.p, 1, logins.n, stdout);
}

int front_init(int argc, char **argv)
{
    struct conf_draft *d = conf_draft_new();
    struct wish w = {0};
    struct buf say = BUF(4096);
    struct err e = ERR_NONE;
    char home[PATH_MAX];
    uint64_t version;
    enum rc rc;

    if (!d || !parse(argc, argv, &w)) {
        conf_draft_free(d);
        return usage();
    }
    umask(0077);
    rc = sodium_init() < 0 ? err_set(&e, RC_INTERNAL, "libsodium cannot be used")
                           : first_settings(d, str_c(w.role), w.base, &e);
    if (rc == RC_OK)
        rc = make_home(w.home, home, &e);
    if (rc == RC_OK)
        rc = own_settings(d, &w, home, &say, &e);
    if (rc == RC_OK)
        rc = admin_check(&d->conf, NULL, w.force, &e);
    if (rc == RC_OK)
        rc = own_identity(d, home, &e);
    if (rc == RC_OK)
        rc = conf_versions_commit(home, &d->conf, str_lit("admin"), str_lit("postern init"), &version, &e);
    if (rc == RC_OK)
        tell(&d->conf, home, buf_str(&say));
    else
        fprintf(stderr, "postern init: %s\n", err_text(&e));
    buf_done(&say);
    conf_draft_free(d);
    return rc == RC_OK ? 0 : 1;
}
