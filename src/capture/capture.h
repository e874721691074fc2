/*
 * One packet capture: packets of a socket that master opened, filtered by the kernel, into a file of pcap form that ends at
 * a size, after a time, or when the disk runs short.
 *
 * Used by role `capture` alone, which lives as long as one capture is wanted and can neither open sockets nor read anything
 * but its folder.
 */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include "conf/conf.h"
#include "net/loop.h"

struct capture;

struct capture_options {
    struct loop *loop;
    int packets;      /* AF_PACKET, SOCK_DGRAM, not bound, does not block; stays the caller's */
    const char *home; /* the file goes to HOME/captures */
    struct str model, serial;
    const struct conf_capture *settings;      /* copied */
    void (*ended)(void *ctx, struct str why); /* by itself; the file is complete. The capture is still to be stopped. */
    void *ctx;
};

/* Packets flow into the file from now on. RC_INVALID: the filter or an interface is wrong; RC_IO, RC_NO_SPACE. */
enum rc capture_start(const struct capture_options *o, struct capture **out, struct err *e);
/* Completes the file. NULL is fine. */
void capture_stop(struct capture *c);

struct capture_state {
    bool running;
    const char *file; /* name without folder */
    uint64_t bytes, packets, lost, seconds;
};
struct capture_state capture_state(struct capture *c);

/* --- inside ---------------------------------------------------------------------------------------------------------------
 */

struct sock_fprog;

/* filter.c: a program for the kernel from a filter in pcap's language; to be given back by filter_free. Data begin at the IP
 * header. RC_INVALID with pcap's text. */
enum rc filter_compile(struct str text, struct sock_fprog *out, struct err *e);
void filter_free(struct sock_fprog *p);

/* pcap_file.c: octets of the file format (libpcap, LINKTYPE_LINUX_SLL). */
enum { PCAP_SNAP = 262144, PCAP_HEADER = 24, PCAP_RECORD = 32 };
struct buf;
struct sockaddr_ll;
void pcap_file_begin(struct buf *out);
/* `whole` octets were on the wire, `data` of them were kept. */
void pcap_file_add(struct buf *out, uint64_t time_us, const struct sockaddr_ll *from, struct str data, size_t whole);

#endif
