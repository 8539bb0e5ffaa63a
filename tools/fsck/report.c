/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the summary.  JSON has the same numbers, in bytes. */
#include "tools/fsck/report.h"

#include "tools/bench/quantity.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static void
print_sum(const char *name, const struct census_sum *sum)
{
    char size[32];

    quantity_write_size(sum->bytes, size, sizeof size);
    printf("  %-14s %12" PRIu64 " values %14s\n", name, sum->values, size);
}

static void
print_broken(const struct check_result *result)
{
    uint64_t told = result->broken_count;

    if (told > CHECK_BROKEN_MAX)
        told = CHECK_BROKEN_MAX;
    for (uint64_t i = 0; i < told; i++) {
        const struct check_broken *broken = &result->broken[i];
        if (broken->segment == CHECK_NO_SEGMENT)
            printf("broken: block %" PRIu32 ": %s\n", broken->block,
                   broken->why);
        else
            printf("broken: segment %" PRIu32 ", block %" PRIu32 ": %s\n",
                   broken->segment, broken->block, broken->why);
    }
    if (told < result->broken_count)
        printf("and %" PRIu64 " more\n", result->broken_count - told);
}

void
report_table(const struct device *device, const struct nvme_super *super,
             const struct check_result *result)
{
    char size[32], bytes[32];

    quantity_write_size(super->segment_size, size, sizeof size);
    quantity_write_size(result->bytes, bytes, sizeof bytes);
    printf("%s: version %" PRIu32 ", %" PRIu32 " segments of %s\n",
           device->path, super->version, result->segments, size);
    printf("  %-14s %12" PRIu32 " blank, %" PRIu32 " open, %" PRIu32
           " sealed\n",
           "segments", result->blank, result->open, result->sealed);
    printf("  %-14s %12" PRIu64 " whole\n", "records", result->records);
    printf("  %-14s %12" PRIu64 " of %s\n", "values", result->values, bytes);
    printf("  %-14s %12" PRIu64 "\n", "tombstones", result->tombstones);
    printf("  %-14s %12" PRIu64 "\n", "changes", result->changes);
    if (result->gaps > 0)
        printf("  %-14s %12" PRIu64 " where a write had failed\n", "gaps",
               result->gaps);
    print_sum("live", &result->census.live);
    print_sum("superseded", &result->census.superseded);
    print_sum("expired", &result->census.expired);
    print_sum("flushed", &result->census.flushed);
    print_broken(result);
    if (result->broken_count == 0)
        puts("healthy");
    else
        printf("%" PRIu64 " broken\n", result->broken_count);
}

/* --- JSON --- */

static json_t *
sum_json(const struct census_sum *sum)
{
    return json_pack("{s:I, s:I}", "values", (json_int_t)sum->values, "bytes",
                     (json_int_t)sum->bytes);
}

static json_t *
broken_json(const struct check_broken *broken)
{
    if (broken->segment == CHECK_NO_SEGMENT)
        return json_pack("{s:n, s:I, s:s}", "segment", "block",
                         (json_int_t)broken->block, "reason", broken->why);
    return json_pack("{s:I, s:I, s:s}", "segment", (json_int_t)broken->segment,
                     "block", (json_int_t)broken->block, "reason", broken->why);
}

static json_t *
all_broken_json(const struct check_result *result)
{
    json_t *array = json_array();

    for (uint64_t i = 0; i < result->broken_count && i < CHECK_BROKEN_MAX;
         i++) {
        if (json_array_append_new(array, broken_json(&result->broken[i])) !=
            0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *
device_json(const struct device *device, const struct nvme_super *super)
{
    char identity[2 * NVME_IDENTITY + 1];

    for (unsigned i = 0; i < NVME_IDENTITY; i++)
        snprintf(identity + 2 * i, 3, "%02x", super->identity[i]);
    /* A path that is no UTF-8 is left out. */
    return json_pack("{s:o*, s:I, s:s, s:I, s:I}", "path",
                     json_string(device->path), "version",
                     (json_int_t)super->version, "identity", identity, "serial",
                     (json_int_t)super->serial, "segment_size",
                     (json_int_t)super->segment_size);
}

static json_t *
result_json(const struct check_result *result)
{
    return json_pack(
        "{s:b, s:{s:I, s:I, s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:I,"
        " s:o, s:o, s:o, s:o, s:I, s:o}",
        "healthy", result->broken_count == 0, "segments", "total",
        (json_int_t)result->segments, "blank", (json_int_t)result->blank,
        "open", (json_int_t)result->open, "sealed", (json_int_t)result->sealed,
        "records", (json_int_t)result->records, "values",
        (json_int_t)result->values, "tombstones",
        (json_int_t)result->tombstones, "changes", (json_int_t)result->changes,
        "bytes", (json_int_t)result->bytes, "gaps", (json_int_t)result->gaps,
        "live", sum_json(&result->census.live), "superseded",
        sum_json(&result->census.superseded), "expired",
        sum_json(&result->census.expired), "flushed",
        sum_json(&result->census.flushed), "broken_count",
        (json_int_t)result->broken_count, "broken", all_broken_json(result));
}

bool
report_json(const struct device *device, const struct nvme_super *super,
            const struct check_result *result)
{
    json_t *object = device_json(device, super), *more = result_json(result);
    bool is_done = object != NULL && more != NULL &&
                   json_object_update(object, more) == 0 &&
                   json_dumpf(object, stdout, JSON_INDENT(2)) == 0 &&
                   putchar('\n') != EOF;

    json_decref(object);
    json_decref(more);
    return is_done;
}
