/*
 * Passphrases as directories keep them: {SCHEME} and base64 of digest and salt (RFC 2307 5.3, RFC 3112).
 *
 * Called by ldap.c for log-ins by attribute. Owns nothing. Compares in constant time; what it does not know does not fit.
 */
#include "lookup/ldap.h"
#include "smtp/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { STORED_MAX = 1024 };

static bool digest_fits(const EVP_MD *md, bool salted, struct str encoded, struct str password)
{
    unsigned char made[EVP_MAX_MD_SIZE];
    size_t size = (size_t)EVP_MD_get_size(md);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct arena a;
    struct str stored;
    bool fits = false;

    arena_init(&a, 256, 4 * STORED_MAX);
    if (ctx && base64_decode(&a, encoded, &stored, NULL) == RC_OK && (salted ? stored.n > size : stored.n == size) &&
        EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, password.p, password.n) == 1 &&
        EVP_DigestUpdate(ctx, stored.p + size, stored.n - size) == 1 && EVP_DigestFinal_ex(ctx, made, NULL) == 1)
        fits = CRYPTO_memcmp(made, stored.p, size) == 0;
    EVP_MD_CTX_free(ctx);
    arena_done(&a);
    return fits;
}

bool ldap_secret_fits(struct str stored, struct str password)
{
    static const struct {
        const char *scheme;
        const EVP_MD *(*md)(void);
        bool salted;
    } schemes[] = {{"{SSHA}", EVP_sha1, true},      {"{SHA}", EVP_sha1, false},      {"{SMD5}", EVP_md5, true},
                   {"{MD5}", EVP_md5, false},       {"{SSHA256}", EVP_sha256, true}, {"{SHA256}", EVP_sha256, false},
                   {"{SSHA384}", EVP_sha384, true}, {"{SHA384}", EVP_sha384, false}, {"{SSHA512}", EVP_sha512, true},
                   {"{SHA512}", EVP_sha512, false}};

    if (!password.n || !stored.n || stored.n > STORED_MAX)
        return false;
    if (str_startsi(stored, str_lit("{CLEARTEXT}")))
        stored = str_from(stored, 11);
    else if (stored.p[0] == '{' && str_find(stored, '}') < stored.n) {
        for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
            if (str_startsi(stored, str_c(schemes[i].scheme)))
                return digest_fits(schemes[i].md(), schemes[i].salted, str_from(stored, strlen(schemes[i].scheme)),
                                   password);
        return false;
    }
    return stored.n == password.n && CRYPTO_memcmp(stored.p, password.p, stored.n) == 0;
}
