/*
 * Paths of the virtual root. See vpath.h.
 *
 * Called by sftp.c, scp.c, ftp.c and vroot.c with what peers send. Owns nothing; a path that cannot exist is refused here.
 */
#include "shell/vpath.h"

#include <stdio.h>

enum { WRITTEN_NAME_MAX = 200 };

/* The clean path while it is put together; empty = the top. */
struct clean {
    char text[VPATH_MAX + 1];
    size_t n;
};

static bool clean_push(struct clean *c, struct str part)
{
    if (part.n == 0 || str_eq(part, str_lit(".")))
        return true;
    if (str_eq(part, str_lit(".."))) {
        c->n = str_find_last(str_of(c->text, c->n), '/');
        return true;
    }
    if (part.n > VNAME_MAX || c->n + 1 + part.n > VPATH_MAX)
        return false;
    c->text[c->n++] = '/';
    memcpy(c->text + c->n, part.p, part.n);
    c->n += part.n;
    return true;
}

static bool clean_add(struct clean *c, struct str path)
{
    struct str part;

    while (str_split(&path, '/', &part))
        if (!clean_push(c, part))
            return false;
    return true;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

static enum vplace place_of(struct str folder)
{
    static const struct {
        const char *name;
        enum vplace place;
    } places[] = {{"", VPLACE_TOP},
                  {"configuration", VPLACE_CONFIGURATION},
                  {"captures", VPLACE_CAPTURES},
                  {"antivirus", VPLACE_ANTIVIRUS}};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (str_eq(folder, str_c(places[i].name)))
            return places[i].place;
    return VPLACE_LOG;
}

enum rc vpath_make(struct str from, struct str text, struct vpath *out, struct err *e)
{
    struct clean c = {.n = 0};
    struct str rest, folder = STR_NONE, file = STR_NONE, more;

    if (has_control(text))
        return err_set(e, RC_INVALID, "A path holds no control characters");
    if (text.n > VPATH_MAX)
        return err_set(e, RC_INVALID, "File name too long");
    if (!str_starts(text, str_lit("/")) && !clean_add(&c, from))
        return err_set(e, RC_INVALID, "File name too long");
    if (!clean_add(&c, text))
        return err_set(e, RC_INVALID, "File name too long");
    rest = str_of(c.text, c.n);
    if (c.n) {
        rest = str_from(rest, 1);
        str_split(&rest, '/', &folder);
        str_split(&rest, '/', &file);
        if (str_split(&rest, '/', &more))
            return err_set(e, RC_NOT_FOUND, "No such file or directory");
    }
    if (str_starts(folder, str_lit(".")) || str_starts(file, str_lit(".")))
        return err_set(e, RC_NOT_FOUND, "No such file or directory");
    out->place = place_of(folder);
    snprintf(out->text, sizeof out->text, "%.*s", STR(c.n ? str_of(c.text, c.n) : str_lit("/")));
    snprintf(out->folder, sizeof out->folder, "%.*s", STR(folder));
    snprintf(out->file, sizeof out->file, "%.*s", STR(file));
    return RC_OK;
}

bool vpath_may_write(struct str name)
{
    if (name.n == 0 || name.n > WRITTEN_NAME_MAX || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && !memchr("._@-", name.p[i], 4))
            return false;
    return true;
}

bool vpath_has_pattern(const struct vpath *p)
{
    return strpbrk(p->file[0] ? p->file : p->folder, "*?[") != NULL;
}
