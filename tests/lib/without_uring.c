/* SPDX-License-Identifier: Apache-2.0 */
/*
 * without_uring COMMAND [ARGUMENT...] runs a command to which the kernel
 * refuses io_uring.  Exit status 77: this kernel has no such filters.
 */
#include "tests/lib/forbid_uring.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: without_uring COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    if (!forbid_uring()) {
        printf("no seccomp filter: %s\n", strerror(errno));
        return 77;
    }
    execvp(argv[1], argv + 1);
    fprintf(stderr, "without_uring: %s: %s\n", argv[1], strerror(errno));
    return 127;
}
