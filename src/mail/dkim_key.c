/*
 * Private keys for signing: made, read, shown as the public half. See dkim.h.
 *
 * Called by domainkeysconfig, by the checks of settings and by deliver. A key is owned by whoever loaded it. What is secret
 * is wiped before its memory goes back.
 */
#include "mail/dkim_inside.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdlib.h>

enum { BITS_LEAST = 512, BITS_MOST = 4096, TEXT_MAX = 16384 };

/* Takes the key. */
static enum rc wrap(EVP_PKEY *pkey, struct dkim_key **out, struct err *e)
{
    int id = EVP_PKEY_get_base_id(pkey);
    unsigned bits = (unsigned)EVP_PKEY_get_bits(pkey);
    struct dkim_key *k = NULL;

    if (id != EVP_PKEY_RSA && id != EVP_PKEY_ED25519)
        err_set(e, RC_INVALID, "the key is neither RSA nor Ed25519");
    else if (id == EVP_PKEY_RSA && (bits < BITS_LEAST || bits > BITS_MOST))
        err_set(e, RC_INVALID, "an RSA key must have %d to %d bits, this has %u", BITS_LEAST, BITS_MOST, bits);
    else if (!(k = calloc(1, sizeof *k)))
        err_set(e, RC_NO_MEMORY, "key");
    if (!k) {
        EVP_PKEY_free(pkey);
        return e && e->rc != RC_OK ? e->rc : RC_INVALID;
    }
    k->key = pkey;
    k->type = id == EVP_PKEY_RSA ? DKIM_RSA : DKIM_ED25519;
    k->bits = bits;
    *out = k;
    return RC_OK;
}

/* A passphrase is never asked. */
static int no_passphrase(char *to, int size, int writing, void *ctx)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static EVP_PKEY *from_pem(struct str text)
{
    BIO *in = BIO_new_mem_buf(text.p, (int)text.n);
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;

    BIO_free(in);
    return key;
}

static EVP_PKEY *from_base64(struct str text)
{
    const unsigned char *at;
    EVP_PKEY *key = NULL;
    struct arena a;
    struct str der;

    arena_init(&a, TEXT_MAX, TEXT_MAX);
    if (dkim_base64_decode(&a, text, &der) == RC_OK) {
        at = (const unsigned char *)der.p;
        key = d2i_AutoPrivateKey(NULL, &at, (long)der.n);
        OPENSSL_cleanse((char *)(uintptr_t)der.p, der.n);
    }
    arena_done(&a);
    return key;
}

enum rc dkim_key_load(struct str text, struct dkim_key **out, struct err *e)
{
    EVP_PKEY *key = NULL;

    text = str_trim(text);
    if (text.n && text.n < TEXT_MAX)
        key = str_find_str(text, str_lit("-----BEGIN")) < text.n ? from_pem(text) : from_base64(text);
    ERR_clear_error();
    if (!key)
        return err_set(e, RC_INVALID, "that is no private key without a passphrase");
    return wrap(key, out, e);
}

void dkim_key_free(struct dkim_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    free(k);
}

enum dkim_key_type dkim_key_type(const struct dkim_key *k)
{
    return k->type;
}

unsigned dkim_key_bits(const struct dkim_key *k)
{
    return k->bits;
}

/* PKCS #8: the form that holds keys of every type. */
void dkim_key_private(const struct dkim_key *k, struct buf *out)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(k->key);
    unsigned char *der = NULL;
    int n = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;

    if (n > 0)
        dkim_base64_encode(str_of(der, (size_t)n), out);
    else
        out->failed = true;
    if (der)
        OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
    PKCS8_PRIV_KEY_INFO_free(info);
}

void dkim_key_public(const struct dkim_key *k, struct buf *out)
{
    unsigned char raw[32], *der = NULL;
    size_t n = sizeof raw;
    int length;

    if (k->type == DKIM_ED25519) {
        out->failed |= EVP_PKEY_get_raw_public_key(k->key, raw, &n) != 1;
        dkim_base64_encode(str_of(raw, n), out);
        return;
    }
    length = i2d_PUBKEY(k->key, &der);
    if (length > 0)
        dkim_base64_encode(str_of(der, (size_t)length), out);
    else
        out->failed = true;
    OPENSSL_free(der);
}

enum rc dkim_key_generate(enum dkim_key_type type, unsigned bits, struct buf *private_out, struct buf *public_out,
                          struct err *e)
{
    struct dkim_key *k;
    EVP_PKEY *key;

    if (type == DKIM_RSA && (bits < BITS_LEAST || bits > BITS_MOST))
        return err_set(e, RC_INVALID, "an RSA key must have %d to %d bits", BITS_LEAST, BITS_MOST);
    key = type == DKIM_RSA ? EVP_RSA_gen(bits) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (!key)
        return err_set(e, RC_INTERNAL, "no key could be made");
    TRY(wrap(key, &k, e));
    dkim_key_private(k, private_out);
    dkim_key_public(k, public_out);
    dkim_key_free(k);
    return private_out->failed || public_out->failed ? err_set(e, RC_NO_MEMORY, "key") : RC_OK;
}
