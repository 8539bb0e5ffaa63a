/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with open addressing, filled once. */
#include "tools/cli/holdings.h"

#include "proto/checksum.h"
#include "proto/key.h"
#include "tools/cli/walker.h"

#include <stdlib.h>

#define FIRST_ROOM 1024u

static struct holdings_slot
slot_of(const struct holdings_key *key)
{
    struct key whole =
        key_make(key->kind == PREFIXCACHE_OBJECT ? KEY_OBJECT : KEY_PLAIN,
                 (uint16_t)key->space, key->bytes, (uint16_t)key->size);
    struct holdings_slot slot = {whole.hash,
                                 checksum_of(key->bytes, key->size)};

    if (slot.hash == 0 && slot.checksum == 0)
        slot.checksum = 1;
    return slot;
}

/* Where it is, or where it belongs. */
static struct holdings_slot *
find(const struct holdings *holdings, const struct holdings_slot *slot)
{
    size_t at = (size_t)slot->hash & (holdings->room - 1);
    struct holdings_slot *found = &holdings->slots[at];

    while ((found->hash != 0 || found->checksum != 0) &&
           (found->hash != slot->hash || found->checksum != slot->checksum)) {
        at = (at + 1) & (holdings->room - 1);
        found = &holdings->slots[at];
    }
    return found;
}

static bool
grow(struct holdings *holdings)
{
    struct holdings larger = {.room = holdings->room == 0 ? FIRST_ROOM
                                                          : holdings->room * 2,
                              .count = holdings->count};

    larger.slots = calloc(larger.room, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < holdings->room; i++)
        if (holdings->slots[i].hash != 0 || holdings->slots[i].checksum != 0)
            *find(&larger, &holdings->slots[i]) = holdings->slots[i];
    free(holdings->slots);
    *holdings = larger;
    return true;
}

static bool
add(struct holdings *holdings, const struct prefixcache_entry *entry)
{
    struct holdings_slot slot =
        slot_of(&(struct holdings_key){.bytes = entry->key,
                                       .size = entry->key_size,
                                       .kind = entry->kind,
                                       .space = entry->space});

    if (holdings->count >= holdings->room / 2 && !grow(holdings))
        return false;
    *find(holdings, &slot) = slot;
    holdings->count++;
    return true;
}

enum exit_code
holdings_read(struct holdings *holdings, struct spaces *spaces)
{
    struct walker walker = {.cache = spaces_first(spaces),
                            .space = spaces->only};
    const struct prefixcache_entry *entry;
    enum exit_code code = walker_open(&walker, spaces->command);

    *holdings = (struct holdings){.slots = NULL};
    while (code == EXIT_DONE && (entry = walker_next(&walker)) != NULL)
        if (!add(holdings, entry))
            code = command_fail_memory(spaces->command);
    if (code == EXIT_DONE && walker.status != PREFIXCACHE_OK)
        code = command_fail_native(spaces->command, walker.status);
    walker_close(&walker);
    return code;
}

bool
holdings_has(const struct holdings *holdings, const struct holdings_key *key)
{
    struct holdings_slot slot = slot_of(key), *found;

    if (holdings->room == 0)
        return false;
    found = find(holdings, &slot);
    return found->hash != 0 || found->checksum != 0;
}

void
holdings_drop(struct holdings *holdings)
{
    free(holdings->slots);
    *holdings = (struct holdings){.slots = NULL};
}
