/*
 * SFTP server, protocol version 3 (draft-ietf-secsh-filexfer-02) with the OpenSSH extensions posix-rename and limits, over
 * the virtual root. Packets come and go on plain descriptors: SSH is the caller's.
 */
#ifndef SHELL_SFTP_H
#define SHELL_SFTP_H

#include "base/buf.h"
#include "shell/vroot.h"

/* Serves until the client leaves, breaks the protocol or is idle; unfinished uploads are dropped. Returns an exit status. */
int sftp_serve(const struct vroot *v, int in, int out, uint64_t idle_ms);

/* The server without descriptors. */
enum {
    SFTP_PACKET_MAX = 256 << 10,            /* octets of a packet, both ways, as OpenSSH has it */
    SFTP_DATA_MAX = SFTP_PACKET_MAX - 1024, /* octets of a READ or WRITE */
    SFTP_HANDLES = 100,
    SFTP_WRITES = 8,           /* open at once */
    SFTP_OUT_ENOUGH = 1 << 20, /* answers that wait before more packets are looked at */
};
struct sftp;
struct sftp *sftp_new(const struct vroot *v, struct buf *out); /* NULL: no memory */
void sftp_free(struct sftp *s);
/* Takes the whole packets at the front of `in` and adds the answers to out. False: the protocol is broken, leave. */
bool sftp_input(struct sftp *s, struct str in, size_t *taken_out);

#endif
