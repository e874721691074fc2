/*
 * The card by which an appliance says who it is when it is enrolled and in hello (central.md 3, 4): JSON members.
 */
#ifndef CONF_ENROL_CARD_H
#define CONF_ENROL_CARD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

enum { ENROL_JSON_MAX = 65536, ENROL_PROTO = 1 };

/* Empty texts and zeros: not said. */
struct enrol_card {
    struct str serial, host, ver, address;
    struct str ssh_key;                 /* manager: of account `manager`; gateway: of account `link` */
    struct str print, next;             /* own pins */
    struct str known_print, known_next; /* what it pins of us */
    struct str host_key;                /* of its SSH server: TYPE BASE64 */
    struct str request, certificate;    /* gateway: to be signed; manager: signed */
    uint64_t proto, pvo_port, spam_port;
    bool revoke; /* manager: forget me */
};

/* Views into the arena or the text. RC_INVALID, RC_SYNTAX. RC_NOT_IMPLEMENTED: a version that is too old for us. */
enum rc enrol_card_read(struct arena *a, struct str json, struct enrol_card *out, struct err *e);
/* Members without braces, without the first comma: `"serial":"...",...`. */
void enrol_card_write(const struct enrol_card *card, struct buf *out);
/* The same without serial number, host and version, which hello says by itself; a comma before each. */
void enrol_card_rest(const struct enrol_card *card, struct buf *out);
/* Where a manager takes held mail: a further member `services`. Ports alone; hello says also what is on. */
void enrol_card_ports(const struct enrol_card *card, struct buf *out);
/* Our own, from the settings: pins, SSH key, address. Texts live in `a`. `partner` =
 * serial number of the one it is for ("" = unknown): what we pin of it. */
enum rc enrol_card_own(const struct conf *c, struct str partner, struct arena *a, struct enrol_card *out, struct err *e);

/* Is version `ver` ("0.2.0") at least `least`? */
bool enrol_version_fits(struct str ver, const char *least);

#endif
