/*
 * The configuration in force: opened at start, replaced by commits, published to every role. See admin.h.
 *
 * Called by main_control.c and the verbs that change settings. Owns admin.current. A commit that fails at any step changes
 * nothing; a broken current file at start is passed over for the newest version that can be read, with an event.
 */
#include "admin/admin.h"

#include "base/io.h"
#include "conf/rules.h"
#include "conf/snapshot.h"
#include "conf/versions.h"

#include <stdio.h>
#include <unistd.h>

enum { BLOB_MAX = 1 << 28 };

void store_send(struct admin *a, struct bus_peer *p)
{
    struct bus_conf_snapshot m;
    struct buf blob = BUF(BLOB_MAX);

    if (!a->current)
        return;
    conf_encode(&a->current->conf, role_name(p->role), &blob);
    m = (struct bus_conf_snapshot){.version = a->current->conf.version, .blob = buf_str(&blob)};
    if (!blob.failed)
        bus_send(a->bus, p, BUS_conf_snapshot, &m);
    buf_done(&blob);
}

static void send_one(void *ctx, struct bus_peer *p)
{
    store_send(ctx, p);
}

/* From here on d is what runs. */
static enum rc put_in_force(struct admin *a, struct conf_draft *d, struct err *e)
{
    struct conf_draft *old = a->current;
    struct buf blob = BUF(BLOB_MAX);
    enum rc rc;

    conf_encode(&d->conf, NULL, &blob);
    rc = blob.failed ? err_set(e, RC_TOO_LARGE, "the configuration is too large")
                     : conf_source_feed(a->conf, d->conf.version, buf_str(&blob), e);
    buf_done(&blob);
    TRY(rc);
    a->current = d;
    conf_draft_free(old);
    if (a->bus)
        bus_each(a->bus, ROLE_any, send_one, a);
    if (a->applied)
        a->applied(a->applied_ctx, &d->conf);
    return RC_OK;
}

/* /configuration/config.dtd, for the tools of those who keep configuration files. */
static void write_dtd(const struct admin *a)
{
    struct buf b = BUF(1 << 20);
    char path[4096];

    conf_dtd_write(&b);
    snprintf(path, sizeof path, "%s/configuration/config.dtd", a->home);
    io_replace_file("control.dtd", path, buf_str(&b), NULL);
    buf_done(&b);
}

enum rc store_open(struct admin *a, struct err *e)
{
    struct conf_draft *d = NULL;
    struct err broken = ERR_NONE;
    enum rc rc;

    TRY(conf_versions_current(a->home, &d, &broken, e));
    if (broken.rc != RC_OK)
        event(a->events, settings_refused, .why = str_c(err_text(&broken)));
    write_dtd(a);
    rc = unseal_secrets(a, d, e);
    if (rc == RC_OK)
        rc = admin_default_logs(d, e);
    if (rc == RC_OK)
        rc = put_in_force(a, d, e);
    if (rc != RC_OK)
        conf_draft_free(d);
    return rc;
}

void store_close(struct admin *a)
{
    conf_draft_free(a->current);
    a->current = NULL;
}

/* On disk secrets are sealed. */
static enum rc write_version(const struct admin *a, const struct conf_draft *d, struct str user, struct str comment,
                             uint64_t *version, struct err *e)
{
    struct conf_draft *copy = conf_draft_copy(&d->conf);
    enum rc rc;

    if (!copy)
        return err_set(e, RC_NO_MEMORY, "no memory");
    seal_secrets(a, copy);
    rc = conf_versions_commit(a->home, &copy->conf, user, comment, version, e);
    conf_draft_free(copy);
    return rc;
}

enum rc store_commit(struct admin *a, struct conf_draft *d, struct str user, struct str comment, bool force,
                     uint64_t *version_out, struct buf *changes_out, struct err *e)
{
    struct buf changes = BUF(1 << 24);
    uint64_t version = 0;
    bool equal;

    TRY(admin_default_logs(d, e));
    conf_diff(&a->current->conf, &d->conf, &changes);
    equal = changes.n == 0 && !changes.failed;
    if (changes_out)
        buf_add(changes_out, buf_str(&changes));
    buf_done(&changes);
    if (equal) {
        conf_draft_free(d);
        *version_out = 0;
        return RC_OK;
    }
    TRY(admin_check(&d->conf, &a->current->conf, force, e));
    TRY(admin_check_lock(a, &d->conf, &a->current->conf, e));
    TRY(write_version(a, d, user, comment, &version, e));
    d->conf.version = version;
    TRY(put_in_force(a, d, e));
    event(a->events, settings_committed, .pid = (uint64_t)getpid(), .user = user, .comment = comment, .version = version);
    *version_out = version;
    return RC_OK;
}
