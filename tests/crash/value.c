/* SPDX-License-Identifier: Apache-2.0 */
/* Names, sizes and bytes. */
#include "tests/crash/value.h"

#include "tools/bench/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEMPLATE_SIZE (2 * (size_t)VALUE_MOST)
#define MAGIC         0x6873617263786670u
#define NAME_BEFORE   "crash@1@0@"
#define DIGITS        8u

struct head {
    uint64_t magic;
    uint32_t number, version, size, zero;
    uint64_t mixed; /* of the others and the seed */
};

_Static_assert(sizeof(struct head) == VALUE_HEAD, "a head has no gaps");

enum status
values_open(uint64_t seed, struct values *out)
{
    uint64_t *template = malloc(TEMPLATE_SIZE);

    if (template == NULL)
        return STATUS_NO_SPACE;
    random_fill(seed, template, TEMPLATE_SIZE / sizeof(*template));
    *out = (struct values){.seed = seed, .template = (uint8_t *)template};
    return STATUS_OK;
}

void
values_close(struct values *values)
{
    free(values->template);
    values->template = NULL;
}

enum value_kind
value_kind(uint32_t number)
{
    static const enum value_kind kinds[] = {VALUE_OBJECT, VALUE_PLAIN,
                                            VALUE_PAIR};

    return kinds[number / 4 % 3];
}

struct bytes
value_name(uint32_t number, const char *half, char into[NAME_ROOM])
{
    int size = snprintf(into, NAME_ROOM, NAME_BEFORE "%08x@%s", number, half);

    return (struct bytes){(const uint8_t *)into, (size_t)size};
}

uint32_t
value_number(struct bytes name)
{
    size_t before = sizeof NAME_BEFORE - 1;
    char digits[DIGITS + 1] = "";
    char *end;
    unsigned long number;

    if (name.size < before + DIGITS ||
        memcmp(name.at, NAME_BEFORE, before) != 0)
        return VALUE_NO_KEY;
    memcpy(digits, name.at + before, DIGITS);
    number = strtoul(digits, &end, 16);
    return end == digits + DIGITS ? (uint32_t)number : VALUE_NO_KEY;
}

static uint64_t
mix(const struct values *values, uint32_t number, uint32_t version)
{
    return random_mix(values->seed ^
                      random_mix((uint64_t)number << 32 | version));
}

/* As many of each power of two, any number of bytes; now and then one that is
 * whole blocks, and the least and the most. */
uint32_t
value_size(const struct values *values, uint32_t number, uint32_t version)
{
    uint64_t chance = mix(values, number, version);
    uint32_t least = VALUE_LEAST << chance % 6;
    uint32_t size = least + (uint32_t)((chance >> 8) % least);

    switch (chance >> 40 & 31) {
    case 0:
        return VALUE_LEAST;
    case 1:
        return VALUE_MOST;
    case 2:
    case 3:
        return size & ~4095u;
    default:
        return size;
    }
}

static struct head
make_head(const struct values *values, uint32_t number, uint32_t version)
{
    return (struct head){.magic = MAGIC,
                         .number = number,
                         .version = version,
                         .size = value_size(values, number, version),
                         .mixed = mix(values, number, version)};
}

/* Any eighth byte: two windows seldom lie alike on the pages of a disk. */
static const uint8_t *
find_window(const struct values *values, const struct head *head)
{
    return values->template + head->mixed % (VALUE_MOST / 8) * 8;
}

uint32_t
value_write(const struct values *values, uint32_t number, uint32_t version,
            uint8_t *into)
{
    struct head head = make_head(values, number, version);

    memcpy(into, &head, sizeof(head));
    memcpy(into + sizeof(head), find_window(values, &head),
           head.size - sizeof(head));
    return head.size;
}

static void
put_number(uint8_t *into, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++)
        into[i] = (uint8_t)(number >> 8 * i);
}

void
value_meta(const struct values *values, uint32_t number, uint32_t version,
           struct chunk_meta *out)
{
    *out = (struct chunk_meta){.size = CHUNK_META_LM};
    put_number(out->bytes, value_size(values, number, version));
    out->bytes[4] = 2; /* format and type that clients send */
    out->bytes[8] = 3;
    put_number(out->bytes + 12, version);
    put_number(out->bytes + 16, number);
    put_number(out->bytes + 20, 1);
    put_number(out->bytes + 24, 1);
}

const char *
value_check(const struct values *values, uint32_t number, struct bytes value,
            uint32_t *version_out)
{
    struct head head, right;
    const uint8_t *window;

    if (value.size < sizeof(head))
        return "it is too short";
    memcpy(&head, value.at, sizeof(head));
    right = make_head(values, number, head.version);
    if (head.magic == MAGIC && head.number != number)
        return "it is another key's";
    if (memcmp(&head, &right, sizeof(head)) != 0)
        return "its first bytes are none that were put";
    if (value.size != head.size)
        return "it is not as long as it was put";
    window = find_window(values, &head);
    if (memcmp(value.at + sizeof(head), window, head.size - sizeof(head)) != 0)
        return "its bytes are not those of its version";
    *version_out = head.version;
    return NULL;
}
