/*
 * Would outbreak filters hold this message now? Asked by role quarantine about held mail and copies of it (central.md 9).
 *
 * Called by the bus. Owns the mapping of the descriptor that came along while it is looked at. Nothing is logged and nothing
 * but the outbreak stage looks. Memory that could shrink is refused, as in scan.c; a message that cannot be read is
 * RC_CORRUPT.
 */
#include "scan/outbreak_again.h"

#include "policy/mail_policy.h"
#include "scan/actions.h"
#include "scan/outbreak.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t MESSAGE_MEMORY = (size_t)1 << 30;

static void judge(struct message *m, struct bus_outbreak_answer *out)
{
    struct outbreak_threat t;

    if (!m->conf->outbreak.enabled || !action_stage_on(m, action_policy(m)->outbreak, false) ||
        message_octets(m).n > m->conf->outbreak.max_bytes) {
        out->rc = RC_NOT_IMPLEMENTED;
        return;
    }
    t = outbreak_highest(m);
    out->rc = RC_OK;
    out->held = t.level && t.level >= m->policy->outbreak_threshold;
    out->level = t.level;
    out->rule = t.rule;
    out->keep_ms = t.level ? outbreak_keep_ms(m, &t) : 0;
}

static void look_at(struct scan_world *w, const struct bus_outbreak_question *q, struct str octets, struct arena *a,
                    struct bus_outbreak_answer *out)
{
    struct envelope env = {.sender = q->sender, .outgoing = q->outgoing};
    struct message m = {
        .conf = conf_now(w->conf), .compiled = w->compiled, .world = &w->calls, .mid = q->mid, .trace = true};

    if (message_init(&m, a, octets, &env, NULL) != RC_OK) {
        out->rc = RC_CORRUPT;
        return;
    }
    if (q->policy.n && w->compiled && w->compiled->policies)
        m.policy = policies_find(w->compiled->policies, q->policy);
    judge(&m, out);
}

static struct str map(int fd, uint64_t bytes)
{
    struct stat st;
    int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
    void *p;

    if (seals < 0 || !(seals & F_SEAL_SHRINK) || !bytes || fstat(fd, &st) != 0 || (uint64_t)st.st_size < bytes)
        return STR_NONE;
    p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    return p == MAP_FAILED ? STR_NONE : str_of(p, bytes);
}

static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_outbreak_question *q = in->msg;
    struct bus_outbreak_answer answer = {.rc = RC_CORRUPT};
    struct bus_peer *from = in->from;
    uint64_t number = in->call;
    struct scan_world *w = ctx;
    struct str octets = map(in->fd, q->bytes);
    struct bus_outbreak_question asked = *q;
    struct arena a;

    arena_init(&a, 65536, MESSAGE_MEMORY);
    asked.policy = arena_str(&a, q->policy); /* opening an archive may read the bus */
    asked.sender = arena_str(&a, q->sender);
    if (conf_now(w->conf)->version < q->version)
        answer.rc = RC_UNAVAILABLE;
    else if (octets.n)
        look_at(w, &asked, octets, &a, &answer);
    bus_reply(w->bus, from, number, BUS_outbreak_answer, &answer);
    arena_done(&a);
    if (octets.n)
        munmap((void *)(uintptr_t)octets.p, octets.n);
    if (in->fd >= 0)
        close(in->fd);
}

void outbreak_again_begin(struct scan_world *w)
{
    bus_on(w->bus, BUS_outbreak_question, on_question, w);
}
