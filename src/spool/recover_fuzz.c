/* Any octets as a segment file: the scan ends, and gives only records whose envelope lies in the file. */
#include "spool/recover.h"

#include "base/crc32c.h"
#include "base/must.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void found(void *ctx, const struct spool_head *head, struct str envelope)
{
    volatile unsigned char sum = 0;

    must(envelope.n == head->envelope_bytes && head->ref.offset % RECORD_ALIGN == 0);
    for (size_t i = 0; i < envelope.n; i++)
        sum ^= (unsigned char)envelope.p[i];
    ++*(unsigned *)ctx;
}

/* Random octets never fit a CRC: seal the header page and every record that could be one. */
static void seal(char *p, size_t n)
{
    struct segment_header s;

    memcpy(&s, p, sizeof s);
    s.segment = 1;
    s.state = SEGMENT_IN_USE;
    layout_seal_segment(&s);
    memcpy(p, &s, sizeof s);
    for (size_t at = PAGE; at + RECORD_HEADER <= n; at += RECORD_ALIGN) {
        struct record_header h;

        memcpy(&h, p + at, sizeof h);
        if (h.kind < RECORD_MESSAGE || h.kind > RECORD_VOID || at + RECORD_HEADER + h.envelope_bytes > n)
            continue;
        h.segment = 1;
        h.generation = s.generation;
        h.salt = s.salt;
        layout_seal_record(&h, str_of(p + at + RECORD_HEADER, h.envelope_bytes));
        memcpy(p + at, &h, sizeof h);
    }
}

/* The first 64 octets are the header page, the rest lies behind it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    size_t head = n < 64 ? n : 64, size = PAGE + n - head;
    struct spool_found out;
    struct spool_void v;
    unsigned records = 0;
    char *p;

    must(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(p != MAP_FAILED);
    memcpy(p, data, head);
    memcpy(p + PAGE, data + head, n - head);
    if (n && data[0] & 1)
        seal(p, size);
    munmap(p, size);
    must(recover_scan(fd, 1, 0, 0, NULL, found, &records, &out, NULL) == RC_OK);
    recover_void(fd, 1, &v);
    close(fd);
    return 0;
}
