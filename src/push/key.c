/*
 * The SCP key. See key.h.
 *
 * Called by push.c when a subscription first goes by SCP, and by scp.c in its thread. Owns nothing. A private key that
 * cannot be read is made anew, and the public one with it: a kill while they are written leaves nothing worth keeping.
 */
#include "push/key.h"

#include "base/io.h"
#include "push/push.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static enum rc write_file(const char *path, struct str content, struct err *e)
{
    int fd;
    enum rc rc;

    TRY(io_create("push.key", path, O_WRONLY | O_TRUNC, &fd, e));
    rc = io_write("push.key", fd, content, e);
    if (rc == RC_OK)
        rc = io_sync("push.key", fd, e);
    close(fd);
    return rc;
}

static enum rc write_public(const char *home, const char *comment, ssh_key key, struct err *e)
{
    char path[PATH_MAX];
    char *base64 = NULL;
    struct buf line = BUF(4096);
    enum rc rc;

    snprintf(path, sizeof path, "%s/" PUSH_KEY_PUBLIC, home);
    if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
        return err_set(e, RC_INTERNAL, "the key for SCP cannot be written");
    buf_addf(&line, "ssh-ed25519 %s %s\n", base64, comment);
    rc = write_file(path, buf_str(&line), e);
    ssh_string_free_char(base64);
    buf_done(&line);
    return rc;
}

static enum rc make(const char *home, const char *path, const char *comment, ssh_key *out, struct err *e)
{
    ssh_key key = NULL;
    char *text = NULL;
    enum rc rc = RC_OK;

    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
        ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) != SSH_OK)
        rc = err_set(e, RC_INTERNAL, "the key for SCP cannot be made");
    if (rc == RC_OK)
        rc = write_public(home, comment, key, e);
    if (rc == RC_OK)
        rc = write_file(path, str_c(text), e);
    if (text) {
        explicit_bzero(text, strlen(text));
        ssh_string_free_char(text);
    }
    if (rc == RC_OK)
        *out = key;
    else
        ssh_key_free(key);
    return rc;
}

enum rc push_key(const char *home, const char *comment, ssh_key *out, struct err *e)
{
    char path[PATH_MAX];
    struct buf text = BUF(16384);
    enum rc rc;

    snprintf(path, sizeof path, "%s/" PUSH_KEY, home);
    rc = io_read_file(path, &text, e);
    buf_addc(&text, '\0');
    if (rc == RC_OK && text.n > 1 && ssh_pki_import_privkey_base64(text.p, NULL, NULL, NULL, out) == SSH_OK)
        rc = RC_OK;
    else if (rc == RC_OK || rc == RC_NOT_FOUND)
        rc = make(home, path, comment, out, e);
    if (text.p)
        explicit_bzero(text.p, text.cap);
    buf_done(&text);
    return rc;
}
