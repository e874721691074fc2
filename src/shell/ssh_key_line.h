/*
 * A line of authorized_keys (sshd(8), AUTHORIZED_KEYS FILE FORMAT) as kept in user.ssh_keys: "[options] type base64
 * [comment]".
 *
 * Options that only take away what this server never gives (no-port-forwarding, no-agent-forwarding, no-X11-forwarding,
 * no-user-rc, and their opposites) are taken; no-pty, restrict and pty are obeyed; from="..." takes addresses and networks,
 * with ! for exceptions. A line with any other option (command=, cert-authority, expiry-time= ...) is refused as a whole: a
 * restriction that is not understood must not become a key without it.
 */
#ifndef SHELL_SSH_KEY_LINE_H
#define SHELL_SSH_KEY_LINE_H

#include "base/err.h"
#include "net/socket.h"

struct ssh_key_line {
    struct str type;    /* "ssh-ed25519" */
    struct str blob;    /* base64 of the key */
    struct str comment; /* may be empty */
    struct str from;    /* value of from="", still with backslashes; p is NULL when there is none */
    bool no_pty;
};

/* Views into the line. RC_SYNTAX: no such line (also empty ones and comments); RC_INVALID: an option that is not supported.
 */
enum rc ssh_key_line_parse(struct str line, struct ssh_key_line *out, struct err *e);
/* Whether the key may be used from there. */
bool ssh_key_line_fits(const struct ssh_key_line *k, const struct address_ip *peer);

#endif
