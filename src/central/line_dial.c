/*
 * What a connection to a gateway needs, from the settings: address or link, key, pinned host key, our side of hello.
 *
 * Called by line.c on the loop. The copies are their owner's (dial_done). An appliance that was never established has no
 * host key and is not talked to; one whose link is the only way is not reached while the link is down.
 */
#include "central/enrol.h"
#include "central/inside.h"

#include "base/json.h"
#include "base/must.h"
#include "conf/product.h"

#include <stdlib.h>
#include <unistd.h>

/* The service as this gateway shall see it: on for it, and where. */
static void put_service(struct buf *out, const char *name, bool on, uint64_t port, bool first)
{
    buf_addf(out, "%s\"%s\":{\"on\":%s", first ? "" : ",", name, on ? "true" : "false");
    if (port)
        buf_addf(out, ",\"port\":%llu", (unsigned long long)port);
    buf_addc(out, '}');
}

static char *our_hello(const struct central *c, const struct conf_appliance *a)
{
    const struct conf *conf = c->conf;
    struct buf out = BUF(65536);
    char *text;

    buf_addf(&out, "{\"proto\":%d,\"serial\":", CENTRAL_PROTO);
    json_str(&out, conf->system.serial);
    buf_add(&out, str_lit(",\"ver\":\"" PRODUCT_RELEASE "\",\"host\":"));
    json_str(&out, conf->system.hostname);
    buf_add(&out, str_lit(",\"services\":{"));
    put_service(&out, "reporting", a->reporting, 0, true);
    put_service(&out, "tracking", a->tracking, 0, false);
    put_service(&out, "spam", a->spam && conf->euq_listener.enabled, conf->euq_listener.port, false);
    put_service(&out, "pvo", a->pvo && conf->pvo.enabled, conf->cpq_listener.port, false);
    buf_addc(&out, '}');
    enrol_members(conf, a->serial, &out);
    buf_addc(&out, '}');
    text = str_copy(buf_str(&out));
    buf_done(&out);
    return text;
}

static enum rc address_of(const struct central *c, const struct conf_appliance *a, char **out, struct err *e)
{
    char by_link[128];

    if (link_use(c, a, "mgmt", by_link)) {
        if (access(by_link + strlen("unix:"), F_OK) != 0)
            return err_set(e, RC_CONNECT, "the link of this appliance is down");
        *out = str_copy(str_c(by_link));
        return RC_OK;
    }
    if (!a->address.n)
        return err_set(e, RC_INVALID, "no address is set");
    *out = str_copy(a->address);
    return RC_OK;
}

enum rc dial_appliance(const struct central *c, const struct conf_appliance *a, struct dial_own *out, struct err *e)
{
    char *address = NULL;

    if (!a->host_key.n)
        return err_set(e, RC_INVALID, "no host key is known: the connection was never established");
    if (!c->conf->ssh_identity.key.n)
        return err_set(e, RC_INVALID, "this manager has no SSH key yet");
    TRY(address_of(c, a, &address, e));
    *out = (struct dial_own){.dial = {.address = address,
                                      .port = (uint16_t)a->port,
                                      .user = str_copy(str_lit("manager")),
                                      .key = str_copy(c->conf->ssh_identity.key),
                                      .passphrase = str_copy(STR_NONE),
                                      .host_key = str_copy(a->host_key),
                                      .connect_ms = c->o.connect_ms,
                                      .step_ms = c->o.step_ms},
                             .serial = str_copy(a->serial),
                             .hello = our_hello(c, a)};
    return RC_OK;
}

void dial_copy(const struct ssh_dial *from, struct dial_own *out)
{
    *out = (struct dial_own){.dial = *from};
    out->dial.address = str_copy(str_c(from->address));
    out->dial.user = str_copy(str_c(from->user));
    out->dial.key = str_copy(str_c(from->key));
    out->dial.passphrase = str_copy(str_c(from->passphrase));
    out->dial.host_key = str_copy(str_c(from->host_key));
}

bool dial_same(const struct dial_own *a, const struct dial_own *b)
{
    return a->dial.port == b->dial.port && strcmp(a->dial.address, b->dial.address) == 0 &&
           strcmp(a->dial.user, b->dial.user) == 0 && strcmp(a->dial.key, b->dial.key) == 0 &&
           strcmp(a->dial.host_key, b->dial.host_key) == 0 && a->serial && b->serial && strcmp(a->serial, b->serial) == 0;
}

static void drop(const char *text, bool wipe)
{
    char *p = (char *)(uintptr_t)text;

    if (p && wipe)
        explicit_bzero(p, strlen(p));
    free(p);
}

void dial_done(struct dial_own *d)
{
    drop(d->dial.address, false);
    drop(d->dial.user, false);
    drop(d->dial.key, true);
    drop(d->dial.passphrase, true);
    drop(d->dial.host_key, false);
    free(d->serial);
    free(d->hello);
    *d = (struct dial_own){0};
}
