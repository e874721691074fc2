/* A CPQ conversation of the holder: shared by session.c (messages) and session_xcpq.c (XCPQ). Not for other files. */
#ifndef QUARANTINE_SESSION_H
#define QUARANTINE_SESSION_H

#include "quarantine/door.h"
#include "smtp/cpq_server.h"

#include <openssl/types.h>

struct session {
    struct cpq_server cs; /* first */
    struct quarantine *q;
    struct door *door;
    struct session *next, *prev;
    EVP_MD_CTX *md;
    uint64_t icid;            /* 0 = a local one */
    char peer[64];            /* its address */
    struct incoming *in;      /* being received */
    struct incoming *storing; /* with the store: its answer is awaited */
};

static inline struct session *session_of(struct smtp_server *s)
{
    return (struct session *)(void *)s;
}

extern const struct cpq_server_handler session_xcpq;
struct str session_serial(const struct quarantine *q);
/* Whose certificate it showed, by the settings of now; NULL = a stranger's, or local. */
const struct conf_cpq_peer *session_peer(const struct session *x);
/* May this partner's mail of this class be taken now? RC_NOT_PERMITTED, RC_SUSPENDED. */
enum rc session_allowed(const struct session *x, struct err *e);

#endif
