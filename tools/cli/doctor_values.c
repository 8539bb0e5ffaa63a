/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/cli/doctor_values.h"

#include "proto/checksum.h"

#include <stdlib.h>
#include <string.h>

/* Of smaller values, equal ones mean nothing: all zeros, a marker. */
#define SIZE_LEAST 64u

struct value {
    uint64_t checksum, size;
    uint64_t around; /* of its name without the hash */
    uint64_t hash;   /* of the hash in its name */
    char *name;
};

struct doctor_values {
    unsigned most, count;
    struct value *all;
};

enum status
doctor_values_open(unsigned most, struct doctor_values **out)
{
    struct doctor_values *values = calloc(1, sizeof *values);

    if (values == NULL)
        return STATUS_NO_SPACE;
    values->all = calloc(most, sizeof *values->all);
    if (values->all == NULL) {
        free(values);
        return STATUS_NO_SPACE;
    }
    values->most = most;
    *out = values;
    return STATUS_OK;
}

void
doctor_values_close(struct doctor_values **values)
{
    if (*values == NULL)
        return;
    for (unsigned i = 0; i < (*values)->count; i++)
        free((*values)->all[i].name);
    free((*values)->all);
    free(*values);
    *values = NULL;
}

/* Two of one around differ in their hash alone, or not at all. */
static void
describe(const struct prefixcache_entry *entry,
         const struct doctor_shape *shape, struct value *out)
{
    size_t at = (size_t)(shape->hash_text.at - entry->key);
    size_t end = at + shape->hash_text.size;
    struct checksum checksum;

    checksum_start(&checksum);
    checksum_add(&checksum, entry->key, at);
    checksum_add(&checksum, entry->key + end, entry->key_size - end);
    out->around = checksum_value(&checksum) + entry->space;
    out->hash = checksum_of(shape->hash_text.at, shape->hash_text.size);
    out->size = entry->body_size;
}

bool
doctor_values_wants(const struct doctor_values *values,
                    const struct prefixcache_entry *entry)
{
    struct bytes key = {entry->key, entry->key_size};
    struct doctor_shape shape;

    doctor_shape_read(key, &shape);
    return shape.hash_text.size > 0 && entry->body_size >= SIZE_LEAST &&
           values->count < values->most;
}

bool
doctor_values_add(struct doctor_values *values,
                  const struct prefixcache_entry *entry, uint64_t checksum)
{
    struct bytes key = {entry->key, entry->key_size};
    struct value *value = &values->all[values->count];
    struct doctor_shape shape;

    doctor_shape_read(key, &shape);
    describe(entry, &shape, value);
    value->checksum = checksum;
    value->name = strndup((const char *)entry->key, entry->key_size);
    values->count += value->name != NULL;
    return value->name != NULL;
}

static int
compare(const void *left, const void *right)
{
    const struct value *a = left, *b = right;

    if (a->around != b->around)
        return a->around < b->around ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    if (a->checksum != b->checksum)
        return a->checksum < b->checksum ? -1 : 1;
    return (a->hash > b->hash) - (a->hash < b->hash);
}

static bool
is_alike(const struct value *a, const struct value *b)
{
    return a->around == b->around && a->size == b->size &&
           a->checksum == b->checksum && a->hash != b->hash;
}

void
doctor_values_compare(struct doctor_values *values,
                      struct doctor_case_values *out)
{
    struct value *all = values->all;

    out->read = values->count;
    out->alike = 0;
    *out->example[0] = '\0';
    qsort(all, values->count, sizeof *all, compare);
    for (unsigned i = 0; i < values->count; i++) {
        bool is_next = i + 1 < values->count && is_alike(&all[i], &all[i + 1]);
        bool is_last = i > 0 && is_alike(&all[i - 1], &all[i]);

        out->alike += is_next || is_last;
        if (!is_next || *out->example[0] != '\0')
            continue;
        for (unsigned j = 0; j < 2; j++)
            snprintf(out->example[j], sizeof out->example[j], "%s",
                     all[i + j].name);
    }
}
