/*
 * `scp -t`: files from the client. See scp.h.
 *
 * Called by scp.c. Owns the upload under way. Each line is answered with 0 or with one fault line; a file that is refused is
 * then left out by the client. Folders are refused. Modes and times are taken and forgotten.
 */
#include "shell/scp_inside.h"

static void go_on(struct scp *s)
{
    buf_addc(&s->peer->send, '\0');
    peer_flush(s->peer);
}

/* `C0644 1234 name`: mode, size, name. */
static bool parse_file(struct str line, uint64_t *size_out, struct str *name_out)
{
    struct str mode, size;

    if (!str_split(&line, ' ', &mode) || !str_split(&line, ' ', &size) || !line.p)
        return false;
    if (mode.n < 2 || mode.n > 8 || !str_u64(size, size_out))
        return false;
    for (size_t i = 1; i < mode.n; i++)
        if (mode.p[i] < '0' || mode.p[i] > '7')
            return false;
    *name_out = line;
    return line.n && str_find(line, '/') == line.n && !str_eq(line, str_lit(".")) && !str_eq(line, str_lit(".."));
}

/* The octets of one file; after a failure the rest is taken and dropped, so the two sides stay in step. */
static enum rc take_content(struct scp *s, struct vwrite *w, uint64_t size, struct err *e)
{
    uint64_t offset = 0;
    enum rc rc = RC_OK;

    while (offset < size) {
        struct str got = str_first(peer_view(s->peer), size - offset < SIZE_MAX ? (size_t)(size - offset) : SIZE_MAX);

        if (got.n == 0) {
            if (!peer_fill(s->peer))
                return err_set(e, RC_CLOSED, "Connection lost");
            continue;
        }
        if (rc == RC_OK)
            rc = vwrite_at(w, offset, got, e);
        offset += got.n;
        peer_drop(s->peer, got.n);
    }
    return rc;
}

static void take_file(struct scp *s, const struct vpath *p, uint64_t size)
{
    struct err e = ERR_NONE;
    struct vwrite w;
    enum rc rc = size > VROOT_FILE_MAX
                     ? err_set(&e, RC_TOO_LARGE, "File too large: the limit is %d MB", VROOT_FILE_MAX >> 20)
                     : vwrite_begin(s->v, p, VWRITE_REPLACE, &w, &e);

    if (rc != RC_OK) {
        scp_fault(s, "%s: %s", p->text, err_text(&e));
        return;
    }
    go_on(s);
    rc = take_content(s, &w, size, &e);
    if (s->peer->gone || !scp_answer(s)) { /* the client's word that what it sent is whole */
        vwrite_abort(&w);
        if (!s->peer->gone)
            go_on(s);
        return;
    }
    if (rc == RC_OK)
        rc = vwrite_commit(&w, &e);
    else
        vwrite_abort(&w);
    if (rc == RC_OK)
        go_on(s);
    else
        scp_fault(s, "%s: %s", p->text, err_text(&e));
}

/* Where a file of that name goes: into the folder, or to the path itself. */
static void file_line(struct scp *s, const struct vpath *target, bool folder, struct str line)
{
    struct err e = ERR_NONE;
    struct vpath p = *target;
    struct str name;
    uint64_t size;

    if (!parse_file(line, &size, &name))
        scp_fault(s, "protocol error: not a file line");
    else if (folder && vpath_make(str_c(target->text), name, &p, &e) != RC_OK)
        scp_fault(s, "%s", err_text(&e));
    else
        take_file(s, &p, size);
}

/* False: the session is over. */
static bool one_line(struct scp *s, const struct vpath *target, bool folder)
{
    struct str line;
    bool too_long;

    if (!peer_line(s->peer, SCP_LINE_MAX, &line, &too_long))
        return false;
    if (too_long || line.n == 0) {
        scp_fault(s, "protocol error: the line is %s", too_long ? "too long" : "empty");
        return false;
    }
    switch (line.p[0]) {
    case 'C':
        file_line(s, target, folder, line);
        return true;
    case 'T':
        go_on(s);
        return true;
    case 'D':
    case 'E':
        scp_fault(s, "only plain files can be copied here");
        return false;
    case '\1':
        s->errors++;
        return true;
    default:
        if (line.p[0] != '\2')
            scp_fault(s, "protocol error: unexpected line");
        s->errors++;
        return false;
    }
}

void scp_receive(struct scp *s)
{
    struct err e = ERR_NONE;
    struct vpath target;
    struct vstat st;
    bool folder;

    if (vpath_make(str_lit("/"), s->request->paths[0], &target, &e) != RC_OK) {
        scp_fault(s, "%s", err_text(&e));
        return;
    }
    folder = vroot_stat(s->v, &target, &st, NULL) == RC_OK && st.folder;
    if (s->request->folder && !folder) {
        scp_fault(s, "%s: Not a directory", target.text);
        return;
    }
    go_on(s);
    while (!s->peer->gone && one_line(s, &target, folder))
        ;
}
