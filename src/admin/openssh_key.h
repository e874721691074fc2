/* SSH keys (ed25519) as OpenSSH keeps them: the private file without a passphrase, the public line TYPE BASE64. */
#ifndef ADMIN_OPENSSH_KEY_H
#define ADMIN_OPENSSH_KEY_H

#include "base/buf.h"

/* A new pair. The private half in `file` is the caller's to wipe; `line` ends with no comment and no line feed. */
void openssh_key_make(struct buf *file, struct buf *line);
/* The pair that a secret makes: the same for ever. */
enum { OPENSSH_KEY_SEED = 32, OPENSSH_KEY_PRINT = 43 };
void openssh_key_of_seed(const unsigned char seed[static OPENSSH_KEY_SEED], struct buf *file, struct buf *line);
/* SHA-256 of the key in "TYPE BASE64 [COMMENT]", as OpenSSH prints it behind "SHA256:". */
bool openssh_key_fingerprint(struct str line, char out[OPENSSH_KEY_PRINT + 1]);

#endif
