/*
 * What helper and child may ask of the kernel: a list of calls, all others fail. See unpack_wire.h.
 *
 * Called in the new processes only. Owns nothing. The helper may fork, wait, kill and hand on a descriptor; the child has
 * what is left when one takes these away: memory, its one socket, its end. Neither can open, connect or execute anything.
 */
#include "scan/unpack_wire.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH 0
#endif

static const int for_child[] = {
    SYS_read,         SYS_write,          SYS_close,       SYS_munmap, SYS_mremap, SYS_brk,       SYS_madvise,
    SYS_exit,         SYS_exit_group,     SYS_futex,       SYS_getpid, SYS_gettid, SYS_getrandom, SYS_clock_gettime,
    SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_sched_yield, SYS_lseek,  SYS_fstat,
#ifdef SYS_time
    SYS_time,
#endif
    SYS_gettimeofday,
};

static const int for_helper[] = {
    SYS_recvmsg,   SYS_ppoll,       SYS_wait4,           SYS_kill,         SYS_clone, SYS_prctl, SYS_seccomp,
    SYS_prlimit64, SYS_close_range, SYS_set_robust_list, SYS_rt_sigaction,
#ifdef SYS_poll
    SYS_poll,
#endif
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_setrlimit
    SYS_setrlimit,
#endif
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

static void end(struct program *p, uint32_t action)
{
    add(p, BPF_RET | BPF_K, action, 0, 0);
}

static void allow(struct program *p, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        end(p, SECCOMP_RET_ALLOW);
    }
}

/* Memory that cannot be executed only. */
static void allow_memory(struct program *p, int call)
{
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4);
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[2]), 0, 0);
    add(p, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1);
    end(p, SECCOMP_RET_ERRNO | EPERM);
    end(p, SECCOMP_RET_ALLOW);
}

static bool apply(bool helper)
{
    struct program p = {.n = 0};
    struct sock_fprog filter = {.filter = p.at};

#ifdef __SANITIZE_ADDRESS__
    return true;
#endif
    if (OUR_ARCH == 0)
        return true;
    add(&p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, arch), 0, 0);
    add(&p, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    end(&p, SECCOMP_RET_KILL_PROCESS);
    add(&p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
    allow(&p, for_child, sizeof for_child / sizeof *for_child);
    if (helper) {
        allow(&p, for_helper, sizeof for_helper / sizeof *for_helper);
        add(&p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
        end(&p, SECCOMP_RET_ERRNO | ENOSYS); /* the C library then takes clone */
    }
    allow_memory(&p, SYS_mmap);
    add(&p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
    allow_memory(&p, SYS_mprotect);
    end(&p, SECCOMP_RET_ERRNO | EPERM);
    filter.len = p.n;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0 || errno == ENOSYS || errno == EINVAL;
}

bool unpack_jail_helper(void)
{
    return apply(true);
}

bool unpack_jail_child(void)
{
    return apply(false);
}
