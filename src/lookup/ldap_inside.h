/* What the files of the pool of LDAP connections share; nobody else includes this. */
#ifndef LOOKUP_LDAP_INSIDE_H
#define LOOKUP_LDAP_INSIDE_H

#include "base/must.h"
#include "lookup/ldap_pool.h"

enum { HOSTS_MAX = 32, ADDRESSES = 4, WHY_MAX = 400 };

struct host;

struct job {
    struct job *next; /* in the waiting list of a host */
    struct server *server;
    struct arena arena;
    struct ldap_search search;
    bool login;
    struct str dn, password;
    ldap_found_fn *fn;
    void *ctx;
    uint32_t tried; /* hosts, a bit each */
    bool repeated;  /* once more where the connection ended under it */
    struct host *host;
};

struct connection {
    struct connection *next;
    struct host *host;
    struct ldap_link *link; /* NULL: its address is being looked up */
    struct job *login;      /* of a log-in alone */
    struct address_ip addresses[ADDRESSES];
    size_t n_addresses, at;
    bool was_ready;
};

struct host {
    struct server *server;
    size_t index;
    struct str name;
    uint64_t port;
    uint64_t down_until_ms;
    bool told; /* that it is down */
    struct connection *connections;
    struct job *waiting, **last;
    char why[WHY_MAX];
};

struct server {
    struct server *next;
    struct ldap_pool *pool;
    const struct conf *conf; /* counted: settings points into it */
    const struct conf_ldap_server *settings;
    struct tls_context *tls;
    struct arena arena;
    struct host *hosts;
    size_t n_hosts, turn;
    unsigned jobs;
    bool old; /* replaced: goes when its jobs are done */
};

struct ldap_pool {
    struct loop *loop;
    struct events *events;
    sts_dns_fn *dns;
    void *owner;
    struct server *servers;
    struct loop_timer sweep; /* while an old server is still at work */
    bool ending;
};

/* ldap_pool.c: jobs. The host did not do it: the next one, or the end. */
void ldap_job_again(struct job *j, enum rc rc, struct str why);
void ldap_job_end(struct job *j, const struct ldap_found *found);
struct job *ldap_job_waiting(struct host *h); /* takes the oldest that waits at the host; NULL = none */
struct server *ldap_server_find(const struct ldap_pool *p, struct str name);

/* ldap_host.c: connections of a host. Jobs that wait there go to connections. */
void ldap_host_work(struct host *h);
/* A connection more; `login` is the log-in it is for, NULL = one for searches. */
void ldap_host_connect(struct host *h, struct job *login);
void ldap_host_close(struct host *h);

#endif
