/*
 * Host keys and algorithms of the SSH server.
 *
 * Called by ssh_server.c at start (keys) and at each change of settings (algorithms). Keys lie in HOME/keys as
 * ssh_host_ed25519_key, ssh_host_ecdsa_key, ssh_host_rsa_key (0600) with the public part in .pub beside them; what is
 * missing is made. A key file that cannot be read fails the start: a new key in its place would look like an attack to every
 * client.
 */
#include "shell/ssh_inside.h"

#include "base/io.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum ssh_keytypes_e type;
    int bits;
} kinds[] = {
    {"ed25519", SSH_KEYTYPE_ED25519, 0},
    {"ecdsa", SSH_KEYTYPE_ECDSA_P256, 256},
    {"rsa", SSH_KEYTYPE_RSA, 3072},
};

/* SHA-1 signatures (ssh-rsa) are neither made nor taken. */
static const char host_key_algorithms[] = "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256";
static const char user_key_algorithms[] =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,sk-ssh-ed25519@openssh.com,"
    "sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256";

static enum rc write_public(const char *path, ssh_key key, struct err *e)
{
    struct buf text = BUF(8192);
    char public[PATH_MAX], *base64 = NULL;
    enum rc rc;

    if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
        return err_set(e, RC_INTERNAL, "public part of %s", path);
    buf_addf(&text, "%s %s\n", ssh_key_type_to_char(ssh_key_type(key)), base64);
    ssh_string_free_char(base64);
    snprintf(public, sizeof public, "%.*s.pub", PATH_MAX - 8, path);
    rc = io_replace_file("shell.key", public, buf_str(&text), e);
    buf_done(&text);
    return rc;
}

static enum rc make(const char *path, size_t kind, ssh_key *out, struct err *e)
{
    ssh_key key = NULL;
    char *text = NULL;
    enum rc rc;

    if (ssh_pki_generate(kinds[kind].type, kinds[kind].bits, &key) != SSH_OK ||
        ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) != SSH_OK) {
        ssh_key_free(key);
        return err_set(e, RC_INTERNAL, "cannot make the host key %s", path);
    }
    rc = io_replace_file("shell.key", path, str_c(text), e);
    if (rc == RC_OK)
        rc = write_public(path, key, e);
    explicit_bzero(text, strlen(text));
    ssh_string_free_char(text);
    if (rc == RC_OK)
        *out = key;
    else
        ssh_key_free(key);
    return rc;
}

static enum rc open_one(const char *dir, size_t kind, ssh_key *out, struct err *e)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/ssh_host_%s_key", dir, kinds[kind].name) >= (int)sizeof path)
        return err_set(e, RC_INVALID, "path of the home is too long");
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return make(path, kind, out, e);
    if (ssh_pki_import_privkey_file(path, NULL, NULL, NULL, out) != SSH_OK)
        return err_set(e, RC_CORRUPT, "host key %s cannot be read", path);
    return RC_OK;
}

enum rc host_keys_open(const char *home, struct host_keys *out, struct err *e)
{
    struct host_keys k = {0};
    char dir[PATH_MAX];
    enum rc rc = RC_OK;

    if (snprintf(dir, sizeof dir, "%s/keys", home) >= (int)sizeof dir)
        return err_set(e, RC_INVALID, "path of the home is too long");
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_errno(e, errno, "%s", dir);
    for (size_t i = 0; rc == RC_OK && i < sizeof kinds / sizeof *kinds; i++)
        rc = open_one(dir, i, &k.key[i], e);
    if (rc == RC_OK)
        *out = k;
    else
        host_keys_close(&k);
    return rc;
}

void host_keys_close(struct host_keys *k)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        ssh_key_free(k->key[i]);
    *k = (struct host_keys){0};
}

/* --- algorithms
 * ------------------------------------------------------------------------------------------------------------- */

static void set_list(ssh_bind b, enum ssh_bind_options_e option, struct str list, struct err *e)
{
    char text[2048];

    if (!list.n)
        return;
    snprintf(text, sizeof text, "%.*s", STR(list));
    if (ssh_bind_options_set(b, option, text) != SSH_OK)
        err_set(e, RC_INVALID, "no algorithm of this list is known: %.*s", STR(str_first(list, 200)));
}

static bool set_fixed(ssh_bind b)
{
    bool off = false;
    int bits = 2048;

    return ssh_bind_options_set(b, SSH_BIND_OPTIONS_PROCESS_CONFIG, &off) == SSH_OK &&
           ssh_bind_options_set(b, SSH_BIND_OPTIONS_BANNER, "Postern") == SSH_OK &&
           ssh_bind_options_set(b, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &bits) == SSH_OK &&
           ssh_bind_options_set(b, SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, host_key_algorithms) == SSH_OK &&
           ssh_bind_options_set(b, SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, user_key_algorithms) == SSH_OK;
}

ssh_bind ssh_bind_build(const struct conf_ssh *c, const struct host_keys *keys, struct err *e)
{
    ssh_bind b = ssh_bind_new();
    bool ok = b && set_fixed(b);

    for (size_t i = 0; ok && i < sizeof kinds / sizeof *kinds; i++) {
        ssh_key own = ssh_key_dup(keys->key[i]);

        ok = own && ssh_bind_options_set(b, SSH_BIND_OPTIONS_IMPORT_KEY, own) == SSH_OK;
        if (!ok)
            ssh_key_free(own);
    }
    if (!ok) {
        ssh_bind_free(b);
        err_set(e, RC_INTERNAL, "libssh takes no host keys");
        return NULL;
    }
    set_list(b, SSH_BIND_OPTIONS_KEY_EXCHANGE, c->kex, e);
    set_list(b, SSH_BIND_OPTIONS_CIPHERS_C_S, c->ciphers, e);
    set_list(b, SSH_BIND_OPTIONS_CIPHERS_S_C, c->ciphers, e);
    set_list(b, SSH_BIND_OPTIONS_HMAC_C_S, c->macs, e);
    set_list(b, SSH_BIND_OPTIONS_HMAC_S_C, c->macs, e);
    return b;
}
