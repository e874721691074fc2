/* What is left of root in each role when root starts Postern (H4): needs root, skipped without. */
#include "role/capabilities.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534 };

/* Effective capabilities of a program that the role would start. */
static unsigned long left(enum role role)
{
    char text[64] = "";
    int out[2], status;
    pid_t pid;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        dup2(out[1], 1);
        if (!capabilities_become(role, NOBODY, NOBODY) || geteuid() != NOBODY || setuid(0) == 0)
            _exit(1);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        execl("/bin/sed", "sed", "-n", "s/CapEff:\t//p", "/proc/self/status", (char *)NULL);
        _exit(1);
    }
    close(out[1]);
    assert_true(read(out[0], text, sizeof text - 1) > 0);
    close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return strtoul(text, NULL, 16);
}

static bool whole_root(void)
{
    unsigned long mask = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        sscanf(line, "CapPrm: %lx", &mask);
    if (f)
        fclose(f);
    return geteuid() == 0 && (mask & 1ul << CAP_SYS_TIME) && (mask & 1ul << CAP_NET_BIND_SERVICE) &&
           (mask & 1ul << CAP_SETUID);
}

/* FW-15, FW-17: ports 123 and 161 can be bound, and by nobody else; only the clock can be set, and by role clock alone. */
static void only_the_rows_are_left(void **state)
{
    (void)state;
    if (!whole_root())
        skip();
    assert_int_equal(left(ROLE_receive), 0);
    assert_int_equal(left(ROLE_web), 0);
    assert_int_equal(left(ROLE_snmp), 1ul << CAP_NET_BIND_SERVICE);
    assert_int_equal(left(ROLE_clock), 1ul << CAP_NET_BIND_SERVICE | 1ul << CAP_SYS_TIME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_the_rows_are_left)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
