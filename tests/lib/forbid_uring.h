/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the kernel refuse io_uring to this thread and to what it starts, in the
 * way that container runtimes do.  It can not be undone.
 */
#ifndef LIB_FORBID_URING_H
#define LIB_FORBID_URING_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* This thread, and what it starts, gets `error` from a system call.  The number
 * is taken for that of this architecture. */
static inline bool
forbid_call(unsigned number, unsigned error)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(steps) / sizeof(steps[0]), steps};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static inline bool
forbid_uring(void)
{
    return forbid_call(SYS_io_uring_setup, EPERM);
}

#endif
