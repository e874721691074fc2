/*
 * TLS context of a listener. See tls.h.
 *
 * Called when a snapshot is compiled. Owns nothing; file names are relative to the installation's home. The private key
 * stays in memory only inside OpenSSL, the copy that was read is wiped.
 */
#include "receive/tls.h"

#include "base/io.h"

#include <stdio.h>

enum { PEM_MAX = 1 << 20, PATH_OCTETS = 1200 };

struct files {
    struct buf cert, key, ca;
};

static enum rc read_pem(const char *home, struct str name, struct buf *out, struct err *e)
{
    char path[PATH_OCTETS];

    *out = BUF(PEM_MAX);
    if (!name.n)
        return RC_OK;
    if (name.p[0] == '/')
        snprintf(path, sizeof path, "%.*s", STR(name));
    else
        snprintf(path, sizeof path, "%s/%.*s", home, STR(name));
    return io_read_file(path, out, e);
}

static enum rc read_files(const struct conf_certificate *c, const char *home, struct files *f, struct err *e)
{
    TRY(read_pem(home, c->cert_file, &f->cert, e));
    TRY(read_pem(home, c->key_file, &f->key, e));
    return read_pem(home, c->client_ca_file, &f->ca, e);
}

static void wipe(struct files *f)
{
    if (f->key.n)
        explicit_bzero(f->key.p, f->key.n);
    buf_done(&f->cert);
    buf_done(&f->key);
    buf_done(&f->ca);
}

static const struct conf_certificate *certificate(const struct conf *conf, struct str name)
{
    if (name.n)
        return conf_find(&conf->certificate, name);
    return conf->certificate.n ? conf->certificate.items : NULL;
}

/* Completes the options with the files and the machine's TLS settings. */
static enum rc make(const struct conf *conf, const struct conf_certificate *c, const char *home,
                    struct tls_server_options *o, struct tls_context **out, struct err *e)
{
    struct files f = {.cert = BUF(0)};
    enum rc rc;

    *out = NULL;
    if (!c || !c->cert_file.n)
        return RC_OK;
    rc = read_files(c, home, &f, e);
    if (rc == RC_OK) {
        o->cert_pem = buf_str(&f.cert);
        o->key_pem = buf_str(&f.key);
        o->ciphers = conf->tls.inbound_ciphers;
        o->min_version = conf->tls.inbound_min_version == 1 ? 0x0304 : 0x0303;
        o->request_client_cert = f.ca.n != 0;
        o->ca_pem = buf_str(&f.ca);
        rc = tls_server_new(o, out, e);
    }
    wipe(&f);
    return rc;
}

enum rc receive_tls(const struct conf *conf, const struct conf_listener *l, const char *home,
                    const unsigned char *ticket_key, struct tls_context **out, struct err *e)
{
    struct tls_server_options o = {.ticket_key = ticket_key};

    return make(conf, certificate(conf, l->certificate), home, &o, out, e);
}
