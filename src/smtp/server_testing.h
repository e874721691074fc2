/* A handler that agrees to everything and remembers it; for the tests and the fuzzer of the server conversation. */
#ifndef SMTP_SERVER_TESTING_H
#define SMTP_SERVER_TESTING_H

#include "smtp/server.h"

struct testing {
    struct smtp_server_ctx ctx; /* first */
    unsigned offers;
    bool tls_required, reject_bare, wait;
    enum smtp_proxy proxy;
    uint64_t max_bytes;
    unsigned connects, messages, resets, ends;
    enum smtp_end how;
    struct buf body; /* of the last message */
    struct smtp_mail mail;
    struct smtp_rcpt rcpt;
    char peer[46], peer_name[256], login[64];
};

struct testing_session {
    struct smtp_server s;
};

extern const struct conversation_kind testing_kind;
extern const struct smtp_server_handler testing_handler;

#endif
