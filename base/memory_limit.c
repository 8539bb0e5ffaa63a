/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory this process may use: what the machine has, and what cgroups
 * leave of it.  Says nothing about what is free just now.
 */
#include "base/memory_limit.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_ROOM 4096u

/* One limit file; "max", a missing file and nonsense are no limit. */
static uint64_t
read_limit(const char *directory, const char *file)
{
    char path[PATH_ROOM + 64];
    uint64_t bytes = UINT64_MAX;
    FILE *stream;

    snprintf(path, sizeof(path), "%s/%s", directory, file);
    stream = fopen(path, "re");
    if (stream == NULL)
        return UINT64_MAX;
    if (fscanf(stream, "%" SCNu64, &bytes) != 1)
        bytes = UINT64_MAX;
    fclose(stream);
    return bytes;
}

/*
 * The least limit from a group up to the root of its tree.  In a container
 * without a cgroup namespace the named groups are not there but their limit is
 * mounted at the root, which this walk ends in.
 */
static uint64_t
walk_up(const char *root, const char *group, const char *file)
{
    uint64_t least = UINT64_MAX;
    char directory[PATH_ROOM];
    size_t floor = strlen(root);
    int size = snprintf(directory, sizeof(directory), "%s%s", root, group);

    if (size < 0 || (size_t)size >= sizeof(directory))
        return UINT64_MAX;
    for (;;) {
        uint64_t limit = read_limit(directory, file);
        char *slash = strrchr(directory + floor, '/');

        if (limit < least)
            least = limit;
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* Is `name` in a comma-separated list that ends at `end`? */
static bool
is_listed(const char *list, const char *end, const char *name)
{
    size_t size = strlen(name);

    while (list < end) {
        size_t word = strcspn(list, ",:");

        if (word == size && memcmp(list, name, size) == 0)
            return true;
        list += word + 1;
    }
    return false;
}

/* A line is number:controllers:path; version 2 has 0 and no controllers. */
static uint64_t
limit_of_line(const char *line, const char *tree)
{
    const char *controllers = strchr(line, ':');
    const char *group =
        controllers == NULL ? NULL : strchr(controllers + 1, ':');
    char root[PATH_ROOM];

    if (group == NULL)
        return UINT64_MAX;
    if (group == controllers + 1)
        return walk_up(tree, group + 1, "memory.max");
    if (!is_listed(controllers + 1, group, "memory"))
        return UINT64_MAX;
    snprintf(root, sizeof(root), "%s/memory", tree);
    return walk_up(root, group + 1, "memory.limit_in_bytes");
}

uint64_t
memory_limit_of_cgroup(const char *membership, const char *tree)
{
    uint64_t least = UINT64_MAX;
    char line[PATH_ROOM];
    FILE *stream = fopen(membership, "re");

    if (stream == NULL)
        return UINT64_MAX;
    while (fgets(line, sizeof(line), stream) != NULL) {
        uint64_t limit;

        line[strcspn(line, "\n")] = '\0';
        limit = limit_of_line(line, tree);
        if (limit < least)
            least = limit;
    }
    fclose(stream);
    return least;
}

uint64_t
memory_limit(void)
{
    uint64_t machine =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t cgroup =
        memory_limit_of_cgroup("/proc/self/cgroup", "/sys/fs/cgroup");

    return cgroup < machine ? cgroup : machine;
}
