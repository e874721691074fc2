/* What a role that was taken over can still reach: each test confines a child and asks it. (H4) */
#include "role/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char home[] = "/tmp/rights_test.XXXXXX";

static void path_of(char out[PATH_MAX], const char *name)
{
    snprintf(out, PATH_MAX, "%s/%s", home, name);
}

static int make_home(void **state)
{
    static const char *const dirs[] = {"events", "spool", "log", "versions", "keys"};
    char path[PATH_MAX];

    (void)state;
    if (!mkdtemp(home))
        return -1;
    for (size_t i = 0; i < 5; i++) {
        path_of(path, dirs[i]);
        mkdir(path, 0700);
    }
    path_of(path, "versions/1");
    close(open(path, O_WRONLY | O_CREAT, 0600));
    path_of(path, "keys/other");
    close(open(path, O_WRONLY | O_CREAT, 0600));
    path_of(path, "keys/log_push_key");
    close(open(path, O_WRONLY | O_CREAT, 0600));
    path_of(path, "spool/1");
    close(open(path, O_WRONLY | O_CREAT, 0600));
    return 0;
}

static int remove_home(void **state)
{
    static const char *const names[] = {"versions/1",
                                        "spool/1",
                                        "spool/2",
                                        "events/1",
                                        "events",
                                        "spool",
                                        "log",
                                        "versions",
                                        "keys/other",
                                        "keys/log_push_key",
                                        "keys/log_push_key.pub",
                                        "keys",
                                        "."};
    char path[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(path, names[i]);
        remove(path);
    }
    rmdir(home);
    return 0;
}

/* Can this file be opened? errno, or 0. */
static int opened(const char *name, int flags)
{
    char path[PATH_MAX];
    int fd;

    path_of(path, name);
    fd = open(name[0] == '/' ? name : path, flags | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int sockets(int family)
{
    int fd = socket(family, SOCK_STREAM, 0);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static void *nothing(void *arg)
{
    return arg;
}

/* Control only: a socket in the home is where operators come in. */
static bool makes_socket(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), failed;

    if (fd < 0)
        return false;
    snprintf(a.sun_path, sizeof a.sun_path, "%s/events/socket", home);
    failed = bind(fd, (struct sockaddr *)&a, sizeof a);
    close(fd);
    return failed == 0;
}

/* Each answer is a bit: 0 means everything was as it should be. */
static unsigned asked(enum role role)
{
    bool writes_spool = role == ROLE_queue, connects = role == ROLE_deliver || role == ROLE_push,
         reads_spool = writes_spool || role == ROLE_deliver;
    pthread_t thread;
    unsigned wrong = 0;

    const bool fails[] = {
        opened("/etc/hostname", O_RDONLY) == EACCES,
        opened("versions/1", O_RDONLY) != EACCES,
        opened("spool/1", O_RDONLY) != (reads_spool ? 0 : EACCES),
        opened("spool/2", O_WRONLY | O_CREAT) != (writes_spool ? 0 : EACCES),
        opened("events/1", O_WRONLY | O_CREAT) != 0,
        sockets(AF_INET) != (connects ? 0 : EPERM),
        pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0,
        fork() >= 0,
        execl("/bin/true", "true", (char *)NULL) == 0 || errno != EPERM,
        kill(getppid(), 0) == 0,
        kill(getpid(), 0) != 0,
        makes_socket(),
        opened("keys/other", O_RDONLY) != EACCES,
        opened("keys/log_push_key", O_WRONLY) != (role == ROLE_push ? 0 : EACCES),
    };

    for (unsigned i = 0; i < sizeof fails / sizeof *fails; i++)
        wrong |= (unsigned)fails[i] << i;
    return wrong;
}

static void confined(enum role role)
{
    unsigned wrong = ~0u;
    int status, answer[2];
    pid_t pid;

#ifdef __SANITIZE_ADDRESS__
    skip();
#endif
    assert_int_equal(pipe(answer), 0);
    pid = fork();
    if (pid == 0) {
        struct err e = ERR_NONE;

        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        wrong = rights_drop(role, home, NULL, 0, &e) == RC_OK ? asked(role) : 0x80000000u;
        _exit(write(answer[1], &wrong, sizeof wrong) < 0);
    }
    assert_int_equal(read(answer[0], &wrong, sizeof wrong), sizeof wrong);
    close(answer[0]);
    close(answer[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (wrong == 0x300e && role == ROLE_scan)
        skip(); /* no Landlock in this kernel */
    assert_int_equal(wrong, 0);
}

static void scan_sees_no_mail_no_settings_and_no_network(void **state)
{
    (void)state;
    confined(ROLE_scan);
}

static void queue_writes_the_spool_and_has_no_network(void **state)
{
    (void)state;
    confined(ROLE_queue);
}

static void deliver_reads_the_spool_and_connects(void **state)
{
    (void)state;
    confined(ROLE_deliver);
}

static void push_connects_and_writes_no_key_but_its_own(void **state)
{
    (void)state;
    confined(ROLE_push);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_sees_no_mail_no_settings_and_no_network),
        cmocka_unit_test(queue_writes_the_spool_and_has_no_network),
        cmocka_unit_test(deliver_reads_the_spool_and_connects),
        cmocka_unit_test(push_connects_and_writes_no_key_but_its_own),
    };

    return cmocka_run_group_tests(tests, make_home, remove_home);
}
