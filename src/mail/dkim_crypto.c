/*
 * Hashes, public keys and signatures by OpenSSL (RFC 6376 3.3, RFC 8463). See dkim_inside.h.
 *
 * Called by verifying and signing. Owns the hash, a context for it and the public keys seen lately: making a key of its
 * octets costs as much as a signature does. Numbers of strangers are bounded before anything is calculated with them.
 */
#include "mail/dkim_inside.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdlib.h>

struct dkim *dkim_new(void)
{
    struct dkim *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->scratch = BUF(2 * DKIM_HEADER_MAX);
    d->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    d->md = EVP_MD_CTX_new();
    if (!d->sha256 || !d->md) {
        dkim_free(d);
        return NULL;
    }
    return d;
}

void dkim_free(struct dkim *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < DKIM_KEYS_KEPT; i++) {
        free(d->kept[i].text);
        dkim_public_done(&d->kept[i].public);
    }
    EVP_MD_CTX_free(d->md);
    EVP_MD_free(d->sha256);
    buf_done(&d->scratch);
    free(d);
}

void dkim_hash(struct dkim *d, struct str octets, unsigned char out[static DKIM_HASH])
{
    unsigned n = 0;

    if (EVP_DigestInit_ex2(d->md, d->sha256, NULL) != 1 || EVP_DigestUpdate(d->md, octets.p, octets.n) != 1 ||
        EVP_DigestFinal_ex(d->md, out, &n) != 1)
        memset(out, 0, DKIM_HASH); /* no such hash: no signature fits */
}

/* ---- public keys --------------------------------------------------------------------------------------------------- */

void dkim_public_done(struct dkim_public *p)
{
    EVP_PKEY_CTX_free(p->rsa);
    EVP_PKEY_free(p->key);
    *p = (struct dkim_public){0};
}

/* SubjectPublicKeyInfo, as almost everyone publishes it, or a bare RSAPublicKey (RFC 8017 A.1.1). */
static EVP_PKEY *rsa_of(struct str der)
{
    const unsigned char *at = (const unsigned char *)der.p;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.n);

    if (!key) {
        at = (const unsigned char *)der.p;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)der.n);
    }
    if (key && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || at != (const unsigned char *)der.p + der.n)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

static bool rsa_ready(struct dkim_public *p, EVP_MD *sha256)
{
    p->rsa = EVP_PKEY_CTX_new(p->key, NULL);
    return p->rsa && EVP_PKEY_verify_init(p->rsa) == 1 && EVP_PKEY_CTX_set_rsa_padding(p->rsa, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(p->rsa, sha256) == 1;
}

static enum rc read_rsa(struct str der, struct dkim_public *out, struct err *e)
{
    BIGNUM *exponent = NULL;
    bool fits;

    out->key = rsa_of(der);
    if (!out->key)
        return err_set(e, RC_INVALID, "p= holds no RSA key");
    out->bits = (unsigned)EVP_PKEY_get_bits(out->key);
    fits = out->bits <= DKIM_BITS_MOST && EVP_PKEY_get_bn_param(out->key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 &&
           BN_num_bits(exponent) <= 64;
    BN_free(exponent);
    if (!fits)
        err_set(e, RC_INVALID, "RSA key of %u bits is too large", out->bits);
    return fits ? RC_OK : RC_INVALID;
}

static enum rc read_ed25519(struct str octets, struct dkim_public *out, struct err *e)
{
    enum { LENGTH = 32, BITS = 256 };

    if (octets.n != LENGTH)
        return err_set(e, RC_INVALID, "p= holds no Ed25519 key");
    out->bits = BITS;
    out->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)octets.p, LENGTH);
    return out->key ? RC_OK : err_set(e, RC_INVALID, "p= holds no Ed25519 key");
}

enum rc dkim_public_read(enum dkim_key_type type, struct str der, struct dkim_public *out, struct err *e)
{
    enum rc rc;

    *out = (struct dkim_public){.type = type};
    rc = type == DKIM_RSA ? read_rsa(der, out, e) : read_ed25519(der, out, e);
    if (rc != RC_OK)
        dkim_public_done(out);
    return rc;
}

enum rc dkim_public_of(struct dkim *d, struct arena *a, enum dkim_key_type type, struct str text,
                       const struct dkim_public **out, struct err *e)
{
    struct dkim_kept *k = &d->kept[str_hash(text) % DKIM_KEYS_KEPT];
    struct dkim_public made;
    struct str der;
    enum rc rc;

    if (k->text && k->public.type == type && str_eq(str_of(k->text, k->n), text)) {
        *out = &k->public;
        return RC_OK;
    }
    if (text.n > DKIM_KEY_TEXT_MAX)
        return err_set(e, RC_INVALID, "p= is too long");
    rc = dkim_base64_decode(a, text, &der);
    if (rc != RC_OK)
        return err_set(e, rc, "p= is no base64");
    TRY(dkim_public_read(type, der, &made, e));
    if (type == DKIM_RSA && !rsa_ready(&made, d->sha256)) {
        dkim_public_done(&made);
        return err_set(e, RC_INVALID, "p= holds a key that cannot be used");
    }
    free(k->text);
    dkim_public_done(&k->public);
    k->public = made;
    k->n = text.n;
    k->text = malloc(text.n + 1);
    if (k->text)
        memcpy(k->text, text.p, text.n);
    *out = &k->public;
    return RC_OK;
}

bool dkim_public_verify(struct dkim *d, const struct dkim_public *p, const unsigned char hash[static DKIM_HASH],
                        struct str signature)
{
    const unsigned char *s = (const unsigned char *)signature.p;
    bool good;

    if (p->type == DKIM_RSA) {
        good = EVP_PKEY_verify(p->rsa, s, signature.n, hash, DKIM_HASH) == 1;
    } else {
        EVP_MD_CTX_reset(d->md);
        good = EVP_DigestVerifyInit(d->md, NULL, NULL, NULL, p->key) == 1 &&
               EVP_DigestVerify(d->md, s, signature.n, hash, DKIM_HASH) == 1;
        EVP_MD_CTX_reset(d->md);
    }
    ERR_clear_error();
    return good;
}

enum rc dkim_public_facts(enum dkim_key_type type, struct str public_text, unsigned *bits_out, struct err *e)
{
    struct dkim_public p;
    struct arena a;
    struct str der;
    enum rc rc;

    arena_init(&a, 2048, 1 << 16);
    rc = public_text.n > DKIM_KEY_TEXT_MAX ? RC_INVALID : dkim_base64_decode(&a, public_text, &der);
    if (rc == RC_OK)
        rc = dkim_public_read(type, der, &p, e);
    else
        err_set(e, RC_INVALID, "the public key is no base64");
    arena_done(&a);
    if (rc != RC_OK)
        return RC_INVALID;
    *bits_out = p.bits;
    dkim_public_done(&p);
    return RC_OK;
}

/* ---- signing ------------------------------------------------------------------------------------------------------- */

static bool sign_rsa(const struct dkim *d, EVP_PKEY *key, const unsigned char *hash, unsigned char *to, size_t *n)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);
    bool good = c && EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(c, d->sha256) == 1 && EVP_PKEY_sign(c, to, n, hash, DKIM_HASH) == 1;

    EVP_PKEY_CTX_free(c);
    return good;
}

static bool sign_ed25519(struct dkim *d, EVP_PKEY *key, const unsigned char *hash, unsigned char *to, size_t *n)
{
    bool good;

    EVP_MD_CTX_reset(d->md);
    good = EVP_DigestSignInit(d->md, NULL, NULL, NULL, key) == 1 && EVP_DigestSign(d->md, to, n, hash, DKIM_HASH) == 1;
    EVP_MD_CTX_reset(d->md);
    return good;
}

enum rc dkim_private_sign(struct dkim *d, const struct dkim_key *k, const unsigned char hash[static DKIM_HASH],
                          struct arena *a, struct str *out, struct err *e)
{
    size_t n = (size_t)EVP_PKEY_get_size(k->key);
    unsigned char *to = arena_alloc(a, n + 1);
    bool good;

    if (!to)
        return err_set(e, RC_NO_MEMORY, "signature");
    good = k->type == DKIM_RSA ? sign_rsa(d, k->key, hash, to, &n) : sign_ed25519(d, k->key, hash, to, &n);
    ERR_clear_error();
    if (!good)
        return err_set(e, RC_INVALID, "the key cannot sign");
    *out = str_of(to, n);
    return RC_OK;
}
