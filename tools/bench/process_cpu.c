/* SPDX-License-Identifier: Apache-2.0 */
/* Reads /proc.  What the time is divided by is report.c's. */
#include "tools/bench/process_cpu.h"

#include "base/clock.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool
read_line(const char *path, char *into, size_t room)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool is_read = fgets(into, (int)room, file) != NULL;
    fclose(file);
    return is_read;
}

static bool
sum_threads(pid_t pid, uint64_t *ns_out)
{
    char path[64], line[128];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    uint64_t sum = 0;
    unsigned read_count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char thread[384];
        uint64_t ns;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(thread, sizeof thread, "%s/%s/schedstat", path, entry->d_name);
        if (!read_line(thread, line, sizeof line) ||
            sscanf(line, "%" SCNu64, &ns) != 1)
            continue; /* it ended while we looked, or there are no accounts */
        sum += ns;
        read_count++;
    }
    closedir(folder);
    *ns_out = sum;
    return read_count > 0 && sum > 0;
}

static bool
read_ticks(pid_t pid, uint64_t *ns_out)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_line(path, line, sizeof line))
        return false;
    /* The second field is a name in brackets and may hold anything. */
    const char *rest = strrchr(line, ')');
    uint64_t user, kernel;
    if (rest == NULL ||
        sscanf(rest + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
               " %" SCNu64,
               &user, &kernel) != 2)
        return false;
    *ns_out =
        (user + kernel) * (NS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK));
    return true;
}

bool
process_cpu_ns(pid_t pid, uint64_t *ns_out)
{
    return sum_threads(pid, ns_out) || read_ticks(pid, ns_out);
}
