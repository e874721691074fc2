/*
 * The link on a gateway: one for each manager whose item says so (central.md 8). See link.h.
 *
 * Called by link.c. Owns the job of each (link_near.c) with its thread, the socket files through which deliver reaches the
 * manager, and the waits between attempts: 1 s, doubling to 60 s, with jitter. What the manager opens is handed to the role
 * that serves it. The first line about a failure is logged, then only another reason; after five minutes it is an alert.
 */
#include "central/link.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WAIT_FIRST_MS = 1000, WAIT_MOST_MS = 60000, GOOD_MS = 5000 };

static const struct conf_manager *manager_of(const struct near_link *k, const struct conf *c)
{
    return conf_find(&c->manager, str_c(k->name));
}

/* --- channels
 * ---------------------------------------------------------------------------------------------------------------- */

/* deliver has connected to a socket file. */
static void on_file(void *ctx, int fd, enum link_channel channel)
{
    struct near_link *k = ctx;

    if (!k->job || !link_job_give(k->job, fd, channel))
        close(fd);
}

static unsigned taken_now(const struct conf *c)
{
    unsigned bits = 0;
    const char *why;

    for (unsigned i = 0; i < LINK_CHANNELS; i++)
        if (!link_name((enum link_channel)i)->by_gateway && link_channel_taken(c, (enum link_channel)i, &why))
            bits |= 1u << i;
    return bits;
}

static void hand_in(struct near_link *k, const struct link_parcel *p, struct str peer)
{
    struct bus *bus = k->links->central->o.bus;
    const struct conf_manager *m = manager_of(k, k->conf);
    struct str serial = m ? m->serial : STR_NONE;

    if (p->channel == LINK_MGMT)
        bus_send_fd(bus, bus_peer(bus, ROLE_shell, 0), BUS_link_mgmt,
                    &(struct bus_link_mgmt){.serial = serial, .peer = peer}, p->fd);
    else if (p->channel == LINK_RELEASE)
        bus_send_fd(bus, bus_peer(bus, ROLE_receive, 0), BUS_link_release,
                    &(struct bus_link_release){.serial = serial, .peer = peer}, p->fd);
    close(p->fd);
}

static void say_refused(struct near_link *k)
{
    unsigned refused;

    pthread_mutex_lock(&k->job->lock);
    refused = k->job->refused;
    k->job->refused = 0;
    pthread_mutex_unlock(&k->job->lock);
    for (unsigned i = 0; i <= LINK_CHANNELS; i++)
        if (refused & 1u << i)
            event(k->links->central->o.events, link_channel, .name = str_c(k->name),
                  .channel = i < LINK_CHANNELS ? str_c(link_name((enum link_channel)i)->host) : str_lit("unknown"),
                  .refused = 1, .why = str_lit("there is no such channel, or its service is off or suspended"));
}

/* --- up and down
 * --------------------------------------------------------------------------------------------------------------- */

/* Held mail goes to one manager: its link alone has the socket files. */
static bool is_destination(const struct near_link *k)
{
    const struct conf *c = k->links->central->conf;
    const struct conf_manager *m = manager_of(k, c);

    return m && (m->destination || c->manager.n == 1);
}

static void make_files(struct near_link *k)
{
    static const enum link_channel channels[] = {LINK_PVO, LINK_SPAM};

    for (size_t i = 0; i < 2 && is_destination(k); i++) {
        struct err e = ERR_NONE;
        struct link_file *f = link_file_new(k->links, str_lit("manager"), channels[i], on_file, k, &e);

        if (!f) {
            event(k->links->central->o.events, link_failed, .name = str_c(k->name), .why = str_c(err_text(&e)));
            continue;
        }
        f->next = k->files;
        k->files = f;
    }
}

static void drop_files(struct near_link *k)
{
    link_files_free(k->files);
    k->files = NULL;
}

static void on_lost(void *ctx)
{
    struct near_link *k = ctx;
    uint64_t down_ms = loop_now_ms(k->links->central->o.loop) - k->down_since_ms;

    k->told_lost = true;
    event(k->links->central->o.events, link_lost, .name = str_c(k->name), .minutes = down_ms / 60000,
          .why = str_c(err_text(&k->e)));
}

static void went_up(struct near_link *k)
{
    struct central *c = k->links->central;
    const struct link_job *j = k->job;
    char peer[46];

    k->was_up = true;
    k->good = j->port[j->good];
    k->said[0] = '\0';
    k->told_lost = false;
    loop_timer_cancel(c->o.loop, &k->lost);
    make_files(k);
    event(c->o.events, link_up, .name = str_c(k->name), .serial = j->serial, .peer_ip = ip_text(&j->peer, peer),
          .carrier = str_c(link_carrier_name(k->good.carrier)), .port = k->good.port);
}

static void retry(struct near_link *k)
{
    struct central *c = k->links->central;
    uint64_t wait = k->wait_ms;

    if (!k->lost.slot && !k->told_lost) {
        k->down_since_ms = loop_now_ms(c->o.loop);
        loop_timer_set(c->o.loop, &k->lost, LINK_LOST_MS, on_lost, k);
    }
    loop_timer_set(c->o.loop, &k->again, wait - random_u64() % (wait / 4 + 1), near_begin, k);
    k->wait_ms = 2 * wait < WAIT_MOST_MS ? 2 * wait : WAIT_MOST_MS;
}

static void went_down(struct near_link *k)
{
    struct central *c = k->links->central;
    struct link_job *j = k->job;
    uint64_t lasted = j->since_ms ? clock_wall_ms() - j->since_ms : 0;

    drop_files(k);
    k->e = j->e;
    if (k->call) {
        near_enrol_answer(k);
        return;
    }
    link_job_done(j, true);
    conf_unref(k->conf);
    free(j);
    k->job = NULL;
    k->conf = NULL;
    if (k->was_up)
        event(c->o.events, link_down, .name = str_c(k->name), .why = str_c(err_text(&k->e)));
    else if (strcmp(k->said, err_text(&k->e)) != 0)
        event(c->o.events, link_failed, .name = str_c(k->name), .why = str_c(err_text(&k->e)));
    snprintf(k->said, sizeof k->said, "%s", err_text(&k->e));
    if (k->was_up && lasted >= GOOD_MS)
        k->wait_ms = WAIT_FIRST_MS;
    k->was_up = false;
    retry(k);
}

static void look(struct near_link *k)
{
    struct link_parcel p;
    bool up, finished;
    char peer[46];

    pthread_mutex_lock(&k->job->lock);
    up = k->job->up || k->job->since_ms;
    finished = k->job->finished;
    pthread_mutex_unlock(&k->job->lock);
    if (up && !k->was_up)
        went_up(k);
    while (link_job_take(k->job, &p))
        hand_in(k, &p, ip_text(&k->job->peer, peer));
    say_refused(k);
    if (finished)
        went_down(k);
}

void near_threads(struct links *l)
{
    for (struct near_link *k = l->near, *next; k; k = next) {
        next = k->next;
        if (k->job)
            look(k);
    }
}

/* --- an attempt
 * ------------------------------------------------------------------------------------------------------------------ */

static void wake(void *ctx)
{
    struct links *l = ctx;

    uv_async_send(&l->async);
}

static void set_ports(struct link_job *j, const struct strs *list, struct link_port good)
{
    for (size_t i = 0; i < list->n && j->n_ports < LINK_PORTS; i++)
        if (link_port_parse(list->items[i], &j->port[j->n_ports])) {
            if (j->port[j->n_ports].port == good.port && j->port[j->n_ports].carrier == good.carrier)
                j->first = j->n_ports;
            j->n_ports++;
        }
}

void near_could_not(struct near_link *k, const char *why)
{
    err_set(&k->e, RC_CONNECT, "%s", why);
    if (k->call) {
        near_enrol_answer(k);
        return;
    }
    if (strcmp(k->said, why) != 0)
        event(k->links->central->o.events, link_failed, .name = str_c(k->name), .why = str_c(why));
    snprintf(k->said, sizeof k->said, "%s", why);
    retry(k);
}

static struct link_job *job_of(struct near_link *k)
{
    struct link_job *j = calloc(1, sizeof *j);
    const struct conf_manager *m;

    must(j);
    link_job_init(j);
    j->conf = k->conf;
    m = manager_of(k, j->conf);
    j->name = str_c(k->name);
    j->serial = m && !k->call ? m->serial : STR_NONE;
    j->host_key = k->call ? k->print : m ? m->link_host_key : STR_NONE;
    j->token = k->token;
    j->token_key = k->token_key;
    j->request = k->request;
    memcpy(j->address, k->address, sizeof j->address);
    j->n_addresses = k->n_addresses;
    set_ports(j, k->call ? &k->ports : m ? &m->link_ports : &k->ports, k->good);
    j->wake = wake;
    j->wake_ctx = k->links;
    atomic_store(&j->taken, taken_now(j->conf));
    return j;
}

static void start(struct near_link *k)
{
    struct err e = ERR_NONE;

    k->conf = conf_ref(k->links->central->conf);
    k->job = job_of(k);
    if (k->job->n_ports == 0)
        err_set(&e, RC_INVALID, "there is no port on which the link could be tried (link_ports)");
    else if (link_job_start(k->job, &e) == RC_OK)
        return;
    link_job_done(k->job, false);
    free(k->job);
    conf_unref(k->conf);
    k->job = NULL;
    k->conf = NULL;
    near_could_not(k, err_text(&e));
}

static void on_addresses(void *ctx, const struct dns_answer *a, size_t n)
{
    struct near_link *k = ctx;

    k->question = 0;
    k->asking = false;
    k->n_addresses = 0;
    for (size_t i = 0; i < n; i++) {
        size_t octets = a[i].question.type == DNS_AAAA ? 16 : 4;

        for (size_t r = 0; r < a[i].n && a[i].result == DNS_OK && k->n_addresses < LINK_ADDRESSES; r++) {
            struct address_ip *to = &k->address[k->n_addresses];

            if (a[i].records[r].data.n != octets)
                continue;
            *to = (struct address_ip){.family = octets == 16 ? AF_INET6 : AF_INET};
            memcpy(to->octets, a[i].records[r].data.p, octets);
            k->n_addresses++;
        }
    }
    if (k->n_addresses)
        start(k);
    else
        near_could_not(k, "the manager's name has no address");
}

void near_begin(void *ctx)
{
    struct near_link *k = ctx;
    struct central *c = k->links->central;
    const struct conf_manager *m = manager_of(k, c->conf);
    struct str host = k->call ? k->address_text : m ? m->address : STR_NONE;
    const struct dns_question questions[] = {{DNS_A, host}, {DNS_AAAA, host}};
    uint64_t number;

    if (!host.n) {
        near_could_not(k, "the manager has no address");
        return;
    }
    if (ip_parse(host, &k->address[0])) {
        k->n_addresses = 1;
        start(k);
        return;
    }
    k->asking = true;
    number = dns_ask(c->dns, questions, 2, DNS_ASK_TIMEOUT_MS, on_addresses, k);
    if (k->asking)
        k->question = number;
}

/* --- settings
 * -------------------------------------------------------------------------------------------------------------------- */

struct near_link *near_new(struct links *l, struct str name)
{
    struct near_link *k = calloc(1, sizeof *k);

    must(k && (k->name = strndup(name.p, name.n)));
    k->links = l;
    k->wait_ms = WAIT_FIRST_MS;
    k->next = l->near;
    l->near = k;
    return k;
}

void near_free_one(struct near_link *k)
{
    struct central *c = k->links->central;

    if (k->question)
        dns_ask_cancel(c->dns, k->question);
    loop_timer_cancel(c->o.loop, &k->again);
    loop_timer_cancel(c->o.loop, &k->lost);
    if (k->was_up)
        event(c->o.events, link_down, .name = str_c(k->name), .why = str_lit("the link was switched off"));
    drop_files(k);
    if (k->job) {
        link_job_done(k->job, true);
        free(k->job);
    }
    if (k->conf)
        conf_unref(k->conf);
    if (k->call)
        arena_done(&k->arena);
    free(k->name);
    free(k);
}

static bool same_manager(const struct near_link *k, const struct conf_manager *now)
{
    const struct conf_manager *m = k->conf ? manager_of(k, k->conf) : NULL;

    return m && str_eq(m->address, now->address) && str_eq(m->serial, now->serial) &&
           str_eq(m->link_host_key, now->link_host_key) && m->destination == now->destination;
}

static bool is_wanted(const struct conf_manager *m)
{
    return m->link != 0 && m->serial.n && m->link_host_key.n;
}

void near_changed(struct links *l)
{
    const struct conf *c = l->central->conf;

    for (struct near_link **at = &l->near; *at;) {
        struct near_link *k = *at;
        const struct conf_manager *m = manager_of(k, c);

        if (k->job)
            atomic_store(&k->job->taken, taken_now(c));
        if (k->call || (m && is_wanted(m) && (!k->job || same_manager(k, m)))) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        near_free_one(k);
    }
    for (size_t i = 0; i < c->manager.n; i++) {
        const struct conf_manager *m = &c->manager.items[i];
        struct near_link *k = l->near;

        while (k && (k->call || !str_eqi(str_c(k->name), m->name)))
            k = k->next;
        if (!k && is_wanted(m))
            near_begin(near_new(l, m->name));
    }
}

void near_free(struct links *l)
{
    while (l->near) {
        struct near_link *k = l->near;

        l->near = k->next;
        if (k->call)
            central_answer(k->call, RC_SHUTTING_DOWN);
        near_free_one(k);
    }
}

void near_status(const struct links *l, struct buf *text, struct buf *json, size_t *n)
{
    for (const struct near_link *k = l->near; k; k = k->next) {
        const struct conf_manager *m = manager_of(k, l->central->conf);
        struct link_shown s = {.name = str_c(k->name),
                               .serial = m ? m->serial : STR_NONE,
                               .state = k->was_up ? "up" : "down",
                               .error = str_c(k->e.rc ? err_text(&k->e) : "")};
        char peer[46];

        if (k->call)
            continue;
        if (k->was_up) {
            pthread_mutex_lock(&k->job->lock);
            s.peer = ip_text(&k->job->peer, peer);
            s.since_ms = k->job->since_ms;
            s.rtt_us = k->job->rtt_us;
            s.channels = k->job->channels;
            s.octets = k->job->octets;
            pthread_mutex_unlock(&k->job->lock);
            s.carrier = str_c(link_carrier_name(k->good.carrier));
            s.port = k->good.port;
        }
        link_show(&s, text, json, n);
    }
}
