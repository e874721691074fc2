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

const struct conf_manager *near_manager(const struct near_link *k, const struct conf *c)
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

unsigned near_takes(const struct conf *c)
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
    const struct conf_manager *m = near_manager(k, k->conf);
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
    const struct conf_manager *m = near_manager(k, c);

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
    if (k->files && c->o.bus) /* what waits for the manager goes at once */
        bus_send(c->o.bus, bus_peer(c->o.bus, ROLE_queue, 0), BUS_manager_contact,
                 &(struct bus_manager_contact){.serial = j->serial});
    event(c->o.events, link_up, .name = str_c(k->name), .serial = j->serial, .peer_ip = ip_text(&j->peer, peer),
          .carrier = str_c(link_carrier_name(k->good.carrier)), .port = k->good.port);
}

void near_retry(struct near_link *k)
{
    struct central *c = k->links->central;
    uint64_t wait = k->wait_ms;

    if (!k->lost.slot && !k->told_lost) {
        k->down_since_ms = loop_now_ms(c->o.loop);
        loop_timer_set(c->o.loop, &k->lost, c->conf->central.away_alert_ms, on_lost, k);
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
    near_retry(k);
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

/* The connection and what hangs on it; a timer for the alert goes on. */
static void let_go(struct near_link *k, const char *why)
{
    struct central *c = k->links->central;

    if (k->question)
        dns_ask_cancel(c->dns, k->question);
    k->question = 0;
    loop_timer_cancel(c->o.loop, &k->again);
    if (k->was_up)
        event(c->o.events, link_down, .name = str_c(k->name), .why = str_c(why));
    k->was_up = false;
    drop_files(k);
    if (k->job) {
        link_job_done(k->job, true);
        free(k->job);
    }
    if (k->conf)
        conf_unref(k->conf);
    k->job = NULL;
    k->conf = NULL;
}

void near_free_one(struct near_link *k)
{
    let_go(k, "the link was switched off");
    loop_timer_cancel(k->links->central->o.loop, &k->lost);
    if (k->call)
        arena_done(&k->arena);
    free(k->name);
    free(k);
}

static uint64_t target_of(const struct conf_manager *m)
{
    return str_hash_seed(m->address, str_hash_seed(m->serial, str_hash_seed(m->link_host_key, m->destination)));
}

static uint64_t ports_of(const struct conf_manager *m)
{
    uint64_t hash = m->link_ports.n;

    for (size_t i = 0; i < m->link_ports.n; i++)
        hash = str_hash_seed(m->link_ports.items[i], hash);
    return hash;
}

static bool in_list(const struct conf_manager *m, struct link_port port)
{
    struct link_port one;

    for (size_t i = 0; i < m->link_ports.n; i++)
        if (link_port_parse(m->link_ports.items[i], &one) && one.port == port.port && one.carrier == port.carrier)
            return true;
    return false;
}

void near_aim(struct near_link *k, const struct conf_manager *m)
{
    const struct links *l = k->links;

    k->target = target_of(m);
    k->ports_tried = ports_of(m);
    if (!k->good.port && l->enrolled_at == str_hash(m->address))
        k->good = l->enrolled_by;
}

/* Other ports matter unless the link is up by one of them. */
static bool aims_at(const struct near_link *k, const struct conf_manager *m)
{
    return k->target == target_of(m) && (k->ports_tried == ports_of(m) || (k->was_up && in_list(m, k->good)));
}

static bool is_wanted(const struct conf_manager *m)
{
    return m->link != 0 && m->serial.n && m->link_host_key.n;
}

static void begin_anew(struct near_link *k)
{
    let_go(k, "its settings have changed");
    k->wait_ms = WAIT_FIRST_MS;
    near_begin(k);
}

void near_changed(struct links *l)
{
    const struct conf *c = l->central->conf;

    for (struct near_link **at = &l->near; *at;) {
        struct near_link *k = *at;
        const struct conf_manager *m = near_manager(k, c);

        if (k->job)
            atomic_store(&k->job->taken, near_takes(c));
        if (!k->call && !(m && is_wanted(m))) {
            *at = k->next;
            near_free_one(k);
            continue;
        }
        at = &k->next;
        if (!k->call && !aims_at(k, m))
            begin_anew(k);
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
        const struct conf_manager *m = near_manager(k, l->central->conf);
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
