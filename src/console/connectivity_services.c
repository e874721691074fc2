/*
 * The four central services as connectivity shows them (spec/cli.md 12.2): who opens which port, does it work, why not.
 *
 * Called by cmd_connectivity.c. On a manager role central tells what it knows of each gateway (verb `contact`), the
 * gateway's own look at our ports (`reach` of its hello) included, and the gateway's port for released mail is tried; on a
 * gateway the ports of each manager are tried, through the link when that is the way. Owns nothing; what cannot be asked is
 * said so and counts as failed.
 */
#include "console/connectivity.h"

#include "base/json.h"
#include "base/json_read.h"
#include "central/link_names.h"

#include <inttypes.h>
#include <unistd.h>

enum { REPLY_MOST = 8 << 20, CLOUD = 1 /* choice of central.site and appliance.NAME.site */, LINK_OFF = 0, LINK_ONLY = 2 };

static const char advice[] = "use a link: it carries all four services through one connection that the gateway opens";

/* What is told of one service of one partner. */
struct line {
    struct str partner;
    const char *service, *opened_by;
    uint64_t port;
    enum probe_result result;
    uint64_t ms;
    struct str text;
};

static void show(struct connectivity *c, const struct line *l)
{
    struct session *s = c->s;

    c->failed += l->result != RESULT_OK && l->result != RESULT_OFF;
    if (c->services) {
        buf_add(c->services, c->services->n ? str_lit(",{\"partner\":") : str_lit("{\"partner\":"));
        json_str(c->services, l->partner);
        buf_addf(c->services,
                 ",\"service\":\"%s\",\"opened_by\":\"%s\",\"port\":%" PRIu64
                 ",\"works\":%s,\"result\":\"%s\",\"ms\":%" PRIu64 ",\"text\":",
                 l->service, l->opened_by, l->port, l->result == RESULT_OK ? "true" : "false", probe_result_word(l->result),
                 l->ms);
        json_str(c->services, l->text);
        buf_addc(c->services, '}');
        return;
    }
    say(s, "%-16.*s %-36s opened by the %-8s port %-6" PRIu64 " %-15s %.*s\n", STR(l->partner), l->service, l->opened_by,
        l->port,
        l->result == RESULT_OK    ? "works"
        : l->result == RESULT_OFF ? "off"
                                  : "does not work",
        STR(l->text));
    say_flush(s);
}

static struct str with_result(struct session *s, const struct probe *p, const char *then)
{
    return arena_printf(&s->arena, "%.*s:%" PRIu64 " %s: %.*s%s%s", STR(p->host), p->port, probe_result_word(p->result),
                        STR(p->text), *then ? "; " : "", then);
}

/* --- on a manager -------------------------------------------------------------------------------------------------------
 */

/* Test Connection of a gateway, as `applianceconfig test` shows it: a line for each thing tried, "NAME (WAY): ok" or why
 * not. */
struct trial {
    const struct conf_appliance *a;
    struct str lines;
    struct str login; /* why there is no conversation; empty = there is one */
};

/* What is said behind the name: "ok", or the reason; empty when nothing was said. */
static struct str said(struct str lines, const char *name)
{
    struct str line;

    while (str_split(&lines, '\n', &line)) {
        size_t colon = str_find_str(line, str_lit("): "));

        if (!str_starts(line, str_c(name)))
            continue;
        return colon < line.n ? str_from(line, colon + 3) : str_from(line, strlen(name));
    }
    return STR_NONE;
}

/* "NAME (manager to gateway, port 7030): ..." */
static uint64_t port_said(struct str lines, const char *name, uint64_t usual)
{
    uint64_t port;
    struct str line;

    while (str_split(&lines, '\n', &line)) {
        size_t at = str_find_str(line, str_lit("port ")), end = str_find(line, ')');

        if (str_starts(line, str_c(name)) && at + 5 < end && end < line.n &&
            str_u64(str_from(str_first(line, end), at + 5), &port) && port)
            return port;
    }
    return usual;
}

static struct trial try_gateway(struct session *s, const struct conf_appliance *a)
{
    struct str words[] = {str_lit("appliancetest"),
                          a->name,
                          a->address,
                          arena_printf(&s->arena, "%" PRIu64, a->port),
                          a->host_key,
                          a->serial,
                          arena_printf(&s->arena, "%s%s%s%s", a->reporting ? "reporting " : "",
                                       a->tracking ? "tracking " : "", a->spam ? "spam " : "", a->pvo ? "pvo " : "")};
    struct buf *text = session_buf(s, REPLY_MOST);
    struct trial t = {.a = a};

    if (!a->host_key.n && a->link == LINK_OFF) {
        t.login = str_lit("the connection was never established");
        return t;
    }
    session_ask(s, words, sizeof words / sizeof *words, text, NULL);
    t.lines = buf_str(text);
    t.login = said(t.lines, "hello: ");
    if (!t.login.n)
        t.login = said(t.lines, "key login: ");
    if (str_starts(t.login, str_lit("ok")))
        t.login = STR_NONE;
    else if (!t.login.n)
        t.login = str_trim(t.lines);
    return t;
}

static enum probe_result result_of(struct str why)
{
    static const struct {
        const char *word;
        enum probe_result result;
    } words[] = {{"ok", RESULT_OK},
                 {"refused: connection", RESULT_REFUSED},
                 {"connection refused", RESULT_REFUSED},
                 {"timed out", RESULT_TIMEOUT},
                 {"timeout", RESULT_TIMEOUT},
                 {"no answer", RESULT_TIMEOUT},
                 {"not answered", RESULT_TIMEOUT},
                 {"does not let", RESULT_TIMEOUT},
                 {"no banner", RESULT_NO_BANNER},
                 {"reset", RESULT_RESET},
                 {"host key", RESULT_AUTH},
                 {"login", RESULT_AUTH},
                 {"resolve", RESULT_DNS},
                 {"DNS", RESULT_DNS}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (size_t at = 0; at + strlen(words[i].word) <= why.n; at++) {
            if (str_startsi(str_from(why, at), str_c(words[i].word)))
                return words[i].result;
            if (i == 0)
                break; /* ok stands at the front */
        }
    return RESULT_PEER;
}

static bool no_way_in(const struct conf *c, const struct conf_appliance *a)
{
    return a->site == CLOUD && c->central.site != CLOUD && a->link == LINK_OFF;
}

static bool no_way_out(const struct conf *c, const struct conf_appliance *a)
{
    return a->site != CLOUD && c->central.site == CLOUD && a->link == LINK_OFF;
}

/* One service: what Test Connection said of `name`; `waits`: where mail stays meanwhile. */
static void service(struct connectivity *c, const struct trial *t, struct line l, bool on, const char *name,
                    const char *waits)
{
    struct session *s = c->s;
    const struct conf *now = session_conf(s);
    struct str why = said(t->lines, name);
    bool manager = str_eq(str_c(l.opened_by), str_lit("manager"));

    l.partner = t->a->name;
    l.port = port_said(t->lines, name, l.port);
    if (!on || (t->a->disconnected && !*waits)) {
        l.result = RESULT_OFF;
        l.text = on ? str_lit("fetching is stopped for this gateway") : str_lit("not chosen for this gateway");
    } else if (t->login.n && manager) {
        l.result = result_of(t->login);
        l.text = t->a->link == LINK_ONLY ? t->login
                                         : arena_printf(&s->arena, "SSH to %.*s:%" PRIu64 ": %.*s", STR(t->a->address),
                                                        t->a->port, STR(t->login));
    } else if (t->login.n) {
        l.result = RESULT_PEER;
        l.text = str_lit("refused as long as SSH from the manager does not work");
    } else {
        l.result = result_of(why);
        l.text = l.result != RESULT_OK ? why.n ? why : str_lit("the gateway says nothing about it") : STR_NONE;
    }
    if (l.result != RESULT_OK && l.result != RESULT_OFF && *waits)
        l.text = arena_printf(&s->arena, "%.*s; mail stays in %s", STR(l.text), waits);
    if (l.result != RESULT_OK && l.result != RESULT_OFF && (no_way_in(now, t->a) || (no_way_out(now, t->a) && !manager)))
        l.text = arena_printf(&s->arena, "%.*s; %s", STR(l.text), advice);
    show(c, &l);
}

static void on_manager(struct connectivity *c)
{
    const struct conf *now = session_conf(c->s);

    for (size_t i = 0; i < now->appliance.n; i++) {
        const struct trial t = try_gateway(c->s, &now->appliance.items[i]);
        uint64_t ssh = t.a->port;

        service(c, &t, (struct line){.service = "Reporting", .opened_by = "manager", .port = ssh}, t.a->reporting,
                "reporting", "");
        service(c, &t, (struct line){.service = "Tracking", .opened_by = "manager", .port = ssh}, t.a->tracking, "tracking",
                "");
        service(c, &t, (struct line){.service = "Spam quarantine", .opened_by = "gateway", .port = now->euq_listener.port},
                t.a->spam, "spam quarantine", "the.euq.queue");
        service(c, &t,
                (struct line){
                    .service = "Policy, virus, outbreak quarantine", .opened_by = "gateway", .port = now->cpq_listener.port},
                t.a->pvo, "policy, virus and outbreak quarantines", "the.cpq.host");
        service(c, &t, (struct line){.service = "Released mail", .opened_by = "manager", .port = 7025},
                t.a->pvo || t.a->spam, "released mail", "the.cpq.release.host");
    }
    if (!now->appliance.n && !c->services)
        say(c->s, "No gateway is enrolled: applianceconfig adds one.\n");
}

/* --- on a gateway -------------------------------------------------------------------------------------------------------
 */

static void fetched_service(struct connectivity *c, const struct conf_manager *m, const char *service)
{
    const struct conf *now = session_conf(c->s);
    const struct conf_interface *i = now->interface.n ? now->interface.items : NULL;
    struct line l = {m->name, service, "manager", i ? i->ssh_port : 22, RESULT_OFF, 0, STR_NONE};

    l.text = m->serial.n ? str_lit("the manager opens it: connectivity there tells whether it gets in")
                         : str_lit("not enrolled yet: the manager has not logged in");
    show(c, &l);
}

/* What role central said last of this link. */
static struct str link_error(struct session *s, struct str manager)
{
    const struct str word = str_lit("link");
    struct buf *reply = session_buf(s, REPLY_MOST);
    const struct json *tree, *links;

    if (session_ask(s, &word, 1, NULL, reply) != RC_OK || json_read(&s->arena, buf_str(reply), &tree, NULL) != RC_OK)
        return STR_NONE;
    links = json_get(tree, "links");
    for (const struct json *x = links ? links->first : NULL; x; x = x->next)
        if (str_eqi(json_str_of(json_get(x, "name")), manager))
            return json_str_of(json_get(x, "error"));
    return STR_NONE;
}

/* Through the link when it is up; without it a manager that is reached by nothing else cannot be tried. */
static void try_manager(struct connectivity *c, const struct conf_manager *m, enum link_channel channel, struct probe *p)
{
    struct session *s = c->s;
    char path[LINK_PATH_MAX];
    struct str why;

    if (m->link != LINK_OFF && link_path(s->home, str_lit("manager"), link_name(channel)->file, path, NULL) == RC_OK &&
        access(path, F_OK) == 0)
        p->channel = arena_str(&s->arena, str_c(path));
    if (m->link != LINK_ONLY || p->channel.n) {
        probe_run(s, p, &c->names_fail);
        return;
    }
    why = link_error(s, m->name);
    p->result = RESULT_PEER;
    p->text = arena_printf(&s->arena, "the link is down%s%.*s", why.n ? ": " : "", STR(why));
}

static void sent_service(struct connectivity *c, const struct conf_manager *m, enum link_channel channel, uint64_t port,
                         bool used)
{
    const char *service = channel == LINK_SPAM ? "Spam quarantine" : "Policy, virus, outbreak quarantine";
    const char *waits = channel == LINK_SPAM ? "the.euq.queue" : "the.cpq.host";
    struct session *s = c->s;
    const struct conf *now = session_conf(s);
    struct line l = {m->name, service, "gateway", port, RESULT_OK, 0, STR_NONE};
    struct probe p = {.host = m->address, .port = port, .kind = PROBE_CPQ};
    bool cloud = m->site == CLOUD && now->central.site != CLOUD && m->link == LINK_OFF;

    if (!m->destination) {
        l.result = RESULT_OFF;
        l.text = str_lit("another manager takes quarantined mail");
        show(c, &l);
        return;
    }
    try_manager(c, m, channel, &p);
    l.result = p.result;
    l.ms = p.ms;
    if (p.result != RESULT_OK)
        l.text = with_result(s, &p,
                             arena_printf(&s->arena, "%s %s%s%s",
                                          used ? "mail stays in" : "it cannot be enabled; mail would stay in", waits,
                                          cloud ? "; " : "", cloud ? advice : "")
                                 .p);
    else if (p.channel.n)
        l.text = str_lit("via link");
    else if (!m->serial.n)
        l.text = str_lit("reached, but not enrolled: the manager refuses this gateway"), l.result = RESULT_AUTH;
    show(c, &l);
}

static void on_gateway(struct connectivity *c)
{
    const struct conf *now = session_conf(c->s);

    for (size_t i = 0; i < now->manager.n; i++) {
        const struct conf_manager *m = &now->manager.items[i];

        fetched_service(c, m, "Reporting");
        fetched_service(c, m, "Tracking");
        sent_service(c, m, LINK_SPAM, m->spam_port, now->spam_quarantine.central);
        sent_service(c, m, LINK_PVO, m->pvo_port, now->pvo.central);
    }
    if (!now->manager.n && !c->services)
        say(c->s, "No manager is enrolled: smaconfig, or applianceconfig on the manager.\n");
}

void connectivity_services(struct connectivity *c)
{
    if (session_conf(c->s)->system.role == 1)
        on_manager(c);
    else
        on_gateway(c);
}
