/*
 * The processes master supervises: started, joined to each other, restarted with growing pauses, ended in order.
 *
 * Called by main_master.c. Owns the children and their lines. A process that cannot be started counts as one that died at
 * once; nothing that happens to one touches another, except that the others see their ends of its socket pairs close.
 */
#include "role/master.h"

#include "base/clock.h"
#include "role/capabilities.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Who ends when at a stop: first those that let mail in, last those that write down what happened. */
static const unsigned stop_stage[ROLE_COUNT] = {
    [ROLE_receive] = 0, [ROLE_shell] = 0,   [ROLE_web] = 0,        [ROLE_snmp] = 0,    [ROLE_clock] = 0,
    [ROLE_scan] = 1,    [ROLE_deliver] = 1, [ROLE_lookup] = 2,     [ROLE_queue] = 2,   [ROLE_control] = 3,
    [ROLE_record] = 4,  [ROLE_push] = 4,    [ROLE_quarantine] = 2, [ROLE_central] = 1,
};

struct proc *proc_of(struct master *m, enum role role, unsigned index)
{
    for (size_t i = 0; i < m->n_procs; i++)
        if (m->procs[i].role == role && m->procs[i].index == index)
            return &m->procs[i];
    return NULL;
}

static void set_state(struct master *m, struct proc *p, enum proc_state state)
{
    struct board_role *r = &m->board->roles[p - m->procs];

    p->state = state;
    board_store(&r->role, p->role);
    board_store(&r->index, p->index);
    board_store(&r->pid, (uint64_t)p->pid);
    board_store(&r->restarts, p->restarts);
    board_store(&r->started_ms, p->started_wall_ms);
    board_store(&r->state, p->unwanted && state == PROC_WAITING ? 0 : (uint64_t)state);
    m->changed = true;
}

/* --- telling ---------------------------------------------------------------------------------------------------------- */

void proc_kill(struct proc *p)
{
    if (p->line >= 0)
        close(p->line);
    p->line = -1;
    if (p->pid)
        kill(p->pid, SIGKILL);
}

static void tell(struct proc *p, enum line_type type, const void *msg, int fd)
{
    if (p->line >= 0 && !line_send(p->line, type, msg, fd))
        proc_kill(p);
}

/* What died goes to record; what record cannot be told now waits (the oldest are forgotten beyond MASTER_FAULTS). */
static void faults_tell(struct master *m)
{
    struct proc *record = proc_of(m, ROLE_record, 0);

    if (!record || record->state != PROC_RUNNING)
        return;
    for (size_t i = 0; i < m->n_faults && record->line >= 0; i++)
        tell(record, LINE_fault, &(struct line_fault){.error = str_c(m->faults[i])}, -1);
    m->n_faults = 0;
}

static void fault(struct master *m, const char *text)
{
    if (m->n_faults == MASTER_FAULTS)
        memmove(m->faults[0], m->faults[1], sizeof m->faults[0] * --m->n_faults);
    snprintf(m->faults[m->n_faults++], sizeof m->faults[0], "%s", text);
    master_say("%s", text);
    faults_tell(m);
}

/* --- starting -----------------------------------------------------------------------------------------------------------
 */

/* In the child: descriptors 3 and 4, the user, the program. Only async-signal-safe calls and no way back. */
static _Noreturn void become(const struct master *m, const struct proc *p, int line)
{
    char exe[sizeof m->exe_dir + 32], index[16];
    char *argv[] = {NULL, (char *)m->home, index, NULL};
    int line_high = fcntl(line, F_DUPFD, 10), lock_high = fcntl(m->lock, F_DUPFD, 10);
    sigset_t none;

    snprintf(exe, sizeof exe, "%s/postern-%s", m->exe_dir, role_name(p->role));
    snprintf(index, sizeof index, "%u", p->index);
    argv[0] = strrchr(exe, '/') + 1;
    sigemptyset(&none);
    if (dup2(line_high, LINE_FD) < 0 || dup2(lock_high, LOCK_FD) < 0)
        _exit(71);
    close(line_high);
    close(lock_high);
    if (m->uid && !capabilities_become(p->role, m->uid, m->gid))
        _exit(77);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(exe, argv);
    dprintf(2, "postern-master: cannot execute %s: %s\n", exe, strerror(errno));
    _exit(127);
}

/* Joins two running processes by a socket pair, each gets an end. */
static void join(struct proc *a, struct proc *b)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        master_say("socket pair: %s", strerror(errno));
        proc_kill(a);
        return;
    }
    tell(a, LINE_peer, &(struct line_peer){.role = b->role, .index = b->index, .life = b->life}, fds[0]);
    tell(b, LINE_peer, &(struct line_peer){.role = a->role, .index = a->index, .life = a->life}, fds[1]);
    close(fds[0]);
    close(fds[1]);
}

static void furnish(struct master *m, struct proc *p)
{
    tell(p, LINE_hello, &(struct line_hello){.index = p->index}, m->board_fd);
    for (size_t i = 0; i < m->n_procs; i++)
        if (m->procs[i].line >= 0 && bus_joined(p->role, m->procs[i].role))
            join(p, &m->procs[i]);
    if (p->role == ROLE_receive) {
        tell(p, LINE_ticket_key, &(struct line_ticket_key){.key = str_of(m->ticket_key, sizeof m->ticket_key)}, -1);
    }
    listen_hand(m, p);
    tell(p, LINE_go, &(struct line_go){0}, -1);
}

static void ended(struct master *m, struct proc *p, const char *how);

static void start(struct master *m, struct proc *p)
{
    int pair[2];

    p->started_ms = clock_mono_ms();
    p->started_wall_ms = clock_wall_ms();
    p->life++;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        ended(m, p, strerror(errno));
        return;
    }
    p->pid = fork();
    if (p->pid == 0)
        become(m, p, pair[1]);
    close(pair[1]);
    if (p->pid < 0) {
        close(pair[0]);
        p->pid = 0;
        ended(m, p, strerror(errno));
        return;
    }
    p->line = pair[0];
    set_state(m, p, PROC_STARTING);
    furnish(m, p);
}

int procs_start_due(struct master *m)
{
    uint64_t now = clock_mono_ms(), next = UINT64_MAX;

    for (size_t i = 0; i < m->n_procs && !m->stopping; i++) {
        struct proc *p = &m->procs[i];

        if (p->state != PROC_WAITING || p->unwanted)
            continue;
        if (p->restart_ms <= now)
            start(m, p);
        else if (p->restart_ms < next)
            next = p->restart_ms;
    }
    return next == UINT64_MAX ? -1 : (int)(next - now);
}

/* --- how many -------------------------------------------------------------------------------------------------------------
 */

static uint64_t automatic(const struct role_row *row)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (!row->processors)
        return row->least;
    return processors > (long)row->processors ? (uint64_t)processors / row->processors : 1;
}

static void add(struct master *m, enum role role, unsigned index)
{
    struct proc *p = proc_of(m, role, index);

    if (p) {
        p->unwanted = false;
        return;
    }
    if (m->n_procs == MASTER_PROCS)
        return;
    p = &m->procs[m->n_procs++];
    *p = (struct proc){.role = role, .index = index, .line = -1};
    set_state(m, p, PROC_WAITING);
}

void procs_want(struct master *m, enum role role, uint64_t count)
{
    const struct role_row *row = role_row(role);

    if (count == ROLE_NONE)
        count = 0;
    else if (count == 0)
        count = automatic(row);
    if (count < row->least)
        count = row->least;
    if (count > row->most)
        count = row->most;
    for (unsigned i = 0; i < count; i++)
        add(m, role, i);
    for (size_t i = 0; i < m->n_procs; i++) {
        struct proc *p = &m->procs[i];

        if (p->role != role || p->index < count || p->unwanted)
            continue;
        p->unwanted = true;
        if (p->pid)
            kill(p->pid, SIGTERM);
        p->ending = p->pid != 0;
        m->changed = true;
    }
}

/* --- ending ---------------------------------------------------------------------------------------------------------------
 */

/* What a dead process can no longer take back from the board itself (D5). */
static void board_clean(struct board *b, const struct proc *p)
{
    struct board_rate *rates = b->rates[p->index % BOARD_RECEIVERS];

    if (p->role == ROLE_deliver)
        board_gauge_set(b, p->index, GAUGE_CONN_OUT, 0);
    if (p->role != ROLE_receive)
        return;
    board_gauge_set(b, p->index, GAUGE_CONN_IN, 0);
    for (unsigned i = 0; i < BOARD_RATES; i++)
        if (board_load(&rates[i].key))
            memset(&rates[i], 0, sizeof rates[i]);
}

static void ended(struct master *m, struct proc *p, const char *how)
{
    uint64_t now = clock_mono_ms(), first = role_row(p->role)->restart_ms;
    bool expected = m->stopping || p->unwanted || p->ending;
    char text[FAULT_TEXT];
    pid_t pid = p->pid;

    if (p->line >= 0)
        close(p->line);
    p->line = -1;
    p->pid = 0;
    p->ending = false;
    board_clean(m->board, p);
    if (!expected) {
        p->restarts++;
        if (now - p->started_ms >= BACKOFF_FORGIVEN_MS || !p->backoff_ms)
            p->backoff_ms = first;
        else
            p->backoff_ms = p->backoff_ms * 2 < BACKOFF_MOST_MS ? p->backoff_ms * 2 : BACKOFF_MOST_MS;
        p->restart_ms = now + p->backoff_ms;
    }
    set_state(m, p, PROC_WAITING);
    if (expected)
        return;
    snprintf(text, sizeof text, "%s %u (pid %d) %s, restart in %llu ms", role_name(p->role), p->index, (int)pid, how,
             (unsigned long long)p->backoff_ms);
    fault(m, text);
}

void procs_reap(struct master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        char how[80];

        if (WIFSIGNALED(status))
            snprintf(how, sizeof how, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        else
            snprintf(how, sizeof how, "ended with status %d", WEXITSTATUS(status));
        for (size_t i = 0; i < m->n_procs; i++)
            if (m->procs[i].pid == pid)
                ended(m, &m->procs[i], how);
    }
}

bool procs_stop(struct master *m)
{
    uint64_t now = clock_mono_ms();

    for (; m->stage < STOP_STAGES; m->stage++, m->stage_ms = 0) {
        unsigned left = 0;

        for (size_t i = 0; i < m->n_procs; i++) {
            struct proc *p = &m->procs[i];

            if (stop_stage[p->role] != m->stage || !p->pid)
                continue;
            left++;
            if (!m->stage_ms)
                kill(p->pid, SIGTERM);
            else if (now - m->stage_ms > STOP_STAGE_MS)
                kill(p->pid, SIGKILL);
        }
        if (left && !m->stage_ms)
            m->stage_ms = now;
        if (left)
            return false;
    }
    return true;
}

/* --- what processes say
 * ------------------------------------------------------------------------------------------------------ */

void proc_said(struct master *m, struct proc *p, const struct line_in *in)
{
    if (in->type == LINE_running && p->state == PROC_STARTING) {
        set_state(m, p, PROC_RUNNING);
        faults_tell(m);
    }
    if (p->role != ROLE_control)
        return;
    if (in->type == LINE_listen_begin)
        listen_begin(m);
    else if (in->type == LINE_listen)
        listen_add(m, &in->msg.as_listen);
    else if (in->type == LINE_listen_end)
        listen_end(m);
    else if (in->type == LINE_halt) {
        m->stopping = true;
        m->again = in->msg.as_halt.again != 0;
    } else if (in->type == LINE_count && in->msg.as_count.role < ROLE_COUNT && in->msg.as_count.role != ROLE_master)
        procs_want(m, (enum role)in->msg.as_count.role, in->msg.as_count.count);
}
