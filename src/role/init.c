/*
 * Serial number, passphrases and certificate of a new home. See init.h.
 *
 * Called by cmd_init.c. Owns nothing; the key is written to HOME/keys (mode 0600). Fails when libcrypto does.
 */
#include "role/init.h"

#include "admin/certificate.h"
#include "admin/first.h"
#include "base/clock.h"
#include "base/io.h"

#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>

enum { DAYS = 3650, PEM_MAX = 1 << 20 };

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

static enum rc write_pem(const char *home, const char *name, const struct buf *pem, struct err *e)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s", home, name) >= (int)sizeof path)
        return err_set(e, RC_INVALID, "%s is too long a path", home);
    return io_replace_file("init.keys", path, buf_str(pem), e);
}

enum rc init_certificate(const char *home, struct conf_draft *d, struct err *e)
{
    struct buf cert = BUF(PEM_MAX), key = BUF(PEM_MAX);
    enum rc rc = certificate_self_signed(d->conf.system.hostname, DAYS, &cert, &key, e);

    if (rc == RC_OK)
        rc = write_pem(home, FIRST_KEY, &key, e);
    if (rc == RC_OK)
        rc = write_pem(home, FIRST_CERTIFICATE, &cert, e);
    certificate_wipe(&key);
    buf_done(&cert);
    return rc;
}
