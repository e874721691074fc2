/*
 * The key that logs are pushed by SCP with (logs.md 13). Verb `pushkey`: its public line, for whoever installs it on a
 * server.
 *
 * Called through spec/verbs.def. The key belongs to role push, which makes it when a log first goes by SCP; who enters such
 * a subscription wants to see it before, so it is made here when it is asked for and there is none yet. Fails when HOME/keys
 * cannot be written.
 */
#include "admin/certificate.h"
#include "admin/openssh_key.h"
#include "admin/verbs.h"
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* As in push/push.h. */
#define KEY "keys/log_push_key"
#define KEY_PUBLIC "keys/log_push_key.pub"

enum { FILE_MOST = 16384 };

/* In place: the rights of role push are to this very file. */
static enum rc write_file(const struct admin *a, const char *name, struct str content, struct err *e)
{
    char path[PATH_MAX];
    int fd;
    enum rc rc;

    snprintf(path, sizeof path, "%s/%s", a->home, name);
    TRY(io_create("control.keys", path, O_WRONLY | O_CREAT | O_TRUNC, &fd, e));
    rc = io_write("control.keys", fd, content, e);
    if (rc == RC_OK)
        rc = io_sync("control.keys", fd, e);
    close(fd);
    return rc;
}

static enum rc make(const struct admin *a, struct err *e)
{
    struct buf file = BUF(FILE_MOST), line = BUF(FILE_MOST);
    enum rc rc;

    openssh_key_make(&file, &line);
    buf_addf(&line, " %.*s\n", STR(a->current->conf.system.hostname));
    rc = write_file(a, KEY_PUBLIC, buf_str(&line), e);
    if (rc == RC_OK)
        rc = write_file(a, KEY, buf_str(&file), e); /* last: while it is empty the pair is made anew */
    certificate_wipe(&file);
    buf_done(&line);
    return rc;
}

static enum rc need_key(const struct admin *a, struct err *e)
{
    char path[PATH_MAX];
    struct stat st;

    snprintf(path, sizeof path, "%s/" KEY, a->home);
    return stat(path, &st) == 0 && st.st_size > 0 ? RC_OK : make(a, e);
}

void verb_pushkey(struct verb_call *c)
{
    char path[PATH_MAX];
    struct err e = ERR_NONE;

    snprintf(path, sizeof path, "%s/" KEY_PUBLIC, c->admin->home);
    if (need_key(c->admin, &e) != RC_OK || io_read_file(path, &c->text, &e) != RC_OK)
        verb_fail(c, &e);
    else
        verb_end(c, RC_OK);
}
