/*
 * AgentX subagent in a thread. See agent.h.
 *
 * Called by snmp.c. Owns the thread, the pipe and libnetsnmp's state in this process; it lives until the process ends. A
 * connection that breaks is opened again by the library; traps wait for it, the oldest are kept.
 */
#include "snmp/agent.h"

#include "base/must.h"

#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>

#include <net-snmp/agent/net-snmp-agent-includes.h>

#include <net-snmp/agent/agent_callbacks.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { WAITING_MAX = 64, RECONNECT_S = 1, BASE_N = 10 };

#define OUR_TREE 1, 3, 6, 1, 4, 1, 15497, 1, 1
static const oid base[] = {OUR_TREE, 1};

struct agent {
    pthread_t thread;
    bool begun;
    pthread_mutex_t lock; /* values, mib, error */
    struct snmp_values values;
    struct mib mib; /* points into values */
    char error[256];
    int pipe[2];
    bool connected;                        /* atomic */
    uint64_t requests;                     /* atomic */
    struct snmp_trap waiting[WAITING_MAX]; /* the thread's own */
    size_t n_waiting;
};

/* --- answering ----------------------------------------------------------------------------------------------------- */

static void put(netsnmp_request_info *r, const struct mib_instance *i)
{
    static const u_char types[] = {
        [MIB_INTEGER] = ASN_INTEGER, [MIB_GAUGE] = ASN_GAUGE, [MIB_COUNTER] = ASN_COUNTER, [MIB_STRING] = ASN_OCTET_STR};
    oid name[BASE_N + MIB_DEPTH];
    u_long number = i->number;

    memcpy(name, base, sizeof base);
    for (size_t k = 0; k < i->name.n; k++)
        name[BASE_N + k] = i->name.at[k];
    snmp_set_var_objid(r->requestvb, name, BASE_N + i->name.n);
    if (i->type == MIB_STRING)
        snmp_set_var_typed_value(r->requestvb, types[i->type], i->text, strlen(i->text));
    else
        snmp_set_var_typed_value(r->requestvb, types[i->type], &number, sizeof number);
}

/* What is asked for, below our tree: at most one number more than any of ours, which tells before from behind. False when
 * it lies behind the tree. */
static bool below(const netsnmp_variable_list *v, uint32_t out[MIB_DEPTH + 1], size_t *n_out)
{
    size_t common = v->name_length < BASE_N ? v->name_length : (size_t)BASE_N;
    int order = snmp_oid_compare(v->name, common, base, common);

    *n_out = 0;
    if (order != 0 || v->name_length <= BASE_N)
        return order <= 0;
    for (size_t i = BASE_N; i < v->name_length && *n_out <= MIB_DEPTH; i++)
        out[(*n_out)++] = v->name[i] > UINT32_MAX ? UINT32_MAX : (uint32_t)v->name[i];
    return true;
}

static void answer_get(struct agent *a, netsnmp_agent_request_info *info, netsnmp_request_info *r)
{
    uint32_t name[MIB_DEPTH + 1];
    const struct mib_instance *i;
    size_t n;

    i = below(r->requestvb, name, &n) ? mib_get(&a->mib, name, n) : NULL;
    if (i)
        put(r, i);
    else
        netsnmp_set_request_error(info, r, mib_has_object(name, n) ? SNMP_NOSUCHINSTANCE : SNMP_NOSUCHOBJECT);
}

/* Nothing behind it: the request stays as it is and snmpd goes on with the next tree. */
static void answer_next(struct agent *a, netsnmp_request_info *r)
{
    uint32_t name[MIB_DEPTH + 1];
    const struct mib_instance *i;
    size_t n;

    if (!below(r->requestvb, name, &n))
        return;
    i = r->inclusive ? mib_get(&a->mib, name, n) : NULL;
    i = i ? i : mib_next(&a->mib, name, n);
    if (i)
        put(r, i);
}

static int answer(netsnmp_mib_handler *handler, netsnmp_handler_registration *reg, netsnmp_agent_request_info *info,
                  netsnmp_request_info *requests)
{
    struct agent *a = handler->myvoid;

    (void)reg;
    pthread_mutex_lock(&a->lock);
    for (netsnmp_request_info *r = requests; r; r = r->next) {
        if (r->processed)
            continue;
        if (info->mode == MODE_GET)
            answer_get(a, info, r);
        else if (info->mode == MODE_GETNEXT)
            answer_next(a, r);
        else
            netsnmp_set_request_error(info, r, SNMP_ERR_NOTWRITABLE);
        __atomic_fetch_add(&a->requests, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&a->lock);
    return SNMP_ERR_NOERROR;
}

static void register_tree(struct agent *a)
{
    netsnmp_mib_handler *handler = netsnmp_create_handler("postern", answer);
    netsnmp_handler_registration *reg;

    must(handler);
    handler->myvoid = a;
    reg = netsnmp_handler_registration_create("postern", handler, base, BASE_N, HANDLER_CAN_RWRITE);
    must(reg && netsnmp_register_handler(reg) == MIB_REGISTERED_OK);
}

/* --- traps --------------------------------------------------------------------------------------------------------- */

static void trap_send(const struct snmp_trap *t)
{
    static const oid trap_oid[] = {1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0}, warm_start[] = {1, 3, 6, 1, 6, 3, 1, 1, 5, 2};
    const oid which[] = {OUR_TREE, 2, t->number};
    oid object[BASE_N + MIB_DEPTH];
    netsnmp_variable_list *list = NULL;
    long number = (long)t->value;

    if (t->number == TRAP_WARM_START) {
        snmp_varlist_add_variable(&list, trap_oid, OID_LENGTH(trap_oid), ASN_OBJECT_ID, warm_start, sizeof warm_start);
        send_v2trap(list);
        snmp_free_varbind(list);
        return;
    }
    memcpy(object, base, sizeof base);
    for (size_t i = 0; i < t->object.n; i++)
        object[BASE_N + i] = t->object.at[i];
    snmp_varlist_add_variable(&list, trap_oid, OID_LENGTH(trap_oid), ASN_OBJECT_ID, which, sizeof which);
    if (t->is_text)
        snmp_varlist_add_variable(&list, object, BASE_N + t->object.n, ASN_OCTET_STR, t->text, strlen(t->text));
    else
        snmp_varlist_add_variable(&list, object, BASE_N + t->object.n, ASN_INTEGER, &number, sizeof number);
    send_v2trap(list);
    snmp_free_varbind(list);
}

static void traps_send(struct agent *a)
{
    for (size_t i = 0; i < a->n_waiting; i++)
        trap_send(&a->waiting[i]);
    a->n_waiting = 0;
}

static void on_pipe(int fd, void *data)
{
    struct agent *a = data;
    struct snmp_trap t;

    if (read(fd, &t, sizeof t) == (ssize_t)sizeof t && a->n_waiting < WAITING_MAX)
        a->waiting[a->n_waiting++] = t;
}

bool agent_trap(struct agent *a, const struct snmp_trap *t)
{
    _Static_assert(sizeof *t <= 4096, "a write to a pipe is whole up to PIPE_BUF");
    return write(a->pipe[1], t, sizeof *t) == (ssize_t)sizeof *t;
}

/* --- the library --------------------------------------------------------------------------------------------------- */

static int on_state(int major, int minor, void *server, void *client)
{
    struct agent *a = client;

    (void)major;
    (void)server;
    __atomic_store_n(&a->connected, minor == SNMPD_CALLBACK_INDEX_START, __ATOMIC_RELEASE);
    return SNMPERR_SUCCESS;
}

static int on_log(int major, int minor, void *server, void *client)
{
    const struct snmp_log_message *m = server;
    struct agent *a = client;

    (void)major;
    (void)minor;
    if (m->priority > LOG_WARNING)
        return SNMPERR_SUCCESS;
    pthread_mutex_lock(&a->lock);
    snprintf(a->error, sizeof a->error, "%.*s", STR(str_trim(str_c(m->msg))));
    pthread_mutex_unlock(&a->lock);
    return SNMPERR_SUCCESS;
}

/* No file is read or written by the library: everything it needs is said here. */
static void prepare(struct agent *a, const char *socket, const char *dir)
{
    char path[4200];

    setenv("MIBS", "", 1); /* names of objects are not wanted */
    setenv("SNMP_PERSISTENT_DIR", dir, 1);
    snprintf(path, sizeof path, "unix:%s", socket);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_ALARM_DONT_USE_SIG, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_ROLE, 1);
    netsnmp_ds_set_string(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_X_SOCKET, path);
    snmp_disable_log();
    snmp_enable_calllog();
    snmp_register_callback(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_LOGGING, on_log, a);
    snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_START, on_state, a);
    snmp_register_callback(SNMP_CALLBACK_APPLICATION, SNMPD_CALLBACK_INDEX_STOP, on_state, a);
    init_agent("postern");
    netsnmp_ds_set_int(NETSNMP_DS_APPLICATION_ID, NETSNMP_DS_AGENT_AGENTX_PING_INTERVAL, RECONNECT_S);
    register_tree(a);
}

static void *run(void *arg)
{
    struct agent *a = arg;

    init_snmp("postern");
    register_readfd(a->pipe[0], on_pipe, a);
    for (;;) {
        agent_check_and_process(1);
        if (agent_connected(a))
            traps_send(a);
    }
    return NULL;
}

struct agent *agent_new(const char *socket, const char *dir)
{
    struct agent *a = calloc(1, sizeof *a);

    must(a);
    must(pthread_mutex_init(&a->lock, NULL) == 0 && pipe2(a->pipe, O_CLOEXEC | O_NONBLOCK) == 0);
    prepare(a, socket, dir);
    return a;
}

void agent_begin(struct agent *a)
{
    if (!a->begun)
        must(pthread_create(&a->thread, NULL, run, a) == 0);
    a->begun = true;
}

void agent_values(struct agent *a, const struct snmp_values *v)
{
    pthread_mutex_lock(&a->lock);
    a->values = *v;
    mib_build(&a->values, &a->mib);
    pthread_mutex_unlock(&a->lock);
}

bool agent_connected(const struct agent *a)
{
    return __atomic_load_n(&a->connected, __ATOMIC_ACQUIRE);
}

uint64_t agent_requests(const struct agent *a)
{
    return __atomic_load_n(&a->requests, __ATOMIC_RELAXED);
}

void agent_error(struct agent *a, char out[256])
{
    pthread_mutex_lock(&a->lock);
    memcpy(out, a->error, sizeof a->error);
    pthread_mutex_unlock(&a->lock);
}
