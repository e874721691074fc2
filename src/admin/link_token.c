/*
 * Link tokens as text and as keys. See link_token.h.
 *
 * Called by the verbs of enrolment. Owns nothing. A text that is no token is refused with a reason that does not repeat it.
 */
#include "admin/link_token.h"

#include "admin/openssh_key.h"
#include "base/clock.h"

#include <sodium.h>
#include <stdio.h>

static void put_hex(char *out, size_t octets)
{
    unsigned char r[16];

    random_bytes(r, octets);
    for (size_t i = 0; i < octets; i++)
        snprintf(out + 2 * i, 3, "%02x", r[i]);
    sodium_memzero(r, sizeof r);
}

enum rc link_token_make(struct str host_key, struct link_token *out, struct err *e)
{
    if (!openssh_key_fingerprint(host_key, out->print))
        return err_set(e, RC_UNAVAILABLE, "this manager has no SSH host key yet");
    put_hex(out->id, LINK_TOKEN_ID / 2);
    put_hex(out->secret, LINK_TOKEN_SECRET / 2);
    return RC_OK;
}

static bool take(struct str *rest, char *out, size_t n, bool hex)
{
    struct str part;

    if (!str_split(rest, '.', &part) || part.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = part.p[i];
        bool digit = ascii_digit(c) || (c >= 'a' && c <= 'f');

        if (hex ? !digit : !ascii_alpha(c) && !ascii_digit(c) && c != '+' && c != '/')
            return false;
    }
    memcpy(out, part.p, n);
    out[n] = '\0';
    return true;
}

enum rc link_token_read(struct str text, struct link_token *out, struct err *e)
{
    struct str rest = str_trim(text), mark;
    struct link_token t;

    if (!str_split(&rest, '.', &mark) || !str_eq(mark, str_lit("PLT1")) || !take(&rest, t.id, LINK_TOKEN_ID, true) ||
        !take(&rest, t.secret, LINK_TOKEN_SECRET, true) || !take(&rest, t.print, LINK_TOKEN_PRINT, false) || rest.p)
        return err_set(e, RC_INVALID, "this is no link token");
    *out = t;
    return RC_OK;
}

void link_token_write(const struct link_token *t, struct buf *out)
{
    buf_addf(out, "PLT1.%s.%s.%s", t->id, t->secret, t->print);
}

void link_token_keys(const struct link_token *t, struct buf *file, struct buf *line)
{
    static const char label[] = "postern-link-token 1";
    unsigned char seed[crypto_auth_hmacsha256_BYTES], secret[LINK_TOKEN_SECRET / 2];
    crypto_auth_hmacsha256_state s;

    sodium_hex2bin(secret, sizeof secret, t->secret, LINK_TOKEN_SECRET, NULL, NULL, NULL);
    crypto_auth_hmacsha256_init(&s, secret, sizeof secret);
    crypto_auth_hmacsha256_update(&s, (const unsigned char *)label, sizeof label - 1);
    crypto_auth_hmacsha256_final(&s, seed);
    openssh_key_of_seed(seed, file, line);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(&s, sizeof s);
}

void link_token_wipe(struct link_token *t)
{
    sodium_memzero(t, sizeof *t);
}
