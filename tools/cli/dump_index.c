/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with open addressing; nothing is ever taken out of it. */
#include "tools/cli/dump_index.h"

#include "tools/cli/dump_format.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM 1024u

static void
insert(struct dump_index *index, const struct dump_index_slot *slot)
{
    size_t at = (size_t)slot->hash & (index->room - 1);

    while (index->slots[at].offset != 0)
        at = (at + 1) & (index->room - 1);
    index->slots[at] = *slot;
}

static bool
grow(struct dump_index *index)
{
    struct dump_index larger = {.room = index->room == 0 ? FIRST_ROOM
                                                         : index->room * 2,
                                .count = index->count};

    larger.slots = calloc(larger.room, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < index->room; i++)
        if (index->slots[i].offset != 0)
            insert(&larger, &index->slots[i]);
    free(index->slots);
    *index = larger;
    return true;
}

enum status
dump_index_add(struct dump_index *index, const struct key *key, uint64_t offset)
{
    if (index->count >= index->room / 2 && !grow(index))
        return STATUS_NO_SPACE;
    insert(index, &(struct dump_index_slot){key->hash, offset});
    index->count++;
    return STATUS_OK;
}

/* Is the record there one of the key? */
static bool
is_of(int fd, uint64_t offset, const struct key *key)
{
    uint8_t head[DUMP_HEAD_SIZE], bytes[KEY_SIZE_MAX];
    struct dump_record record;

    return pread(fd, head, sizeof head, (off_t)offset) == sizeof head &&
           dump_record_read(head, &record) == STATUS_OK &&
           record.key_size == key->size && record.space == key->space &&
           (record.kind == 2) == (key->kind == KEY_OBJECT) &&
           pread(fd, bytes, key->size, (off_t)(offset + sizeof head)) ==
               key->size &&
           memcmp(bytes, key->bytes, key->size) == 0;
}

bool
dump_index_has(const struct dump_index *index, int fd, const struct key *key)
{
    size_t at;

    if (index->room == 0)
        return false;
    at = (size_t)key->hash & (index->room - 1);
    for (; index->slots[at].offset != 0; at = (at + 1) & (index->room - 1))
        if (index->slots[at].hash == key->hash &&
            is_of(fd, index->slots[at].offset, key))
            return true;
    return false;
}

void
dump_index_drop(struct dump_index *index)
{
    free(index->slots);
    *index = (struct dump_index){NULL, 0, 0};
}
