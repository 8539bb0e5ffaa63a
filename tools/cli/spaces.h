/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces of a server: libprefixcache opens a cache in one of them, and
 * a walk finds values in all.  Each is opened when it is first asked for.
 */
#ifndef CLI_SPACES_H
#define CLI_SPACES_H

#include "tools/cli/command.h"

#define SPACES_COUNT 256u

struct spaces {
    const struct command *command;
    const char *url;
    unsigned flags; /* of libprefixcache */
    int only;       /* the namespace that the URL names, or -1 */
    struct prefixcache *caches[SPACES_COUNT];
    uint64_t lost; /* calls that were late or had no shard, when last asked */
};

/* Opens the first, and asks whether the server is there.  flags: of
 * libprefixcache. */
enum exit_code spaces_open(struct spaces *, const struct command *,
                           const char *url, unsigned flags);
void spaces_close(struct spaces *);
/* The command's own cache is the only one; no spaces_close(). */
void spaces_adopt(struct spaces *, struct command *);

/* That namespace's; NULL, and a complaint, where it cannot be opened. */
struct prefixcache *spaces_cache(struct spaces *, unsigned space);
/* Any of them. */
struct prefixcache *spaces_first(struct spaces *);

/* Were calls late, or had no shard, since this was asked last?  What was missed
 * then may be there. */
bool spaces_has_lost(struct spaces *);
/* Values whose bytes did not match their checksum when they came. */
uint64_t spaces_corrupt(const struct spaces *);

#endif
