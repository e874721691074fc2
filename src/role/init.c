/*
 * Serial number, passphrases and certificate of a new home. See init.h.
 *
 * Called by cmd_init.c. Owns nothing; the key is written to HOME/keys (mode 0600). Fails when libcrypto does.
 */
#include "role/init.h"

#include "base/clock.h"
#include "base/io.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { YEARS = 10 };

void init_serial(const char *home, char out[40])
{
    struct buf b = BUF(8192);
    unsigned char h[SHA256_DIGEST_LENGTH];

    if (io_read_file("/etc/machine-id", &b, NULL) != RC_OK || b.n == 0) {
        unsigned char own[16];

        buf_clear(&b); /* no machine id: the number is kept in the configuration anyway */
        random_bytes(own, sizeof own);
        buf_add(&b, str_of(own, sizeof own));
    }
    buf_add(&b, str_c(home));
    SHA256((const unsigned char *)b.p, b.n, h);
    for (size_t i = 0; i < 10; i++)
        snprintf(out + 2 * i, 3, "%02X", h[i]);
    out[20] = '-';
    for (size_t i = 0; i < 6; i++)
        snprintf(out + 21 + 2 * i, 3, "%02X", h[10 + i]);
    buf_done(&b);
}

void init_password(char out[20])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char r[16];

    random_bytes(r, sizeof r);
    for (size_t i = 0; i < sizeof r; i++)
        out[i] = alphabet[r[i] & 31];
    out[sizeof r] = 0;
}

/* Subject alternative name and the marks of a server certificate that signs itself. */
static bool extensions(X509 *x, const char *host)
{
    static const int kinds[] = {NID_basic_constraints, NID_ext_key_usage, NID_subject_alt_name};
    char alt[300];
    const char *values[] = {"critical,CA:FALSE", "serverAuth,clientAuth", alt};
    X509V3_CTX ctx;

    snprintf(alt, sizeof alt, "DNS:%s", host);
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    for (size_t i = 0; i < 3; i++) {
        X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, kinds[i], values[i]);

        if (!ext || !X509_add_ext(x, ext, -1)) {
            X509_EXTENSION_free(ext);
            return false;
        }
        X509_EXTENSION_free(ext);
    }
    return true;
}

static bool fill(X509 *x, EVP_PKEY *key, const char *host)
{
    X509_NAME *name = X509_get_subject_name(x);
    char common[65]; /* RFC 5280: at most 64 characters; the whole name is in the alternative name */

    snprintf(common, sizeof common, "%.64s", host);
    return X509_set_version(x, 2) && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), random_u64() >> 1) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -3600) && X509_gmtime_adj(X509_getm_notAfter(x), YEARS * 365L * 86400) &&
           X509_set_pubkey(x, key) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0) &&
           X509_set_issuer_name(x, name) && extensions(x, host) && X509_sign(x, key, EVP_sha256());
}

/* Writes what a memory BIO holds to HOME/NAME. */
static enum rc write_pem(const char *home, const char *name, BIO *b, struct err *e)
{
    char path[PATH_MAX], *p;
    long n = BIO_get_mem_data(b, &p);

    if (snprintf(path, sizeof path, "%s/%s", home, name) >= (int)sizeof path)
        return err_set(e, RC_INVALID, "%s is too long a path", home);
    return io_replace_file("init.keys", path, str_of(p, n > 0 ? (size_t)n : 0), e);
}

enum rc init_certificate(const char *home, struct conf_draft *d, struct err *e)
{
    BIO *out = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    enum rc rc = RC_OK;
    char host[256];

    snprintf(host, sizeof host, "%.*s", STR(d->conf.system.hostname));
    if (!key || !x || !out || !secret || !fill(x, key, host) || !PEM_write_bio_X509(out, x) ||
        !PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL))
        rc = err_set(e, RC_INTERNAL, "cannot make a certificate for %s", host);
    if (rc == RC_OK)
        rc = write_pem(home, INIT_KEY, secret, e);
    if (rc == RC_OK)
        rc = write_pem(home, INIT_CERTIFICATE, out, e);
    X509_free(x);
    EVP_PKEY_free(key);
    BIO_free(out);
    BIO_free(secret);
    return rc;
}
