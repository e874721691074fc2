/*
 * Test Connection (central.md 3): key login, version, clock, every ticked service in both directions; one line each, with
 * the reason when it fails. See enrol.h.
 *
 * Called by verbs.c for control. One connection of its own, in a thread; the gateway says itself which ports of ours it
 * reaches, its own port for released mail is tried from here. Owns the trial until its verb is answered.
 */
#include "base/json_read.h"
#include "base/must.h"
#include "central/enrol.h"
#include "conf/enrol_card.h"
#include "net/ip.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_MS = 20000, STEP_MS = 30000, PROBE_MS = 5000, CLOCK_WARN_MS = 5000, LINES_MAX = 65536, TREE_MAX = 1 << 20 };

struct trial {
    struct central_call *call;
    char *address, *host_key, *serial, *services, *card, *key;
    uint16_t port;
    uint64_t spam_port, pvo_port; /* ours, as the settings have them */
    bool via_link, bad;           /* some line says that something does not work */
    struct buf lines;
};

static char *word(struct str *args)
{
    struct str s = STR_NONE;

    return str_copy(get_str(args, &s) ? s : STR_NONE);
}

static void trial_done(struct trial *t)
{
    free(t->address);
    free(t->host_key);
    free(t->serial);
    free(t->services);
    free(t->card);
    if (t->key)
        explicit_bzero(t->key, strlen(t->key));
    free(t->key);
    buf_done(&t->lines);
    free(t);
}

static bool ticked(const struct trial *t, const char *service)
{
    return strstr(t->services, service) != NULL;
}

/* --- what the gateway says, in the thread ------------------------------------------------------------------------------ */

static void judge_version(struct trial *t, const struct greeting *g)
{
    struct enrol_card card;
    struct err e = ERR_NONE;
    struct arena a;

    arena_init(&a, 4096, TREE_MAX);
    if (enrol_card_read(&a, str_c(g->json), &card, &e) != RC_OK) {
        buf_addf(&t->lines, "versions: refused: the appliance: %s\n", err_text(&e));
        t->bad = true;
    } else {
        buf_addf(&t->lines, "versions: ok (%.*s, protocol %" PRIu64 ")\n", STR(card.ver), g->proto);
    }
    arena_done(&a);
}

static void judge_clock(struct trial *t, const struct greeting *g)
{
    int64_t off = g->clock_ms < 0 ? -g->clock_ms : g->clock_ms;

    buf_addf(&t->lines, "clock: %s (%" PRId64 ".%" PRId64 " s %s ours)\n", off > CLOCK_WARN_MS ? "warning" : "ok",
             off / 1000, off % 1000 / 100, g->clock_ms < 0 ? "behind" : "ahead of");
}

static void judge_pull(struct trial *t, const char *service, const char *name, const struct json *exports)
{
    if (!ticked(t, service))
        return;
    if (json_get(exports, service)) {
        buf_addf(&t->lines, "%s (manager to gateway, by SSH): ok\n", name);
        return;
    }
    buf_addf(&t->lines, "%s (manager to gateway, by SSH): the service is off on the gateway\n", name);
    t->bad = true;
}

/* `known` = what `reach` calls it, whatever our port is. */
static void judge_push(struct trial *t, const char *service, const char *name, const char *known, uint64_t port,
                       const struct json *reach)
{
    struct str found = json_str_of(json_get(reach, known));

    if (!ticked(t, service))
        return;
    if (str_eq(found, str_lit("ok"))) {
        buf_addf(&t->lines, "%s (gateway to manager, port %" PRIu64 "): ok\n", name, port);
        return;
    }
    buf_addf(&t->lines,
             "%s (gateway to manager, port %" PRIu64 "): not reachable from this gateway: port %" PRIu64
             " not answered (%.*s)\n",
             name, port, port, STR(found.n ? found : str_lit("not tried")));
    t->bad = true;
}

/* --- its port for released mail, from here ------------------------------------------------------------------------------
 */

static bool wait_fd(int fd, short what)
{
    struct pollfd at = {.fd = fd, .events = what};
    int n;

    do
        n = poll(&at, 1, PROBE_MS);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

static const char *connected(int fd)
{
    socklen_t n = sizeof(int);
    int error = 0;
    char banner[4];

    if (!wait_fd(fd, POLLOUT))
        return "no answer";
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
    if (error)
        return strerrordesc_np(error);
    if (!wait_fd(fd, POLLIN) || recv(fd, banner, sizeof banner, 0) != sizeof banner)
        return "no banner";
    return memcmp(banner, "220 ", 4) == 0 || memcmp(banner, "220-", 4) == 0 ? NULL : "another banner than 220";
}

/* NULL: it works. */
static const char *probe(struct str address, uint64_t port)
{
    struct address_ip ip;
    struct sockaddr_storage at;
    socklen_t n;
    const char *why;
    int fd;

    if (!ip_parse(address, &ip) || !port || port > 65535)
        return "the gateway says no address";
    ip.port = (uint16_t)port;
    n = ip_to_sockaddr(&ip, &at);
    fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return strerrordesc_np(errno);
    why = connect(fd, (struct sockaddr *)&at, n) != 0 && errno != EINPROGRESS ? strerrordesc_np(errno) : connected(fd);
    close(fd);
    return why;
}

static void judge_release(struct trial *t, const struct json *cpq)
{
    struct str state = json_str_of(json_get(cpq, "state")), address = json_str_of(json_get(cpq, "address"));
    uint64_t port = 0;
    const char *why;

    if (!ticked(t, "pvo") && !ticked(t, "spam"))
        return;
    json_u64(json_get(cpq, "port"), &port);
    if (t->via_link) {
        buf_add(&t->lines, str_lit("released mail (manager to gateway): ok, via link\n"));
        return;
    }
    if (!str_eq(state, str_lit("listening"))) {
        buf_addf(&t->lines, "released mail (manager to gateway, port %" PRIu64 "): the gateway does not listen yet (%.*s)\n",
                 port, STR(state.n ? state : str_lit("its central quarantines are off")));
        return; /* it listens once its administrator has enabled the service */
    }
    if (!address.n || str_eq(address, str_lit("0.0.0.0")))
        address = str_c(t->address);
    why = probe(address, port);
    buf_addf(&t->lines, "released mail (manager to gateway, port %" PRIu64 "): %s\n", port, why ? why : "ok");
    t->bad = t->bad || why;
}

static enum rc ask_config(struct ssh_line *l, const char *key, struct arena *a, const struct json **out)
{
    struct buf reply = BUF(SSH_LINE_REPLY_MAX);
    char command[64];
    enum rc rc;

    snprintf(command, sizeof command, "get-config %s", key);
    rc = ssh_line_verb(l, str_c(command), STR_NONE, &reply, -1, NULL);
    if (rc == RC_OK)
        rc = json_read(a, arena_str(a, buf_str(&reply)), out, NULL);
    buf_done(&reply);
    return rc;
}

/* --- the trial ----------------------------------------------------------------------------------------------------------
 */

static enum rc try_all(struct ssh_line *l, void *ctx, struct err *e)
{
    const struct json *reach = NULL, *cpq = NULL, *hello = NULL;
    struct trial *t = ctx;
    struct greeting g = {0};
    struct arena a;
    enum rc rc;

    buf_clear(&t->lines);
    t->bad = false;
    buf_addf(&t->lines, "key login: ok%s\n", t->via_link ? ", via link" : "");
    rc = greet(l, t->card, t->serial, &g, e);
    if (rc != RC_OK) {
        greeting_done(&g);
        return rc;
    }
    arena_init(&a, 4096, TREE_MAX);
    judge_version(t, &g);
    judge_clock(t, &g);
    if (json_read(&a, str_c(g.json), &hello, NULL) != RC_OK)
        hello = NULL;
    judge_pull(t, "reporting", "reporting", json_get(hello, "exports"));
    judge_pull(t, "tracking", "tracking", json_get(hello, "exports"));
    if (ask_config(l, "reach", &a, &reach) != RC_OK)
        reach = json_get(hello, "reach");
    judge_push(t, "spam", "spam quarantine", "6025", t->spam_port, reach);
    judge_push(t, "pvo", "policy, virus and outbreak quarantines", "7025", t->pvo_port, reach);
    if (ask_config(l, "cpq", &a, &cpq) != RC_OK)
        cpq = NULL;
    judge_release(t, cpq);
    arena_done(&a);
    greeting_done(&g);
    return RC_OK;
}

static void tried(void *ctx, enum rc rc, const struct err *e, const char *host_key)
{
    struct trial *t = ctx;
    bool logged_in = t->lines.n > 0;

    (void)host_key;
    buf_add(&t->call->text, buf_str(&t->lines));
    if (rc != RC_OK) {
        buf_addf(&t->call->text, logged_in ? "hello: " : "key login: ");
        enrol_why(t->address, t->port, rc, e, &t->call->text);
        buf_addc(&t->call->text, '\n');
    }
    central_answer(t->call, rc != RC_OK ? rc : t->bad ? RC_CONNECT : RC_OK);
    trial_done(t);
}

/* A link that is up is the way, unless it is off for this appliance. False: there is no way but the link, which is down. */
static bool take_link(struct trial *t, const struct conf_appliance *x)
{
    char path[128];

    if (!x || !x->serial.n || !link_use(t->call->central, x, "mgmt", path))
        return true;
    if (access(path + strlen("unix:"), F_OK) != 0)
        return false;
    free(t->address);
    t->address = str_copy(str_c(path));
    t->via_link = true;
    return true;
}

static void not_tried(struct trial *t, const char *why)
{
    buf_addf(&t->call->text, "key login: %s\n", why);
    central_answer(t->call, RC_UNAVAILABLE);
    trial_done(t);
}

/* args: NAME ADDRESS PORT HOSTKEY SERIAL SERVICES CARD */
void verb_enrol_test(struct central_call *call)
{
    const struct conf *conf = call->central->conf;
    struct trial *t = calloc(1, sizeof *t);
    struct ssh_dial dial;
    char *name = word(&call->args), *port;
    bool way;

    must(t);
    *t = (struct trial){.call = call, .lines = BUF(LINES_MAX), .address = word(&call->args)};
    port = word(&call->args);
    t->port = (uint16_t)strtoul(port, NULL, 10);
    t->host_key = word(&call->args);
    t->serial = word(&call->args);
    t->services = word(&call->args);
    t->card = word(&call->args);
    t->key = str_copy(conf ? conf->ssh_identity.key : STR_NONE);
    t->spam_port = conf ? conf->euq_listener.port : 0;
    t->pvo_port = conf ? conf->cpq_listener.port : 0;
    way = take_link(t, appliance_find(call->central, str_c(name)));
    free(name);
    free(port);
    if (!way || !*t->key || !*t->host_key) {
        not_tried(t, way ? "the connection was never established" : "the link of this appliance is down");
        return;
    }
    dial = (struct ssh_dial){.address = t->address,
                             .port = t->port,
                             .user = "manager",
                             .key = t->key,
                             .passphrase = "",
                             .host_key = t->host_key,
                             .connect_ms = CONNECT_MS,
                             .step_ms = STEP_MS};
    line_once(call->central, &dial, try_all, tried, t);
}
