/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps gets under way, and asks again for what had not enough room. */
#include "tools/cli/getter.h"

struct getter_key
getter_key_of(const struct prefixcache_entry *entry)
{
    return (struct getter_key){.key = entry->key,
                               .key_size = entry->key_size,
                               .kind = entry->kind,
                               .space = entry->space,
                               .size = entry->body_size};
}

static bool
has_next(struct getter *getter)
{
    if (!getter->has_ahead)
        getter->has_ahead = getter->next(getter->arg, &getter->ahead);
    return getter->has_ahead;
}

static enum exit_code
begin(struct getter *getter)
{
    const struct getter_key *key = &getter->ahead;
    struct prefixcache *cache = spaces_cache(getter->spaces, key->space);
    struct parcel *parcel;

    if (cache == NULL)
        return EXIT_USAGE;
    parcel = flight_begin(&getter->flight, key->size);
    if (parcel == NULL)
        return command_fail_memory(getter->haul->command);
    flight_set_key(parcel, key->key, key->key_size);
    parcel->item.kind = key->kind;
    parcel->space = key->space;
    parcel->mark = key->mark;
    getter->has_ahead = false;
    (void)flight_submit(parcel, cache, PREFIXCACHE_GET);
    return EXIT_DONE;
}

static enum exit_code
begin_some(struct getter *getter)
{
    enum exit_code code = EXIT_DONE;

    while (code == EXIT_DONE && has_next(getter) &&
           flight_has_room(&getter->flight, getter->ahead.size))
        code = begin(getter);
    return code;
}

/* A value that is larger than was known: with room for it. */
static enum exit_code
ask_again(struct getter *getter, struct parcel *parcel)
{
    if (!flight_grow(&getter->flight, parcel, parcel->item.got))
        return command_fail_memory(getter->haul->command);
    (void)flight_submit(parcel, parcel->cache, PREFIXCACHE_GET);
    return EXIT_DONE;
}

static enum exit_code
finish(struct getter *getter, struct parcel *parcel)
{
    const struct command *command = getter->haul->command;
    enum exit_code code;
    uint64_t size;

    if (parcel->item.status == PREFIXCACHE_TOO_BIG &&
        parcel->item.got > parcel->item.body_size)
        return ask_again(getter, parcel);
    if (parcel->item.status == PREFIXCACHE_MISS &&
        spaces_has_lost(getter->spaces)) {
        command_complain(command,
                         "%s does not answer, or not within the timeout",
                         getter->spaces->url);
        return EXIT_CONNECTION;
    }
    if (parcel->item.status == PREFIXCACHE_NO_SPACE)
        return command_fail_memory(command);
    /* Its owner may take the parcel's contents. */
    size = parcel->item.status == PREFIXCACHE_OK ? parcel->item.got : 0;
    code = getter->take(getter->arg, parcel);
    if (code == EXIT_DONE)
        haul_pace(getter->haul, size);
    flight_end(&getter->flight);
    haul_show(getter->haul);
    return code;
}

enum exit_code
getter_run(struct getter *getter, uint64_t bytes)
{
    enum exit_code code = EXIT_DONE;
    struct parcel *parcel;

    if (!flight_open(&getter->flight, getter->haul->jobs, bytes))
        return command_fail_memory(getter->haul->command);
    getter->has_ahead = false;
    (void)spaces_has_lost(getter->spaces);
    while (code == EXIT_DONE) {
        code = begin_some(getter);
        if (code != EXIT_DONE)
            break;
        parcel = flight_oldest(&getter->flight);
        if (parcel == NULL)
            break;
        code = finish(getter, parcel);
    }
    flight_close(&getter->flight);
    return code;
}
