/*
 * Paths of the virtual root that SFTP, SCP and FTP clients see (cli.md 1.1). Text only: nothing here looks at a disk.
 *
 *   /                     configuration, captures, antivirus and one folder for each log subscription
 *   /configuration/FILE   /captures/FILE   /NAME/FILE (logs)
 *
 * A path is cleaned as text: `//` and `.` vanish, `..` goes up and stays at the top. There are no links below the root, so
 * this is what the disk would say too. Two levels exist, so a path names the top, a folder or a file in a folder.
 */
#ifndef SHELL_VPATH_H
#define SHELL_VPATH_H

#include "base/err.h"

enum { VPATH_MAX = 1024, VNAME_MAX = 255 };

enum vplace { VPLACE_TOP, VPLACE_CONFIGURATION, VPLACE_CAPTURES, VPLACE_ANTIVIRUS, VPLACE_LOG };

struct vpath {
    enum vplace place;
    char text[VPATH_MAX + 1];   /* clean, begins with '/' */
    char folder[VNAME_MAX + 1]; /* empty at the top */
    char file[VNAME_MAX + 1];   /* empty: the folder itself */
};

/* `text` as seen from the clean folder path `from` ("/" at first). RC_INVALID: control characters, NUL or too long a path or
 * name; RC_NOT_FOUND: deeper than two levels, or a name that begins with a dot (those are our own). */
enum rc vpath_make(struct str from, struct str text, struct vpath *out, struct err *e);

/* May a file of /configuration bear this name: [A-Za-z0-9._@-]+, at most 200 octets, no dot in front. */
bool vpath_may_write(struct str name);

/* Does the last part hold `*`, `?` or `[`? */
bool vpath_has_pattern(const struct vpath *p);

#endif
