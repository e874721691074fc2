/*
 * Link tokens (central.md 3): made on a manager, typed into a gateway, which enrols with it through a link that it opens.
 *
 * Text: "PLT1.ID.SECRET.FINGERPRINT": 8 and 32 hexadecimal digits (128 random bits), SHA-256 of the manager's SSH host key
 * in base64. The secret makes a key pair by which account `enrol` logs in: SSH's signature covers the session id, so
 * knowledge of the secret is proved and the secret itself never travels. The manager keeps the public key alone.
 */
#ifndef ADMIN_LINK_TOKEN_H
#define ADMIN_LINK_TOKEN_H

#include "base/buf.h"
#include "base/err.h"

enum { LINK_TOKEN_ID = 8, LINK_TOKEN_SECRET = 32, LINK_TOKEN_PRINT = 43, LINK_TOKEN_MS = 86400000 };

struct link_token {
    char id[LINK_TOKEN_ID + 1], secret[LINK_TOKEN_SECRET + 1], print[LINK_TOKEN_PRINT + 1];
};

/* A new one for a manager with this host key ("TYPE BASE64 [COMMENT]"). */
enum rc link_token_make(struct str host_key, struct link_token *out, struct err *e);
enum rc link_token_read(struct str text, struct link_token *out, struct err *e);
void link_token_write(const struct link_token *t, struct buf *out);
/* Its key pair: private file (the caller's to wipe), public line. */
void link_token_keys(const struct link_token *t, struct buf *file, struct buf *line);
void link_token_wipe(struct link_token *t);

#endif
