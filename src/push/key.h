/*
 * The key that SCP push logs in with: Ed25519, HOME/keys/log_push_key and .pub, made on first use or when control is asked
 * for it before (verb pushkey).
 */
#ifndef PUSH_KEY_H
#define PUSH_KEY_H

#include "base/err.h"

#include <libssh/libssh.h>

/* Reads the key, or makes it. The files must exist (empty at first): the role may not create any beside other roles' keys.
 * The caller frees *out by ssh_key_free(). `comment` ends the public line. */
enum rc push_key(const char *home, const char *comment, ssh_key *out, struct err *e);

#endif
