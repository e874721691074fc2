/*
 * Members of archives, read by libarchive in a process that can do nothing but read octets and answer (doc/why/scanning.md).
 *
 * Three processes: the worker (this interface), a helper forked from it before it gives up its rights, which does nothing
 * but fork and end children, and the child, which holds libarchive and what a stranger sent. The child opens no file, makes
 * no socket and no process; its memory and time are bounded; a child that misbehaves is killed and the archive is
 * unscannable.
 *
 * Called by content.c. Members come by a callback as they are unpacked. Nothing a child says is believed: sizes are checked
 * against the limits again.
 */
#ifndef SCAN_UNPACK_H
#define SCAN_UNPACK_H

#include "base/buf.h"

enum unpack_how {
    UNPACK_HOW_ANY,    /* whatever format it is */
    UNPACK_HOW_RAW,    /* one file, packed: whatever comes out is the member */
    UNPACK_HOW_STREAM, /* zip by its local headers, as a reader sees that never looks at the directory at the end */
};

/* How it ended. */
enum unpack_end {
    UNPACK_END_DONE,
    UNPACK_END_ENCRYPTED, /* names are hidden too, or a member could not be read without a passphrase */
    UNPACK_END_DAMAGED,
    UNPACK_END_NONE, /* no archive after all */
    UNPACK_END_ENTRIES,
    UNPACK_END_BYTES,
    UNPACK_END_RATIO,
    UNPACK_END_TIME,
    UNPACK_END_CRASHED, /* the child ended, or said what makes no sense */
    UNPACK_END_HELPER,  /* there is no helper, no memory */
    UNPACK_ENDS
};

struct unpack_limits {
    uint64_t entries, bytes, ratio;
    uint64_t deadline_ms; /* clock_mono_ms() */
};

struct unpack_member {
    struct str name; /* as it lies in the archive: UTF-8 or octets of an unknown set */
    bool encrypted;  /* its content could not be read; size 0 */
    uint64_t size;
};

struct unpack_taker {
    /* Room for the size octets of a member, kept by the taker; NULL = no more is wanted (UNPACK_END_BYTES). */
    char *(*room)(void *ctx, const struct unpack_member *m);
    /* The member is complete; its octets are in the room. The name is valid during the call. */
    void (*member)(void *ctx, const struct unpack_member *m, struct str body);
    void *ctx;
};

struct unpacker;

/* Forks the helper: call before the process gives up its rights and before it has threads. NULL when there is no memory
 * or process to be had. The helper keeps no descriptor of the worker but the standard ones. */
struct unpacker *unpacker_new(void);
void unpacker_free(struct unpacker *u);
/* Unpacks; *entries_out and *bytes_out: what it came to (also when it ended early). */
enum unpack_end unpack_run(struct unpacker *u, struct str octets, enum unpack_how how, const struct unpack_limits *l,
                           const struct unpack_taker *to, uint64_t *entries_out, uint64_t *bytes_out);
/* Gives the child back that was kept for the next archive of the same message. */
void unpacker_rest(struct unpacker *u);
/* "nested too deep" and its like, for logs. */
const char *unpack_end_text(enum unpack_end end);

#endif
