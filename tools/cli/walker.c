/* SPDX-License-Identifier: Apache-2.0 */
/* Walks shard after shard, a page at a time. */
#include "tools/cli/walker.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_COUNT 1024u

/* fnmatch(3) ends at a NUL; a byte that is as unlikely in a pattern stands for
 * it. */
bool
walker_matches(const char *pattern, const void *key, size_t size)
{
    char text[PREFIXCACHE_KEY_MAX + 1];

    if (pattern == NULL)
        return true;
    if (size >= sizeof text)
        return false;
    memcpy(text, key, size);
    text[size] = '\0';
    for (char *at = memchr(text, '\0', size); at != NULL;
         at = memchr(at, '\0', size - (size_t)(at - text)))
        *at = '\x01';
    return fnmatch(pattern, text, 0) == 0;
}

enum exit_code
walker_open(struct walker *walker, const struct command *command)
{
    walker_rewind(walker);
    walker->shards = prefixcache_shards(walker->cache, NULL, 0, 0);
    walker->page = malloc(PAGE_COUNT * sizeof *walker->page);
    return walker->page == NULL ? command_fail_memory(command) : EXIT_DONE;
}

void
walker_close(struct walker *walker)
{
    free(walker->page);
    walker->page = NULL;
}

void
walker_rewind(struct walker *walker)
{
    walker->at = walker->count = walker->shard = 0;
    walker->cursor = 0;
    walker->is_begun = walker->is_over = false;
    walker->status = PREFIXCACHE_OK;
}

/* False at the end of all shards, or where one does not answer. */
static bool
read_page(struct walker *walker)
{
    int count;

    if (walker->is_begun && walker->cursor == 0) {
        walker->shard++;
        walker->is_begun = false;
    }
    if (walker->shard == walker->shards)
        return false;
    walker->is_begun = true;
    count = prefixcache_walk(walker->cache, walker->shard, &walker->cursor,
                             walker->page, PAGE_COUNT);
    walker->at = 0;
    walker->count = count < 0 ? 0 : (size_t)count;
    walker->status = count < 0 ? -count : PREFIXCACHE_OK;
    return count >= 0;
}

static bool
is_wanted(const struct walker *walker, const struct prefixcache_entry *entry)
{
    return (walker->space < 0 || entry->space == (unsigned)walker->space) &&
           walker_matches(walker->pattern, entry->key, entry->key_size);
}

const struct prefixcache_entry *
walker_next_in_page(struct walker *walker)
{
    while (walker->at < walker->count) {
        const struct prefixcache_entry *entry = &walker->page[walker->at++];

        if (is_wanted(walker, entry))
            return entry;
    }
    return NULL;
}

const struct prefixcache_entry *
walker_next(struct walker *walker)
{
    const struct prefixcache_entry *entry = NULL;

    while (!walker->is_over && entry == NULL) {
        entry = walker_next_in_page(walker);
        if (entry == NULL)
            walker->is_over = !read_page(walker);
    }
    return entry;
}
