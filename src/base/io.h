/*
 * Every write, sync, rename and unlink of the product goes through here, so that faults can be put in at the n-th pass of
 * a named point and the order of writes and syncs can be recorded (design: K1, K2).
 *
 * POSTERN_FAULT=role:point:n:action with action one of kill-before, kill-after, enospc, eio, short, delay=MS acts on the
 * n-th pass (1 = first) of `point` in that role; n = 0 acts on every pass. POSTERN_FAULT_LOG=FILE appends one line when a
 * fault was reached, so a test that walks n upward knows when to stop. With POSTERN_FAULT_ONCE
 * set a fault whose log file exists is not armed again: the restarted role runs clean.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include "base/buf.h"
#include "base/err.h"

#include <sys/types.h>
#include <sys/uio.h>

/* Which role this process is; called once by role_main before any I/O. */
void io_init(const char *role);

/* `point` names the place ("spool.append", "journal.write", ...), never NULL. All loop over short writes and EINTR. */
enum rc io_write(const char *point, int fd, struct str data, struct err *e);
enum rc io_pwritev(const char *point, int fd, const struct iovec *iov, int n, uint64_t offset, struct err *e);
/* Opens with O_CLOEXEC and mode 0600; for files that are made (O_CREAT): the directory entry is safe after io_sync_dir. */
enum rc io_create(const char *point, const char *path, int flags, int *fd_out, struct err *e);
enum rc io_sync(const char *point, int fd, struct err *e); /* fdatasync; never retried after failure */
enum rc io_rename(const char *point, const char *from, const char *to, struct err *e);
enum rc io_unlink(const char *point, const char *path, struct err *e);
enum rc io_sync_dir(const char *point, const char *path, struct err *e);
/* Exactly n octets at offset, else RC_IO / RC_CORRUPT (file too short). */
enum rc io_pread(int fd, void *out, size_t n, uint64_t offset, struct err *e);
/* Writes path.new, syncs it, renames it over path, syncs the directory. */
enum rc io_replace_file(const char *point, const char *path, struct str content, struct err *e);
/* Whole file into out (bounded by out->max). */
enum rc io_read_file(const char *path, struct buf *out, struct err *e);

/* Tests (K2): fn sees every operation once it is done, in order, on the thread that did it. A write comes with the octets
 * that reached the file, also when it then failed; a failed sync does not come at all. NULL ends it. */
enum io_kind { IO_CREATE, IO_WRITE, IO_SYNC, IO_RENAME, IO_UNLINK, IO_SYNC_DIR };
struct io_op {
    enum io_kind kind;
    const char *point, *path, *to; /* path: CREATE, RENAME (from), UNLINK, SYNC_DIR */
    int fd;                        /* CREATE, WRITE, SYNC; else -1 */
    uint64_t offset;               /* WRITE; UINT64_MAX = at the end (O_APPEND) or the file position */
    struct str data;
};
typedef void io_observer(void *ctx, const struct io_op *op);
void io_observe(io_observer *fn, void *ctx);

/* A pass that writes nothing (a bus message, an answer to a peer): only kill and delay act. */
void io_pass(const char *point);
/* The same pass once its effect is done: kill-after acts here. */
void io_passed(const char *point);

#endif
