/*
 * Certificates and private keys by libcrypto. See certificate.h.
 *
 * Called by verb_keys.c for sessions (which may not touch HOME/keys) and by `postern init`. Owns nothing. What cannot be
 * read ends with RC_INVALID and OpenSSL's words.
 */
#include "admin/certificate.h"

#include "base/clock.h"
#include "net/pem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { PASSPHRASE_MAX = 255, DIGEST = 32 };

void certificate_wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

static enum rc failed(struct err *e, const char *what)
{
    char text[160];
    unsigned long code = ERR_peek_last_error();

    ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(e, RC_INVALID, "%s%s%s", what, code ? ": " : "", code ? text : "");
}

/* --- making ---------------------------------------------------------------------------------------------------------- */

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

static bool fill(X509 *x, EVP_PKEY *key, const char *host, unsigned days)
{
    X509_NAME *name = X509_get_subject_name(x);
    char common[65]; /* RFC 5280: at most 64 characters; the whole name is in the alternative name */

    snprintf(common, sizeof common, "%.64s", host);
    return X509_set_version(x, 2) && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), random_u64() >> 1) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -3600) && X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L) &&
           X509_set_pubkey(x, key) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0) &&
           X509_set_issuer_name(x, name) && extensions(x, host) && X509_sign(x, key, EVP_sha256());
}

enum rc certificate_self_signed(struct str host, unsigned days, struct buf *cert_out, struct buf *key_out, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    enum rc rc = RC_OK;
    char name[256];

    snprintf(name, sizeof name, "%.*s", STR(host));
    for (const char *p = name; *p; p++) /* it becomes a line of OpenSSL's extension syntax */
        if (!ascii_alpha(*p) && !ascii_digit(*p) && *p != '.' && *p != '-' && *p != '_' && *p != '*')
            rc = err_set(e, RC_INVALID, "%s is no host name", name);
    if (rc == RC_OK && (!key || !x || !fill(x, key, name, days) || !pem_put_cert(x, cert_out) || !pem_put_key(key, key_out)))
        rc = failed(e, "The certificate cannot be made");
    X509_free(x);
    EVP_PKEY_free(key);
    return rc;
}

/* --- looking at them --------------------------------------------------------------------------------------------------- */

enum rc certificate_chain(struct str pem, struct buf *out, struct err *e)
{
    BIO *b = pem_reader(pem);
    bool any = false, written = true;
    X509 *x;

    while (written && (x = pem_next(b))) {
        written = pem_put_cert(x, out);
        X509_free(x);
        any = true;
    }
    BIO_free(b);
    if (any && written && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) { /* the end */
        ERR_clear_error();
        return RC_OK;
    }
    return failed(e, any ? "A certificate of the chain cannot be read" : "The certificate cannot be read");
}

enum rc certificate_check(struct str cert, struct str key, struct err *e)
{
    EVP_PKEY *k = pem_key(key);
    X509 *x = pem_cert(cert);
    enum rc rc;

    if (!x)
        rc = failed(e, "The certificate cannot be read");
    else if (!k)
        rc = failed(e, "The private key cannot be read; it must be PEM without a passphrase");
    else if (X509_check_private_key(x, k) != 1)
        rc = failed(e, "The private key does not belong to the certificate");
    else
        rc = RC_OK;
    X509_free(x);
    EVP_PKEY_free(k);
    return rc;
}

static void add_name(const char *label, const X509_NAME *name, BIO *b)
{
    BIO_printf(b, "%s: ", label);
    X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    BIO_puts(b, "\n");
}

static void add_time(const char *label, const ASN1_TIME *t, BIO *b)
{
    BIO_printf(b, "%s: ", label);
    ASN1_TIME_print(b, t);
}

static void add_alternatives(const X509 *x, BIO *b)
{
    int at = X509_get_ext_by_NID(x, NID_subject_alt_name, -1);

    if (at < 0)
        return;
    BIO_puts(b, "Names: ");
    X509V3_EXT_print(b, X509_get_ext(x, at), 0, 0);
    BIO_puts(b, "\n");
}

static void add_digest(const X509 *x, BIO *b)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (!X509_digest(x, EVP_sha256(), digest, &n))
        return;
    BIO_puts(b, "SHA-256: ");
    for (unsigned i = 0; i < n; i++)
        BIO_printf(b, "%s%02X", i ? ":" : "", digest[i]);
    BIO_puts(b, "\n");
}

enum rc certificate_facts(struct str cert, struct buf *out, struct err *e)
{
    X509 *x = pem_cert(cert);
    BIO *b = BIO_new(BIO_s_mem());
    int days = 0, seconds = 0;
    bool ok = x && b;

    if (ok) {
        add_name("Subject", X509_get_subject_name(x), b);
        add_name("Issuer", X509_get_issuer_name(x), b);
        add_time("Valid from", X509_get0_notBefore(x), b);
        BIO_puts(b, "\n");
        add_time("Expires", X509_get0_notAfter(x), b);
        ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x));
        if (days < 0 || seconds < 0)
            BIO_puts(b, " (EXPIRED)\n");
        else
            BIO_printf(b, " (in %d days)\n", days);
        add_alternatives(x, b);
        add_digest(x, b);
        ok = pem_drain(b, out);
    }
    BIO_free(b);
    X509_free(x);
    return ok ? RC_OK : failed(e, "The certificate cannot be read");
}

enum rc certificate_mark(struct str cert, char out[9], struct err *e)
{
    X509 *x = pem_cert(cert);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool ok = x && X509_digest(x, EVP_sha256(), digest, &n) && n == DIGEST;

    X509_free(x);
    if (!ok)
        return failed(e, "The certificate cannot be read");
    snprintf(out, 9, "%02x%02x%02x%02x", digest[0], digest[1], digest[2], digest[3]);
    return RC_OK;
}

/* --- PKCS #12 ------------------------------------------------------------------------------------------------------ */

static bool passphrase_text(struct str passphrase, char out[PASSPHRASE_MAX + 1])
{
    if (passphrase.n > PASSPHRASE_MAX || (passphrase.n && memchr(passphrase.p, 0, passphrase.n)))
        return false;
    snprintf(out, PASSPHRASE_MAX + 1, "%.*s", STR(passphrase));
    return true;
}

enum rc certificate_p12_read(struct str p12, struct str passphrase, struct buf *cert_out, struct buf *key_out, struct err *e)
{
    char text[PASSPHRASE_MAX + 1] = "";
    BIO *b = pem_reader(p12);
    PKCS12 *p = b ? d2i_PKCS12_bio(b, NULL) : NULL;
    STACK_OF(X509) *rest = NULL;
    EVP_PKEY *key = NULL;
    X509 *x = NULL;
    bool ok = p && passphrase_text(passphrase, text) && PKCS12_parse(p, text, &key, &x, &rest) == 1 && key && x &&
              pem_put_cert(x, cert_out) && pem_put_key(key, key_out);

    for (int i = 0; ok && i < sk_X509_num(rest); i++)
        ok = pem_put_cert(sk_X509_value(rest, i), cert_out);
    explicit_bzero(text, sizeof text);
    sk_X509_pop_free(rest, X509_free);
    X509_free(x);
    EVP_PKEY_free(key);
    PKCS12_free(p);
    BIO_free(b);
    return ok ? RC_OK : failed(e, "The PKCS #12 file cannot be read with this passphrase");
}

/* The certificates behind the first one. */
static STACK_OF(X509) * chain_of(struct str pem)
{
    STACK_OF(X509) *list = sk_X509_new_null();
    BIO *b = pem_reader(pem);
    X509 *x;

    for (bool own = true; list && (x = pem_next(b)); own = false)
        if (own || !sk_X509_push(list, x))
            X509_free(x);
    ERR_clear_error();
    BIO_free(b);
    return list;
}

enum rc certificate_p12_write(struct str cert, struct str key, struct str name, struct str passphrase, struct buf *out,
                              struct err *e)
{
    char text[PASSPHRASE_MAX + 1] = "", friendly[129];
    STACK_OF(X509) *rest = chain_of(cert);
    X509 *x = pem_cert(cert);
    EVP_PKEY *k = pem_key(key);
    BIO *b = BIO_new(BIO_s_mem());
    PKCS12 *p = NULL;
    bool ok = rest && x && k && b && passphrase_text(passphrase, text);

    snprintf(friendly, sizeof friendly, "%.*s", STR(name));
    if (ok)
        p = PKCS12_create(text, friendly, k, x, rest, 0, 0, 0, 0, 0);
    ok = p && i2d_PKCS12_bio(b, p) == 1 && pem_drain(b, out);
    explicit_bzero(text, sizeof text);
    PKCS12_free(p);
    BIO_free(b);
    EVP_PKEY_free(k);
    X509_free(x);
    sk_X509_pop_free(rest, X509_free);
    return ok ? RC_OK : failed(e, "The PKCS #12 file cannot be made");
}
