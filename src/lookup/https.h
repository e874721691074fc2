/*
 * One HTTPS GET as a conversation: small text files only (RFC 8461 policies).
 *
 * No redirects, no compression, no more than max_body octets, one answer within total time. The certificate must fit the
 * name.
 */
#ifndef LOOKUP_HTTPS_H
#define LOOKUP_HTTPS_H

#include "net/conversation.h"

enum { HTTPS_BODY_MAX = 64 * 1024, HTTPS_TOTAL_MS = 8000 };

/* The context of the conversation; its memory lives until done() has run. */
struct https_get {
    struct str host, path;
    /* The end, exactly once: RC_OK with status and body, or what went wrong. Views valid during the call. */
    void (*done)(void *ctx, enum rc rc, unsigned status, struct str content_type, struct str body);
    void *ctx;
};

/* For conversation_connect() + conversation_tls_client(); context: struct https_get. */
extern const struct conversation_kind https_kind;

#endif
