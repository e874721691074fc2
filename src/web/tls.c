/*
 * Certificate, key and TLS policy of HTTPS.
 *
 * Called by web.c at each change of settings. The settings speak OpenSSL's cipher language, libmicrohttpd GnuTLS's: the list
 * is translated word by word, what has no meaning there is passed over. TLS 1.2 and 1.3 with ciphers of 128 bits and more,
 * never anonymous ones, whatever the list says (HD-11). A certificate that cannot be read is an error with its name.
 */
#include "web/inside.h"

#include "base/io.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { PEM_MOST = 1 << 20 };

/* A word of an OpenSSL list -> what GnuTLS calls the same. `cipher`: naming it in a suite keeps it. */
static const struct word {
    const char *openssl, *gnutls;
    bool cipher;
} words[] = {
    {"AES256-GCM", "AES-256-GCM", true},
    {"AES128-GCM", "AES-128-GCM", true},
    {"AESGCM", "AES-256-GCM AES-128-GCM", true},
    {"CHACHA20", "CHACHA20-POLY1305", true},
    {"AES256", "AES-256-GCM AES-256-CBC AES-256-CCM", true},
    {"AES128", "AES-128-GCM AES-128-CBC AES-128-CCM", true},
    {"AESCCM", "AES-256-CCM AES-128-CCM", true},
    {"AES", "AES-256-GCM AES-256-CBC AES-256-CCM AES-128-GCM AES-128-CBC AES-128-CCM", true},
    {"CAMELLIA", "CAMELLIA-256-GCM CAMELLIA-256-CBC CAMELLIA-128-GCM CAMELLIA-128-CBC", true},
    {"kRSA", "RSA", false},
    {"RSA", "RSA", false},
    {"kDHE", "DHE-RSA", false},
    {"DHE", "DHE-RSA", false},
    {"kECDHE", "ECDHE-RSA ECDHE-ECDSA", false},
    {"SHA1", "SHA1", false},
    {"SHA", "SHA1", false},
    {"CBC", "AES-256-CBC AES-128-CBC", true},
};

static void put_items(struct buf *out, char sign, const char *items)
{
    struct str rest = str_c(items), item;

    while (str_word(&rest, &item))
        buf_addf(out, ":%c%.*s", sign, STR(item));
}

static void put_without(struct buf *out, struct str word)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_eqi(word, str_c(words[i].openssl))) {
            put_items(out, '-', words[i].gnutls);
            return;
        }
}

/* The first cipher of the table that the name of a suite holds: ECDHE-RSA-AES256-GCM-SHA384. */
static const struct word *cipher_in(struct str suite)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].cipher && str_find_str(suite, str_c(words[i].openssl)) < suite.n)
            return &words[i];
    return NULL;
}

static bool next_word(struct str *rest, struct str *word_out)
{
    while (rest->n && strchr(":, ", rest->p[0]))
        *rest = str_from(*rest, 1);
    if (rest->n == 0)
        return false;
    word_out->p = rest->p;
    word_out->n = 0;
    while (word_out->n < rest->n && !strchr(":, ", rest->p[word_out->n]))
        word_out->n++;
    *rest = str_from(*rest, word_out->n);
    return true;
}

/* A list that names no group (HIGH, MEDIUM, ALL, DEFAULT) allows the ciphers it names alone. */
static bool names_ciphers_only(struct str openssl)
{
    struct str rest = openssl, word;
    bool named = false;

    while (next_word(&rest, &word)) {
        if (strchr("!-+@", word.p[0]))
            continue;
        if (!cipher_in(word))
            return false;
        named = true;
    }
    return named;
}

void priorities_write(uint64_t min_version_13, struct str openssl, struct buf *out)
{
    struct str rest = openssl, word;
    bool only = names_ciphers_only(openssl);

    buf_addf(out, "SECURE128:-VERS-ALL:+VERS-TLS1.3%s", min_version_13 ? "" : ":+VERS-TLS1.2");
    if (only)
        buf_add(out, str_lit(":-CIPHER-ALL"));
    while (next_word(&rest, &word)) {
        if (word.p[0] == '!' || word.p[0] == '-')
            put_without(out, str_from(word, 1));
        else if (only && !strchr("+@", word.p[0]) && cipher_in(word))
            put_items(out, '+', cipher_in(word)->gnutls);
    }
    /* the suites of TLS 1.3 are always on; key exchanges without authentication never */
    buf_add(out, str_lit(":+AES-256-GCM:+AES-128-GCM:-ANON-ECDH:-ANON-DH:-PSK:%SERVER_PRECEDENCE"));
    buf_addc(out, '\0');
}

static enum rc read_pem(struct buf *out, const char *home, struct str file, struct err *e)
{
    char path[PATH_MAX];

    *out = BUF(PEM_MOST);
    if (snprintf(path, sizeof path, file.n && file.p[0] == '/' ? "%.*s%.*s" : "%.*s/%.*s",
                 file.n && file.p[0] == '/' ? 0 : (int)strlen(home), home, STR(file)) >= (int)sizeof path)
        return err_set(e, RC_INVALID, "name of the certificate file is too long");
    TRY(io_read_file(path, out, e));
    buf_addc(out, '\0');
    return out->failed ? err_set(e, RC_INVALID, "%s is too large", path) : RC_OK;
}

/* Browsers must not be told to insist on HTTPS (HSTS) while they would have to click a warning away. */
static bool is_trusted(const struct buf *pem)
{
    gnutls_datum_t in = {(unsigned char *)pem->p, (unsigned)(pem->n - 1)};
    gnutls_x509_crt_t x;
    bool trusted = false;

    if (gnutls_x509_crt_init(&x) < 0)
        return false;
    if (gnutls_x509_crt_import(x, &in, GNUTLS_X509_FMT_PEM) >= 0)
        trusted = !gnutls_x509_crt_check_issuer(x, x);
    gnutls_x509_crt_deinit(x);
    return trusted;
}

/* libmicrohttpd says only that it could not start: what is wrong is found out here. */
static enum rc check(const struct credentials *c, struct err *e)
{
    gnutls_datum_t cert = {(unsigned char *)c->cert.p, (unsigned)(c->cert.n - 1)},
                   key = {(unsigned char *)c->key.p, (unsigned)(c->key.n - 1)};
    gnutls_certificate_credentials_t x;
    gnutls_priority_t p;
    const char *at = "";
    int failed;

    if (gnutls_certificate_allocate_credentials(&x) < 0)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    failed = gnutls_certificate_set_x509_key_mem(x, &cert, &key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(x);
    if (failed < 0)
        return err_set(e, RC_INVALID, "certificate or key: %s", gnutls_strerror(failed));
    failed = gnutls_priority_init(&p, c->priorities, &at);
    if (failed < 0)
        return err_set(e, RC_INVALID, "ciphers: %s at %s", gnutls_strerror(failed), at);
    gnutls_priority_deinit(p);
    return RC_OK;
}

static enum rc fill(struct credentials *out, const struct conf *c, const char *home, struct err *e)
{
    const struct conf_certificate *k =
        c->http.certificate.n ? conf_find(&c->certificate, c->http.certificate) : c->certificate.items;
    struct buf b = BUF(16384);

    if (c->certificate.n == 0 || !k)
        return err_set(e, RC_NOT_FOUND, "there is no certificate");
    TRY(read_pem(&out->cert, home, k->cert_file, e));
    TRY(read_pem(&out->key, home, k->key_file.n ? k->key_file : k->cert_file, e));
    priorities_write(c->http.min_version, c->http.ciphers, &b);
    out->priorities = b.p;
    if (b.failed)
        return err_set(e, RC_INVALID, "the cipher list is too long");
    out->trusted = is_trusted(&out->cert);
    return check(out, e);
}

enum rc credentials_read(struct credentials *out, const struct conf *c, const char *home, struct err *e)
{
    struct credentials k = {.cert = BUF(PEM_MOST), .key = BUF(PEM_MOST)};
    enum rc rc = fill(&k, c, home, e);

    if (rc == RC_OK)
        *out = k;
    else
        credentials_done(&k);
    return rc;
}

bool credentials_equal(const struct credentials *a, const struct credentials *b)
{
    return str_eq(buf_str(&a->cert), buf_str(&b->cert)) && str_eq(buf_str(&a->key), buf_str(&b->key)) &&
           str_eq(str_c(a->priorities), str_c(b->priorities));
}

void credentials_done(struct credentials *c)
{
    if (c->key.p)
        explicit_bzero(c->key.p, c->key.n);
    buf_done(&c->cert);
    buf_done(&c->key);
    free(c->priorities);
    *c = (struct credentials){0};
}
