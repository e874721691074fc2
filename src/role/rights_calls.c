/*
 * System calls a role may not make (seccomp). See rights.h.
 *
 * Called by rights.c. A refused call fails with EPERM (clone3 with ENOSYS, so that the C library takes clone, whose flags
 * can be seen): threads may be made, processes and programs not (but by the roles of rights_may_exec(), which may also
 * signal what they started); sockets only of the families in the role's row; signals only to oneself. Everything else is
 * allowed: the filter looks at the number alone, which the kernel remembers, so it costs nothing.
 */
#include "role/rights.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH 0
#endif

/* Refused to all but the roles that start programs. */
static const int refused_programs[] = {
    SYS_execve,
    SYS_execveat,
#ifdef __x86_64__
    SYS_fork,
    SYS_vfork,
#endif
};

/* Refused to all but role clock, whose chronyd sets the time. */
static const int refused_time[] = {SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime};

static const int refused[] = {
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kexec_load,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_userfaultfd,
    SYS_open_by_handle_at,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_acct,
    SYS_quotactl,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_mknodat,
    SYS_tkill,
#ifdef __x86_64__
    SYS_mknod,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

/* Families of socket(2), 0 = no further one. Socket pairs, inherited and accepted sockets are free to all. */
static const struct {
    int family[4];
} sockets[ROLE_COUNT + 1] = {
    [ROLE_COUNT] = {{AF_INET, AF_INET6, AF_NETLINK}}, /* sessions: tools of the network */
    [ROLE_control] = {{AF_UNIX}},
    [ROLE_deliver] = {{AF_INET, AF_INET6, AF_UNIX}},
    [ROLE_lookup] = {{AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}},
    [ROLE_quarantine] = {{AF_UNIX}},
    [ROLE_shell] = {{AF_INET, AF_INET6, AF_NETLINK}},
    [ROLE_central] = {{AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}},
    [ROLE_push] = {{AF_INET, AF_INET6, AF_NETLINK}},
    [ROLE_snmp] = {{AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}},
    [ROLE_clock] = {{AF_INET, AF_INET6, AF_UNIX, AF_NETLINK}},
};

enum { PROGRAM_MAX = 160 };

struct program {
    struct sock_filter at[PROGRAM_MAX];
    unsigned short n;
};

static void add(struct program *p, unsigned code, uint32_t k, unsigned char yes, unsigned char no)
{
    p->at[p->n++] = (struct sock_filter){(unsigned short)code, yes, no, k};
}

static void load(struct program *p, size_t offset)
{
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void end(struct program *p, uint32_t action)
{
    add(p, BPF_RET | BPF_K, action, 0, 0);
}

static const uint32_t REFUSE = SECCOMP_RET_ERRNO | EPERM;

/* The low half of the first argument; all that is asked of it are ints and flags. */
static void load_first(struct program *p)
{
    load(p, offsetof(struct seccomp_data, args[0]));
}

/* Beside the roles: sessions (rights_session). */
enum { SESSION = ROLE_COUNT };

static void sockets_of(struct program *p, unsigned role)
{
    unsigned char n = 0;

    while (n < 4 && sockets[role].family[n])
        n++;
    add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, (unsigned char)(n + 3));
    load_first(p);
    for (unsigned char i = 0; i < n; i++)
        add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)sockets[role].family[i], (unsigned char)(n - i), 0);
    end(p, REFUSE);
    end(p, SECCOMP_RET_ALLOW);
}

static void refuse(struct program *p, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        end(p, REFUSE);
    }
}

static void build(struct program *p, unsigned role)
{
    load(p, offsetof(struct seccomp_data, arch));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    end(p, SECCOMP_RET_KILL_PROCESS);
    load(p, offsetof(struct seccomp_data, nr));
    add(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000u, 0, 1); /* the x32 numbers */
    end(p, REFUSE);
    refuse(p, refused, sizeof refused / sizeof *refused);
    if (role != ROLE_clock)
        refuse(p, refused_time, sizeof refused_time / sizeof *refused_time);
    if (role < ROLE_COUNT && rights_may_exec((enum role)role)) {
        sockets_of(p, role);
        end(p, SECCOMP_RET_ALLOW);
        return;
    }
    refuse(p, refused_programs, sizeof refused_programs / sizeof *refused_programs);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
    end(p, SECCOMP_RET_ERRNO | ENOSYS);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
    load_first(p);
    add(p, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    end(p, SECCOMP_RET_ALLOW);
    end(p, REFUSE);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_kill, 0, 4);
    load_first(p);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 0, 1);
    end(p, SECCOMP_RET_ALLOW);
    end(p, REFUSE);
    sockets_of(p, role);
    end(p, SECCOMP_RET_ALLOW);
}

static enum rc drop_calls(unsigned role, const char *name, struct err *e)
{
    static struct program program;
    struct sock_fprog filter = {.filter = program.at};

    program.n = 0;
    if (OUR_ARCH == 0) {
        fprintf(stderr, "postern-%s: no system call filter for this processor\n", name);
        return RC_OK;
    }
    build(&program, role);
    filter.len = program.n;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter) == 0)
        return RC_OK;
    if (errno != ENOSYS && errno != EINVAL)
        return err_set(e, RC_NOT_PERMITTED, "seccomp refuses: errno %d", errno);
    fprintf(stderr, "postern-%s: no seccomp here: system calls are not confined\n", name);
    return RC_OK;
}

enum rc rights_drop_calls(enum role role, struct err *e)
{
    return drop_calls(role, role_name(role), e);
}

enum rc rights_drop_session_calls(struct err *e)
{
    return drop_calls(SESSION, "session", e);
}
