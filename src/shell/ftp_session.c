/*
 * FTP: login, parameters, where one is. See ftp_commands.def.
 *
 * Called through the table of ftp.c. Owns nothing. Unknown users and wrong passphrases get one answer; the third failure
 * ends the connection.
 */
#include "shell/ftp_inside.h"

#include <stdio.h>

void ftp_do_user(struct ftp *f, struct str arg)
{
    if (f->logged_in) {
        ftp_reply(f, 530, "Already logged in.");
        return;
    }
    f->user[0] = '\0';
    if (arg.n < sizeof f->user && !memchr(arg.p, 0, arg.n))
        snprintf(f->user, sizeof f->user, "%.*s", STR(arg));
    ftp_reply(f, 331, "Passphrase required.");
}

static void let_in(struct ftp *f, const struct ftp_user *user)
{
    if (!vroot_allowed(user->role) || user->must_change) {
        ftp_reply(f, 530, "%s",
                  user->must_change ? "The passphrase must be changed first: log in by SSH."
                                    : "This user has no file access.");
        ftp_note(f, "refused: %s", user->must_change ? "the passphrase must be changed" : "no file access");
        f->ending = true; /* the control connection is bound to that user now */
        return;
    }
    f->logged_in = true;
    f->control.idle_ms = f->o->idle_ms;
    f->control.until_ms = 0;
    ftp_reply(f, 230, "Logged in.");
    ftp_note(f, "logged in");
}

static void keep_out(struct ftp *f)
{
    ftp_note(f, "login as %s failed", f->user);
    f->user[0] = '\0';
    f->ending = ++f->failed == FTP_LOGINS;
    ftp_reply(f, f->ending ? 421 : 530, f->ending ? "Too many failed logins." : "Login incorrect.");
}

void ftp_do_pass(struct ftp *f, struct str arg)
{
    struct err e = ERR_NONE;
    struct ftp_user user = {0};
    enum rc rc;

    if (f->logged_in || !f->user[0]) {
        ftp_reply(f, 503, f->logged_in ? "Already logged in." : "Log in with USER first.");
        return;
    }
    rc = memchr(arg.n ? arg.p : "", 0, arg.n) ? RC_AUTH_FAILED
                                              : f->o->gate.login(f->o->gate.ctx, str_c(f->user), arg, &user, &e);
    explicit_bzero((char *)(uintptr_t)arg.p, arg.n); /* our own read buffer */
    if (rc == RC_OK)
        let_in(f, &user);
    else if (rc == RC_AUTH_FAILED)
        keep_out(f);
    else {
        ftp_reply(f, 421, "Logins are not possible now.");
        f->ending = true;
    }
}

void ftp_do_quit(struct ftp *f, struct str arg)
{
    (void)arg;
    ftp_reply(f, 221, "Goodbye.");
    f->ending = true;
}

void ftp_do_noop(struct ftp *f, struct str arg)
{
    (void)arg;
    ftp_reply(f, 200, "OK.");
}

void ftp_do_syst(struct ftp *f, struct str arg)
{
    (void)arg;
    ftp_reply(f, 215, "UNIX Type: L8");
}

void ftp_do_feat(struct ftp *f, struct str arg)
{
    (void)arg;
    buf_add(&f->control.send, str_lit("211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n MLST type*;size*;modify*;perm*;\r\n"
                                      " REST STREAM\r\n SIZE\r\n TVFS\r\n UTF8\r\n211 End\r\n"));
}

void ftp_do_opts(struct ftp *f, struct str arg)
{
    if (str_eqi(arg, str_lit("UTF8 ON")) || str_eqi(arg, str_lit("UTF8")))
        ftp_reply(f, 200, "UTF8 is always on.");
    else
        ftp_reply(f, 501, "Unknown option.");
}

void ftp_do_help(struct ftp *f, struct str arg)
{
    static const char *const names[] = {
#define COMMAND(name, function, before_login, argument) name,
#include "shell/ftp_commands.def"
#undef COMMAND
    };
    struct buf *out = &f->control.send;

    (void)arg;
    buf_add(out, str_lit("214-Commands:\r\n"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        buf_addf(out, " %s%s", names[i], i % 8 == 7 ? "\r\n" : "");
    buf_add(out, str_lit("\r\n214 End\r\n"));
}

void ftp_do_type(struct ftp *f, struct str arg)
{
    bool image = str_eqi(arg, str_lit("I")) || str_eqi(arg, str_lit("L 8"));

    if (!image && !str_eqi(arg, str_lit("A")) && !str_eqi(arg, str_lit("A N"))) {
        ftp_reply(f, 504, "Types are A and I.");
        return;
    }
    f->ascii = !image;
    ftp_reply(f, 200, "Type is %s.", image ? "I" : "A");
}

void ftp_do_mode(struct ftp *f, struct str arg)
{
    bool ok = str_eqi(arg, str_lit("S"));

    ftp_reply(f, ok ? 200 : 504, ok ? "Mode is S." : "The mode is S.");
}

void ftp_do_stru(struct ftp *f, struct str arg)
{
    bool ok = str_eqi(arg, str_lit("F"));

    ftp_reply(f, ok ? 200 : 504, ok ? "Structure is F." : "The structure is F.");
}

void ftp_do_allo(struct ftp *f, struct str arg)
{
    (void)arg;
    ftp_reply(f, 202, "Not needed.");
}

void ftp_do_pwd(struct ftp *f, struct str arg)
{
    struct buf *out = &f->control.send;

    (void)arg;
    buf_add(out, str_lit("257 \""));
    for (const char *c = f->cwd.text; *c; c++) {
        if (*c == '"') /* doubled, RFC 959 appendix II */
            buf_addc(out, '"');
        buf_addc(out, *c);
    }
    buf_add(out, str_lit("\" is the current directory.\r\n"));
}

void ftp_do_cwd(struct ftp *f, struct str arg)
{
    struct err e = ERR_NONE;
    struct vpath p;
    struct vstat st;

    if (!ftp_path(f, arg, &p))
        return;
    if (vroot_stat(&f->root, &p, &st, &e) == RC_OK && !st.folder)
        err_set(&e, RC_INVALID, "Not a directory");
    if (e.rc != RC_OK) {
        ftp_reply_error(f, &p, &e);
        return;
    }
    f->cwd = p;
    ftp_reply(f, 250, "Directory is %s.", p.text);
}

void ftp_do_cdup(struct ftp *f, struct str arg)
{
    (void)arg;
    ftp_do_cwd(f, str_lit(".."));
}

void ftp_do_rest(struct ftp *f, struct str arg)
{
    uint64_t n;

    if (!str_u64(arg, &n) || n > INT64_MAX) {
        ftp_reply(f, 501, "REST needs a number.");
        return;
    }
    f->rest = n;
    ftp_reply(f, 350, "The next transfer starts at %llu.", (unsigned long long)n);
}

/* Outside a transfer; ftp_data.c hears it inside one. */
void ftp_do_abor(struct ftp *f, struct str arg)
{
    (void)arg;
    ftp_data_forget(f);
    ftp_reply(f, 226, "Nothing to abort.");
}
