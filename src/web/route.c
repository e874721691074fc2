/*
 * Finds the row of a request. See route.h.
 *
 * Called by gate.c. Owns nothing: the table is constant, the settings are the caller's.
 */
#include "web/route.h"

#include "web/inside.h"

enum { ROLE_MAIL = 6 /* index in user.role: nothing but SMTP AUTH */, PRODUCT_MANAGER = 1 /* system.role */ };

#define LISTENERS_OF_UI LISTENERS_UI
#define LISTENERS_OF_ALL LISTENERS_ALL
static const struct route routes[] = {
#define ROUTE(base, method, path, listeners, right, parameters, handler) \
    {BASE_##base, METHOD_##method, path, LISTENERS_OF_##listeners, RIGHT_##right, parameters, web_##handler},
#include "web/route.def"
#undef ROUTE
};

static bool under(struct str *path, struct str base)
{
    if (base.n == 0 || !str_starts(*path, base) || (path->n > base.n && path->p[base.n] != '/'))
        return false;
    *path = path->n > base.n ? str_from(*path, base.n) : str_lit("/");
    return true;
}

/* Cuts the base off the path. */
static enum route_base base_cut(const struct conf *c, struct str *path)
{
    struct str rest = *path, prefix = c->http.prefix;
    bool manager = c->system.role == PRODUCT_MANAGER;
    enum route_base base;

    while (prefix.n && prefix.p[prefix.n - 1] == '/')
        prefix.n--;
    under(&rest, prefix);
    if (under(&rest, str_lit("/api/v1.0")))
        base = BASE_V1;
    else if (under(&rest, str_lit("/api/v2.0")) ||
             under(&rest, manager ? str_lit("/sma/api/v2.0") : str_lit("/esa/api/v2.0")))
        base = BASE_V2;
    else
        return BASE_ROOT;
    *path = rest;
    return base;
}

enum route_base web_route_base_of(const struct conf *c, struct str path)
{
    return base_cut(c, &path);
}

static bool fits(struct str pattern, struct str path, struct str *word_out)
{
    size_t open = str_find(pattern, '{');

    if (open == pattern.n)
        return str_eq(pattern, path);
    if (!str_starts(path, str_first(pattern, open)) || path.n == open)
        return false;
    path = str_from(path, open);
    if (str_find(path, '/') < path.n)
        return false;
    *word_out = path;
    return true;
}

struct route_found web_route_find(const struct conf *c, unsigned listener, unsigned method, struct str path)
{
    struct route_found f = {.base = base_cut(c, &path)};

    /* trailblazer off: on the pages' own ports the API is for pages only, and programs find nothing */
    if (f.base != BASE_ROOT && (listener & LISTENERS_UI) && !c->http.trailblazer)
        return f;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *r = &routes[i];

        if (r->base != f.base || !(r->listeners & listener) || !fits(str_c(r->path), path, &f.word))
            continue;
        f.methods |= r->method;
        if (!f.route && r->method == method)
            f.route = r;
    }
    return f;
}

bool web_route_permits(const struct route *r, uint64_t role)
{
    return r->right == RIGHT_NONE || role < ROLE_MAIL;
}

bool web_route_knows(const struct route *r, struct str parameter)
{
    struct str rest = str_c(r->parameters), word;

    while (str_word(&rest, &word)) {
        if (str_ends(word, str_lit("!")))
            word.n--;
        if (str_eq(word, parameter))
            return true;
    }
    return false;
}

struct str web_route_required(const struct route *r, struct str *rest)
{
    struct str word;

    if (!rest->p)
        *rest = str_c(r->parameters);
    while (str_word(rest, &word))
        if (str_ends(word, str_lit("!")))
            return str_first(word, word.n - 1);
    return STR_NONE;
}

unsigned listener_kind_of(struct str socket_name, struct str *interface_out)
{
    static const struct {
        const char *name;
        unsigned kind;
    } kinds[] = {{"http", LISTENER_http},
                 {"https", LISTENER_https},
                 {"proxy", LISTENER_proxy},
                 {"api_http", LISTENER_api_http},
                 {"api_https", LISTENER_api_https}};
    size_t first = str_find(socket_name, '.'), last = str_find_last(socket_name, '.');

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (last > first && last < socket_name.n && str_eq(str_first(socket_name, first), str_c(kinds[i].name))) {
            *interface_out = str_of(socket_name.p + first + 1, last - first - 1);
            return kinds[i].kind;
        }
    return 0;
}

unsigned method_of(struct str name, bool *head_out)
{
    static const struct {
        const char *name;
        unsigned method;
    } methods[] = {
        {"GET", METHOD_GET}, {"HEAD", METHOD_GET}, {"POST", METHOD_POST}, {"PUT", METHOD_PUT}, {"DELETE", METHOD_DELETE}};

    *head_out = str_eq(name, str_lit("HEAD"));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (str_eq(name, str_c(methods[i].name)))
            return methods[i].method;
    return 0;
}
