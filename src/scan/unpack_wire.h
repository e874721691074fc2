/*
 * What worker, helper and child say to each other. All three are one executable of one machine: structs as they lie in
 * memory.
 *
 * Worker to helper (SOCK_SEQPACKET): struct unpack_start with the child's end of a socket pair. Worker to child (stream):
 * struct unpack_ask, then the octets. Child to worker: struct unpack_say, then `name` and `size` octets; the last one of an
 * archive has last set.
 */
#ifndef SCAN_UNPACK_WIRE_H
#define SCAN_UNPACK_WIRE_H

#include "scan/unpack.h"

struct unpack_start {
    uint64_t memory;  /* address space of the child */
    uint64_t live_ms; /* it is killed after this time */
};

struct unpack_ask {
    uint64_t octets, entries, bytes, ratio;
    uint32_t how, unused;
};

enum { UNPACK_NAME_MOST = 4096, UNPACK_MEMORY_MOST = 208 << 20, UNPACK_MEMORY_BASE = 112 << 20 };

struct unpack_say {
    uint64_t size;
    uint32_t name;
    uint8_t encrypted, last, end, unused; /* end: enum unpack_end when last */
};

/* unpack_child.c: serves the worker until the socket ends; called by the helper in a new process. */
_Noreturn void unpack_child(int fd, const struct unpack_start *start);
/* unpack_helper.c: the loop of the helper. */
_Noreturn void unpack_helper(int fd);
/* unpack.c: the head of an answer; false when it cannot be true. */
bool unpack_say_check(const struct unpack_say *s, uint64_t bytes_left);
/* All answers about one archive (tests). */
enum unpack_end unpack_take_answers(int child, const struct unpack_limits *l, const struct unpack_taker *to);
/* Tests: the present child dies. */
void unpacker_test_kill(struct unpacker *u);

/* unpack_jail.c. False: this kernel refuses. Sanitizer builds are not confined. */
bool unpack_jail_helper(void);
bool unpack_jail_child(void);

#endif
