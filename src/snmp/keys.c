/*
 * Engine name and localised keys of the v3 user. See config.h.
 *
 * Called by snmp.c at each change of settings. Owns nothing; the passphrases are read from the settings and stay there. A
 * passphrase of less than 8 characters gives no key, as RFC 3414 11.2 asks.
 */
#include "snmp/config.h"

#include "base/clock.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

enum { PASSPHRASE_LEAST = 8, ENTERPRISE = 15497, FORMAT_TEXT = 4, AES_KEY = 16 };

/* RFC 3411 SnmpEngineID: enterprise with the top bit set, format 4 = text of at most 27 octets. */
static void engine_make(struct str serial, struct snmp_keys *k)
{
    struct str name = str_first(serial.n ? serial : str_lit("postern"), 27);

    k->engine[0] = 0x80;
    k->engine[1] = 0;
    k->engine[2] = ENTERPRISE >> 8;
    k->engine[3] = ENTERPRISE & 0xff;
    k->engine[4] = FORMAT_TEXT;
    memcpy(k->engine + 5, name.p, name.n);
    k->engine_n = 5 + name.n;
}

static size_t localise(bool sha, struct str passphrase, const struct snmp_keys *k, unsigned char out[SNMP_KEY_MAX])
{
    const oid *hash = sha ? usmHMACSHA1AuthProtocol : usmHMACMD5AuthProtocol;
    unsigned char general[SNMP_KEY_MAX];
    size_t general_n = sizeof general, n = SNMP_KEY_MAX;
    size_t hash_n = sha ? OID_LENGTH(usmHMACSHA1AuthProtocol) : OID_LENGTH(usmHMACMD5AuthProtocol);
    int failed;

    if (passphrase.n < PASSPHRASE_LEAST)
        return 0;
    failed = generate_Ku(hash, (u_int)hash_n, (const u_char *)passphrase.p, passphrase.n, general, &general_n) ||
             generate_kul(hash, (u_int)hash_n, k->engine, k->engine_n, general, general_n, out, &n);
    explicit_bzero(general, sizeof general);
    return failed ? 0 : n;
}

void snmp_keys_make(const struct conf *c, struct snmp_keys *out)
{
    const struct conf_snmp *s = &c->snmp;
    bool sha = s->auth != 0;

    *out = (struct snmp_keys){0};
    engine_make(c->system.serial, out);
    out->auth_n = localise(sha, s->auth_passphrase, out, out->auth);
    out->privacy_n = localise(sha, s->privacy_passphrase, out, out->privacy);
    if (out->privacy_n > AES_KEY)
        out->privacy_n = AES_KEY; /* RFC 3826 3.1.2.1; DES takes as much (RFC 3414 8.2.1) */
    if (s->level != 0 && !out->privacy_n)
        out->auth_n = 0; /* authPriv without a privacy key: nobody */
}

void snmp_keys_watcher(struct snmp_keys *k)
{
    random_bytes(k->watcher, sizeof k->watcher);
    k->has_watcher = true;
}
