/*
 * The Status line. See status.h; keys and their order are fixed by logs.md section 9.
 *
 * Called by record.c once a period. Owns nothing. What this release does not have yet is 0.
 */
#include "record/status.h"

enum source { ZERO, COUNT, NUMBER, GAUGE, MACHINE, SPECIAL };
enum special { LOG_AVAILABLE, SWAP_USAGE, ELAPSED };

static const struct {
    const char *key;
    enum source source;
    size_t which;
} keys[] = {
#define M(field) MACHINE, offsetof(struct machine_load, field)
    {"CPULd", M(cpu_percent)},
    {"DskIO", M(disk_percent)},
    {"RAMUtil", M(ram_percent)},
    {"QKUsd", GAUGE, GAUGE_QUEUE_KB},
    {"QKFre", GAUGE, GAUGE_QUEUE_FREE_KB},
    {"CrtMID", NUMBER, NUMBER_MID},
    {"CrtICID", NUMBER, NUMBER_ICID},
    {"CrtDCID", NUMBER, NUMBER_DCID},
    {"InjMsg", COUNT, COUNTER_inj_msgs},
    {"InjRcp", COUNT, COUNTER_inj_rcps},
    {"GenBncRcp", COUNT, COUNTER_gen_bounces},
    {"RejRcp", COUNT, COUNTER_rej_rcps},
    {"DrpMsg", COUNT, COUNTER_drp_msgs},
    {"SftBncEvnt", COUNT, COUNTER_soft_bounces},
    {"CmpRcp", COUNT, COUNTER_cmp_rcps},
    {"HrdBncRcp", COUNT, COUNTER_hard_bounces},
    {"DnsHrdBnc", COUNT, COUNTER_hard_dns},
    {"5XXHrdBnc", COUNT, COUNTER_hard_5xx},
    {"FltrHrdBnc", COUNT, COUNTER_hard_filter},
    {"ExpHrdBnc", COUNT, COUNTER_hard_expired},
    {"OtrHrdBnc", COUNT, COUNTER_hard_other},
    {"DlvRcp", COUNT, COUNTER_dlv_rcps},
    {"DelRcp", COUNT, COUNTER_del_rcps},
    {"GlbUnsbHt", COUNT, COUNTER_unsub_hits},
    {"ActvRcp", GAUGE, GAUGE_ACTIVE_RECIPIENTS},
    {"UnatmptRcp", GAUGE, GAUGE_UNATTEMPTED},
    {"AtmptRcp", GAUGE, GAUGE_ATTEMPTED},
    {"CrtCncIn", GAUGE, GAUGE_CONN_IN},
    {"CrtCncOut", GAUGE, GAUGE_CONN_OUT},
    {"DnsReq", GAUGE, GAUGE_DNS_REQUESTS},
    {"NetReq", GAUGE, GAUGE_NET_REQUESTS},
    {"CchHit", GAUGE, GAUGE_CACHE_HITS},
    {"CchMis", GAUGE, GAUGE_CACHE_MISSES},
    {"CchEct", GAUGE, GAUGE_CACHE_EXCEPTIONS},
    {"CchExp", GAUGE, GAUGE_CACHE_EXPIRED},
    {"CPUTTm", M(our_cpu_s)},
    {"CPUETm", SPECIAL, ELAPSED},
    {"MaxIO", ZERO, 0},
    {"RAMUsd", M(our_ram_bytes)},
    {"MMLen", ZERO, 0},
    {"DstInMem", GAUGE, GAUGE_DESTINATIONS},
    {"ResCon", ZERO, 0},
    {"WorkQ", GAUGE, GAUGE_WORK_QUEUE},
    {"QuarMsgs", GAUGE, GAUGE_QUARANTINE_MESSAGES},
    {"QuarQKUsd", GAUGE, GAUGE_QUARANTINE_KB},
    {"LogUsd", M(log_percent)},
    {"SophLd", ZERO, 0},
    {"BMLd", ZERO, 0},
    {"CASELd", ZERO, 0},
    {"TotalLd", M(cpu_percent)},
    {"LogAvail", SPECIAL, LOG_AVAILABLE},
    {"EuQ", GAUGE, GAUGE_SPAM_MESSAGES},
    {"EuqRls", ZERO, 0},
    {"CmrkLd", ZERO, 0},
    {"McafLd", ZERO, 0},
    {"SwIn", M(swap_in)},
    {"SwOut", M(swap_out)},
    {"SwPgIn", M(swap_in)},
    {"SwPgOut", M(swap_out)},
    {"SwapUsage", SPECIAL, SWAP_USAGE},
    {"RptLd", ZERO, 0},
    {"QtnLd", ZERO, 0},
    {"EncrQ", ZERO, 0},
    {"InjBytes", COUNT, COUNTER_inj_bytes},
#undef M
};

static uint64_t value_of(const struct status_view *v, enum source source, size_t which)
{
    switch (source) {
    case COUNT:
        return counters_get(v->counters, COUNTERS_RESET, (enum counter)which);
    case NUMBER:
        return v->board ? board_last(v->board, (enum board_number)which) : 0;
    case GAUGE:
        return v->board ? board_gauge(v->board, (enum board_gauge)which) : 0;
    case MACHINE:
        return *(const uint64_t *)(const void *)((const char *)v->machine + which);
    default:
        return 0;
    }
}

/* 148G, 512M, 7K */
static void add_size(uint64_t kb, struct buf *out)
{
    const char *unit = kb >= 1 << 20 ? "G" : kb >= 1 << 10 ? "M" : "K";

    buf_add_u64(out, kb >= 1 << 20 ? kb >> 20 : kb >= 1 << 10 ? kb >> 10 : kb);
    buf_add(out, str_c(unit));
}

static void add_special(const struct status_view *v, enum special which, struct buf *out)
{
    if (which == LOG_AVAILABLE)
        add_size(v->machine->log_free_kb, out);
    else if (which == SWAP_USAGE)
        buf_addf(out, "%llu%%", (unsigned long long)v->machine->swap_percent);
    else
        buf_add_u64(out, v->wall_ms > v->born_ms ? (v->wall_ms - v->born_ms) / 1000 : 0);
}

void status_line(const struct status_view *v, struct buf *out)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].source == SPECIAL && keys[i].which == SWAP_USAGE && !v->modern)
            continue;
        if (i)
            buf_addc(out, ' ');
        buf_add(out, str_c(keys[i].key));
        buf_addc(out, ' ');
        if (keys[i].source == SPECIAL)
            add_special(v, (enum special)keys[i].which, out);
        else
            buf_add_u64(out, value_of(v, keys[i].source, keys[i].which));
    }
}
