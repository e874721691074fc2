/*
 * Who asks: Basic credentials judged by control, then the right of the route and its parameters, then the handler.
 *
 * Called by request.c when a request is whole. Owns nothing beyond the call that is out. Control away or too slow: 503; too
 * many logins at once: 503; too many failures from an address: 429. The answer to a wrong passphrase and to an unknown or
 * locked user is the same.
 */
#include "web/inside.h"

#include <string.h>

enum { RETRY_S = 2 };

static void wait_and_retry(struct request *r, unsigned status, uint64_t seconds, const char *why)
{
    r->retry_s = (unsigned)seconds;
    reply_error(r, status, "%s", why);
}

/* Browsers show a box for a challenge: pages have their own login. */
static void unauthorized(struct request *r, const char *why)
{
    struct str cookie = request_header(r, "Cookie");

    if (!request_header(r, "Sec-Fetch-Mode").p && str_find_str(cookie, str_lit("__Host-postern=")) == cookie.n)
        r->challenge = "Basic realm=\"Postern\"";
    reply_error(r, 401, "%s", why);
}

static bool parameters_fit(struct request *r)
{
    struct str rest = STR_NONE, name;

    for (size_t i = 0; r->found.base == BASE_V1 && i < r->target.n_parameters; i++)
        if (!web_route_knows(r->found.route, r->target.parameters[i].name)) {
            reply_error(r, 404, "Unexpected attribute - %.*s.", STR(str_first(r->target.parameters[i].name, 200)));
            return false;
        }
    while ((name = web_route_required(r->found.route, &rest)).n)
        if (!target_find(&r->target, name)) {
            reply_error(r, 404, "Missing attribute - %.*s.", STR(name));
            return false;
        }
    return true;
}

static void admitted(struct request *r)
{
    if (r->found.route->right != RIGHT_NONE && !web_route_permits(r->found.route, r->role))
        reply_error(r, 403, "Your role may not do this.");
    else if (parameters_fit(r))
        r->found.route->handler(r);
}

static void call_over(struct request *r)
{
    r->call = 0;
    if (r->logging_in)
        r->web->n_logins--;
    r->logging_in = false;
}

void login_forget(struct request *r)
{
    if (r->call)
        bus_cancel(r->web->o.bus, r->call);
    call_over(r);
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_login_answer *a = msg;
    struct request *r = ctx;

    call_over(r);
    if (rc != RC_OK) {
        wait_and_retry(r, 503, RETRY_S, "Logins cannot be checked now.");
    } else if (!a->ok) {
        failures_add(r->web->failures, &r->client, loop_now_ms(r->web->o.loop));
        r->user = STR_NONE;
        unauthorized(r, "Invalid username or passphrase.");
    } else if (a->must_change) {
        reply_error(r, 403, "The passphrase must be changed first: log in on the command line.");
    } else {
        r->role = a->role;
        admitted(r);
    }
}

static bool plaintext_allowed(const struct request *r)
{
    enum { ALLOW, LOOPBACK };

    if ((r->server->kind & LISTENERS_TLS) || r->conf->http.plaintext_login == ALLOW)
        return true;
    return r->conf->http.plaintext_login == LOOPBACK && names_loopback(&r->visitor->peer);
}

static size_t logins_from(const struct web *w, const struct address_ip *client)
{
    size_t n = 0;

    for (const struct request *r = w->requests; r; r = r->next)
        n += r->logging_in && ip_equal(&r->client, client);
    return n;
}

static void ask(struct request *r, struct str user, struct str password)
{
    struct bus_peer *control = bus_peer(r->web->o.bus, ROLE_control, 0);
    char ip[46];

    r->logging_in = true;
    r->web->n_logins++;
    r->user = user;
    r->call = bus_call(r->web->o.bus, control, BUS_login_question,
                       &(struct bus_login_question){
                           .user = user, .password = password, .peer = ip_text(&r->client, ip), .service = str_lit("http")},
                       LOGIN_MS, answered, r);
}

void login_begin(struct request *r)
{
    struct str user = STR_NONE, password = STR_NONE;
    uint64_t wait_s;

    if (r->found.route->right == RIGHT_NONE) {
        admitted(r);
    } else if (!plaintext_allowed(r)) {
        reply_error(r, 403, "Logins over plain HTTP are refused here: use HTTPS.");
    } else if (!basic_parse(&r->arena, request_header(r, "Authorization"), &user, &password) || user.n == 0) {
        unauthorized(r, "A login is needed.");
    } else if ((wait_s = failures_wait_s(r->web->failures, &r->client, loop_now_ms(r->web->o.loop))) > 0) {
        wait_and_retry(r, 429, wait_s, "Too many failed logins from your address.");
    } else if (r->web->n_logins >= LOGINS_MOST || logins_from(r->web, &r->client) >= LOGINS_MOST_ADDRESS) {
        wait_and_retry(r, 503, 1, "Too many logins at once.");
    } else {
        ask(r, user, password);
    }
    if (password.n)
        explicit_bzero((char *)password.p, password.n);
}
