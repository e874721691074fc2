/*
 * Files of HOME/keys for sessions, which may not touch them: `keys` writes (certconfig), `certificate` looks.
 *
 * Called through spec/verbs.def. A pair is written under a name of its own, NAME-MARK, mark = its digest: a certificate that
 * replaces another one does not touch the files of the one in force, so nothing changes before the commit. Private keys
 * leave this room in a PKCS #12 file alone. Keys in memory are wiped.
 */
#include "admin/certificate.h"
#include "admin/verbs.h"
#include "base/io.h"

#include <limits.h>
#include <stdio.h>

enum { PEM_MAX = 1 << 22, DAYS = 3650, NAME_MOST = 64 };

static bool is_name(struct str name)
{
    if (name.n == 0 || name.n > NAME_MOST || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && !strchr("._-", name.p[i]))
            return false;
    return true;
}

/* A file name for whatever name a certificate has. */
static struct str file_name(struct verb_call *c, struct str name)
{
    struct str out = arena_str(&c->arena, str_first(name, NAME_MOST));
    char *p = (char *)(uintptr_t)out.p;

    for (size_t i = 0; i < out.n; i++)
        if (!ascii_alpha(p[i]) && !ascii_digit(p[i]) && p[i] != '-' && p[i] != '_')
            p[i] = '_';
    return out.n ? out : str_lit("certificate");
}

static enum rc write_file(struct verb_call *c, struct str name, const char *ending, struct str content, struct err *e)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/keys/%.*s.%s", c->admin->home, STR(name), ending) >= (int)sizeof path)
        return err_set(e, RC_INVALID, "the name is too long");
    return io_replace_file("control.keys", path, content, e);
}

/* "keys/NAME", nothing else. */
static enum rc read_file(struct verb_call *c, struct str name, struct buf *out, struct err *e)
{
    char path[PATH_MAX];

    if (!str_starts(name, str_lit("keys/")) || !is_name(str_from(name, 5)))
        return err_set(e, RC_NOT_FOUND, "%.*s is not a file that is kept here", STR(str_first(name, 100)));
    snprintf(path, sizeof path, "%s/%.*s", c->admin->home, STR(name));
    return io_read_file(path, out, e);
}

/* Writes the pair, the reply is "keys/NAME-MARK" without ending. */
static enum rc store(struct verb_call *c, struct str name, struct str cert, struct str key, struct err *e)
{
    struct buf chain = BUF(PEM_MAX);
    enum rc rc = certificate_check(cert, key, e);
    struct str stem = STR_NONE;
    char mark[9];

    if (rc == RC_OK)
        rc = certificate_chain(cert, &chain, e);
    if (rc == RC_OK)
        rc = certificate_mark(cert, mark, e);
    if (rc == RC_OK) {
        stem = arena_printf(&c->arena, "%.*s-%s", STR(file_name(c, name)), mark);
        rc = write_file(c, stem, "key", key, e);
    }
    if (rc == RC_OK)
        rc = write_file(c, stem, "crt", buf_str(&chain), e);
    if (rc == RC_OK)
        buf_addf(&c->text, "keys/%.*s", STR(stem));
    buf_done(&chain);
    return rc;
}

static enum rc make(struct verb_call *c, struct err *e)
{
    struct buf cert = BUF(PEM_MAX), key = BUF(PEM_MAX);
    enum rc rc = certificate_self_signed(c->args.items[2], DAYS, &cert, &key, e);

    if (rc == RC_OK)
        rc = store(c, c->args.items[1], buf_str(&cert), buf_str(&key), e);
    certificate_wipe(&key);
    buf_done(&cert);
    return rc;
}

static enum rc authorities(struct verb_call *c, struct err *e)
{
    struct buf chain = BUF(PEM_MAX);
    enum rc rc = certificate_chain(c->args.items[2], &chain, e);
    struct str stem = STR_NONE;
    char mark[9];

    if (rc == RC_OK)
        rc = certificate_mark(c->args.items[2], mark, e);
    if (rc == RC_OK) {
        stem = arena_printf(&c->arena, "ca/%.*s-%s", STR(file_name(c, c->args.items[1])), mark);
        rc = write_file(c, stem, "pem", buf_str(&chain), e);
    }
    if (rc == RC_OK) /* read by role deliver, which may read nothing else of keys */
        buf_addf(&c->text, "%s/keys/%.*s.pem", c->admin->home, STR(stem));
    buf_done(&chain);
    return rc;
}

static enum rc export(struct verb_call *c, struct err *e) {
    struct buf cert = BUF(PEM_MAX), key = BUF(PEM_MAX); enum rc rc = read_file(c, c->args.items[2], &cert, e);

    if (rc == RC_OK) rc = read_file(c, c->args.items[3], &key, e);
    if (rc == RC_OK)
        rc = certificate_p12_write(buf_str(&cert), buf_str(&key), c->args.items[1], c->args.items[4], &c->text, e);
    certificate_wipe(&key);
    buf_done(&cert);
    return rc;
}

static void finish(struct verb_call *c, enum rc rc, const struct err *e)
{
    for (size_t i = 0; i < c->args.n; i++) /* keys and passphrases */
        if (c->args.items[i].n)
            explicit_bzero((char *)(uintptr_t)c->args.items[i].p, c->args.items[i].n);
    if (rc == RC_OK)
        verb_end(c, RC_OK);
    else
        verb_fail(c, e);
}

/* store NAME CERT KEY | make NAME HOST | authorities NAME PEM |
 * export NAME CERT_FILE KEY_FILE PASSPHRASE */
void verb_keys(struct verb_call *c)
{
    struct str what = c->args.n ? c->args.items[0] : STR_NONE;
    struct err e = ERR_NONE;

    if (str_eq(what, str_lit("store")) && c->args.n == 4)
        finish(c, store(c, c->args.items[1], c->args.items[2], c->args.items[3], &e), &e);
    else if (str_eq(what, str_lit("make")) && c->args.n == 3)
        finish(c, make(c, &e), &e);
    else if (str_eq(what, str_lit("authorities")) && c->args.n == 3)
        finish(c, authorities(c, &e), &e);
    else if (str_eq(what, str_lit("export")) && c->args.n == 5)
        finish(c, export(c, &e), &e);
    else
        verb_usage(c);
}

/* facts FILE | chain FILE: what is no secret. */
void verb_certificate(struct verb_call *c)
{
    struct buf cert = BUF(PEM_MAX);
    struct err e = ERR_NONE;
    enum rc rc;

    if (c->args.n != 2 || !str_ends(c->args.items[1], str_lit(".crt"))) {
        verb_usage(c);
        return;
    }
    rc = read_file(c, c->args.items[1], &cert, &e);
    if (rc == RC_OK && str_eq(c->args.items[0], str_lit("facts")))
        rc = certificate_facts(buf_str(&cert), &c->text, &e);
    else if (rc == RC_OK)
        buf_add(&c->text, buf_str(&cert));
    buf_done(&cert);
    if (rc == RC_OK)
        verb_end(c, RC_OK);
    else
        verb_fail(c, &e);
}
