/*
 * Delivery of released mail to the gateway it came from: the destinations the.cpq.release.host/SERIAL and
 * the.euq.release.queue/SERIAL, by CPQ over pinned TLS (central.md 7, 9).
 *
 * Called by destination.c, link.c and piece.c in place of resolving, connecting and logging. Owns the question under way and
 * the TLS context of the destination. Each connection first asks central where that gateway takes mail now (get-config cpq
 * over SSH), so its port may change freely; without an answer nothing is tried, and the reason names SSH. Nothing bounces:
 * what the gateway does not take stays in queue.
 */
#include "deliver/inside.h"

#include "smtp/cpq_tls.h"

enum { ASK_MS = 120000, KEEP_MS = 60000, CONNECT_MS = 30000 };

static const struct {
    const char *name;
    enum cpq_class class;
} kinds[] = {{"the.cpq.release.host/", CPQ_PVO_RELEASE}, {"the.euq.release.queue/", CPQ_SPAM_RELEASE}};

bool releaser_is(struct str name, enum cpq_class *class_out, struct str *serial_out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_startsi(name, str_c(kinds[i].name))) {
            *class_out = kinds[i].class;
            *serial_out = str_from(name, strlen(kinds[i].name));
            return true;
        }
    return false;
}

/* ---- where to ----------------------------------------------------------------------------------------------------------
 */

static void no_way(struct destination *to, struct str why)
{
    destination_resolved(to, &(struct no_hop){false, "4.4.1", why});
}

/* Who answers there: the gateway asked for, or the one that stands in for it. */
static enum rc make_context(struct destination *to, struct str serial, struct err *e)
{
    holder_forget(to);
    return cpq_tls_client(deliver_conf(to->d), serial, &to->pins, e);
}

static enum rc take_answer(struct destination *to, const struct bus_gateway_answer *m, struct err *e)
{
    const struct str by_path = str_lit("unix:");
    struct hop *h;

    TRY(make_context(to, m->serial.n ? m->serial : to->serial, e));
    arena_reset(&to->arena);
    to->n_hops = 0;
    h = arena_must_alloc(&to->arena, sizeof *h);
    *h = (struct hop){.host = arena_str(&to->arena, m->host.n ? m->host : m->address)};
    if (str_starts(m->address, by_path))
        to->link_path = arena_printf(&to->arena, "%.*s", STR(str_from(m->address, by_path.n))).p;
    else if (!ip_parse(m->address, &h->ip))
        return err_set(e, RC_SYNTAX, "the gateway names no address to deliver to");
    else
        to->link_path = NULL;
    h->ip.port = (uint16_t)m->port;
    to->hops = h;
    to->n_hops = 1;
    to->hops_life++;
    to->conf_version = deliver_conf(to->d)->version;
    to->hops_until_ms = loop_now_ms(to->d->o.loop) + KEEP_MS;
    facts_told(to, h->host);
    return RC_OK;
}

static void on_answer(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_gateway_answer *m = msg;
    struct destination *to = ctx;
    struct err e = ERR_NONE;

    to->ask = 0;
    if (rc != RC_OK) {
        no_way(to, str_lit("the gateway cannot be asked for its port over SSH: no answer in time"));
    } else if (m->rc != RC_OK) {
        to->failed = false;
        no_way(to, m->why.n ? m->why : str_lit("the gateway cannot be asked for its port over SSH"));
    } else if (take_answer(to, m, &e) != RC_OK) {
        no_way(to, str_c(err_text(&e)));
    } else {
        destination_resolved(to, NULL);
    }
}

void releaser_ask(struct destination *to)
{
    struct bus *bus = to->d->o.bus;
    struct bus_peer *central = bus ? bus_peer(bus, ROLE_central, 0) : NULL;

    if (!central) {
        no_way(to,
               str_lit("the gateway cannot be asked for its port over SSH: that part of this manager is being restarted"));
        return;
    }
    to->ask = bus_call(bus, central, BUS_gateway_question,
                       &(struct bus_gateway_question){.serial = to->serial, .failed = to->failed}, ASK_MS, on_answer, to);
}

void releaser_done(struct destination *to)
{
    if (to->ask)
        bus_cancel(to->d->o.bus, to->ask);
    to->ask = 0;
}

/* ---- a connection ------------------------------------------------------------------------------------------------------
 */

struct conversation *releaser_connect(struct link *l)
{
    struct destination *to = l->to;
    struct loop *loop = to->d->o.loop;
    const struct conf *c = deliver_conf(to->d);
    struct address_ip source;

    l->central = true;
    l->via_link = to->link_path != NULL;
    holder_options(l, c);
    if (to->state == DESTINATION_READY)
        to->state = DESTINATION_NEW; /* the answer is used: the next connection asks again */
    if (l->via_link)
        return conversation_connect_unix_tls(loop, to->link_path, CONNECT_MS, &smtp_client_kind, to->pins, &l->setup);
    return conversation_connect(loop, &l->ip, link_source(c, &l->ip, &source) ? &source : NULL, CONNECT_MS,
                                &smtp_client_kind, to->pins, &l->setup);
}

/* The metadata came with the message; its origin is named in it. */
enum rc releaser_origin(struct arena *a, struct str meta, struct cpq_facts *f, struct err *e)
{
    const struct json *root = NULL;

    TRY(json_read(a, meta, &root, e));
    f->serial = json_str_of(json_get(root, "serial"));
    if (!f->serial.n || !json_u64(json_get(root, "mid"), &f->mid))
        return err_set(e, RC_CORRUPT, "metadata of a release names no origin");
    return RC_OK;
}
