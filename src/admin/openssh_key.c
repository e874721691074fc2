/*
 * Makes SSH keys in OpenSSH's form. See openssh_key.h.
 *
 * Called for the key that logs are pushed with and for that of enrolment. Owns nothing; what passes through here is wiped.
 */
#include "admin/openssh_key.h"

#include <sodium.h>

enum { FILE_MOST = 16384, BLOCK = 8, COLUMNS = 70 };

static void put_u32(struct buf *b, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_addc(b, (char)(v >> shift));
}

static void put_string(struct buf *b, struct str s)
{
    put_u32(b, (uint32_t)s.n);
    buf_add(b, s);
}

static void put_base64(struct str octets, size_t columns, struct buf *out)
{
    char text[1024];

    if (octets.n > 700)
        return;
    sodium_bin2base64(text, sizeof text, (const unsigned char *)octets.p, octets.n, sodium_base64_VARIANT_ORIGINAL);
    for (struct str rest = str_c(text); rest.n; rest = str_from(rest, columns < rest.n ? columns : rest.n)) {
        buf_add(out, str_first(rest, columns));
        if (columns < SIZE_MAX)
            buf_addc(out, '\n');
    }
    sodium_memzero(text, sizeof text);
}

/* RFC 8709 4: the public key as SSH writes it. */
static void put_public(struct buf *b, const unsigned char public[static crypto_sign_PUBLICKEYBYTES])
{
    put_string(b, str_lit("ssh-ed25519"));
    put_string(b, str_of((const char *)public, crypto_sign_PUBLICKEYBYTES));
}

/* OpenSSH's PROTOCOL.key, without a passphrase. */
static void put_private_file(const unsigned char public[static crypto_sign_PUBLICKEYBYTES],
                             const unsigned char secret[static crypto_sign_SECRETKEYBYTES], struct buf *out)
{
    struct buf inner = BUF(FILE_MOST), all = BUF(FILE_MOST), blob = BUF(FILE_MOST);
    uint32_t check = randombytes_random();

    put_public(&blob, public);
    put_u32(&inner, check);
    put_u32(&inner, check);
    buf_add(&inner, buf_str(&blob));
    put_string(&inner, str_of((const char *)secret, crypto_sign_SECRETKEYBYTES));
    put_string(&inner, STR_NONE); /* comment */
    for (char pad = 1; inner.n % BLOCK; pad++)
        buf_addc(&inner, pad);
    buf_add(&all, str_of("openssh-key-v1", 15)); /* with its NUL */
    put_string(&all, str_lit("none"));
    put_string(&all, str_lit("none"));
    put_string(&all, STR_NONE);
    put_u32(&all, 1);
    put_string(&all, buf_str(&blob));
    put_string(&all, buf_str(&inner));
    buf_add(out, str_lit("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    put_base64(buf_str(&all), COLUMNS, out);
    buf_add(out, str_lit("-----END OPENSSH PRIVATE KEY-----\n"));
    sodium_memzero(inner.p, inner.n);
    sodium_memzero(all.p, all.n);
    buf_done(&inner);
    buf_done(&all);
    buf_done(&blob);
}

static void write_pair(const unsigned char public[static crypto_sign_PUBLICKEYBYTES],
                       const unsigned char secret[static crypto_sign_SECRETKEYBYTES], struct buf *file, struct buf *line)
{
    struct buf blob = BUF(FILE_MOST);

    put_private_file(public, secret, file);
    put_public(&blob, public);
    buf_add(line, str_lit("ssh-ed25519 "));
    put_base64(buf_str(&blob), SIZE_MAX, line);
    buf_done(&blob);
}

void openssh_key_make(struct buf *file, struct buf *line)
{
    unsigned char public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];

    crypto_sign_keypair(public, secret);
    write_pair(public, secret, file, line);
    sodium_memzero(secret, sizeof secret);
}

void openssh_key_of_seed(const unsigned char seed[static OPENSSH_KEY_SEED], struct buf *file, struct buf *line)
{
    unsigned char public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];

    crypto_sign_seed_keypair(public, secret, seed);
    write_pair(public, secret, file, line);
    sodium_memzero(secret, sizeof secret);
}

bool openssh_key_fingerprint(struct str line, char out[OPENSSH_KEY_PRINT + 1])
{
    unsigned char blob[4096], sum[crypto_hash_sha256_BYTES];
    struct str rest = line, type, code;
    size_t n;

    if (!str_word(&rest, &type) || !str_word(&rest, &code) ||
        sodium_base642bin(blob, sizeof blob, code.p, code.n, NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    crypto_hash_sha256(sum, blob, n);
    sodium_bin2base64(out, OPENSSH_KEY_PRINT + 1, sum, sizeof sum, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    return true;
}
