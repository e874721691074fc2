/*
 * DKIM (RFC 6376, 8301, 8463, 8616): verifying the signatures of a message, signing one, keys and their records in the DNS.
 * ARC (RFC 8617) shares its machinery: arc.h.
 *
 * A struct dkim holds what costs time to make (the hash, public keys seen lately) and belongs to one thread. OpenSSL does
 * hashes and keys; the DNS is asked through mail/dns_ask.h.
 */
#ifndef MAIL_DKIM_H
#define MAIL_DKIM_H

#include "mail/auth.h"
#include "mail/dkim_canon.h"
#include "mail/dns_ask.h"

enum {
    DKIM_SIGNATURES_MOST = 16, /* of a message; further ones are not looked at */
    DKIM_BITS_LEAST = 1024,    /* RFC 8301 3.2 */
    DKIM_BITS_MOST = 8192      /* what a stranger may make us calculate with */
};

struct dkim;
/* NULL only without memory. */
struct dkim *dkim_new(void);
void dkim_free(struct dkim *d);

/* ---- verifying ---------------------------------------------------------------------------------------------------- */
struct dkim_options {
    uint64_t now_s;      /* wall clock */
    uint64_t skew_s;     /* a signature may come from so far in the future, and be expired for so long */
    uint64_t least_bits; /* RSA keys below are `policy`; 0 = DKIM_BITS_LEAST, which is the floor */
    uint64_t most;       /* signatures looked at; 0 = DKIM_SIGNATURES_MOST, which is the ceiling */
    bool dkim, arc;      /* what to evaluate */
};

/*
 * Judges every DKIM-Signature (out->dkim, n_dkim, dkim_checked) and the ARC chain (out->arc, arc_checked) of a message; the
 * rest of *out stays. All key records are asked in one call; the body is read once per canonical form and l=. What is wrong
 * with a message is a result; RC_NO_MEMORY is the only failure.
 */
enum rc dkim_verify(struct dkim *d, struct arena *a, struct str message, const struct dkim_options *o,
                    const struct dns_source *asker, struct auth_results *out);
/* The next DKIM-Signature of a header section from octet *at on (0 = the first); false when there is none. A signature that
 * cannot be read has an empty domain. Nothing is verified. */
struct dkim_facts {
    struct str domain, selector;
};
bool dkim_next_signature(struct str headers, size_t *at, struct dkim_facts *out);
/* The word of the log line (logs.md 5): pass permfail tempfail neutral none. */
const char *dkim_log_word(enum auth_result result);

/* ---- keys --------------------------------------------------------------------------------------------------------- */
enum dkim_key_type { DKIM_RSA, DKIM_ED25519 };

struct dkim_key; /* a private key */

/* Private (PKCS #8, base64 on one line) and public (the p= of its record) half of a new key. bits: 512-4096, RSA only. */
enum rc dkim_key_generate(enum dkim_key_type type, unsigned bits, struct buf *private_out, struct buf *public_out,
                          struct err *e);
/* From PEM without a passphrase (PKCS #8 or PKCS #1) or from the base64 form. RC_INVALID says what is wrong. */
enum rc dkim_key_load(struct str text, struct dkim_key **out, struct err *e);
void dkim_key_free(struct dkim_key *k);
enum dkim_key_type dkim_key_type(const struct dkim_key *k);
unsigned dkim_key_bits(const struct dkim_key *k);
/* The private half as base64 on one line; the p= of the record. */
void dkim_key_private(const struct dkim_key *k, struct buf *out);
void dkim_key_public(const struct dkim_key *k, struct buf *out);
/* "v=DKIM1; k=rsa; p=...", with t=y when `testing`. */
void dkim_key_record(enum dkim_key_type type, struct str public_text, bool testing, struct buf *out);
/* The record as a line of a zone file: `NAME. IN TXT ( "..." "..." )`, pieces of 255 octets at most. */
void dkim_key_zone_line(struct str domain, struct str selector, struct str record, struct buf *out);
/* Does this TXT record hold that key? */
bool dkim_record_holds(struct str record, enum dkim_key_type type, struct str public_text);
/* Type and size of the key in a p=; RC_INVALID when there is none. */
enum rc dkim_public_facts(enum dkim_key_type type, struct str public_text, unsigned *bits_out, struct err *e);

/* ---- signing ------------------------------------------------------------------------------------------------------ */
struct dkim_profile {
    struct str domain, selector; /* d=, s= */
    struct str identity;         /* i=, empty = none */
    enum dkim_canon header, body;
    struct strs fields; /* names to sign, of those that are there; From always is. Empty = dkim_usual_fields() */
    bool every_field;   /* all that are there but those that change on the way (RFC 6376 5.4.1) */
    bool oversign;      /* names the important ones once more, so that none can be added */
    bool timestamp;     /* t= */
    bool body_length;   /* l= */
    bool query;         /* q= */
    uint64_t expires_s; /* x= so long after now, 0 = none */
    const struct dkim_key *key;
};

/*
 * A message on its way through: header section kept, body hashed. Feed it in pieces of any size, then sign. Memory is the
 * arena's but for the header section, which `dkim_stream_done` gives back.
 */
struct dkim_stream;
/* `bodies`: bits 1 << DKIM_SIMPLE, 1 << DKIM_RELAXED: the canonical forms that profiles will ask for. NULL: no memory. */
struct dkim_stream *dkim_stream_new(struct dkim *d, struct arena *a, unsigned bodies);
void dkim_stream_add(struct dkim_stream *s, struct str octets);
/* RC_TOO_BIG: the header section is beyond 4 MiB; RC_NO_MEMORY. */
enum rc dkim_stream_end(struct dkim_stream *s, struct err *e);
/* The header section fed so far, with the empty line. */
struct str dkim_stream_headers(const struct dkim_stream *s);
void dkim_stream_done(struct dkim_stream *s);
/* Appends the whole field "DKIM-Signature: ...\r\n", to be put in front of the message. RC_INVALID: no From field, or a key
 * that cannot sign. */
enum rc dkim_sign(struct dkim_stream *s, const struct dkim_profile *p, uint64_t now_s, struct buf *out, struct err *e);
/* Names that a signature usually covers (RFC 6376 5.4.1). */
struct strs dkim_usual_fields(void);

#endif
