/*
 * What the files of DKIM and ARC share. Not for others.
 *
 *   fields     the header section as an index by name
 *   signature  one DKIM-Signature, ARC-Message-Signature or ARC-Seal with what its tags say
 *   check      all signatures of a message under way: key names, answers, body hashes
 */
#ifndef MAIL_DKIM_INSIDE_H
#define MAIL_DKIM_INSIDE_H

#include "mail/dkim.h"
#include "mail/dkim_tags.h"
#include "mail/header.h"

#include <openssl/evp.h>

enum {
    DKIM_FIELDS_MAX = 20000,
    DKIM_HEADER_MAX = 4 << 20, /* octets of a header section that is hashed */
    DKIM_HASH = 32,            /* octets of SHA-256 */
    DKIM_RECORDS_MOST = 4,     /* key records of one name that are tried */
    DKIM_KEYS_KEPT = 64,
    DKIM_KEY_TEXT_MAX = 2048 /* octets of a p= */
};

/* ---- dkim_fields.c ------------------------------------------------------------------------------------------------- */
struct dkim_fields {
    struct header_field *items; /* in the order of the message */
    size_t n;
    uint32_t *sorted; /* by name, the bottom one first */
    uint32_t *taken;  /* for the first of a name: how many were taken, valid when its `turn` is the present one */
    uint32_t *turns;
    uint32_t turn;
    struct str body;
    bool cut; /* more fields or octets than the limits: nothing of it is to be trusted */
};
/* RC_NO_MEMORY only. Lines that are no field are passed over. */
enum rc dkim_fields_read(struct arena *a, struct str message, struct dkim_fields *out);
/* A new selection begins. */
void dkim_fields_restart(struct dkim_fields *f);
/* The bottom one of that name not taken since then (RFC 6376 5.4.2); NULL when there is no further one. */
const struct header_field *dkim_fields_take(struct dkim_fields *f, struct str name);

/* ---- dkim_crypto.c ------------------------------------------------------------------------------------------------- */
struct dkim_public {
    EVP_PKEY *key;
    EVP_PKEY_CTX *rsa; /* ready for EVP_PKEY_verify(); NULL for Ed25519 */
    unsigned bits;
    enum dkim_key_type type;
};
struct dkim {
    EVP_MD *sha256;
    EVP_MD_CTX *md;
    struct buf scratch;
    struct dkim_kept {
        char *text; /* the p= */
        size_t n;
        struct dkim_public public;
    } kept[DKIM_KEYS_KEPT];
};
void dkim_hash(struct dkim *d, struct str octets, unsigned char out[static DKIM_HASH]);
/* A public key from the octets of a p=. RC_INVALID. */
enum rc dkim_public_read(enum dkim_key_type type, struct str der, struct dkim_public *out, struct err *e);
void dkim_public_done(struct dkim_public *p);
/* The same, from the keys kept when it was seen before; theirs to end. */
enum rc dkim_public_of(struct dkim *d, struct arena *a, enum dkim_key_type type, struct str text,
                       const struct dkim_public **out, struct err *e);
bool dkim_public_verify(struct dkim *d, const struct dkim_public *p, const unsigned char hash[static DKIM_HASH],
                        struct str signature);
enum rc dkim_private_sign(struct dkim *d, const struct dkim_key *k, const unsigned char hash[static DKIM_HASH],
                          struct arena *a, struct str *out, struct err *e);

struct dkim_key {
    EVP_PKEY *key;
    enum dkim_key_type type;
    unsigned bits;
};

/* ---- dkim_record.c ------------------------------------------------------------------------------------------------- */
struct dkim_record {
    enum dkim_key_type type;
    struct str hashes, services, public_text;
    bool testing, strict; /* t=y, t=s */
};
/* RC_SYNTAX: no key record. An empty p= is a revoked key. */
enum rc dkim_record_parse(struct str text, struct dkim_record *out, struct err *e);

/* ---- dkim_signature.c ---------------------------------------------------------------------------------------------- */
enum dkim_kind { DKIM_KIND_SIGNATURE, DKIM_KIND_AMS, DKIM_KIND_SEAL };
enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256, DKIM_RSA_SHA1 };

struct dkim_signature {
    enum dkim_kind kind;
    const struct header_field *field;
    struct str b_place; /* in the field, what the hash leaves out */
    enum dkim_algorithm algorithm;
    enum dkim_canon header, body;
    struct str domain, selector, identity, identity_domain;
    struct str b, bh; /* decoded */
    struct str h;
    struct str cv; /* of a seal */
    uint64_t instance;
    bool has_length, has_expiry, has_time;
    uint64_t length, time, expiry;
    struct str name; /* of its key record */
    size_t question, hash;
    const struct dkim_record *records; /* those that may serve */
    size_t n_records;
    bool open; /* no result yet */
    struct auth_dkim result;
};
/* Reads field->value; what is wrong ends as s->result with open false. RC_NO_MEMORY only. */
enum rc dkim_signature_read(struct arena *a, enum dkim_kind kind, const struct header_field *field,
                            const struct dkim_options *o, struct dkim_signature *s);
void dkim_settle(struct dkim_signature *s, enum auth_result result, struct str reason);

/* ---- dkim_body.c --------------------------------------------------------------------------------------------------- */
/* Hashes of a body under way: one for each canonical form, its value taken where an l= says. */
struct dkim_body_hash {
    enum dkim_canon canon;
    bool limited, done; /* done: `value` holds; never so when the body is shorter than the limit */
    uint64_t limit;
    unsigned char value[DKIM_HASH];
};
enum { DKIM_BODY_HASHES = 128 };
struct dkim_body_form {
    struct dkim_body *owner;
    struct dkim_canon_body canon;
    EVP_MD_CTX *md; /* NULL = not wanted */
    uint64_t bytes; /* hashed so far */
};
struct dkim_body {
    struct dkim *d;
    struct dkim_body_hash items[DKIM_BODY_HASHES];
    size_t n;
    bool failed;
    struct dkim_body_form forms[DKIM_CANONS];
};
void dkim_body_begin(struct dkim_body *b, struct dkim *d);
/* Index of the hash; SIZE_MAX when there are too many. Before the first octet. */
size_t dkim_body_want(struct dkim_body *b, enum dkim_canon canon, bool limited, uint64_t limit);
void dkim_body_add(struct dkim_body *b, struct str octets);
/* False without memory. */
bool dkim_body_end(struct dkim_body *b);
/* Octets of the canonical form; known after the end. */
uint64_t dkim_body_bytes(const struct dkim_body *b, enum dkim_canon canon);
/* Gives the hashes' memory back; the values stay. */
void dkim_body_done(struct dkim_body *b);

/* ---- dkim_stream.c -------------------------------------------------------------------------------------------------- */
struct dkim_stream {
    struct dkim *d;
    struct arena *a;
    struct buf headers;
    size_t line;  /* octets of the present line of the header section */
    bool only_cr; /* they are one CR */
    bool in_body, too_large, failed;
    size_t hashes[DKIM_CANONS]; /* in body; SIZE_MAX = not wanted */
    struct dkim_body body;
    struct dkim_fields fields; /* of the header section, after the end */
};

/* ---- dkim_sign.c ---------------------------------------------------------------------------------------------------- */
/* A signature field being written: `name: tags b=`, folded. */
struct dkim_writer {
    struct buf *out;
    size_t from; /* where the field begins in out */
    size_t column;
};
void dkim_write_begin(struct dkim_writer *w, struct buf *out, const char *field);
/* `name=value;` as one piece; `name=` alone; base64 behind that, broken where a line is full, `;` at the end unless `last`;
 * a list, broken behind its colons. */
void dkim_write_tag(struct dkim_writer *w, const char *name, struct str value);
void dkim_write_name(struct dkim_writer *w, const char *name);
void dkim_write_base64(struct dkim_writer *w, struct str octets, bool last);
void dkim_write_list(struct dkim_writer *w, const char *name, const struct str *items, size_t n);
/* Tags of a signature over headers and body, up to b=, and b= itself: DKIM-Signature (instance 0) or ARC-Message-Signature.
 */
enum rc dkim_write_signature(struct dkim_stream *s, const struct dkim_profile *p, uint64_t instance, uint64_t now_s,
                             struct buf *out, struct err *e);
/* The signature of a hash and the end of the field, behind dkim_write_name(w, "b"). */
enum rc dkim_write_b(struct dkim_writer *w, struct dkim_stream *s, const struct dkim_key *key, const unsigned char *hash,
                     struct err *e);
const char *dkim_algorithm_word(const struct dkim_key *k);

/* ---- arc_read.c, arc_verify.c --------------------------------------------------------------------------------------- */
enum { ARC_SETS_MOST = 50 };
struct arc_set {
    const struct header_field *results; /* ARC-Authentication-Results */
    struct str results_value;           /* behind "i=N;" */
    struct dkim_signature *ams, *seal;
};
struct arc_chain {
    struct arc_set sets[ARC_SETS_MOST + 1]; /* by instance, from 1 */
    size_t n;
    uint64_t highest; /* instance seen */
    bool present;
    struct str broken; /* what is wrong with its form; empty = nothing */
};
/* Finds the sets and reads their tags (RFC 8617 5.2 steps 1 to 3). `highest` of *out is set even when the form is broken. */
enum rc arc_read(struct arena *a, struct dkim_fields *f, const struct dkim_options *o, struct arc_chain *out);
/* Canonical octets that seal `n` signs: all sets up to it, the seal's own b= left out. */
void arc_seal_octets(const struct arc_chain *c, size_t n, struct buf *out);

/* ---- dkim_verify.c -------------------------------------------------------------------------------------------------- */
struct dkim_check {
    struct dkim *d;
    struct arena *a;
    const struct dkim_options *o;
    struct dkim_fields fields;
    struct dkim_signature **items;
    size_t n, cap;
    const struct dns_answer *answers;
    struct dkim_body body;
};
/* The hash of the header fields a signature names, and of itself. False without memory. */
bool dkim_header_hash(struct dkim *d, struct dkim_fields *f, const struct dkim_signature *s,
                      unsigned char out[static DKIM_HASH]);
/* Result of the chain from the results of its signatures. */
void arc_conclude(struct dkim_check *c, struct arc_chain *chain, struct auth_arc *out);

#endif
