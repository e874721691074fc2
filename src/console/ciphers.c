/*
 * Cipher strings. See ciphers.h.
 *
 * Called by sslconfig. Owns nothing. The suites of TLS 1.3 are not part of such a string and always on.
 */
#include "console/ciphers.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

/* As net/tls.c adds it to every list; what the operator wrote cannot undo it. */
#define NEVER ":!aNULL:!eNULL:!EXPORT:!LOW:!RC4:!MD5:!PSK:!SRP"
enum { LIST_MOST = 2000, LINE = 160 };

static bool set(SSL_CTX *ctx, struct str list, const char *more)
{
    char text[LIST_MOST + sizeof NEVER];
    bool ok;

    snprintf(text, sizeof text, "%.*s%s", STR(list), more);
    ok = SSL_CTX_set_cipher_list(ctx, text) == 1;
    ERR_clear_error();
    return ok;
}

static size_t count_old(const SSL_CTX *ctx, bool anonymous)
{
    const STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ctx);
    size_t n = 0;

    for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(list, i);
        bool open = SSL_CIPHER_get_auth_nid(c) == NID_auth_null || SSL_CIPHER_get_cipher_nid(c) == NID_undef;

        n += anonymous ? open : SSL_CIPHER_get_protocol_id(c) >> 8 != 0x13;
    }
    return n;
}

static void describe(struct arena *a, const SSL_CTX *ctx, struct strs *out)
{
    const STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ctx);
    int n = sk_SSL_CIPHER_num(list);
    struct str *lines = arena_must_alloc(a, ((size_t)n + 1) * sizeof *lines);
    char text[LINE];

    for (int i = 0; i < n; i++)
        lines[i] = arena_str(a, str_trim(str_c(SSL_CIPHER_description(sk_SSL_CIPHER_value(list, i), text, LINE))));
    *out = (struct strs){lines, (size_t)n};
}

enum rc ciphers_expand(struct arena *a, struct str list, struct strs *out, bool *anonymous_out, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    enum rc rc = RC_OK;

    if (!ctx)
        return err_set(e, RC_NO_MEMORY, "no memory");
    if (list.n > LIST_MOST || (list.n && memchr(list.p, 0, list.n)) || !set(ctx, list, ":@SECLEVEL=0"))
        rc = err_set(e, RC_INVALID, "\"%.*s\" is no cipher string of OpenSSL", STR(str_first(list, 100)));
    if (rc == RC_OK) {
        *anonymous_out = count_old(ctx, true) > 0;
        if (!set(ctx, list, NEVER) || count_old(ctx, false) == 0)
            rc = err_set(e, RC_INVALID, "\"%.*s\" names no cipher that may be used", STR(str_first(list, 100)));
    }
    if (rc == RC_OK)
        describe(a, ctx, out);
    SSL_CTX_free(ctx);
    return rc;
}
