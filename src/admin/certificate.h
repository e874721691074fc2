/*
 * Certificates and private keys as PEM text: making, reading, checking, PKCS #12. Pure: nothing is stored here. Keys in
 * buffers are the caller's to wipe (certificate_wipe).
 */
#ifndef ADMIN_CERTIFICATE_H
#define ADMIN_CERTIFICATE_H

#include "base/buf.h"
#include "base/err.h"

/* A self-signed server certificate (P-256, `days` from now) for the host, and its key. */
enum rc certificate_self_signed(struct str host, unsigned days, struct buf *cert_out, struct buf *key_out, struct err *e);
/* The first certificate has this key. RC_INVALID says what is wrong. */
enum rc certificate_check(struct str cert, struct str key, struct err *e);
/* Lines "Subject: ..." "Issuer: ..." "Valid from: ..." "Expires: ... (in N days)" "Names: ..." "SHA-256: ..." */
enum rc certificate_facts(struct str cert, struct buf *out, struct err *e);
/* First 8 hexadecimal digits of the SHA-256 of the certificate. */
enum rc certificate_mark(struct str cert, char out[9], struct err *e);
/* The certificates of the text and nothing else (a private key between them is left out), written anew. */
enum rc certificate_chain(struct str pem, struct buf *out, struct err *e);
/* PKCS #12 files, protected by a passphrase. How long reading takes is up to the file: sessions do it, not control. */
enum rc certificate_p12_read(struct str p12, struct str passphrase, struct buf *cert_out, struct buf *key_out,
                             struct err *e);
enum rc certificate_p12_write(struct str cert, struct str key, struct str name, struct str passphrase, struct buf *out,
                              struct err *e);
/* Overwrites what the buffer holds and frees it. */
void certificate_wipe(struct buf *b);

#endif
