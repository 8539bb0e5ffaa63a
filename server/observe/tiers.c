/* SPDX-License-Identifier: Apache-2.0 */
/* The NVMe tier's figures: each is one row. */
#include "server/observe/tiers.h"

#include <assert.h>
#include <string.h>

typedef unsigned long long number;

struct figure {
    const char *name;   /* in INFO and `stat` */
    const char *metric; /* behind prefixcache_nvme_ */
    const char *type, *help;
    uint64_t value;
};

#define FIGURES_MAX 32u

/* Each list returns how many figures it has filled. */
static unsigned
list_state(const struct store_usage *usage, struct figure *figures)
{
    const struct nvme_usage *nvme = &usage->nvme;
    const struct figure rows[] = {
        {"nvme_size", "size_bytes", "gauge", "Bytes taken on the device.",
         nvme->size},
        {"nvme_value_bytes", "value_bytes", "gauge",
         "Bytes of values in the NVMe tier.",
         usage->tiers[TIER_NVME].bytes_used},
        {"nvme_chunks", "chunks", "gauge", "Values in the NVMe tier.",
         usage->tiers[TIER_NVME].chunks},
        {"nvme_queue_bytes", "queue_bytes", "gauge",
         "Bytes of values that wait to be written, or are being written.",
         usage->queue_bytes},
        {"nvme_readable", "readable", "gauge",
         "1 while values are read from the device, 0 while it is out of "
         "service.",
         nvme->may_read},
        {"nvme_writable", "writable", "gauge",
         "1 while values are written to the device.", nvme->may_write},
        {"nvme_direct", "direct", "gauge",
         "1 where the page cache is passed by (O_DIRECT).", nvme->is_direct},
        {"nvme_segment_size", "segment_size_bytes", "gauge",
         "Bytes of a segment.", nvme->segment_size},
        {"nvme_segments", "segments", "gauge", "Segments of the device.",
         nvme->segments},
        {"nvme_segments_ready", "segments_ready", "gauge",
         "Segments that can be written to at once.", nvme->segments_ready},
        {"nvme_segments_sealed", "segments_sealed", "gauge",
         "Segments that are full.", nvme->segments_sealed},
    };

    memcpy(figures, rows, sizeof(rows));
    return sizeof(rows) / sizeof(rows[0]);
}

static unsigned
list_traffic(const struct nvme_usage *nvme, struct figure *figures)
{
    const struct figure rows[] = {
        {"nvme_read_bytes", "read_bytes_total", "counter",
         "Bytes read from the device.", nvme->read_bytes},
        {"nvme_written_bytes", "written_bytes_total", "counter",
         "Bytes written to the device.", nvme->written_bytes},
        {"nvme_read_errors", "read_errors_total", "counter",
         "Reads the device failed.", nvme->read_errors},
        {"nvme_write_errors", "write_errors_total", "counter",
         "Writes the device failed.", nvme->write_errors},
        {"nvme_corrupt", "corrupt_total", "counter",
         "Values that were not what was written.", nvme->corrupt},
        {"nvme_stale", "stale_total", "counter",
         "Reads whose segment was given back meanwhile.", nvme->stale},
        {"nvme_late", "late_total", "counter",
         "Reads that took longer than nvme.read_wait.", nvme->late},
        {"nvme_out_of_service", "out_of_service_total", "counter",
         "Times the device was taken out of service.", nvme->out_of_service},
        {"nvme_notes", "notes_total", "counter",
         "Deletions and changes that the device has to be told of.",
         nvme->notes},
        {"nvme_notes_lost", "notes_lost_total", "counter",
         "Times the tier was given up because it could not be told of "
         "deletions.",
         nvme->notes_lost},
        {"nvme_recovered", "recovered_chunks", "gauge",
         "Values found at start.", nvme->recovered},
    };

    memcpy(figures, rows, sizeof(rows));
    return sizeof(rows) / sizeof(rows[0]);
}

static unsigned
list(const struct store_usage *usage, struct figure figures[FIGURES_MAX])
{
    unsigned count = list_state(usage, figures);

    count += list_traffic(&usage->nvme, figures + count);
    assert(count <= FIGURES_MAX);
    return count;
}

void
tiers_write_info(const struct store_usage *usage, FILE *file)
{
    struct figure figures[FIGURES_MAX];
    unsigned count;

    if (!usage->has_nvme)
        return;
    count = list(usage, figures);
    fprintf(file, "nvme_engine:%s\r\nnvme_recovery_ms:%llu\r\n",
            usage->nvme.engine, (number)usage->nvme.recovery_ns / 1000000);
    for (unsigned i = 0; i < count; i++)
        fprintf(file, "%s:%llu\r\n", figures[i].name, (number)figures[i].value);
}

void
tiers_write_metrics(const struct store_usage *usage, FILE *file)
{
    struct figure figures[FIGURES_MAX];
    unsigned count;

    if (!usage->has_nvme)
        return;
    count = list(usage, figures);
    for (unsigned i = 0; i < count; i++) {
        const struct figure *at = &figures[i];

        fprintf(file,
                "# HELP prefixcache_nvme_%s %s\n# TYPE prefixcache_nvme_%s "
                "%s\nprefixcache_nvme_%s %llu\n",
                at->metric, at->help, at->metric, at->type, at->metric,
                (number)at->value);
    }
    fprintf(file,
            "# HELP prefixcache_nvme_recovery_seconds How long finding what "
            "the device holds took at start.\n"
            "# TYPE prefixcache_nvme_recovery_seconds gauge\n"
            "prefixcache_nvme_recovery_seconds %.3f\n",
            (double)usage->nvme.recovery_ns / 1e9);
    fprintf(file,
            "# HELP prefixcache_nvme_engine_info How the device is read and "
            "written, as a label; always 1.\n"
            "# TYPE prefixcache_nvme_engine_info gauge\n"
            "prefixcache_nvme_engine_info{engine=\"%s\"} 1\n",
            usage->nvme.engine);
}
