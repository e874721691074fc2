/* Files that a command names: on the local console a path of whoever typed it, else a name in /configuration. */
#ifndef CONSOLE_FILES_H
#define CONSOLE_FILES_H

#include "console/session.h"

enum { FILES_MAX = 64 << 20 };

/* "config.xml", "/configuration/config.xml"; on the local console also any other path. RC_NOT_FOUND, RC_INVALID by e. */
enum rc files_read(struct session *s, struct str name, struct buf *out, struct err *e);
enum rc files_write(struct session *s, struct str name, struct str content, struct err *e);
/* The path in the file system, in the arena. */
enum rc files_path(struct session *s, struct str name, const char **out, struct err *e);

#endif
