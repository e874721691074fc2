/*
 * Lists the saved files of a log. See saved.h.
 *
 * Called by the follower of a log and by the carrier of its files. Owns the names until saved_list_done().
 */
#include "push/saved.h"

#include "base/must.h"
#include "event/log_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static int by_time(const void *a, const void *b)
{
    const struct saved_file *x = a, *y = b;
    struct str s = STR_NONE, t = STR_NONE;
    int d;

    log_saved_name(str_c(x->name), &s);
    log_saved_name(str_c(y->name), &t);
    d = str_cmp(s, t);
    return d ? d : strcmp(x->name, y->name);
}

void saved_list_read(const char *path, struct saved_list *out)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    struct stat st;

    *out = (struct saved_list){0};
    while (dir && (entry = readdir(dir))) {
        if (!log_saved_name(str_c(entry->d_name), NULL) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        must((out->items = realloc(out->items, (out->n + 1) * sizeof *out->items)));
        out->items[out->n] = (struct saved_file){strdup(entry->d_name), st.st_ino, (uint64_t)st.st_size};
        must(out->items[out->n++].name);
    }
    if (dir)
        closedir(dir);
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, by_time);
}

void saved_list_done(struct saved_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i].name);
    free(l->items);
    *l = (struct saved_list){0};
}
