/*
 * The key that logs are pushed by SCP with (logs.md 13). Verb `pushkey`: its public line, for whoever installs it on a
 * server.
 *
 * Called through spec/verbs.def. The key belongs to role push, which makes it when a log first goes by SCP; who enters such
 * a subscription wants to see it before, so it is made here when it is asked for and there is none yet. Fails when HOME/keys
 * cannot be written.
 */
#include "admin/verbs.h"
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* As in push/push.h. */
#define KEY "keys/log_push_key"
#define KEY_PUBLIC "keys/log_push_key.pub"

enum { FILE_MOST = 16384, BLOCK = 8, COLUMNS = 70 };

static void put_u32(struct buf *b, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_addc(b, (char)(v >> shift));
}

static void put_string(struct buf *b, struct str s)
{
    put_u32(b, (uint32_t)s.n);
    buf_add(b, s);
}

static void put_base64(struct str octets, size_t columns, struct buf *out)
{
    char text[1024];

    if (octets.n > 700)
        return;
    sodium_bin2base64(text, sizeof text, (const unsigned char *)octets.p, octets.n, sodium_base64_VARIANT_ORIGINAL);
    for (struct str rest = str_c(text); rest.n; rest = str_from(rest, columns < rest.n ? columns : rest.n)) {
        buf_add(out, str_first(rest, columns));
        if (columns < SIZE_MAX)
            buf_addc(out, '\n');
    }
    sodium_memzero(text, sizeof text);
}

/* RFC 8709 4: the public key as SSH writes it. */
static void put_public(struct buf *b, const unsigned char public[static crypto_sign_PUBLICKEYBYTES])
{
    put_string(b, str_lit("ssh-ed25519"));
    put_string(b, str_of((const char *)public, crypto_sign_PUBLICKEYBYTES));
}

/* OpenSSH's PROTOCOL.key, without a passphrase. */
static void put_private_file(const unsigned char public[static crypto_sign_PUBLICKEYBYTES],
                             const unsigned char secret[static crypto_sign_SECRETKEYBYTES], struct buf *out)
{
    struct buf inner = BUF(FILE_MOST), all = BUF(FILE_MOST), blob = BUF(FILE_MOST);
    uint32_t check = randombytes_random();

    put_public(&blob, public);
    put_u32(&inner, check);
    put_u32(&inner, check);
    buf_add(&inner, buf_str(&blob));
    put_string(&inner, str_of((const char *)secret, crypto_sign_SECRETKEYBYTES));
    put_string(&inner, STR_NONE); /* comment */
    for (char pad = 1; inner.n % BLOCK; pad++)
        buf_addc(&inner, pad);
    buf_add(&all, str_of("openssh-key-v1", 15)); /* with its NUL */
    put_string(&all, str_lit("none"));
    put_string(&all, str_lit("none"));
    put_string(&all, STR_NONE);
    put_u32(&all, 1);
    put_string(&all, buf_str(&blob));
    put_string(&all, buf_str(&inner));
    buf_add(out, str_lit("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    put_base64(buf_str(&all), COLUMNS, out);
    buf_add(out, str_lit("-----END OPENSSH PRIVATE KEY-----\n"));
    sodium_memzero(inner.p, inner.n);
    sodium_memzero(all.p, all.n);
    buf_done(&inner);
    buf_done(&all);
    buf_done(&blob);
}

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
    unsigned char public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    struct buf file = BUF(FILE_MOST), line = BUF(FILE_MOST), blob = BUF(FILE_MOST);
    enum rc rc;

    crypto_sign_keypair(public, secret);
    put_private_file(public, secret, &file);
    put_public(&blob, public);
    buf_add(&line, str_lit("ssh-ed25519 "));
    put_base64(buf_str(&blob), SIZE_MAX, &line);
    buf_addf(&line, " %.*s\n", STR(a->current->conf.system.hostname));
    rc = write_file(a, KEY_PUBLIC, buf_str(&line), e);
    if (rc == RC_OK)
        rc = write_file(a, KEY, buf_str(&file), e); /* last: while it is empty the pair is made anew */
    sodium_memzero(secret, sizeof secret);
    if (file.p)
        sodium_memzero(file.p, file.n);
    buf_done(&file);
    buf_done(&line);
    buf_done(&blob);
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
