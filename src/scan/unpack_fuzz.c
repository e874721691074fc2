/*
 * Fuzz target: a zip archive's directory, file types, and answers of a child that was taken over: whatever it says, no more
 * members and octets come out than the limits allow.
 */
#include "base/clock.h"
#include "base/must.h"
#include "scan/file_type.h"
#include "scan/unpack_wire.h"
#include "scan/zip.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 4096, ENTRIES = 10 };

struct taken {
    char octets[BYTES];
    uint64_t n, members;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *room(void *ctx, const struct unpack_member *m)
{
    struct taken *t = ctx;

    must(m->size <= BYTES - t->n);
    return t->octets + t->n;
}

static void member(void *ctx, const struct unpack_member *m, struct str body)
{
    struct taken *t = ctx;

    must(m->name.n <= UNPACK_NAME_MOST && m->size == body.n);
    t->n += body.n;
    t->members++;
}

static void answers(struct str in)
{
    struct taken t = {.n = 0};
    struct unpack_limits l = {ENTRIES, BYTES, 10, clock_mono_ms() + 1000};
    struct unpack_taker to = {room, member, &t};
    int pair[2];

    if (in.n > 100000 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return;
    if (write(pair[1], in.p, in.n) >= 0) {
        shutdown(pair[1], SHUT_WR);
        unpack_take_answers(pair[0], &l, &to);
    }
    close(pair[0]);
    close(pair[1]);
    must(t.members <= ENTRIES && t.n <= BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of(data, size);
    struct file_type t = file_type_of(in);
    struct zip_look z;
    struct arena a;

    arena_init(&a, 4096, 1 << 20);
    zip_look(&a, in, 1000, &z);
    file_ends_in_zip(in);
    file_is_message(in);
    file_extension_lies(in, &t);
    answers(in);
    arena_done(&a);
    return 0;
}
