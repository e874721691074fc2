/*
 * The virtual root on disk: what a login may read, write and delete (cli.md 1.1, 7.4; logs.md 13).
 *
 * | folder | on disk | may |
 * |---|---|---|
 * | /configuration | HOME/configuration | read, write, delete, rename |
 * | /captures | HOME/captures | read, delete |
 * | /antivirus | nothing | list |
 * | /NAME | HOME/log/NAME | read |
 *
 * Everything is opened below the three folders without following links; only plain files are shown. Written files appear
 * under their name when they are whole. Texts of errors are for the peer: they name no path of the machine.
 */
#ifndef SHELL_VROOT_H
#define SHELL_VROOT_H

#include "base/arena.h"
#include "base/err.h"
#include "shell/vpath.h"

enum {
    VROOT_FILE_MAX = 64 << 20,  /* octets of a written file */
    VROOT_TOTAL_MAX = 1 << 30,  /* octets of all files in /configuration */
    VROOT_FILES_MAX = 2000,     /* files in /configuration */
    VROOT_LISTED_MAX = 20000,   /* entries of a listing; what is beyond is not shown */
    VROOT_LIST_BYTES = 16 << 20 /* arena for a listing */
};

struct vroot {
    const char *home; /* the caller's, lives as long as this */
    int home_fd, configuration, captures, log;
    /* Told of each file read, written, renamed and deleted ("read /mail_logs/mail.current"); NULL: nobody is. For the audit
     * logs. */
    void (*told)(void *ctx, struct str what);
    void *ctx;
};

/* Opens the folders (a missing one is empty) and removes what broken uploads left behind. */
enum rc vroot_open(struct vroot *v, const char *home, struct err *e);
void vroot_close(struct vroot *v);

/* `Read-Only Operator`, `Guest` and the roles without a command line have no file access (cli.md 5). `role` counts as in
 * the choices of user.NAME.role. */
bool vroot_allowed(unsigned role);

struct vstat {
    bool folder, writable;
    uint64_t size;
    int64_t mtime_s;
};

struct ventry {
    struct str name;
    struct vstat st;
};

struct vlist {
    struct ventry *items; /* by name */
    size_t n;
};

enum rc vroot_stat(const struct vroot *v, const struct vpath *p, struct vstat *out, struct err *e);
/* A folder's entries; the arena owns them. */
enum rc vroot_list(const struct vroot *v, const struct vpath *p, struct arena *a, struct vlist *out, struct err *e);
/* The entries of the folder above `p` whose names fit its last part (shell patterns). *folder_out is that folder. */
enum rc vroot_match(const struct vroot *v, const struct vpath *p, struct arena *a, struct vpath *folder_out,
                    struct vlist *out, struct err *e);
/* A file for reading; the caller closes. */
enum rc vroot_read(const struct vroot *v, const struct vpath *p, int *fd_out, struct vstat *out, struct err *e);

enum rc vroot_remove(const struct vroot *v, const struct vpath *p, struct err *e);
enum rc vroot_rename(const struct vroot *v, const struct vpath *from, const struct vpath *to, bool replace, struct err *e);

/* A file on its way into /configuration: written beside, renamed when whole. */
struct vwrite {
    const struct vroot *root;
    int fd; /* -1: none */
    uint64_t size, bytes;
    bool exclusive;
    char temporary[64];
    char name[VNAME_MAX + 1];
};
/* NEW: refused when the name exists; REPLACE: begins empty; KEEP: begins with the octets that are there. */
enum vwrite_mode { VWRITE_NEW, VWRITE_REPLACE, VWRITE_KEEP };
enum rc vwrite_begin(const struct vroot *v, const struct vpath *p, enum vwrite_mode mode, struct vwrite *out, struct err *e);
enum rc vwrite_at(struct vwrite *w, uint64_t offset, struct str data, struct err *e);
enum rc vwrite_cut(struct vwrite *w, uint64_t size, struct err *e);
/* Syncs and gives the file its name. Ends the vwrite whatever the result; a failure leaves the former file. */
enum rc vwrite_commit(struct vwrite *w, struct err *e);
void vwrite_abort(struct vwrite *w);

/* One line as of `ls -l`, without line end: for SFTP's long names and FTP's LIST. */
struct buf;
void vroot_long_line(struct str name, const struct vstat *st, struct buf *out);

#endif
