/* Which handler answers what: spec of the table in route.def. */
#ifndef WEB_ROUTE_H
#define WEB_ROUTE_H

#include "conf/conf.h"

struct request;

/* Kinds of listener, by the first word of a socket's name. */
enum listener_kind {
    LISTENER_http = 1,
    LISTENER_https = 2,
    LISTENER_proxy = 4,
    LISTENER_api_http = 8,
    LISTENER_api_https = 16,
    LISTENERS_UI = LISTENER_http | LISTENER_https | LISTENER_proxy,
    LISTENERS_TLS = LISTENER_https | LISTENER_proxy | LISTENER_api_https,
    LISTENERS_ALL = 31
};

enum route_base { BASE_ROOT, BASE_V1, BASE_V2 };
enum route_right { RIGHT_NONE, RIGHT_EVERYONE };
enum { METHOD_GET = 1, METHOD_POST = 2, METHOD_PUT = 4, METHOD_DELETE = 8 };

struct route {
    enum route_base base;
    unsigned method; /* HEAD is answered by GET */
    const char *path;
    unsigned listeners;
    enum route_right right;
    const char *parameters;
    void (*handler)(struct request *r);
};

struct route_found {
    const struct route *route; /* NULL: nothing here */
    enum route_base base;
    struct str word;  /* what {word} stands for */
    unsigned methods; /* what the path knows: for Allow */
};

/* `method` 0: one that nobody knows. */
struct route_found web_route_find(const struct conf *c, unsigned listener, unsigned method, struct str path);
/* By a user of this role (index of user.role)? */
bool web_route_permits(const struct route *r, uint64_t role);
/* Base of a path: for the Server header, also when nothing is found. */
enum route_base web_route_base_of(const struct conf *c, struct str path);
/* Does the route know this query parameter; the first one it misses of those required (empty: none). */
bool web_route_knows(const struct route *r, struct str parameter);
struct str web_route_required(const struct route *r, struct str *rest);

/* 0 when the name is none of the table. */
unsigned listener_kind_of(struct str socket_name, struct str *interface_out);
unsigned method_of(struct str name, bool *head_out);

#endif
