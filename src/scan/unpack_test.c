/* The process that unpacks can do nothing but that, and nothing it says is believed. */
#include "scan/unpack_wire.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a child that was taken over can still do: a bit each, 0 = nothing. */
static unsigned reached(void)
{
    int pair[2];
    unsigned n = 0;
    const bool can[] = {
        open("/etc/passwd", O_RDONLY) >= 0,
        open("/tmp/unpack_test", O_WRONLY | O_CREAT, 0600) >= 0,
        socket(AF_INET, SOCK_STREAM, 0) >= 0,
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0,
        fork() >= 0,
        execl("/bin/true", "true", (char *)NULL) == 0,
        kill(getppid(), 0) == 0,
        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED,
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0,
        chdir("/") == 0,
        mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, /* this it needs */
    };

    for (unsigned i = 0; i < sizeof can / sizeof *can; i++)
        n |= (unsigned)can[i] << i;
    return n;
}

static void a_child_reaches_nothing(void **state)
{
    int line[2], status;
    unsigned n = ~0u;
    pid_t pid;

    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    assert_int_equal(pipe(line), 0);
    pid = fork();
    if (pid == 0) {
        n = unpack_jail_helper() && unpack_jail_child() ? reached() : ~0u;
        _exit(write(line[1], &n, sizeof n) < 0);
    }
    assert_int_equal(read(line[0], &n, sizeof n), sizeof n);
    close(line[0]);
    close(line[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(n, 0);
}

static void answers_are_checked(void **state)
{
    static const struct {
        struct unpack_say s;
        bool good;
    } t[] = {
        {{.size = 100, .name = 5}, true},
        {{.size = 101, .name = 5}, false},
        {{.size = UINT64_MAX}, false},
        {{.name = UNPACK_NAME_MOST}, true},
        {{.name = UNPACK_NAME_MOST + 1}, false},
        {{.encrypted = 1, .name = 5}, true},
        {{.encrypted = 1, .size = 5}, false},
        {{.last = 1, .end = UNPACK_END_DAMAGED}, true},
        {{.last = 1, .end = UNPACK_ENDS}, false},
        {{.last = 1, .size = 1}, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        assert_int_equal(unpack_say_check(&t[i].s, 100), t[i].good);
}

struct taken {
    char *octets;
    size_t n;
    unsigned members;
};

static char *room(void *ctx, const struct unpack_member *m)
{
    struct taken *t = ctx;

    t->octets = realloc(t->octets, t->n + m->size + 1);
    return t->octets + t->n;
}

static void member(void *ctx, const struct unpack_member *m, struct str body)
{
    struct taken *t = ctx;

    (void)m;
    t->n += body.n;
    t->members++;
}

static enum unpack_end run(struct unpacker *u, struct str octets, struct taken *t)
{
    struct unpack_limits l = {100, 1 << 20, 100, clock_mono_ms() + 5000};
    struct unpack_taker to = {room, member, t};
    uint64_t entries, bytes;

    return unpack_run(u, octets, UNPACK_HOW_ANY, &l, &to, &entries, &bytes);
}

/* "a" holding "hello", deflated by nothing: a tar of one file */
static struct str small_tar(char out[2048])
{
    unsigned sum = 0;

    memset(out, 0, 2048);
    snprintf(out, 100, "a");
    snprintf(out + 100, 8, "0000644");
    snprintf(out + 124, 12, "00000000005");
    out[156] = '0';
    memcpy(out + 257,
           "ustar\0"
           "00",
           8);
    memset(out + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++)
        sum += (unsigned char)out[i];
    snprintf(out + 148, 8, "%06o", sum);
    memcpy(out + 512, "hello", 5);
    return str_of(out, 2048);
}

static void a_child_that_dies_is_followed_by_another(void **state)
{
    struct unpacker *u = unpacker_new();
    struct taken t = {0};
    char tar[2048];

    (void)state;
    assert_non_null(u);
    assert_int_equal(run(u, small_tar(tar), &t), UNPACK_END_DONE);
    assert_int_equal(t.members, 1);
    assert_memory_equal(t.octets, "hello", 5);
    unpacker_test_kill(u);
    assert_int_equal(run(u, small_tar(tar), &t), UNPACK_END_CRASHED);
    assert_int_equal(run(u, small_tar(tar), &t), UNPACK_END_DONE);
    assert_int_equal(run(u, str_lit("no archive"), &t), UNPACK_END_NONE);
    unpacker_rest(u);
    assert_int_equal(run(u, small_tar(tar), &t), UNPACK_END_DONE);
    free(t.octets);
    unpacker_free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_reaches_nothing),
        cmocka_unit_test(answers_are_checked),
        cmocka_unit_test(a_child_that_dies_is_followed_by_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
