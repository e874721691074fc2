/*
 * Listings and patterns of the virtual root. See vroot.h.
 *
 * Called by the file servers. The caller's arena owns what is listed; a folder with more entries than the limits allow is
 * shown in part. Names that begin with a dot, hold control characters or are no plain file (a folder at the top) stay out.
 */
#include "shell/vroot_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <unistd.h>

struct listing {
    struct arena *a;
    struct vlist list;
    size_t room;
};

static bool add(struct listing *l, struct str name, const struct vstat *st)
{
    struct ventry *more;

    if (l->list.n == VROOT_LISTED_MAX)
        return false;
    if (l->list.n == l->room) {
        size_t room = l->room ? l->room * 2 : 64;

        if (!(more = arena_array(l->a, struct ventry, room)))
            return false;
        if (l->list.n)
            memcpy(more, l->list.items, l->list.n * sizeof *more);
        l->list.items = more;
        l->room = room;
    }
    name = arena_str(l->a, name);
    if (!name.p)
        return false;
    l->list.items[l->list.n++] = (struct ventry){name, *st};
    return true;
}

static bool shown(const char *name)
{
    struct vpath p;

    return name[0] != '.' && !strchr(name, '/') && vpath_make(str_lit("/"), str_c(name), &p, NULL) == RC_OK;
}

/* The entries of an open folder that are of the kind: S_IFREG or S_IFDIR. */
static enum rc list_folder(struct listing *l, int fd, mode_t kind, enum vplace place, struct err *e)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    const struct dirent *d;
    struct stat st;

    if (!dir) {
        if (own >= 0)
            close(own);
        return vroot_errno(e, errno);
    }
    while ((d = readdir(dir))) {
        struct vstat vst;

        if (!shown(d->d_name) || fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || (st.st_mode & S_IFMT) != kind)
            continue;
        vst = vroot_stat_of(&st, place);
        if (!add(l, str_c(d->d_name), &vst))
            break;
    }
    closedir(dir);
    return RC_OK;
}

static void list_top(const struct vroot *v, struct listing *l)
{
    static const char *const fixed[] = {"configuration", "captures", "antivirus"};
    struct listing logs = {.a = l->a};
    struct vpath p;
    struct vstat st;

    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (vpath_make(str_lit("/"), str_c(fixed[i]), &p, NULL) == RC_OK && vroot_stat(v, &p, &st, NULL) == RC_OK)
            add(l, str_c(fixed[i]), &st);
    if (v->log < 0 || list_folder(&logs, v->log, S_IFDIR, VPLACE_LOG, NULL) != RC_OK)
        return;
    for (size_t i = 0; i < logs.list.n; i++) /* a log of a fixed folder's name is behind that folder */
        if (vpath_make(str_lit("/"), logs.list.items[i].name, &p, NULL) == RC_OK && p.place == VPLACE_LOG)
            add(l, logs.list.items[i].name, &logs.list.items[i].st);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct ventry *)a)->name, ((const struct ventry *)b)->name);
}

enum rc vroot_list(const struct vroot *v, const struct vpath *p, struct arena *a, struct vlist *out, struct err *e)
{
    struct listing l = {.a = a};
    int folder = -1;
    enum rc rc = RC_OK;

    if (p->file[0])
        return err_set(e, RC_INVALID, "Not a directory");
    TRY(vroot_folder(v, p, &folder, e));
    if (p->place == VPLACE_TOP)
        list_top(v, &l);
    if (folder >= 0) {
        rc = list_folder(&l, folder, S_IFREG, p->place, e);
        close(folder);
    }
    if (rc != RC_OK)
        return rc;
    if (l.list.n)
        qsort(l.list.items, l.list.n, sizeof *l.list.items, by_name);
    *out = l.list;
    return RC_OK;
}

enum rc vroot_match(const struct vroot *v, const struct vpath *p, struct arena *a, struct vpath *folder_out,
                    struct vlist *out, struct err *e)
{
    const char *pattern = p->file[0] ? p->file : p->folder;
    struct vlist all;
    size_t n = 0;

    TRY(vpath_make(str_lit("/"), p->file[0] ? str_c(p->folder) : str_lit("/"), folder_out, e));
    TRY(vroot_list(v, folder_out, a, &all, e));
    for (size_t i = 0; i < all.n; i++)
        if (fnmatch(pattern, all.items[i].name.p, FNM_PERIOD | FNM_NOESCAPE) == 0)
            all.items[n++] = all.items[i];
    if (n == 0)
        return err_set(e, RC_NOT_FOUND, "No such file or directory");
    all.n = n;
    *out = all;
    return RC_OK;
}
