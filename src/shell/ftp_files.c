/*
 * FTP: commands on files that need no data connection. See ftp_commands.def.
 *
 * Called through the table of ftp.c. Owns nothing; each answers once.
 */
#include "shell/ftp_inside.h"
#include "shell/ftp_list.h"

/* A plain file and its attributes; false: answered already. */
static bool file_of(struct ftp *f, struct str arg, struct vpath *p_out, struct vstat *st_out)
{
    struct err e = ERR_NONE;

    if (!ftp_path(f, arg, p_out))
        return false;
    if (vroot_stat(&f->root, p_out, st_out, &e) == RC_OK && st_out->folder)
        err_set(&e, RC_INVALID, "Not a plain file");
    if (e.rc != RC_OK)
        ftp_reply_error(f, p_out, &e);
    return e.rc == RC_OK;
}

void ftp_do_size(struct ftp *f, struct str arg)
{
    struct vpath p;
    struct vstat st;

    if (f->ascii) /* RFC 3659 4: the size as transferred, which is not known */
        ftp_reply(f, 550, "SIZE needs TYPE I.");
    else if (file_of(f, arg, &p, &st))
        ftp_reply(f, 213, "%llu", (unsigned long long)st.size);
}

void ftp_do_mdtm(struct ftp *f, struct str arg)
{
    struct vpath p;
    struct vstat st;
    char when[FTP_TIME];

    if (!file_of(f, arg, &p, &st))
        return;
    ftp_time(st.mtime_s, when);
    ftp_reply(f, 213, "%s", when);
}

void ftp_do_mlst(struct ftp *f, struct str arg)
{
    struct err e = ERR_NONE;
    struct buf *out = &f->control.send;
    struct vpath p;
    struct vstat st;

    if (!ftp_path(f, arg, &p))
        return;
    if (vroot_stat(&f->root, &p, &st, &e) != RC_OK) {
        ftp_reply_error(f, &p, &e);
        return;
    }
    buf_add(out, str_lit("250-File:\r\n "));
    ftp_facts(str_c(p.text), &st, out);
    buf_add(out, str_lit("\r\n250 End\r\n"));
}

void ftp_do_dele(struct ftp *f, struct str arg)
{
    struct err e = ERR_NONE;
    struct vpath p;

    if (!ftp_path(f, arg, &p))
        return;
    if (vroot_remove(&f->root, &p, &e) != RC_OK)
        ftp_reply_error(f, &p, &e);
    else
        ftp_reply(f, 250, "Deleted.");
}

void ftp_do_rnfr(struct ftp *f, struct str arg)
{
    struct vstat st;

    f->renaming = file_of(f, arg, &f->rename_from, &st);
    if (f->renaming)
        ftp_reply(f, 350, "Now RNTO.");
}

void ftp_do_rnto(struct ftp *f, struct str arg)
{
    struct err e = ERR_NONE;
    struct vpath p;

    if (!f->renaming) {
        ftp_reply(f, 503, "RNFR comes first.");
        return;
    }
    if (!ftp_path(f, arg, &p))
        return;
    if (vroot_rename(&f->root, &f->rename_from, &p, true, &e) != RC_OK)
        ftp_reply_error(f, &p, &e);
    else
        ftp_reply(f, 250, "Renamed.");
}

/* MKD and RMD. */
void ftp_do_mkd(struct ftp *f, struct str arg)
{
    (void)arg;
    ftp_reply(f, 550, "Folders cannot be made or removed here.");
}
