/*
 * Enrolment in daily life: what gateways say in hello goes to control, what control signs goes back, removed ones are told.
 * See enrol.h.
 *
 * Called by contact.c, line_dial.c and central.c. Owns what waits for an answer. A certificate that could not be brought is
 * signed anew after the next hello; a removed gateway that cannot be told keeps our key until its administrator deletes us.
 */
#include "base/must.h"
#include "central/enrol.h"
#include "conf/enrol_card.h"
#include "conf/product.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEARD_MS = 20000, CONNECT_MS = 20000, STEP_MS = 20000, CARD_MAX = 65536, ARENA_MAX = 1 << 20 };

void enrol_members(const struct conf *conf, struct str serial, struct buf *out)
{
    struct enrol_card own;
    struct arena a;

    arena_init(&a, 1024, ARENA_MAX);
    if (enrol_card_own(conf, serial, &a, &own, NULL) == RC_OK)
        enrol_card_rest(&own, out);
    arena_done(&a);
}

/* --- hello was heard ------------------------------------------------------------------------------------------------------
 */

struct bringing {
    struct central *central;
    char *appliance, *card;
};

static void bringing_done(struct bringing *b)
{
    free(b->appliance);
    free(b->card);
    free(b);
}

/* In the line's thread: another hello, with the certificate. */
static enum rc bring(struct ssh_line *l, void *ctx, struct err *e)
{
    struct bringing *b = ctx;
    struct greeting g = {0};
    enum rc rc = greet(l, b->card, "", &g, e);

    greeting_done(&g);
    return rc;
}

static void brought(void *ctx, enum rc rc, const struct err *e)
{
    (void)rc; /* contact.c tells when the gateway is away */
    (void)e;
    bringing_done(ctx);
}

/* Our side of hello with a certificate. */
static char *card_with(const struct conf *conf, struct str serial, struct str certificate)
{
    struct enrol_card own;
    struct buf out = BUF(CARD_MAX);
    struct arena a;
    char *text = NULL;

    arena_init(&a, 1024, ARENA_MAX);
    if (enrol_card_own(conf, serial, &a, &own, NULL) == RC_OK) {
        own.certificate = certificate;
        buf_addf(&out, "{\"proto\":%d,", ENROL_PROTO);
        enrol_card_write(&own, &out);
        enrol_card_ports(&own, &out);
        buf_addc(&out, '}');
        text = str_copy(buf_str(&out));
    }
    buf_done(&out);
    arena_done(&a);
    return text;
}

static void told(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_enrol_told *m = msg;
    struct bringing *b = ctx;
    const struct conf_appliance *x = appliance_find(b->central, str_c(b->appliance));

    if (rc == RC_OK && m->rc != RC_OK)
        event(b->central->o.events, enrol_refused, .name = str_c(b->appliance), .why = m->why);
    if (rc == RC_OK && m->rc == RC_OK && m->certificate.n && x)
        b->card = card_with(b->central->conf, x->serial, m->certificate);
    if (!b->card) {
        bringing_done(b);
        return;
    }
    line_job(b->central, str_c(b->appliance), LINE_SOON, bring, brought, b);
}

void enrol_heard(struct central *c, struct str appliance, struct str hello)
{
    struct bus_peer *control = c->o.bus ? bus_peer(c->o.bus, ROLE_control, 0) : NULL;
    const struct bus_enrol_heard m = {.appliance = appliance, .json = hello};
    struct bringing *b;

    if (!control)
        return;
    b = calloc(1, sizeof *b);
    must(b);
    *b = (struct bringing){.central = c, .appliance = str_copy(appliance)};
    bus_call(c->o.bus, control, BUS_enrol_heard, &m, HEARD_MS, told, b);
}

/* --- removed ones
 * ----------------------------------------------------------------------------------------------------------- */

struct parting {
    struct central *central;
    char *name, *card;
};

static enum rc say_revoke(struct ssh_line *l, void *ctx, struct err *e)
{
    struct parting *p = ctx;
    struct buf reply = BUF(SSH_LINE_REPLY_MAX);
    enum rc rc = ssh_line_verb(l, str_lit("hello"), str_c(p->card), &reply, -1, e);

    buf_done(&reply);
    return rc;
}

static void parted(void *ctx, enum rc rc, const struct err *e, const char *host_key)
{
    struct parting *p = ctx;

    (void)host_key;
    if (rc == RC_OK)
        event(p->central->o.events, appliance_removed, .name = str_c(p->name));
    else
        event(p->central->o.events, appliance_not_told, .name = str_c(p->name), .why = str_c(err_text(e)));
    free(p->name);
    free(p->card);
    free(p);
}

static char *parting_card(const struct conf *conf)
{
    struct enrol_card own = {.serial = conf->system.serial, .ver = str_lit(PRODUCT_RELEASE), .revoke = true};
    struct buf out = BUF(CARD_MAX);
    char *text;

    buf_addf(&out, "{\"proto\":%d,", ENROL_PROTO);
    enrol_card_write(&own, &out);
    buf_add(&out, str_lit("}\n"));
    text = str_copy(buf_str(&out));
    buf_done(&out);
    return text;
}

static void part(struct central *c, const struct conf *conf, const struct conf_appliance *x)
{
    char path[4096], *address = str_copy(x->address), *host_key = str_copy(x->host_key),
                     *key = str_copy(conf->ssh_identity.key);
    struct parting *p = calloc(1, sizeof *p);
    struct ssh_dial dial = {.port = (uint16_t)x->port,
                            .user = "manager",
                            .key = key,
                            .passphrase = "",
                            .host_key = host_key,
                            .connect_ms = CONNECT_MS,
                            .step_ms = STEP_MS};

    must(p);
    *p = (struct parting){.central = c, .name = str_copy(x->name), .card = parting_card(conf)};
    snprintf(path, sizeof path, "unix:%s/run/link/%.*s/mgmt", c->o.home, STR(x->serial));
    dial.address = x->link && access(path + 5, F_OK) == 0 ? path : address;
    line_once(c, &dial, say_revoke, parted, p);
    explicit_bzero(key, strlen(key));
    free(key);
    free(host_key);
    free(address);
}

static bool has_serial(const struct conf *conf, struct str serial)
{
    for (size_t i = 0; i < conf->appliance.n; i++)
        if (str_eqi(conf->appliance.items[i].serial, serial))
            return true;
    for (size_t i = 0; i < conf->appliance.n; i++) /* replaced: nobody is there to be told */
        for (size_t k = 0; k < conf->appliance.items[i].former.n; k++)
            if (str_eqi(conf->appliance.items[i].former.items[k], serial))
                return true;
    return false;
}

void enrol_gone(struct central *c, const struct conf *now, const struct conf *old)
{
    for (size_t i = 0; old && i < old->appliance.n; i++) {
        const struct conf_appliance *x = &old->appliance.items[i];

        if (x->serial.n && x->host_key.n && !has_serial(now, x->serial) && now->system.role == 1)
            part(c, now, x);
    }
}
