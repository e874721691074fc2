/*
 * HOME/run/status: what runs, as lines of words, replaced at every change.
 *
 *   master PID WALL_MS                               ROLE INDEX PID STATE RESTARTS WALL_MS
 *   listen NAME ADDRESS PORT ok | ERROR TEXT         ready 0|1
 *
 * Called by main_master.c. A disk that takes no write costs the status, nothing else.
 */
#include "role/master.h"

#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static const char *const states[] = {"", "starting", "running", "waiting"};

static bool ready(const struct master *m)
{
    for (size_t i = 0; i < m->n_procs; i++)
        if (m->procs[i].state != PROC_RUNNING && !m->procs[i].unwanted)
            return false;
    return m->listed;
}

static void render(const struct master *m, struct buf *out)
{
    buf_addf(out, "master %d %llu\n", (int)getpid(), (unsigned long long)m->started_wall_ms);
    for (size_t i = 0; i < m->n_procs; i++) {
        const struct proc *p = &m->procs[i];

        if (p->unwanted && !p->pid)
            continue;
        buf_addf(out, "%s %u %d %s %llu %llu\n", role_name(p->role), p->index, (int)p->pid, states[p->state],
                 (unsigned long long)p->restarts, (unsigned long long)p->started_wall_ms);
    }
    for (size_t i = 0; i < m->n_socks; i++) {
        if (m->socks[i].port == 0)
            continue; /* of a packet capture */
        buf_addf(out, "listen %s %s %u %s\n", m->socks[i].name, m->socks[i].address, m->socks[i].port,
                 m->socks[i].error[0] ? m->socks[i].error : "ok");
    }
    buf_addf(out, "ready %d\n", ready(m));
}

void status_write(struct master *m)
{
    struct buf text = BUF(256 << 10);
    char path[PATH_MAX], fresh[PATH_MAX];
    struct err e = ERR_NONE;
    int fd = -1;

    m->changed = false;
    render(m, &text);
    snprintf(path, sizeof path, "%s/run/status", m->home);
    snprintf(fresh, sizeof fresh, "%s/run/status.new", m->home);
    if (io_create("master.status", fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, &fd, &e) == RC_OK &&
        io_write("master.status", fd, buf_str(&text), &e) == RC_OK && io_rename("master.status", fresh, path, &e) == RC_OK)
        m->status_failed = false;
    else if (!m->status_failed) {
        master_say("status not written: %s", err_text(&e));
        m->status_failed = true;
    }
    if (fd >= 0)
        close(fd);
    buf_done(&text);
}
