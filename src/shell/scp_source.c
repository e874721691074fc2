/*
 * `scp -f`: files to the client. See scp.h.
 *
 * Called by scp.c. Owns the file that is being sent. A name that does not exist, matches nothing or is a folder (without -r)
 * is one line to the client, the others still come. A log that grows is sent up to the size that was announced.
 */
#include "shell/scp_inside.h"

#include <errno.h>
#include <unistd.h>

enum { AT_ONCE = 256 << 10 };

/* The announced octets; what could not be read is filled with zeros, so the client stays in step, and told then. */
static bool send_content(struct scp *s, int fd, uint64_t size)
{
    bool whole = true;

    while (size) {
        size_t n = size < AT_ONCE ? (size_t)size : AT_ONCE;
        char *room = buf_reserve(&s->peer->send, n);
        ssize_t got = whole && room ? read(fd, room, n) : 0;

        if (!room)
            return peer_flush(s->peer); /* no memory: the peer is gone */
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            whole = false;
            memset(room, 0, n);
            got = (ssize_t)n;
        }
        s->peer->send.n += (size_t)got;
        size -= (uint64_t)got;
        if (!peer_flush(s->peer))
            return false;
    }
    return whole;
}

/* Sends what waits and takes the answer. */
static bool ask(struct scp *s)
{
    return peer_flush(s->peer) && scp_answer(s);
}

static bool announce_times(struct scp *s, const struct vstat *st)
{
    if (!s->request->times)
        return true;
    buf_addf(&s->peer->send, "T%lld 0 %lld 0\n", (long long)st->mtime_s, (long long)st->mtime_s);
    return ask(s);
}

static void send_file(struct scp *s, const struct vpath *p)
{
    struct err e = ERR_NONE;
    struct vstat st;
    int fd;

    if (vroot_read(s->v, p, &fd, &st, &e) != RC_OK) {
        scp_fault(s, "%s: %s", p->text, err_text(&e));
        return;
    }
    if (announce_times(s, &st)) {
        buf_addf(&s->peer->send, "C0%o %llu %s\n", st.writable ? 0644 : 0444, (unsigned long long)st.size, p->file);
        if (ask(s)) {
            if (send_content(s, fd, st.size))
                buf_addc(&s->peer->send, '\0');
            else if (!s->peer->gone)
                scp_fault(s, "%s: Read failed", p->text);
            ask(s);
        }
    }
    close(fd);
}

/* With -r: the files of a folder; the top has no files. */
static void send_folder(struct scp *s, const struct vpath *folder, const struct vstat *st)
{
    struct err e = ERR_NONE;
    struct vlist list;
    struct arena a;
    struct vpath p;

    if (!s->request->recursive || folder->place == VPLACE_TOP) {
        scp_fault(s, "%s: not a plain file", folder->text);
        return;
    }
    arena_init(&a, 4096, VROOT_LIST_BYTES);
    if (vroot_list(s->v, folder, &a, &list, &e) != RC_OK)
        scp_fault(s, "%s: %s", folder->text, err_text(&e));
    else if (announce_times(s, st)) {
        buf_addf(&s->peer->send, "D0755 0 %s\n", folder->folder);
        if (ask(s)) {
            for (size_t i = 0; i < list.n && !s->peer->gone; i++)
                if (vpath_make(str_c(folder->text), list.items[i].name, &p, NULL) == RC_OK)
                    send_file(s, &p);
            buf_add(&s->peer->send, str_lit("E\n"));
            ask(s);
        }
    }
    arena_done(&a);
}

static void send_one(struct scp *s, const struct vpath *p)
{
    struct err e = ERR_NONE;
    struct vstat st;

    if (vroot_stat(s->v, p, &st, &e) != RC_OK)
        scp_fault(s, "%s: %s", p->text, err_text(&e));
    else if (st.folder)
        send_folder(s, p, &st);
    else
        send_file(s, p);
}

static void send_matching(struct scp *s, const struct vpath *pattern)
{
    struct err e = ERR_NONE;
    struct vpath folder, p;
    struct vlist list;
    struct arena a;

    arena_init(&a, 4096, VROOT_LIST_BYTES);
    if (vroot_match(s->v, pattern, &a, &folder, &list, &e) != RC_OK)
        scp_fault(s, "%s: %s", pattern->text, err_text(&e));
    else
        for (size_t i = 0; i < list.n && !s->peer->gone; i++)
            if (vpath_make(str_c(folder.text), list.items[i].name, &p, NULL) == RC_OK)
                send_one(s, &p);
    arena_done(&a);
}

void scp_send(struct scp *s)
{
    if (!scp_answer(s)) /* the client begins */
        return;
    for (size_t i = 0; i < s->request->n && !s->peer->gone; i++) {
        struct err e = ERR_NONE;
        struct vpath p;

        if (vpath_make(str_lit("/"), s->request->paths[i], &p, &e) != RC_OK)
            scp_fault(s, "%s", err_text(&e));
        else if (vpath_has_pattern(&p))
            send_matching(s, &p);
        else
            send_one(s, &p);
    }
    peer_flush(s->peer);
    if (s->peer->gone)
        s->errors++;
}
