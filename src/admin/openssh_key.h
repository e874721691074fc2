/* SSH keys (ed25519) as OpenSSH keeps them: the private file without a passphrase, the public line TYPE BASE64. */
#ifndef ADMIN_OPENSSH_KEY_H
#define ADMIN_OPENSSH_KEY_H

#include "base/buf.h"

/* A new pair. The private half in `file` is the caller's to wipe; `line` ends with no comment and no line feed. */
void openssh_key_make(struct buf *file, struct buf *line);

#endif
