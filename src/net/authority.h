/*
 * The certificates by which enrolled partners know each other (central.md 3): key and request of a gateway, the manager's
 * own small authority that signs it, pins. ECDSA P-256, subject = the serial number, usages client and server, two years.
 * Pure: nothing is stored here. Keys in buffers are the caller's to wipe (buf and all).
 */
#ifndef NET_AUTHORITY_H
#define NET_AUTHORITY_H

#include "base/buf.h"
#include "base/err.h"

enum { AUTHORITY_DAYS = 730, AUTHORITY_PIN = 64, AUTHORITY_PEM_MAX = 20000 };

/* The authority itself: certificate and key. */
enum rc authority_make(struct str serial, struct buf *cert_out, struct buf *key_out, struct err *e);
/* A new key. */
enum rc authority_key(struct buf *key_out, struct err *e);
/* A request for the key, signed with it. */
enum rc authority_request(struct str serial, struct str key, struct buf *request_out, struct err *e);
/* A certificate of the requested key, signed by the authority. RC_INVALID: the request is none, is not signed by its own
 * key, the key is no P-256 key or its subject is another serial number. */
enum rc authority_sign(struct str authority, struct str authority_key, struct str request, struct str serial,
                       struct buf *cert_out, struct err *e);
/* A certificate that signs itself, for who has no authority. */
enum rc authority_self_sign(struct str serial, struct str key, struct buf *cert_out, struct err *e);

/* SHA-256 of the public key (SubjectPublicKeyInfo) of a certificate, a private key, a request: what partners pin, 64 hex
 * digits. */
enum rc authority_pin(struct str cert, char out[AUTHORITY_PIN + 1], struct err *e);
enum rc authority_key_pin(struct str key, char out[AUTHORITY_PIN + 1], struct err *e);
enum rc authority_request_pin(struct str request, char out[AUTHORITY_PIN + 1], struct err *e);
/* The certificate belongs to this key and names this serial number. */
enum rc authority_fits(struct str cert, struct str key, struct str serial, struct err *e);
/* Does it sign itself? */
bool authority_is_own(struct str cert);
/* Is half of its time over (time to renew)? And all of it? False for what is none. */
bool authority_half_over(struct str cert, uint64_t now_ms);
bool authority_over(struct str cert, uint64_t now_ms);

#endif
