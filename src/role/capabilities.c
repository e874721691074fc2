/*
 * From root to the roles' user, with what a role needs of root. See capabilities.h.
 *
 * Called by master_process.c in the child. Owns nothing. snmpd binds port 161 and chronyd port 123 by themselves, and only
 * chronyd may set the clock; sockets of mail and management are bound by master, so no other role has a row. Ambient
 * capabilities (capabilities(7)) outlive execve of a program without file capabilities, also under no_new_privs.
 */
#include "role/capabilities.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    enum role role;
    uint32_t kept;
} rows[] = {
    {ROLE_snmp, 1u << CAP_NET_BIND_SERVICE},
    {ROLE_clock, 1u << CAP_NET_BIND_SERVICE | 1u << CAP_SYS_TIME},
};

static uint32_t kept_by(enum role role)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].role == role)
            return rows[i].kept;
    return 0;
}

/* Narrows the permitted set, which setuid() left whole, to `kept` and makes it ambient. */
static bool keep(uint32_t kept)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (syscall(SYS_capget, &head, data) != 0)
        return false;
    kept &= data[0].permitted; /* a container may have less */
    data[0] = (struct __user_cap_data_struct){kept, kept, kept};
    data[1] = (struct __user_cap_data_struct){0};
    if (syscall(SYS_capset, &head, data) != 0)
        return false;
    for (unsigned long c = 0; c < 32; c++)
        if ((kept & 1u << c) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) != 0 && errno != EINVAL)
            return false; /* EINVAL: a kernel before 4.3, which has none: the program then lacks the right and says so */
    return true;
}

bool capabilities_become(enum role role, uid_t uid, gid_t gid)
{
    uint32_t kept = kept_by(role);

    if (kept && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return false;
    if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
        return false;
    return !kept || keep(kept);
}
