/*
 * Capture filters: the language of tcpdump, compiled to the kernel's own by libpcap. See capture.h.
 *
 * Called by capture.c. The program is libpcap's memory. Packets are seen from the IP header on (DLT_RAW), so that one
 * program fits every kind of interface; filters on Ethernet addresses are refused by libpcap with a text.
 */
#include "capture/capture.h"

#include <linux/filter.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "libpcap's and the kernel's programs are one form");

enum rc filter_compile(struct str text, struct sock_fprog *out, struct err *e)
{
    pcap_t *p = pcap_open_dead(DLT_RAW, PCAP_SNAP);
    struct bpf_program program = {0};
    char *filter = strndup(text.p ? text.p : "", text.n);
    enum rc rc = RC_OK;

    if (!p || !filter)
        rc = err_set(e, RC_NO_MEMORY, "no memory");
    else if (pcap_compile(p, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0)
        rc = err_set(e, RC_INVALID, "capture filter: %s", pcap_geterr(p));
    if (rc == RC_OK && program.bf_len > BPF_MAXINSNS) {
        pcap_freecode(&program);
        rc = err_set(e, RC_INVALID, "capture filter: too long");
    }
    if (p)
        pcap_close(p);
    free(filter);
    if (rc != RC_OK)
        return rc;
    out->len = (unsigned short)program.bf_len;
    out->filter = (struct sock_filter *)program.bf_insns;
    return RC_OK;
}

void filter_free(struct sock_fprog *p)
{
    struct bpf_program program = {.bf_len = p->len, .bf_insns = (struct bpf_insn *)p->filter};

    pcap_freecode(&program);
}
