/*
 * ARC (RFC 8617): sealing. The chain that a message brings is judged by dkim_verify() (dkim.h).
 */
#ifndef MAIL_ARC_H
#define MAIL_ARC_H

#include "mail/dkim.h"

struct arc_sealer {
    struct dkim_profile profile; /* domain, selector, key, fields; the canonical forms are relaxed */
    struct str results;          /* Authentication-Results of this ADMD: "host; spf=pass ..." */
    enum auth_result chain;      /* what validation of the chain said: none, pass, anything else = fail */
};

/*
 * Appends the three fields of a new set (ARC-Seal, ARC-Message-Signature, ARC-Authentication-Results), to be put in front of
 * the message that was fed to the stream (bodies: 1 << DKIM_RELAXED at least). RC_NOT_PERMITTED: the chain ended with
 * cv=fail, or has 50 sets: nothing may be added. RC_INVALID: `chain` does not fit what the message brings, no From field, a
 * key that cannot sign.
 */
enum rc arc_seal(struct dkim_stream *s, const struct arc_sealer *sealer, uint64_t now_s, struct buf *out, struct err *e);

/* "arc=pass" and the like in the value of an Authentication-Results field; false when the method is not there. */
bool arc_result_in(struct str results, enum auth_result *out);

#endif
