/*
 * Where mail for a quarantine goes: over a socket file to this machine's holder, or by TLS to the manager, whose port is
 * reached by TCP or through a channel of the link (central.md 6, 7.1, 8).
 *
 * Called by destination.c, resolve.c and link.c. Owns the pinned TLS context of a destination: it is made anew with the
 * settings. A manager that is not chosen, or a certificate that is missing, leaves the mail in queue and says so.
 */
#include "deliver/inside.h"

#include "base/clock.h"
#include "conf/product.h"
#include "smtp/cpq_tls.h"

#include <stdio.h>
#include <sys/stat.h>

enum { CONNECT_MS = 30000, COMMAND_MS = 120000, BLOCK_MS = 180000, FINAL_MS = 600000, PATH_OCTETS = 108 };
enum { LINK_OFF, LINK_PREFER, LINK_ONLY /* manager.link */ };

const struct conf_manager *holder_manager(const struct conf *c)
{
    for (size_t i = 0; i < c->manager.n; i++)
        if (c->manager.items[i].destination)
            return &c->manager.items[i];
    return NULL;
}

static bool falls_back(const struct destination *to, const struct conf *c)
{
    return c->pvo.fallback_ms && to->away_since_ms && loop_now_ms(to->d->o.loop) >= to->away_since_ms + c->pvo.fallback_ms;
}

bool holder_is_central(const struct destination *to)
{
    const struct conf *c = deliver_conf(to->d);

    if (to->asks)
        return true;
    return (to->class == CPQ_SPAM ? c->spam_quarantine.central : c->pvo.central) && !falls_back(to, c);
}

void holder_route(struct arena *a, const struct destination *to, struct route *out, struct str *why_out)
{
    const struct conf_manager *m = holder_manager(deliver_conf(to->d));

    *out = (struct route){.kind = ROUTE_HOSTS};
    *why_out = STR_NONE;
    if (!m || !m->serial.n)
        *why_out = str_lit("no manager is enrolled for quarantined mail");
    else if (!m->address.n)
        *why_out = str_lit("the manager has no address");
    if (why_out->n)
        return;
    out->hosts = arena_must_alloc(a, sizeof *out->hosts);
    out->n = 1;
    *out->hosts = (struct route_host){.host = arena_str(a, m->address),
                                      .port = (uint16_t)(to->class == CPQ_SPAM ? m->spam_port : m->pvo_port)};
    if (!ip_parse(m->address, &out->hosts->ip) && m->link == LINK_ONLY)
        out->hosts->ip.family = AF_INET; /* never connected to */
}

/* A message that was on its way to the manager once may be there: until a repeat has told, it is held nowhere else. */
static void keep_uncertain(struct destination *to)
{
    const struct delivery_result wait = {
        .class = RESULT_DELAYED, .enhanced = {"4.4.2", 5}, .text = {"waits for the manager, which may have it already", 48}};
    struct pieces all = to->pending;

    to->pending = (struct pieces){0};
    for (struct piece *p; (p = pieces_pop(&all));) {
        struct delivery_result own[PIECE_RECIPIENTS];

        if (!p->uncertain)
            pieces_push(&to->pending, p);
        else
            outcome_tell(to->d, p, 0, own, outcome_fill(p, own, &wait));
    }
}

/* Connections to where mail went before: they carry what they have and end. */
static void finish_others(struct destination *to, bool central)
{
    for (struct link *l = to->links, *next; l; l = next) {
        next = l->next;
        if (l->central == central || !l->client) /* one in the making takes no mail that is not for it (link.c) */
            continue;
        if (l->idle)
            link_wake(l);
        link_finish(l);
    }
}

void holder_hops(struct destination *to)
{
    bool central = holder_is_central(to);

    if (!central)
        moved_back(to, "the quarantines are on this machine");
    if (!central && falls_back(to, deliver_conf(to->d)))
        keep_uncertain(to);

    if (central != to->central) {
        finish_others(to, central);
        to->central = central;
        to->state = DESTINATION_NEW;
        to->n_hops = 0;
    }
    if (central)
        return;                                      /* found like those of a domain */
    to->conf_version = deliver_conf(to->d)->version; /* never stale */
    if (to->state == DESTINATION_READY && to->n_hops)
        return;
    to->hops = arena_new(&to->arena, struct hop);
    to->n_hops = to->hops ? 1 : 0;
    if (!to->hops)
        return;
    to->hops->host = str_lit("localhost");
    to->hops_life++;
    to->hops_until_ms = UINT64_MAX;
    to->state = DESTINATION_READY;
}

/* ---- connection ------------------------------------------------------------------------------------------------------- */

void holder_forget(struct destination *to)
{
    tls_unref(to->pins);
    to->pins = NULL;
    to->pins_version = 0;
}

static struct tls_context *pins(struct destination *to, const struct conf *c)
{
    const struct conf_manager *m = holder_manager(c);
    struct err e = ERR_NONE;

    if (to->pins_version == c->version)
        return to->pins;
    holder_forget(to);
    to->pins_version = c->version;
    to->pins_why[0] = '\0';
    if (cpq_tls_client(c, m ? m->serial : STR_NONE, &to->pins, &e) != RC_OK)
        snprintf(to->pins_why, sizeof to->pins_why, "%s", err_text(&e));
    return to->pins;
}

/* The link's channel, when it is wanted and up. */
static bool channel_of(const struct destination *to, char path[PATH_OCTETS])
{
    const struct conf_manager *m = holder_manager(deliver_conf(to->d));
    struct stat st;

    if (!m || m->link == LINK_OFF || !to->d->o.channels)
        return false;
    if (snprintf(path, PATH_OCTETS, "%s/%s", to->d->o.channels, to->class == CPQ_SPAM ? "euq" : "cpq") >= PATH_OCTETS)
        return false;
    return m->link == LINK_ONLY || stat(path, &st) == 0;
}

void holder_options(struct link *l, const struct conf *c)
{
    struct smtp_client_options *o = &l->options;

    l->cpq = (struct smtp_client_cpq){.class_name = str_c(cpq_class_name(l->to->class)),
                                      .serial = arena_str(&l->arena, c->system.serial),
                                      .role = l->to->release ? str_lit("manager") : str_lit("gateway"),
                                      .version = str_lit(PRODUCT_RELEASE),
                                      .feat = l->to->feat,
                                      .commands = l->to->commands};
    if (!l->cpq.serial.n)
        l->cpq.serial = str_lit("unknown");
    o->cpq = &l->cpq;
    o->tls = l->central ? SMTP_TLS_REQUIRED : SMTP_TLS_NONE;
    o->auth_user = STR_NONE;
    o->pipelining = true;
    o->greeting_ms = CONNECT_MS;
    o->command_ms = COMMAND_MS;
    o->block_ms = BLOCK_MS;
    o->dot_ms = FINAL_MS;
    o->max_messages = UINT64_MAX;
}

struct conversation *holder_connect(struct link *l)
{
    struct destination *to = l->to;
    struct loop *loop = to->d->o.loop;
    const struct conf *c = deliver_conf(to->d);
    char path[PATH_OCTETS];
    struct address_ip source;

    l->central = to->central;
    holder_options(l, c);
    if (!l->central)
        return conversation_connect_unix(loop, to->d->o.holder ? to->d->o.holder : "", CONNECT_MS, &smtp_client_kind,
                                         &l->setup);
    l->via_link = channel_of(to, path);
    if (l->via_link)
        return conversation_connect_unix_tls(loop, path, CONNECT_MS, &smtp_client_kind, pins(to, c), &l->setup);
    return conversation_connect(loop, &l->ip, link_source(c, &l->ip, &source) ? &source : NULL, CONNECT_MS,
                                &smtp_client_kind, pins(to, c), &l->setup);
}
