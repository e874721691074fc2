/*
 * SFTP requests on names: attributes, remove, rename, the clean form of a path, extensions. See sftp.h.
 *
 * Called by sftp.c with whole packets. Owns nothing; each answers with a status or what was asked.
 */
#include "shell/sftp_inside.h"

bool sftp_stat(struct sftp *s, uint32_t id, struct str in)
{
    struct err e = ERR_NONE;
    struct vpath p;
    struct vstat st;
    bool ok;
    size_t place;
    enum rc rc;

    if (!sftp_take_path(s, id, &in, &p, &ok))
        return false;
    if (!ok)
        return true;
    rc = vroot_stat(s->v, &p, &st, &e);
    if (rc != RC_OK) {
        sftp_result(s, id, rc, &e);
        return true;
    }
    place = sftp_begin(s, SFTP_ATTRS, id);
    sftp_put_attrs(s->out, &st);
    sftp_end(s, place);
    return true;
}

/* Modes, owners and times are taken and forgotten: clients set them after each upload. */
bool sftp_setstat(struct sftp *s, uint32_t id, struct str in)
{
    struct err e = ERR_NONE;
    struct vpath p;
    struct vstat st;
    uint64_t size;
    bool ok, given = false;
    enum rc rc;

    if (!sftp_take_path(s, id, &in, &p, &ok) || (ok && !sftp_take_size(&in, &given, &size)))
        return false;
    if (!ok)
        return true;
    rc = vroot_stat(s->v, &p, &st, &e);
    if (rc == RC_OK && given)
        rc = err_set(&e, RC_NOT_PERMITTED, "Permission denied");
    sftp_result(s, id, rc, &e);
    return true;
}

bool sftp_remove(struct sftp *s, uint32_t id, struct str in)
{
    struct err e = ERR_NONE;
    struct vpath p;
    bool ok;

    if (!sftp_take_path(s, id, &in, &p, &ok))
        return false;
    if (ok)
        sftp_result(s, id, vroot_remove(s->v, &p, &e), &e);
    return true;
}

/* MKDIR and RMDIR. */
bool sftp_refuse_folder(struct sftp *s, uint32_t id, struct str in)
{
    (void)in;
    sftp_status(s, id, SFTP_DENIED, str_lit("Folders cannot be made or removed here"));
    return true;
}

bool sftp_realpath(struct sftp *s, uint32_t id, struct str in)
{
    struct vpath p;
    struct vstat none = {.folder = true};
    bool ok;
    size_t place;

    if (!sftp_take_path(s, id, &in, &p, &ok))
        return false;
    if (!ok)
        return true;
    place = sftp_begin(s, SFTP_NAME, id);
    sftp_put_u32(s->out, 1);
    sftp_put_str(s->out, str_c(p.text));
    sftp_put_str(s->out, str_c(p.text));
    sftp_put_attrs(s->out, &none);
    sftp_end(s, place);
    return true;
}

static bool move(struct sftp *s, uint32_t id, struct str in, bool replace)
{
    struct err e = ERR_NONE;
    struct vpath from, to;
    bool ok;

    if (!sftp_take_path(s, id, &in, &from, &ok))
        return false;
    if (!ok)
        return true;
    if (!sftp_take_path(s, id, &in, &to, &ok))
        return false;
    if (ok)
        sftp_result(s, id, vroot_rename(s->v, &from, &to, replace, &e), &e);
    return true;
}

bool sftp_rename(struct sftp *s, uint32_t id, struct str in)
{
    return move(s, id, in, false);
}

static void limits(struct sftp *s, uint32_t id)
{
    size_t place = sftp_begin(s, SFTP_EXTENDED_REPLY, id);

    sftp_put_u64(s->out, SFTP_PACKET_MAX);
    sftp_put_u64(s->out, SFTP_DATA_MAX);
    sftp_put_u64(s->out, SFTP_DATA_MAX);
    sftp_put_u64(s->out, SFTP_HANDLES);
    sftp_end(s, place);
}

bool sftp_extended(struct sftp *s, uint32_t id, struct str in)
{
    struct str name;

    if (!sftp_take_str(&in, &name))
        return false;
    if (str_eq(name, str_lit("posix-rename@openssh.com")))
        return move(s, id, in, true);
    if (str_eq(name, str_lit("limits@openssh.com")))
        limits(s, id);
    else
        sftp_status(s, id, SFTP_UNSUPPORTED, str_lit("Operation unsupported"));
    return true;
}
