/* How FTP shows files: times and facts of RFC 3659. */
#ifndef SHELL_FTP_LIST_H
#define SHELL_FTP_LIST_H

#include "base/buf.h"
#include "shell/vroot.h"

enum { FTP_TIME = 32 };
/* YYYYMMDDHHMMSS, UTC. */
void ftp_time(int64_t s, char out[FTP_TIME]);
/* `type=file;size=1;modify=...;perm=r; name`, without line end. */
void ftp_facts(struct str name, const struct vstat *st, struct buf *out);

#endif
