/*
 * Files a role may touch (Landlock), and what every role gives up. See rights.h.
 *
 * Called by role_main before the role starts. Owns nothing. All roles share a user id, so without this a role that was
 * taken over could read the settings, the keys and the mail of all others. Sanitizers need /proc and more: they run without.
 */
#include "role/rights.h"

#include "base/io.h"
#include "push/push.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of Debian 12. */
#define ACCESS_TRUNCATE (1ULL << 14)

static const uint64_t READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t WRITE = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE |
                              LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                              LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE;
#define SOCKETS (WRITE | LANDLOCK_ACCESS_FS_MAKE_SOCK)
static const uint64_t FILE_RIGHTS =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;

/* Below the home. Every role appends to its own event file. */
static const struct home_right {
    enum role role;
    const char *path;
    char access; /* r, w, s: w and it may make sockets, x: r and it may execute programs there */
} home_rights[] = {
    {ROLE_any, "events", 'w'},
    {ROLE_control, ".", 's'},
    {ROLE_receive, "spool", 'w'},
    {ROLE_queue, "spool", 'w'},
    {ROLE_deliver, "spool", 'r'},
    {ROLE_receive, "keys", 'r'},
    {ROLE_record, "log", 'w'},
    {ROLE_record, "record", 'w'},
    {ROLE_shell, "keys", 'w'},
    {ROLE_shell, "log", 'r'},
    {ROLE_shell, "configuration", 'w'},
    {ROLE_shell, "captures", 'w'},
    {ROLE_shell, "exports", 'r'}, /* what its sessions may read, it may too */
    {ROLE_web, "keys", 'r'},
    {ROLE_push, PUSH_KEY, 'w'},
    {ROLE_push, "log", 'r'},
    {ROLE_push, PUSH_KEY_PUBLIC, 'w'},
    {ROLE_push, "push", 'w'},
    {ROLE_snmp, "snmp", 's'},
    {ROLE_quarantine, "quarantine", 's'},
    {ROLE_quarantine, "run/cpq", 's'},
    {ROLE_clock, "clock", 's'},
    {ROLE_central, "central", 's'},
    {ROLE_central, "run/link", 's'},
    {ROLE_record, "central", 'w'},
    {ROLE_record, "exports", 'w'},
    {ROLE_record, "tracking", 's'},
    {ROLE_deliver, "keys/ca", 'r'},
    {ROLE_capture, "captures", 'w'},
    {ROLE_lookup, "keys/ca", 'r'},
};

static const struct system_right {
    const char *path;
    char access;
} system_rights[] = {
    {"/usr", 'r'},
    {"/lib", 'r'},
    {"/lib64", 'r'},
    {"/etc", 'r'},
    {"/dev/null", 'w'},
    {"/dev/urandom", 'r'},
    {"/proc/sys/kernel", 'r'},
    {"/proc/stat", 'r'},
    {"/proc/meminfo", 'r'},
    {"/proc/loadavg", 'r'},
    {"/proc/diskstats", 'r'},
    {"/proc/vmstat", 'r'},
    {"/sys/devices/system/cpu", 'r'},
    {"/var/lib/unbound", 'r'},
    {"/run/systemd/resolve", 'r'},
};

void rights_begin(void)
{
    struct rlimit files;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__
    if (!getenv("POSTERN_CORE"))
        prctl(PR_SET_DUMPABLE, 0);
#endif
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Roles that start programs: sessions of the command line, snmpd, chronyd. What they start inherits these rights. */
static const struct program_right {
    enum role role;
    const char *path;
    char access;
} program_rights[] = {
    {ROLE_shell, "/usr", 'x'},      {ROLE_shell, "/lib", 'x'},     {ROLE_shell, "/lib64", 'x'},   {ROLE_shell, "/proc", 'r'},
    {ROLE_shell, "/dev/ptmx", 'w'}, {ROLE_shell, "/dev/pts", 'w'}, {ROLE_shell, "/dev/tty", 'w'}, {ROLE_snmp, "/usr", 'x'},
    {ROLE_snmp, "/lib", 'x'},       {ROLE_snmp, "/lib64", 'x'},    {ROLE_snmp, "/proc", 'r'},     {ROLE_snmp, "/sys", 'r'},
    {ROLE_clock, "/usr", 'x'},      {ROLE_clock, "/lib", 'x'},     {ROLE_clock, "/lib64", 'x'},   {ROLE_clock, "/proc", 'r'},
};

bool rights_may_exec(enum role role)
{
    return role == ROLE_shell || role == ROLE_snmp || role == ROLE_clock;
}

struct ruleset {
    int fd;
    uint64_t handled;
};

/* What does not exist needs no right. A file takes only the rights that mean something to a file. */
static enum rc allow(const struct ruleset *rules, const char *path, char access, struct err *e)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access == 's'   ? SOCKETS
                                                                : access == 'w' ? WRITE
                                                                : access == 'x' ? READ | LANDLOCK_ACCESS_FS_EXECUTE
                                                                                : READ};
    int fd = open(path, O_PATH | O_CLOEXEC), dir;
    long failed;

    if (fd < 0)
        return RC_OK;
    dir = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY);
    if (dir < 0)
        rule.allowed_access &= FILE_RIGHTS;
    else
        close(dir);
    rule.allowed_access &= rules->handled;
    rule.parent_fd = fd;
    failed = syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(fd);
    return failed ? err_errno(e, errno, "landlock: %s", path) : RC_OK;
}

/* Role push may write its own key and no other: the two files must be there before the rights are given. */
static void make_push_key_files(const char *home)
{
    static const char *const names[] = {PUSH_KEY, PUSH_KEY_PUBLIC};
    char path[PATH_MAX];

    for (size_t i = 0; i < 2; i++) {
        int fd;

        snprintf(path, sizeof path, "%s/%s", home, names[i]);
        if (io_create("push.key", path, O_WRONLY | O_CREAT, &fd, NULL) == RC_OK)
            close(fd);
    }
}

static enum rc allow_home(const struct ruleset *rules, enum role role, const char *home, struct err *e)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof home_rights / sizeof *home_rights; i++) {
        const struct home_right *r = &home_rights[i];

        snprintf(path, sizeof path, "%s/%s", home, r->path);
        if (r->role == role || r->role == ROLE_any)
            TRY(allow(rules, path, r->access, e));
    }
    return RC_OK;
}

/* Tests name a file where a fault that was reached is written down. */
static enum rc allow_fault_log(const struct ruleset *rules, struct err *e)
{
    const char *log = getenv("POSTERN_FAULT_LOG");
    char path[PATH_MAX];
    char *slash;

    if (!log)
        return RC_OK;
    snprintf(path, sizeof path, "%s", log);
    slash = strrchr(path, '/');
    if (!slash)
        return RC_OK;
    *slash = '\0';
    return allow(rules, path, 'w', e);
}

static enum rc allow_programs(const struct ruleset *rules, enum role role, struct err *e)
{
    char dir[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);
    char *slash;

    for (size_t i = 0; i < sizeof program_rights / sizeof *program_rights; i++)
        if (program_rights[i].role == role)
            TRY(allow(rules, program_rights[i].path, program_rights[i].access, e));
    dir[n > 0 ? n : 0] = '\0';
    slash = strrchr(dir, '/');
    if (!slash || !rights_may_exec(role))
        return RC_OK;
    *slash = '\0';
    return allow(rules, dir, 'x', e); /* our own executables lie side by side */
}

static enum rc allow_all(const struct ruleset *rules, enum role role, const char *home, const struct str *files, size_t n,
                         struct err *e)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof system_rights / sizeof *system_rights; i++)
        TRY(allow(rules, system_rights[i].path, system_rights[i].access, e));
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%.*s", STR(files[i]));
        if (path[0] == '/')
            TRY(allow(rules, path, 'r', e));
    }
    TRY(allow_home(rules, role, home, e));
    TRY(allow_programs(rules, role, e));
    return allow_fault_log(rules, e);
}

/* RC_OK and *out->fd < 0: this kernel has no Landlock, which was said. */
static enum rc rules_begin(const char *who, struct ruleset *out, struct err *e)
{
    struct landlock_ruleset_attr attr = {0};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    out->fd = -1;
    if (version < 1) {
        fprintf(stderr, "postern-%s: no Landlock here: files are not confined\n", who);
        return RC_OK;
    }
    out->handled = (LANDLOCK_ACCESS_FS_REFER - 1) | (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) |
                   (version >= 3 ? ACCESS_TRUNCATE : 0);
    attr.handled_access_fs = out->handled;
    out->fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    return out->fd < 0 ? err_errno(e, errno, "landlock") : RC_OK;
}

static enum rc rules_end(const struct ruleset *rules, enum rc rc, struct err *e)
{
    if (rc == RC_OK && syscall(SYS_landlock_restrict_self, rules->fd, 0) != 0)
        rc = err_set(e, RC_NOT_PERMITTED, "landlock refuses: errno %d", errno);
    close(rules->fd);
    return rc;
}

static enum rc drop_files(enum role role, const char *home, const struct str *files, size_t n, struct err *e)
{
    struct ruleset rules;

    TRY(rules_begin(role_name(role), &rules, e));
    if (rules.fd < 0)
        return RC_OK;
    return rules_end(&rules, allow_all(&rules, role, home, files, n, e), e);
}

enum rc rights_drop(enum role role, const char *home, const struct str *files, size_t n, struct err *e)
{
    if (role == ROLE_push)
        make_push_key_files(home);
#ifdef __SANITIZE_ADDRESS__
    (void)drop_files;
    (void)role, (void)home, (void)files, (void)n, (void)e;
    return RC_OK;
#else
    TRY(drop_files(role, home, files, n, e));
    return rights_drop_calls(role, e);
#endif
}

/* --- sessions -----------------------------------------------------------------------------------------------------------
 */

static enum rc allow_session(const struct ruleset *rules, const char *home, bool manager, struct err *e)
{
    static const struct {
        struct system_right right;
        bool manager;
    } rows[] = {{{"log", 'r'}, false},
                {{"configuration", 'w'}, false},
                {{"captures", 'w'}, false},
                {{"keys/ca", 'r'}, false}, /* authorities are no secret */
                {{"exports", 'r'}, true}};
    static const struct system_right of_system[] = {{"/usr", 'r'},         {"/etc", 'r'},  {"/lib", 'r'},
                                                    {"/lib64", 'r'},       {"/proc", 'r'}, {"/dev/null", 'w'},
                                                    {"/dev/urandom", 'r'}, {"/sys", 'r'}};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].manager != manager)
            continue;
        snprintf(path, sizeof path, "%s/%s", home, rows[i].right.path);
        TRY(allow(rules, path, rows[i].right.access, e));
    }
    for (size_t i = 0; i < sizeof of_system / sizeof *of_system; i++)
        TRY(allow(rules, of_system[i].path, of_system[i].access, e));
    return RC_OK;
}

enum rc rights_session(const char *home, bool manager, struct err *e)
{
#ifdef __SANITIZE_ADDRESS__
    (void)allow_session;
    (void)home, (void)manager, (void)e;
    return RC_OK;
#else
    struct ruleset rules;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
    TRY(rules_begin("session", &rules, e));
    if (rules.fd >= 0)
        TRY(rules_end(&rules, allow_session(&rules, home, manager, e), e));
    return rights_drop_session_calls(e);
#endif
}
