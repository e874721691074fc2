/*
 * Hostile export segments: a gateway that was taken over may hand out anything. Nothing may read beyond the octets, and what
 * is read as whole has the numbers its header says.
 */
#include "store/event_json.h"
#include "store/segment.h"

#include "base/io.h"
#include "base/must.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lines(struct segment_reader *r)
{
    struct event_record ev;
    struct arena a;
    struct str line;
    uint64_t number, n = 0;
    enum rc rc;

    arena_init(&a, 4096, 8 << 20);
    while ((rc = segment_read(r, &line, NULL)) == RC_OK && n < 100000) {
        n++;
        event_json_read(&a, line, &number, &ev, NULL);
        arena_reset(&a);
    }
    if (rc == RC_NOT_FOUND)
        must(n == segment_head(r)->events);
    arena_done(&a);
}

/* The first octet chooses: the file as it is, or its lines compressed behind a good header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "POSTERN-EXPORT 1\n{\"kind\":\"tracking\",\"serial\":\"S\",\"epoch\":1,\"seq\":1,\"first\":1,"
                               "\"last\":3,\"start\":1,\"end\":2,\"events\":3,\"schema\":1,\"codec\":\"zstd\"}";
    static int fd = -1;
    static char path[40];
    char header[SEGMENT_HEADER], packed[1 << 16];
    struct segment_reader *r;
    size_t n;

    if (fd < 0) {
        fd = memfd_create("segment", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (!size || size > 32768)
        return 0;
    must(ftruncate(fd, 0) == 0);
    if (data[0] & 1) {
        n = ZSTD_compress(packed, sizeof packed, data + 1, size - 1, 1);
        memset(header, ' ', sizeof header);
        memcpy(header, head, sizeof head - 1);
        header[sizeof header - 1] = '\n';
        must(pwrite(fd, header, sizeof header, 0) == sizeof header && pwrite(fd, packed, n, sizeof header) == (ssize_t)n);
    } else {
        must(pwrite(fd, data + 1, size - 1, 0) == (ssize_t)(size - 1));
    }
    if (segment_open(path, &r, NULL) != RC_OK)
        return 0;
    lines(r);
    segment_close(r);
    return 0;
}
