/*
 * Certificates of enrolment by libcrypto. See authority.h.
 *
 * Called by admin (identity, enrolment) and conf (pins of cards). Owns nothing. What a partner sent is looked at before it
 * is signed; what cannot be read ends with RC_INVALID.
 */
#include "net/authority.h"

#include "base/clock.h"
#include "net/pem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { AUTHORITY_OWN_DAYS = 7300, SERIAL_MAX = 64 };
_Static_assert((int)AUTHORITY_PIN == (int)PEM_PIN, "one form of pins");

static enum rc failed(struct err *e, const char *what)
{
    ERR_clear_error();
    return err_set(e, RC_INVALID, "%s", what);
}

/* --- making -------------------------------------------------------------------------------------------------------- */

static bool add_name(X509_NAME *name, struct str serial)
{
    return serial.n && serial.n <= SERIAL_MAX &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)serial.p, (int)serial.n, -1, 0);
}

static bool add_extension(X509 *x, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, kind, value);
    ok = ext && X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

static bool marks(X509 *x, X509 *issuer, bool authority)
{
    if (authority)
        return add_extension(x, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
               add_extension(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    return add_extension(x, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, issuer, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
}

/* A certificate of `key` for the serial number, signed by `issuer` (NULL: by itself). */
static enum rc make(struct str serial, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, bool authority,
                    struct buf *cert_out, struct err *e)
{
    X509 *x = X509_new();
    long days = authority ? AUTHORITY_OWN_DAYS : AUTHORITY_DAYS;
    bool ok = x && key && X509_set_version(x, 2) && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), random_u64() >> 1) &&
              X509_gmtime_adj(X509_getm_notBefore(x), -3600) && X509_gmtime_adj(X509_getm_notAfter(x), days * 86400) &&
              X509_set_pubkey(x, key) && add_name(X509_get_subject_name(x), serial) &&
              X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) &&
              marks(x, issuer ? issuer : x, authority) && X509_sign(x, issuer_key ? issuer_key : key, EVP_sha256()) &&
              pem_put_cert(x, cert_out);

    X509_free(x);
    return ok ? RC_OK : failed(e, "The certificate cannot be made");
}

enum rc authority_make(struct str serial, struct buf *cert_out, struct buf *key_out, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    enum rc rc = make(serial, key, NULL, NULL, true, cert_out, e);

    if (rc == RC_OK && !pem_put_key(key, key_out))
        rc = failed(e, "The key cannot be written");
    EVP_PKEY_free(key);
    return rc;
}

enum rc authority_key(struct buf *key_out, struct err *e)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    bool ok = key && pem_put_key(key, key_out);

    EVP_PKEY_free(key);
    return ok ? RC_OK : failed(e, "The key cannot be made");
}

enum rc authority_self_sign(struct str serial, struct str key, struct buf *cert_out, struct err *e)
{
    EVP_PKEY *k = pem_key(key);
    enum rc rc = make(serial, k, NULL, NULL, false, cert_out, e);

    EVP_PKEY_free(k);
    return rc;
}

enum rc authority_request(struct str serial, struct str key, struct buf *request_out, struct err *e)
{
    EVP_PKEY *k = pem_key(key);
    X509_REQ *r = X509_REQ_new();
    bool ok = k && r && X509_REQ_set_version(r, 0) && add_name(X509_REQ_get_subject_name(r), serial) &&
              X509_REQ_set_pubkey(r, k) && X509_REQ_sign(r, k, EVP_sha256()) && pem_put_request(r, request_out);

    X509_REQ_free(r);
    EVP_PKEY_free(k);
    return ok ? RC_OK : failed(e, "The certificate request cannot be made");
}

/* --- signing ------------------------------------------------------------------------------------------------------- */

static bool names(const X509_NAME *name, struct str serial)
{
    char common[SERIAL_MAX + 2];
    int n = X509_NAME_get_text_by_NID(name, NID_commonName, common, sizeof common);

    return n > 0 && X509_NAME_entry_count(name) == 1 && str_eq(str_of(common, (size_t)n), serial);
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32];
    size_t n = 0;

    return key && EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &n) == 1 &&
           (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
}

enum rc authority_sign(struct str authority, struct str authority_key, struct str request, struct str serial,
                       struct buf *cert_out, struct err *e)
{
    X509_REQ *r = pem_request(request);
    X509 *issuer = pem_cert(authority);
    EVP_PKEY *issuer_key = pem_key(authority_key), *key = r ? X509_REQ_get0_pubkey(r) : NULL;
    enum rc rc;

    if (!issuer || !issuer_key)
        rc = failed(e, "There is no authority to sign with");
    else if (!r || !key)
        rc = failed(e, "The certificate request cannot be read");
    else if (!is_p256(key))
        rc = failed(e, "The requested key is no P-256 key");
    else if (X509_REQ_verify(r, key) != 1)
        rc = failed(e, "The certificate request is not signed by its own key");
    else if (!names(X509_REQ_get_subject_name(r), serial))
        rc = failed(e, "The certificate request is for another serial number");
    else
        rc = make(serial, key, issuer, issuer_key, false, cert_out, e);
    EVP_PKEY_free(issuer_key);
    X509_free(issuer);
    X509_REQ_free(r);
    return rc;
}

/* --- looking at them ------------------------------------------------------------------------------------------------- */

static enum rc pin(const EVP_PKEY *key, char out[AUTHORITY_PIN + 1], struct err *e)
{
    return pem_pin_key(key, out) ? RC_OK : failed(e, "The public key cannot be read");
}

enum rc authority_pin(struct str cert, char out[AUTHORITY_PIN + 1], struct err *e)
{
    X509 *x = pem_cert(cert);
    bool ok = pem_pin_cert(x, out); /* its octets as they stand: what TLS compares */

    X509_free(x);
    return ok ? RC_OK : failed(e, "The public key cannot be read");
}

enum rc authority_request_pin(struct str request, char out[AUTHORITY_PIN + 1], struct err *e)
{
    X509_REQ *r = pem_request(request);
    enum rc rc = pin(r ? X509_REQ_get0_pubkey(r) : NULL, out, e);

    X509_REQ_free(r);
    return rc;
}

enum rc authority_key_pin(struct str key, char out[AUTHORITY_PIN + 1], struct err *e)
{
    EVP_PKEY *k = pem_key(key);
    enum rc rc = pin(k, out, e);

    EVP_PKEY_free(k);
    return rc;
}

bool authority_is_own(struct str cert)
{
    X509 *x = pem_cert(cert);
    bool own = x && X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;

    X509_free(x);
    ERR_clear_error();
    return own;
}

enum rc authority_fits(struct str cert, struct str key, struct str serial, struct err *e)
{
    X509 *x = pem_cert(cert);
    EVP_PKEY *k = pem_key(key);
    enum rc rc = RC_OK;

    if (!x)
        rc = failed(e, "The certificate cannot be read");
    else if (!k || X509_check_private_key(x, k) != 1)
        rc = failed(e, "The certificate is for another key");
    else if (!names(X509_get_subject_name(x), serial))
        rc = failed(e, "The certificate is for another serial number");
    EVP_PKEY_free(k);
    X509_free(x);
    return rc;
}

/* Milliseconds since 1970. */
static bool time_of(const ASN1_TIME *t, uint64_t *out)
{
    struct tm tm;

    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *out = (uint64_t)timegm(&tm) * 1000;
    return true;
}

/* Is now behind this part of its time? */
static bool is_behind(struct str cert, uint64_t now_ms, uint64_t part, uint64_t parts)
{
    X509 *x = pem_cert(cert);
    uint64_t from, until;
    bool over = x && time_of(X509_get0_notBefore(x), &from) && time_of(X509_get0_notAfter(x), &until) && until > from &&
                now_ms > from + (until - from) / parts * part;

    X509_free(x);
    ERR_clear_error();
    return over;
}

bool authority_half_over(struct str cert, uint64_t now_ms)
{
    return is_behind(cert, now_ms, 1, 2);
}

bool authority_over(struct str cert, uint64_t now_ms)
{
    return is_behind(cert, now_ms, 1, 1);
}
