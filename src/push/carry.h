/*
 * One transfer of saved files to a server, in a thread of its own: the network calls of libcurl and libssh block.
 *
 * The loop makes the order, the thread works on it and says what came out; between the two only `abort` is shared.
 */
#ifndef PUSH_CARRY_H
#define PUSH_CARRY_H

#include "base/err.h"
#include "net/socket.h"

#include <stdatomic.h>

struct carry_file {
    char *path;   /* here */
    char *remote; /* its name there */
    uint64_t bytes;
};

struct carry {
    bool scp;
    char *home;
    char *host; /* as in the settings: host keys are known by it */
    struct address_ip at;
    char *user, *password, *directory;
    char *comment;     /* of the key */
    struct strs known; /* lines of ssh.known_hosts */
    struct carry_file *files;
    size_t n;
    atomic_bool abort; /* set by the loop: give up */
    /* the outcome: files[0..done) arrived; done < n: e says why files[done] did not */
    size_t done;
    struct err e;
    char offered[1200]; /* line for ssh.known_hosts of a host key that was refused, else empty */
};

enum { CARRY_CONNECT_S = 20, CARRY_STALL_S = 60, CARRY_BLOCK = 64 << 10 };

/* Both run in the thread. FTP (RFC 959, 2428): passive, under a temporary name, then renamed. SCP: `scp -t` by SSH 2. */
void carry_ftp(struct carry *c);
void carry_scp(struct carry *c);
/* Copies nothing: takes over every pointer, all from malloc. */
void carry_free(struct carry *c);

#endif
