/*
 * What is judged of a request's head, before its body is read and before anybody logs in (spec/api.md 12).
 *
 * Called by request.c. A table of steps; the first that objects has replied. Owns nothing.
 */
#include "web/inside.h"

struct heads {
    size_t octets, host, length, authorization;
    bool chunked;
};

static enum MHD_Result count(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
                             size_t value_n)
{
    struct heads *h = cls;
    struct str n = str_of(name, name_n);

    (void)kind;
    (void)value;
    h->octets += name_n + value_n + 4;
    h->host += str_eqi(n, str_lit("Host"));
    h->length += str_eqi(n, str_lit("Content-Length"));
    h->authorization += str_eqi(n, str_lit("Authorization"));
    h->chunked = h->chunked || str_eqi(n, str_lit("Transfer-Encoding"));
    return MHD_YES;
}

/* Two ways to read where a request ends are one too many: a proxy in front may take the other. */
static bool framing(struct request *r)
{
    struct heads h = {0};
    uint64_t length;

    MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, count, &h);
    if (h.length > 1 || (h.length && h.chunked) || h.host > 1 || h.authorization > 1) {
        r->close = true;
        reply_error(r, 400, "Ambiguous request headers.");
    } else if (r->uri.n > URI_MOST || !r->uri.p) {
        reply_error(r, 414, "The URI is longer than %d octets.", (int)URI_MOST);
    } else if (str_u64(request_header(r, "Content-Length"), &length) && length > SWALLOW_MOST) {
        reply_error(r, 413, "The body is larger than %d octets.", (int)BODY_MOST);
    } else if (h.octets > r->conf->access.max_header_bytes) {
        reply_error(r, 431, "The header fields are larger than %llu octets.",
                    (unsigned long long)r->conf->access.max_header_bytes);
    } else if (h.host == 0 && !r->old_http) {
        reply_error(r, 400, "Host is missing.");
    }
    return !r->status;
}

static bool host(struct request *r)
{
    struct str given = request_header(r, "Host"), name = STR_NONE;
    char *text = arena_must_alloc(&r->arena, 46);

    if (!given.p)
        r->host = ip_text(&r->visitor->local, text);
    else if (host_parse(given, &name))
        r->host = names_ours(r->conf, name, &r->visitor->local, text);
    if (r->host.n == 0 && (r->conf->access.host_header || !name.n))
        reply_error(r, 400, "Host is no name of this machine.");
    else if (r->host.n == 0)
        r->host = r->conf->system.hostname;
    return !r->status;
}

static bool address(struct request *r)
{
    const struct access *list = r->web->access;
    const char *header = arena_str(&r->arena, r->conf->access.proxy_header).p;
    struct address_ip named = {0}; /* nobody: in no list */

    if (header && access_is_proxy(list, &r->visitor->peer) && names_client(list, request_header_last(r, header), &named))
        r->client = named;
    if (!access_allows(list, &r->visitor->peer, &named))
        reply_error(r, 403, "This machine is not managed from your address.");
    return !r->status;
}

static bool target(struct request *r)
{
    bool head;
    unsigned method = method_of(r->method, &head);

    if (!target_parse(&r->arena, r->uri, &r->target)) {
        reply_error(r, 400, "The URI cannot be read.");
        return false;
    }
    r->found = web_route_find(r->conf, r->server->kind, method, r->target.path);
    if (!r->found.methods) {
        reply_error(r, 404, "There is nothing here.");
    } else if (!r->found.route) {
        r->allow = r->found.methods;
        reply_error(r, 501, "The method is not supported here.");
    }
    return !r->status;
}

/* What changes something is not done for the pages of others. */
static bool origin(struct request *r)
{
    struct str given = request_header(r, "Origin"), ours = STR_NONE, theirs = STR_NONE;
    size_t slashes = str_find_str(given, str_lit("://"));
    bool foreign;

    if (r->found.route->method == METHOD_GET)
        return true;
    foreign = given.n && !(host_parse(request_header(r, "Host"), &ours) &&
                           host_parse(str_from(given, slashes + 3), &theirs) && str_eqi(ours, theirs));
    if (foreign || str_eqi(request_header(r, "Sec-Fetch-Site"), str_lit("cross-site")))
        reply_error(r, 403, "The request comes from another site.");
    return !r->status;
}

static bool markup(struct request *r)
{
    if (r->found.route->right == RIGHT_NONE && r->conf->access.xss && target_has_markup(&r->target))
        reply_error(r, 400, "A parameter holds markup.");
    return !r->status;
}

bool gate_pass(struct request *r, const char *version)
{
    static bool (*const steps[])(struct request * r) = {framing, host, address, target, origin, markup};

    r->old_http = str_eq(str_c(version), str_lit("HTTP/1.0"));
    if (!r->old_http && !str_eq(str_c(version), str_lit("HTTP/1.1"))) {
        reply_error(r, 505, "HTTP/1.0 and HTTP/1.1 are spoken here.");
        return false;
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!steps[i](r))
            return false;
    return true;
}
