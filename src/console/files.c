/*
 * Files that a command names. See files.h.
 *
 * Called by dialogues that load, save, import and export. Owns nothing. Names are letters, digits and ._@- without a leading
 * dot; a login never reaches beyond /configuration.
 */
#include "console/files.h"

#include "base/io.h"

#include <sys/stat.h>

static bool safe(struct str name)
{
    if (name.n == 0 || name.n > 200 || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!ascii_alpha(c) && !ascii_digit(c) && c != '.' && c != '_' && c != '@' && c != '-')
            return false;
    }
    return true;
}

enum rc files_path(struct session *s, struct str name, const char **out, struct err *e)
{
    while (str_starts(name, str_lit("//")))
        name = str_from(name, 1);
    if (str_starts(name, str_lit("/configuration/")))
        name = str_from(name, 15);
    if (safe(name) && !(s->local && str_find(name, '/') < name.n)) {
        *out = arena_printf(&s->arena, "%s/configuration/%.*s", s->home, STR(name)).p;
        return RC_OK;
    }
    if (!s->local)
        return err_set(e, RC_INVALID, "%.*s is no file name: letters, digits and . _ @ - are allowed",
                       STR(str_first(name, 100)));
    *out = arena_str(&s->arena, name).p;
    return RC_OK;
}

enum rc files_read(struct session *s, struct str name, struct buf *out, struct err *e)
{
    const char *path;
    enum rc rc;

    TRY(files_path(s, name, &path, e));
    rc = io_read_file(path, out, e);
    if (rc == RC_NOT_FOUND)
        return err_set(e, RC_NOT_FOUND, "File %.*s does not exist", STR(str_first(name, 150)));
    return rc;
}

enum rc files_write(struct session *s, struct str name, struct str content, struct err *e)
{
    const char *path;

    TRY(files_path(s, name, &path, e));
    return io_replace_file("session.file", path, content, e);
}
