/* SPDX-License-Identifier: Apache-2.0 */
/* Caches by namespace, opened late and closed together. */
#include "tools/cli/spaces.h"

static enum exit_code
open_one(struct spaces *spaces, unsigned space)
{
    struct command_target target = {
        .url = spaces->url, .flags = spaces->flags, .space = space};

    return command_open_cache(spaces->command, &target, &spaces->caches[space]);
}

enum exit_code
spaces_open(struct spaces *spaces, const struct command *command,
            const char *url, unsigned flags)
{
    unsigned first;
    enum exit_code code;

    *spaces = (struct spaces){.command = command,
                              .url = url,
                              .flags = flags,
                              .only = command_space(url)};
    first = spaces->only < 0 ? 0 : (unsigned)spaces->only % SPACES_COUNT;
    code = open_one(spaces, first);
    if (code == EXIT_DONE)
        code = command_greet(command, url, spaces->caches[first]);
    if (code != EXIT_DONE)
        spaces_close(spaces);
    return code;
}

void
spaces_adopt(struct spaces *spaces, struct command *command)
{
    int only = command_space(command->url_text);

    *spaces = (struct spaces){
        .command = command, .url = command->url_text, .only = only};
    spaces->caches[only < 0 ? 0 : (unsigned)only % SPACES_COUNT] =
        command->cache;
}

void
spaces_close(struct spaces *spaces)
{
    for (unsigned i = 0; i < SPACES_COUNT; i++)
        if (spaces->caches[i] != NULL)
            prefixcache_close(&spaces->caches[i]);
}

struct prefixcache *
spaces_cache(struct spaces *spaces, unsigned space)
{
    space %= SPACES_COUNT;
    if (spaces->caches[space] == NULL)
        (void)open_one(spaces, space);
    return spaces->caches[space];
}

struct prefixcache *
spaces_first(struct spaces *spaces)
{
    for (unsigned i = 0; i < SPACES_COUNT; i++)
        if (spaces->caches[i] != NULL)
            return spaces->caches[i];
    return NULL;
}

bool
spaces_has_lost(struct spaces *spaces)
{
    uint64_t lost = 0;
    bool has_lost;

    for (unsigned i = 0; i < SPACES_COUNT; i++)
        if (spaces->caches[i] != NULL)
            lost += command_lost(spaces->caches[i]);
    has_lost = lost != spaces->lost;
    spaces->lost = lost;
    return has_lost;
}

uint64_t
spaces_corrupt(const struct spaces *spaces)
{
    struct prefixcache_shard shards[PREFIXCACHE_SHARDS_MAX];
    uint64_t corrupt = 0;

    for (unsigned i = 0; i < SPACES_COUNT; i++) {
        size_t count =
            spaces->caches[i] == NULL
                ? 0
                : prefixcache_shards(spaces->caches[i], shards,
                                     PREFIXCACHE_SHARDS_MAX, sizeof *shards);

        for (size_t shard = 0; shard < count; shard++)
            corrupt += shards[shard].misses_corrupt;
    }
    return corrupt;
}
