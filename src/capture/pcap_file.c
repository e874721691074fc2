/*
 * The octets of a capture file: header and records of the classic pcap form, every packet behind a "Linux cooked" header
 * that tells the interface's kind and the direction (LINKTYPE_LINUX_SLL). See capture.h.
 *
 * Called by capture.c. Owns nothing. Numbers of the file are little endian, those of the cooked header big endian.
 */
#include "capture/capture.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>

enum { MAGIC = 0xa1b2c3d4, LINKTYPE_LINUX_SLL = 113, SLL_BYTES = 16, SLL_ADDRESS = 8 };

void pcap_file_begin(struct buf *out)
{
    buf_put_u32(out, MAGIC);
    buf_put_u16(out, 2);
    buf_put_u16(out, 4);
    buf_put_u32(out, 0);
    buf_put_u32(out, 0);
    buf_put_u32(out, PCAP_SNAP);
    buf_put_u32(out, LINKTYPE_LINUX_SLL);
}

static void put_be16(struct buf *out, unsigned v)
{
    buf_put_u8(out, (uint8_t)(v >> 8));
    buf_put_u8(out, (uint8_t)v);
}

void pcap_file_add(struct buf *out, uint64_t time_us, const struct sockaddr_ll *from, struct str data, size_t whole)
{
    unsigned char address[SLL_ADDRESS] = {0};

    buf_put_u32(out, (uint32_t)(time_us / 1000000));
    buf_put_u32(out, (uint32_t)(time_us % 1000000));
    buf_put_u32(out, (uint32_t)data.n + SLL_BYTES);
    buf_put_u32(out, (uint32_t)whole + SLL_BYTES);
    put_be16(out, from->sll_pkttype);
    put_be16(out, from->sll_hatype);
    put_be16(out, from->sll_halen);
    memcpy(address, from->sll_addr, from->sll_halen < SLL_ADDRESS ? from->sll_halen : SLL_ADDRESS);
    buf_add(out, str_of(address, sizeof address));
    put_be16(out, ntohs(from->sll_protocol));
    buf_add(out, data);
}
