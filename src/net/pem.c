/*
 * PEM by libcrypto. See pem.h.
 *
 * Called by the rooms that keep certificates: net (TLS), admin (commands, enrolment), central (the link). Owns nothing.
 * Why something failed stands in OpenSSL's error queue, which is the caller's to empty.
 */
#include "net/pem.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

enum { DIGEST = 32 };

static int no_passphrase(char *out, int n, int write, void *ctx)
{
    (void)out, (void)n, (void)write, (void)ctx;
    return -1;
}

BIO *pem_reader(struct str pem)
{
    return pem.n && pem.n <= PEM_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

X509 *pem_next(BIO *reader)
{
    return reader ? PEM_read_bio_X509(reader, NULL, no_passphrase, NULL) : NULL;
}

X509 *pem_cert(struct str pem)
{
    BIO *b = pem_reader(pem);
    X509 *x = pem_next(b);

    BIO_free(b);
    return x;
}

EVP_PKEY *pem_key(struct str pem)
{
    BIO *b = pem_reader(pem);
    EVP_PKEY *k = b ? PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL) : NULL;

    BIO_free(b);
    return k;
}

X509_REQ *pem_request(struct str pem)
{
    BIO *b = pem_reader(pem);
    X509_REQ *r = b ? PEM_read_bio_X509_REQ(b, NULL, no_passphrase, NULL) : NULL;

    BIO_free(b);
    return r;
}

bool pem_drain(BIO *b, struct buf *out)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);

    buf_add(out, str_of(p, n > 0 ? (size_t)n : 0));
    return n > 0 && !out->failed;
}

bool pem_put_cert(X509 *x, struct buf *out)
{
    BIO *b = BIO_new(BIO_s_mem());
    bool ok = b && PEM_write_bio_X509(b, x) && pem_drain(b, out);

    BIO_free(b);
    return ok;
}

bool pem_put_key(EVP_PKEY *k, struct buf *out)
{
    BIO *b = BIO_new(BIO_s_secmem());
    bool ok = b && PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL) && pem_drain(b, out);

    BIO_free(b);
    return ok;
}

bool pem_put_request(X509_REQ *r, struct buf *out)
{
    BIO *b = BIO_new(BIO_s_mem());
    bool ok = b && PEM_write_bio_X509_REQ(b, r) && pem_drain(b, out);

    BIO_free(b);
    return ok;
}

/* --- pins ------------------------------------------------------------------------------------------------------------ */

static bool pin(unsigned char *der, int n, char out[PEM_PIN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned got = 0;
    bool ok = n > 0 && EVP_Digest(der, (size_t)n, sum, &got, EVP_sha256(), NULL) == 1 && got == DIGEST;

    OPENSSL_free(der);
    for (size_t i = 0; ok && i < DIGEST; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[ok ? PEM_PIN : 0] = '\0';
    return ok;
}

bool pem_pin_cert(const X509 *x, char out[PEM_PIN + 1])
{
    unsigned char *der = NULL;
    int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : -1;

    return pin(der, n, out);
}

bool pem_pin_key(const EVP_PKEY *k, char out[PEM_PIN + 1])
{
    unsigned char *der = NULL;
    int n = k ? i2d_PUBKEY(k, &der) : -1;

    return pin(der, n, out);
}
