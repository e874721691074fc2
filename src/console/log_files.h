/*
 * The files of a log subscription, read as one stream in time order (logs.md 13): saved files by the time in their name,
 * then the open one.
 */
#ifndef CONSOLE_LOG_FILES_H
#define CONSOLE_LOG_FILES_H

#include "base/buf.h"
#include "base/err.h"

struct log_file {
    char *path;
    char when[16]; /* YYYYMMDDThhmmss of its name; "" for the open file */
    uint64_t bytes;
};

struct log_files {
    struct log_file *items;
    size_t n;
};

/* Where lines go, and how the reader hears that nobody wants them any more. */
struct log_out {
    /* A line without its line end, a view for the call. False: stop. */
    bool (*line)(void *ctx, struct str line);
    /* Waits up to wait_ms (0: only looks) for a wish to stop: a key, a closed descriptor. True: stop. May be NULL. */
    bool (*stop)(void *ctx, unsigned wait_ms);
    void *ctx;
};

/* Files of HOME/log/NAME. RC_NOT_FOUND: no such log. A log without a file yet has n = 0. */
enum rc log_files_list(const char *home, struct str name, struct log_files *out, struct err *e);
void log_files_done(struct log_files *f);
/* Path of the open file, or NULL. */
const char *log_files_current(const struct log_files *f);

/* Blocks of whole lines over all files. */
struct log_reader {
    const struct log_files *files;
    size_t at; /* file that is read */
    int fd;    /* -1: not open */
    struct buf buf;
    size_t given; /* octets of buf that the caller has seen */
};

void log_reader_init(struct log_reader *r, const struct log_files *files);
/* The next block, a view until the next call: whole lines with their line ends; only the last line of a file may have none.
 * A line longer than the reader's buffer (8 MiB) is cut. False at the end. Files that went away meanwhile are skipped. */
bool log_reader_next(struct log_reader *r, struct str *block_out);
void log_reader_done(struct log_reader *r);
/* Cuts the next line, without its line end, off a block. False at its end. */
bool log_line_take(struct str *block, struct str *line_out);

#endif
