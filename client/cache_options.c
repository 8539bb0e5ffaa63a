/* SPDX-License-Identifier: Apache-2.0 */
/* One table of what struct prefixcache_options has, for URLs and callers. */
#include "client/cache_options.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HOUR_MS   3600000u
#define NAME_ROOM 32u /* all names are shorter */
#define SHOWN     40u /* of what was passed, at most */

struct option {
    const char *name;
    size_t offset;
    size_t size;
    uint64_t most, default_value;
};

#define FIELD(field)                                                           \
#field, offsetof(struct prefixcache_options, field),                       \
        sizeof(((struct prefixcache_options *)NULL)->field)

static const struct option options[] = {
    {FIELD(connect_ms), HOUR_MS, 1000},
    {FIELD(lookup_ms), HOUR_MS, 100},
    {FIELD(get_ms), HOUR_MS, 2000},
    {FIELD(put_ms), HOUR_MS, 5000},
    {FIELD(connections), 64, 2},
    {FIELD(threads), 64, 1},
    {FIELD(space), 255, 0},
    {FIELD(retry_ms), HOUR_MS, 1000},
    {FIELD(failures), 1000000, 3},
    {FIELD(queue_bytes), UINT64_C(1) << 50, UINT64_C(256) << 20},
    {FIELD(flags), PREFIXCACHE_CHECKSUM, 0},
};
#define OPTION_COUNT (sizeof options / sizeof *options)

static uint64_t
value_of(const struct prefixcache_options *from, const struct option *option)
{
    const char *at = (const char *)from + option->offset;
    uint64_t large;
    unsigned small;

    if (option->size == sizeof large) {
        memcpy(&large, at, sizeof large);
        return large;
    }
    assert(option->size == sizeof small);
    memcpy(&small, at, sizeof small);
    return small;
}

static void
store_value(struct prefixcache_options *to, const struct option *option,
            uint64_t value)
{
    char *at = (char *)to + option->offset;
    unsigned small = (unsigned)value;

    if (option->size == sizeof value)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &small, sizeof small);
}

/* How many bytes to insert, drop or change to make the one from the other. */
static size_t
distance(const struct bytes *from, const char *to)
{
    size_t row[NAME_ROOM], to_size = strlen(to);

    assert(to_size < NAME_ROOM);
    for (size_t j = 0; j <= to_size; j++)
        row[j] = j;
    for (size_t i = 0; i < from->size; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < to_size; j++) {
            size_t best = diagonal + (from->at[i] != (uint8_t)to[j]);

            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[to_size];
}

/* `name` may be of any length: what is shown of it is enough to compare. */
static const char *
nearest(struct bytes name)
{
    const char *best = options[0].name;

    if (name.size > SHOWN)
        name.size = SHOWN;
    for (size_t i = 1; i < OPTION_COUNT; i++)
        if (distance(&name, options[i].name) < distance(&name, best))
            best = options[i].name;
    return best;
}

static const struct option *
find(struct bytes name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(options[i].name) == name.size &&
            memcmp(options[i].name, name.at, name.size) == 0)
            return &options[i];
    return NULL;
}

static int
shown(struct bytes text)
{
    return (int)(text.size < SHOWN ? text.size : SHOWN);
}

/* A decimal number up to `most`, all of the text. */
static bool
read_number(struct bytes text, uint64_t most, uint64_t *value_out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (text.at[i] - '0');
        if (value > most)
            return false;
    }
    *value_out = value;
    return text.size > 0;
}

enum status
cache_options_set(struct prefixcache_options *to, struct bytes name,
                  struct bytes number, char *why, size_t room)
{
    const struct option *option = find(name);
    uint64_t value = 0;

    if (option == NULL) {
        snprintf(why, room,
                 "there is no option \"%.*s\"; the nearest is \"%s\"",
                 shown(name), (const char *)name.at, nearest(name));
        return STATUS_BAD_REQUEST;
    }
    if (!read_number(number, option->most, &value)) {
        snprintf(why, room,
                 "the option %s is \"%.*s\", which is no number from 0 to "
                 "%" PRIu64,
                 option->name, shown(number), (const char *)number.at,
                 option->most);
        return STATUS_BAD_REQUEST;
    }
    if (value_of(to, option) != 0 && value_of(to, option) != value) {
        snprintf(why, room, "%s is said twice: %" PRIu64 " and %" PRIu64,
                 option->name, value_of(to, option), value);
        return STATUS_BAD_REQUEST;
    }
    store_value(to, option, value);
    return STATUS_OK;
}

/* What the caller passed, in our size: what an older caller does not have is 0;
 * what a newer one has and we do not know must be. */
static enum status
read_given(const struct prefixcache_options *given,
           struct prefixcache_options *out, char *why, size_t room)
{
    size_t size = given->size;

    if (size < offsetof(struct prefixcache_options, lookup_ms) || size > 4096) {
        snprintf(why, room,
                 "options.size is %zu, expected sizeof(struct "
                 "prefixcache_options), which is %zu here",
                 size, sizeof *given);
        return STATUS_BAD_REQUEST;
    }
    for (size_t i = sizeof *given; i < size; i++)
        if (((const char *)given)[i] != 0) {
            snprintf(why, room,
                     "an option at byte %zu is not 0, and this library knows "
                     "only %zu bytes of them: it is older than its caller",
                     i, sizeof *given);
            return STATUS_BAD_REQUEST;
        }
    memset(out, 0, sizeof *out);
    memcpy(out, given, size < sizeof *out ? size : sizeof *out);
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (value_of(out, &options[i]) > options[i].most) {
            snprintf(
                why, room, "options.%s is %" PRIu64 ", expected 0 to %" PRIu64,
                options[i].name, value_of(out, &options[i]), options[i].most);
            return STATUS_BAD_REQUEST;
        }
    return STATUS_OK;
}

enum status
cache_options_finish(struct prefixcache_options *to,
                     const struct prefixcache_options *given, char *why,
                     size_t room)
{
    struct prefixcache_options passed = {0};

    if (given != NULL && read_given(given, &passed, why, room) != STATUS_OK)
        return STATUS_BAD_REQUEST;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &options[i];

        if (value_of(to, option) == 0)
            store_value(to, option, value_of(&passed, option));
        if (value_of(to, option) == 0)
            store_value(to, option, option->default_value);
    }
    to->size = sizeof *to;
    return STATUS_OK;
}
