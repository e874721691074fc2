/*
 * Cards of appliances as JSON. See enrol_card.h.
 *
 * Called by admin and central. Owns nothing. A card comes from outside: it is read strictly, unknown keys
 * are passed over, and what would not fit the settings is refused before it is looked at any further.
 */
#include "conf/enrol_card.h"

#include "base/json.h"
#include "base/json_read.h"
#include "conf/product.h"
#include "net/authority.h"

#include <inttypes.h>

enum { ROLE_OF_MANAGER = 1 };

static bool is_pin(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_digit(s.p[i]) && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return s.n == AUTHORITY_PIN;
}

/* Digits, letters and hyphens: it becomes the name of an item and of a directory. */
static bool is_serial(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-')
            return false;
    return s.n > 0 && s.n <= 64 && s.p[0] != '-';
}

static bool is_word(struct str s, size_t most)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return s.n <= most;
}

/* TYPE BASE64; empty = not said. */
static bool is_key(struct str s)
{
    struct str rest = s, type, blob, more;

    if (!s.n)
        return true;
    return s.n <= 4000 && str_word(&rest, &type) && str_word(&rest, &blob) && !str_word(&rest, &more) && is_word(type, 40) &&
           is_word(blob, 4000) && str_find(s, '\n') == s.n;
}

static enum rc judge(const struct enrol_card *c, struct err *e)
{
    if (!is_serial(c->serial))
        return err_set(e, RC_INVALID, "no serial number");
    if (!is_word(c->host, 255) || !is_word(c->address, 255) || !is_word(c->ver, 40))
        return err_set(e, RC_INVALID, "a name that is none");
    if (!is_key(c->ssh_key) || !is_key(c->host_key))
        return err_set(e, RC_INVALID, "a public key that is none");
    if ((c->print.n && !is_pin(c->print)) || (c->next.n && !is_pin(c->next)) ||
        (c->known_print.n && !is_pin(c->known_print)) || (c->known_next.n && !is_pin(c->known_next)))
        return err_set(e, RC_INVALID, "a fingerprint that is none");
    if (c->request.n > AUTHORITY_PEM_MAX || c->certificate.n > AUTHORITY_PEM_MAX)
        return err_set(e, RC_INVALID, "a certificate that is too long");
    if (c->pvo_port > 65535 || c->spam_port > 65535)
        return err_set(e, RC_INVALID, "a port that is none");
    if (!enrol_version_fits(c->ver, PRODUCT_RELEASE_LEAST))
        return err_set(e, RC_NOT_IMPLEMENTED, "version %.*s is too old, at least " PRODUCT_RELEASE_LEAST " is needed",
                       STR(c->ver.n ? c->ver : str_lit("(none)")));
    return RC_OK;
}

static uint64_t port_of(const struct json *services, const char *name)
{
    uint64_t port = 0;

    json_u64(json_get(json_get(services, name), "port"), &port);
    return port;
}

enum rc enrol_card_read(struct arena *a, struct str json, struct enrol_card *out, struct err *e)
{
    const struct json *v, *pins, *services;

    if (json.n > ENROL_JSON_MAX)
        return err_set(e, RC_TOO_LARGE, "longer than %d octets", ENROL_JSON_MAX);
    TRY(json_read(a, json, &v, e));
    if (!json_is(v, JSON_OBJECT))
        return err_set(e, RC_INVALID, "not an object");
    pins = json_get(v, "pins");
    services = json_get(v, "services");
    *out = (struct enrol_card){
        .serial = json_str_of(json_get(v, "serial")),
        .host = json_str_of(json_get(v, "host")),
        .ver = json_str_of(json_get(v, "ver")),
        .address = json_str_of(json_get(v, "address")),
        .ssh_key = json_str_of(json_get(v, "ssh_key")),
        .host_key = json_str_of(json_get(v, "host_key")),
        .print = json_str_of(json_get(v, "cpq_print")),
        .next = json_str_of(json_get(v, "cpq_next")),
        .known_print = json_str_of(json_get(pins, "print")),
        .known_next = json_str_of(json_get(pins, "next")),
        .request = json_str_of(json_get(v, "cpq_csr")),
        .certificate = json_str_of(json_get(v, "cpq_cert")),
        .pvo_port = port_of(services, "pvo"),
        .spam_port = port_of(services, "spam"),
        .revoke = json_is(json_get(v, "revoke"), JSON_TRUE),
    };
    json_u64(json_get(v, "proto"), &out->proto);
    return judge(out, e);
}

static void put(struct buf *out, const char *key, struct str value)
{
    if (!value.n)
        return;
    buf_addf(out, ",\"%s\":", key);
    json_str(out, value);
}

void enrol_card_write(const struct enrol_card *c, struct buf *out)
{
    buf_add(out, str_lit("\"serial\":"));
    json_str(out, c->serial);
    put(out, "host", c->host);
    put(out, "ver", c->ver);
    enrol_card_rest(c, out);
}

void enrol_card_rest(const struct enrol_card *c, struct buf *out)
{
    put(out, "address", c->address);
    put(out, "ssh_key", c->ssh_key);
    put(out, "host_key", c->host_key);
    put(out, "cpq_print", c->print);
    put(out, "cpq_next", c->next);
    put(out, "cpq_csr", c->request);
    put(out, "cpq_cert", c->certificate);
    if (c->known_print.n) {
        buf_add(out, str_lit(",\"pins\":{\"print\":"));
        json_str(out, c->known_print);
        put(out, "next", c->known_next);
        buf_addc(out, '}');
    }
    if (c->revoke)
        buf_add(out, str_lit(",\"revoke\":true"));
}

void enrol_card_ports(const struct enrol_card *c, struct buf *out)
{
    buf_addf(out, ",\"services\":{\"spam\":{\"port\":%" PRIu64 "},\"pvo\":{\"port\":%" PRIu64 "}}", c->spam_port,
             c->pvo_port);
}

/* Where partners reach us: the address of the first interface, when it is one; else our name. */
static struct str address_of(const struct conf *c)
{
    const struct conf_interface *f = c->interface.n ? c->interface.items : NULL;
    struct str wanted = c->system.role == ROLE_OF_MANAGER ? c->cpq_listener.interface : STR_NONE;

    if (wanted.n && conf_find(&c->interface, wanted))
        f = conf_find(&c->interface, wanted);
    if (f && f->address.n && !str_eq(f->address, str_lit("0.0.0.0")))
        return f->address;
    return c->system.hostname;
}

enum rc enrol_card_own(const struct conf *c, struct str partner, struct arena *a, struct enrol_card *out, struct err *e)
{
    struct enrol_card own = {.serial = c->system.serial,
                             .host = c->system.hostname,
                             .ver = str_lit(PRODUCT_RELEASE),
                             .address = address_of(c),
                             .ssh_key = c->ssh_identity.public_key,
                             .proto = ENROL_PROTO,
                             .pvo_port = c->system.role == ROLE_OF_MANAGER ? c->cpq_listener.port : 0,
                             .spam_port = c->system.role == ROLE_OF_MANAGER ? c->euq_listener.port : 0};
    char pin[AUTHORITY_PIN + 1];

    if (!c->cpq_identity.certificate.n || !c->ssh_identity.public_key.n)
        return err_set(e, RC_UNAVAILABLE, "this appliance has no certificate and SSH key yet");
    TRY(authority_pin(c->cpq_identity.certificate, pin, e));
    own.print = arena_str(a, str_c(pin));
    if (c->cpq_identity.next_key.n) {
        TRY(authority_key_pin(c->cpq_identity.next_key, pin, e));
        own.next = arena_str(a, str_c(pin));
    }
    for (size_t i = 0; i < c->cpq_peer.n; i++)
        if (partner.n && str_eqi(c->cpq_peer.items[i].serial, partner)) {
            own.known_print = c->cpq_peer.items[i].fingerprint;
            own.known_next = c->cpq_peer.items[i].next_fingerprint;
        }
    *out = own;
    return RC_OK;
}

bool enrol_version_fits(struct str ver, const char *least)
{
    struct str have = ver, want = str_c(least), a, b;
    uint64_t x, y;

    if (!ver.n)
        return false;
    while (str_split(&want, '.', &b)) {
        if (!str_u64(b, &y) || !str_split(&have, '.', &a) || !str_u64(a, &x))
            return false;
        if (x != y)
            return x > y;
    }
    return true;
}
