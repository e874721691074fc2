/* What vroot.c and vwrite.c share. */
#ifndef SHELL_VROOT_INSIDE_H
#define SHELL_VROOT_INSIDE_H

#include "shell/vroot.h"

#include <sys/stat.h>

#define VROOT_TEMPORARY ".upload."

void vroot_tell(const struct vroot *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* errno in the words of a file protocol, without the machine's paths. */
enum rc vroot_errno(struct err *e, int number);
/* Folder `name` below an open one; -1 when it is none. */
int vroot_open_folder(int below, const char *name);
/* The folder of p as a descriptor that the caller closes; -1: it has no files (/, /antivirus). RC_NOT_FOUND: no such log. */
enum rc vroot_folder(const struct vroot *v, const struct vpath *p, int *fd_out, struct err *e);
struct vstat vroot_stat_of(const struct stat *st, enum vplace place);
/* Removes the temporary files of writers that are gone. */
void vwrite_sweep(const struct vroot *v);
/* Plain file `name` of an open folder; closes nothing on failure. */
enum rc vroot_open_file(int folder, const char *name, int *fd_out, struct stat *st_out, struct err *e);

#endif
