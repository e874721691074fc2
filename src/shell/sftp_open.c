/*
 * SFTP requests on handles: open, close, read, write, attributes, listings. See sftp.h.
 *
 * Called by sftp.c with whole packets. Owns the open handles (descriptors, uploads, listings); closing one frees it. Too
 * many handles or a failing disk answer with a status, the session goes on.
 */
#include "shell/sftp_inside.h"

#include <errno.h>
#include <unistd.h>

enum { FLAG_READ = 1, FLAG_WRITE = 2, FLAG_APPEND = 4, FLAG_CREATE = 8, FLAG_TRUNCATE = 16, FLAG_EXCLUSIVE = 32 };
enum { NAMES_AT_ONCE = 100 };

/* A handle's name: its place and its serial number. */
static bool take_handle(struct sftp *s, struct str *in, struct handle **out)
{
    struct str name;
    uint32_t place, serial;

    *out = NULL;
    if (!sftp_take_str(in, &name))
        return false;
    if (name.n == 8 && sftp_take_u32(&name, &place) && sftp_take_u32(&name, &serial) && place < SFTP_HANDLES &&
        s->handles[place].kind != HANDLE_NONE && s->handles[place].serial == serial)
        *out = &s->handles[place];
    return true;
}

static bool no_handle(struct sftp *s, uint32_t id)
{
    sftp_status(s, id, SFTP_FAILURE, str_lit("No such handle"));
    return true;
}

static struct handle *free_handle(struct sftp *s, struct err *e)
{
    for (size_t i = 0; i < SFTP_HANDLES; i++)
        if (s->handles[i].kind == HANDLE_NONE)
            return &s->handles[i];
    err_set(e, RC_LIMIT, "Too many open files");
    return NULL;
}

static void answer_handle(struct sftp *s, uint32_t id, struct handle *h, enum handle_kind kind)
{
    size_t place = sftp_begin(s, SFTP_HANDLE, id);

    h->kind = kind;
    h->serial = ++s->serial;
    sftp_put_u32(s->out, 8);
    sftp_put_u32(s->out, (uint32_t)(h - s->handles));
    sftp_put_u32(s->out, h->serial);
    sftp_end(s, place);
}

void sftp_handle_free(struct sftp *s, struct handle *h)
{
    if (h->kind == HANDLE_READ)
        close(h->fd);
    if (h->kind == HANDLE_WRITE) {
        vwrite_abort(&h->write);
        s->writes--;
    }
    if (h->kind == HANDLE_FOLDER)
        arena_done(&h->arena);
    *h = (struct handle){.kind = HANDLE_NONE};
}

static enum rc open_write(struct sftp *s, const struct vpath *p, uint32_t flags, struct handle *h, struct err *e)
{
    enum vwrite_mode mode = (flags & FLAG_CREATE) && (flags & FLAG_EXCLUSIVE) ? VWRITE_NEW
                            : flags & FLAG_TRUNCATE                           ? VWRITE_REPLACE
                                                                              : VWRITE_KEEP;
    struct vstat st;

    if (s->writes == SFTP_WRITES)
        return err_set(e, RC_LIMIT, "Too many files open for writing");
    if (!(flags & FLAG_CREATE))
        TRY(vroot_stat(s->v, p, &st, e));
    TRY(vwrite_begin(s->v, p, mode, &h->write, e));
    h->append = flags & FLAG_APPEND;
    s->writes++;
    return RC_OK;
}

bool sftp_open(struct sftp *s, uint32_t id, struct str in)
{
    struct err e = ERR_NONE;
    struct handle *h = free_handle(s, &e);
    uint32_t flags;
    struct vpath p;
    bool ok;
    enum rc rc;

    if (!sftp_take_path(s, id, &in, &p, &ok) || (ok && !sftp_take_u32(&in, &flags)))
        return false;
    if (!ok)
        return true;
    rc = !h ? e.rc : flags & FLAG_WRITE ? open_write(s, &p, flags, h, &e) : vroot_read(s->v, &p, &h->fd, &h->st, &e);
    if (rc != RC_OK)
        sftp_result(s, id, rc, &e);
    else
        answer_handle(s, id, h, flags & FLAG_WRITE ? HANDLE_WRITE : HANDLE_READ);
    return true;
}

bool sftp_close(struct sftp *s, uint32_t id, struct str in)
{
    struct err e = ERR_NONE;
    struct handle *h;
    enum rc rc = RC_OK;

    if (!take_handle(s, &in, &h))
        return false;
    if (!h)
        return no_handle(s, id);
    if (h->kind == HANDLE_WRITE)
        rc = vwrite_commit(&h->write, &e);
    sftp_handle_free(s, h);
    sftp_result(s, id, rc, &e);
    return true;
}

/* The file's octets go straight into the answer. */
bool sftp_read(struct sftp *s, uint32_t id, struct str in)
{
    struct handle *h;
    uint64_t offset;
    uint32_t n;
    size_t place;
    char *room;
    ssize_t got;

    if (!take_handle(s, &in, &h) || !sftp_take_u64(&in, &offset) || !sftp_take_u32(&in, &n))
        return false;
    if (!h || h->kind != HANDLE_READ)
        return no_handle(s, id);
    n = n > SFTP_DATA_MAX ? SFTP_DATA_MAX : n;
    place = sftp_begin(s, SFTP_DATA, id);
    sftp_put_u32(s->out, 0);
    if (!(room = buf_reserve(s->out, n)))
        return false;
    do
        got = offset > INT64_MAX ? 0 : pread(h->fd, room, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got <= 0) {
        s->out->n = place;
        sftp_status(s, id, got == 0 ? SFTP_EOF : SFTP_FAILURE, got == 0 ? str_lit("End of file") : str_lit("Read failed"));
        return true;
    }
    s->out->n = place + 9;
    sftp_put_u32(s->out, (uint32_t)got);
    s->out->n += (size_t)got;
    sftp_end(s, place);
    return true;
}

bool sftp_write(struct sftp *s, uint32_t id, struct str in)
{
    struct err e = ERR_NONE;
    struct handle *h;
    uint64_t offset;
    struct str data;
    enum rc rc;

    if (!take_handle(s, &in, &h) || !sftp_take_u64(&in, &offset) || !sftp_take_str(&in, &data))
        return false;
    if (!h || h->kind != HANDLE_WRITE)
        return no_handle(s, id);
    rc = vwrite_at(&h->write, h->append ? h->write.size : offset, data, &e);
    sftp_result(s, id, rc, &e);
    return true;
}

bool sftp_fstat(struct sftp *s, uint32_t id, struct str in)
{
    struct handle *h;
    size_t place;

    if (!take_handle(s, &in, &h))
        return false;
    if (!h)
        return no_handle(s, id);
    if (h->kind == HANDLE_WRITE)
        h->st = (struct vstat){.writable = true, .size = h->write.size};
    place = sftp_begin(s, SFTP_ATTRS, id);
    sftp_put_attrs(s->out, &h->st);
    sftp_end(s, place);
    return true;
}

/* Only the size of a file that is being written can be set; modes, owners and times are taken and forgotten. */
bool sftp_fsetstat(struct sftp *s, uint32_t id, struct str in)
{
    struct err e = ERR_NONE;
    struct handle *h;
    uint64_t size;
    bool given;
    enum rc rc = RC_OK;

    if (!take_handle(s, &in, &h) || !sftp_take_size(&in, &given, &size))
        return false;
    if (!h)
        return no_handle(s, id);
    if (given)
        rc = h->kind == HANDLE_WRITE ? vwrite_cut(&h->write, size, &e) : err_set(&e, RC_NOT_PERMITTED, "Permission denied");
    sftp_result(s, id, rc, &e);
    return true;
}

bool sftp_opendir(struct sftp *s, uint32_t id, struct str in)
{
    struct err e = ERR_NONE;
    struct handle *h = free_handle(s, &e);
    struct arena a;
    struct vpath p;
    bool ok;
    enum rc rc = h ? RC_OK : e.rc;

    if (!sftp_take_path(s, id, &in, &p, &ok))
        return false;
    if (!ok)
        return true;
    arena_init(&a, 4096, VROOT_LIST_BYTES);
    if (rc == RC_OK)
        rc = vroot_stat(s->v, &p, &h->st, &e);
    if (rc == RC_OK)
        rc = vroot_list(s->v, &p, &a, &h->list, &e);
    if (rc != RC_OK) {
        arena_done(&a);
        sftp_result(s, id, rc, &e);
        return true;
    }
    h->arena = a;
    answer_handle(s, id, h, HANDLE_FOLDER);
    return true;
}

bool sftp_readdir(struct sftp *s, uint32_t id, struct str in)
{
    struct buf line = BUF(2048);
    struct handle *h;
    size_t place, n;

    if (!take_handle(s, &in, &h))
        return false;
    if (!h || h->kind != HANDLE_FOLDER)
        return no_handle(s, id);
    n = h->list.n - h->next;
    n = n > NAMES_AT_ONCE ? NAMES_AT_ONCE : n;
    if (n == 0) {
        sftp_status(s, id, SFTP_EOF, str_lit("End of file"));
        return true;
    }
    place = sftp_begin(s, SFTP_NAME, id);
    sftp_put_u32(s->out, (uint32_t)n);
    for (size_t end = h->next + n; h->next < end; h->next++) {
        const struct ventry *entry = &h->list.items[h->next];

        buf_clear(&line);
        vroot_long_line(entry->name, &entry->st, &line);
        sftp_put_str(s->out, entry->name);
        sftp_put_str(s->out, buf_str(&line));
        sftp_put_attrs(s->out, &entry->st);
    }
    buf_done(&line);
    sftp_end(s, place);
    return true;
}
