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

#include "conf/product.h"

enum { ASK_MS = 120000, KEEP_MS = 60000, CONNECT_MS = 30000, COMMAND_MS = 120000, BLOCK_MS = 180000, FINAL_MS = 600000 };

static const struct {
    const char *name, *from, *note;
    enum cpq_class class;
} kinds[] = {
    {"the.cpq.release.host/", "from centralized policy quarantine", "centralized policy quarantine", CPQ_PVO_RELEASE},
    {"the.euq.release.queue/", "from offbox IronPort Spam Quarantine", "external quarantine", CPQ_SPAM_RELEASE}};

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

struct str releaser_target(const struct destination *to)
{
    return to->release ? str_c(kinds[to->class == CPQ_SPAM_RELEASE].from) : STR_NONE;
}

struct str releaser_note(const struct destination *to)
{
    return to->release ? str_c(kinds[to->class == CPQ_SPAM_RELEASE].note) : STR_NONE;
}

/* ---- where to ----------------------------------------------------------------------------------------------------------
 */

static void no_way(struct destination *to, struct str why)
{
    destination_resolved(to, &(struct no_hop){false, "4.4.1", why});
}

/* The peers that may answer there: the gateway asked for, or the one that stands in for it. */
static enum rc make_context(struct destination *to, struct str serial, struct err *e)
{
    const struct conf *c = deliver_conf(to->d);
    struct str pins[2 * RELEASE_PEERS];
    struct tls_server_options o = {.cert_pem = c->cpq_identity.certificate,
                                   .key_pem = c->cpq_identity.key,
                                   .ciphers = c->tls.outbound_ciphers,
                                   .pinned = true,
                                   .pins = pins};
    struct tls_context *made;

    for (size_t i = 0; i < c->cpq_peer.n && o.n_pins + 2 <= 2 * RELEASE_PEERS; i++) {
        const struct conf_cpq_peer *peer = &c->cpq_peer.items[i];

        if (!str_eqi(peer->serial, serial))
            continue;
        pins[o.n_pins++] = peer->fingerprint;
        if (peer->next_fingerprint.n)
            pins[o.n_pins++] = peer->next_fingerprint;
    }
    if (!o.n_pins)
        return err_set(e, RC_NOT_PERMITTED, "gateway %.*s is not enrolled here", STR(serial));
    TRY(tls_client_pinned(&o, &made, e));
    tls_unref(to->pinned);
    to->pinned = made;
    return RC_OK;
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
    tls_unref(to->pinned);
    to->pinned = NULL;
}

/* ---- a connection ------------------------------------------------------------------------------------------------------
 */

struct conversation *releaser_connect(struct link *l, const struct address_ip *source)
{
    struct destination *to = l->to;
    const struct conf *c = deliver_conf(to->d);
    struct smtp_client_options *o = &l->options;

    l->cpq = (struct smtp_client_cpq){.class_name = str_c(cpq_class_name(to->class)),
                                      .serial = arena_str(&l->arena, c->system.serial),
                                      .role = str_lit("manager"),
                                      .version = str_lit(PRODUCT_RELEASE)};
    o->cpq = &l->cpq;
    o->tls = SMTP_TLS_REQUIRED;
    o->auth_user = STR_NONE;
    o->pipelining = true;
    o->greeting_ms = CONNECT_MS;
    o->command_ms = COMMAND_MS;
    o->block_ms = BLOCK_MS;
    o->dot_ms = FINAL_MS;
    o->max_messages = UINT64_MAX;
    if (to->state == DESTINATION_READY)
        to->state = DESTINATION_NEW; /* the answer is used: the next connection asks again */
    if (to->link_path)
        return conversation_connect_unix(to->d->o.loop, to->link_path, CONNECT_MS, &smtp_client_kind, &l->setup);
    return conversation_connect(to->d->o.loop, &l->ip, source, CONNECT_MS, &smtp_client_kind, to->pinned, &l->setup);
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

void releaser_results(struct link *l, struct piece *p, const struct delivery_result *r, size_t n)
{
    struct delivery_result own[PIECE_RECIPIENTS];
    struct delivery_result same = n ? r[0] : (struct delivery_result){.class = RESULT_DELAYED, .enhanced = {"4.3.0", 5}};

    if (same.class == RESULT_BOUNCED)
        same.class = RESULT_DELAYED;
    l->to->failed = false;
    same.reason = REASON_NONE; /* notices are the gateway's, when it has delivered */
    outcome_results(l->to->d, p, l->dcid, own, outcome_fill(p, own, &same));
}
