/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of the lower tiers: each is one row. */
#include "server/observe/tiers.h"

#include <assert.h>
#include <string.h>

typedef unsigned long long number;

struct figure {
    const char *name;   /* in INFO and `stat` */
    const char *metric; /* behind prefixcache_ */
    const char *type, *help;
    uint64_t value;
};

#define FIGURES_MAX 32u

/* Each list returns how many figures it has filled. */
static unsigned
list_nvme_state(const struct store_usage *usage, struct figure *figures)
{
    const struct nvme_usage *nvme = &usage->nvme;
    const struct figure rows[] = {
        {"nvme_size", "nvme_size_bytes", "gauge", "Bytes taken on the device.",
         nvme->size},
        {"nvme_value_bytes", "nvme_value_bytes", "gauge",
         "Bytes of values in the NVMe tier.",
         usage->tiers[TIER_NVME].bytes_used},
        {"nvme_chunks", "nvme_chunks", "gauge", "Values in the NVMe tier.",
         usage->tiers[TIER_NVME].chunks},
        {"nvme_queue_bytes", "nvme_queue_bytes", "gauge",
         "Bytes of values that wait to be written, or are being written.",
         usage->queues[TIER_NVME]},
        {"nvme_readable", "nvme_readable", "gauge",
         "1 while values are read from the device, 0 while it is out of "
         "service.",
         nvme->may_read},
        {"nvme_writable", "nvme_writable", "gauge",
         "1 while values are written to the device.", nvme->may_write},
        {"nvme_direct", "nvme_direct", "gauge",
         "1 where the page cache is passed by (O_DIRECT).", nvme->is_direct},
        {"nvme_segment_size", "nvme_segment_size_bytes", "gauge",
         "Bytes of a segment.", nvme->segment_size},
        {"nvme_segments", "nvme_segments", "gauge", "Segments of the device.",
         nvme->segments},
        {"nvme_segments_ready", "nvme_segments_ready", "gauge",
         "Segments that can be written to at once.", nvme->segments_ready},
        {"nvme_segments_sealed", "nvme_segments_sealed", "gauge",
         "Segments that are full.", nvme->segments_sealed},
    };

    memcpy(figures, rows, sizeof(rows));
    return sizeof(rows) / sizeof(rows[0]);
}

static unsigned
list_nvme_traffic(const struct nvme_usage *nvme, struct figure *figures)
{
    const struct figure rows[] = {
        {"nvme_read_bytes", "nvme_read_bytes_total", "counter",
         "Bytes read from the device.", nvme->read_bytes},
        {"nvme_written_bytes", "nvme_written_bytes_total", "counter",
         "Bytes written to the device.", nvme->written_bytes},
        {"nvme_read_errors", "nvme_read_errors_total", "counter",
         "Reads the device failed.", nvme->read_errors},
        {"nvme_write_errors", "nvme_write_errors_total", "counter",
         "Writes the device failed.", nvme->write_errors},
        {"nvme_corrupt", "nvme_corrupt_total", "counter",
         "Values that were not what was written.", nvme->corrupt},
        {"nvme_stale", "nvme_stale_total", "counter",
         "Reads whose segment was given back meanwhile.", nvme->stale},
        {"nvme_late", "nvme_late_total", "counter",
         "Reads that took longer than nvme.read_wait.", nvme->late},
        {"nvme_out_of_service", "nvme_out_of_service_total", "counter",
         "Times the device was taken out of service.", nvme->out_of_service},
        {"nvme_notes", "nvme_notes_total", "counter",
         "Deletions and changes that the device has to be told of.",
         nvme->notes},
        {"nvme_notes_lost", "nvme_notes_lost_total", "counter",
         "Times the tier was given up because it could not be told of "
         "deletions.",
         nvme->notes_lost},
        {"nvme_recovered", "nvme_recovered_chunks", "gauge",
         "Values found at start.", nvme->recovered},
    };

    memcpy(figures, rows, sizeof(rows));
    return sizeof(rows) / sizeof(rows[0]);
}

static unsigned
list_nvme(const struct store_usage *usage, struct figure figures[FIGURES_MAX])
{
    unsigned count = list_nvme_state(usage, figures);

    count += list_nvme_traffic(&usage->nvme, figures + count);
    assert(count <= FIGURES_MAX);
    return count;
}

static unsigned
list_spill_state(const struct store_usage *usage, struct figure *figures)
{
    const struct spill_usage *spill = &usage->spill;
    const struct figure rows[] = {
        {"spill_size", "spill_size_bytes", "gauge",
         "Bytes that may be taken on spill.path.", spill->size},
        {"spill_used", "spill_used_bytes", "gauge",
         "Bytes that are taken there.", spill->used},
        {"spill_value_bytes", "spill_value_bytes", "gauge",
         "Bytes of values in the spill tier.",
         usage->tiers[TIER_SPILL].bytes_used},
        {"spill_chunks", "spill_chunks", "gauge", "Values in the spill tier.",
         usage->tiers[TIER_SPILL].chunks},
        {"spill_queue_bytes", "spill_queue_bytes", "gauge",
         "Bytes of values that wait to be written to the spill, or are being "
         "written.",
         usage->queues[TIER_SPILL]},
        {"spill_memory_used", "spill_memory_bytes", "gauge",
         "Memory that RocksDB has taken.", spill->memory_used},
        {"spill_groups", "spill_groups", "gauge",
         "Groups of values, which are given back whole.", spill->groups},
        {"spill_readable", "spill_readable", "gauge",
         "1 while values are read from the spill, 0 while it is out of "
         "service.",
         spill->may_read},
        {"spill_writable", "spill_writable", "gauge",
         "1 while values are written to the spill.", spill->may_write},
    };

    memcpy(figures, rows, sizeof(rows));
    return sizeof(rows) / sizeof(rows[0]);
}

static unsigned
list_spill_traffic(const struct spill_usage *spill, struct figure *figures)
{
    const struct figure rows[] = {
        {"spill_read_bytes", "spill_read_bytes_total", "counter",
         "Bytes of values read from the spill.", spill->read_bytes},
        {"spill_written_bytes", "spill_written_bytes_total", "counter",
         "Bytes of values written to the spill.", spill->written_bytes},
        {"spill_read_errors", "spill_read_errors_total", "counter",
         "Reads that failed.", spill->read_errors},
        {"spill_write_errors", "spill_write_errors_total", "counter",
         "Writes that failed.", spill->write_errors},
        {"spill_corrupt", "spill_corrupt_total", "counter",
         "Values that were not what was written.", spill->corrupt},
        {"spill_late", "spill_late_total", "counter",
         "Reads that took longer than spill.read_wait.", spill->late},
        {"spill_out_of_service", "spill_out_of_service_total", "counter",
         "Times the spill was taken out of service.", spill->out_of_service},
        {"spill_reopened", "spill_reopened_total", "counter",
         "Times RocksDB was closed and opened again after an error.",
         spill->reopened},
        {"spill_recreated", "spill_recreated_total", "counter",
         "Times the spill was begun anew, empty, because it could not be "
         "opened.",
         spill->recreated},
        {"spill_notes", "spill_notes_total", "counter",
         "Deletions and changes that the spill has to be told of.",
         spill->notes},
        {"spill_notes_waiting", "spill_notes_waiting_bytes", "gauge",
         "Bytes of deletions and changes that the spill has not been told of "
         "yet.",
         spill->notes_waiting},
        {"spill_notes_lost", "spill_notes_lost_total", "counter",
         "Times the spill was given up because it could not be told of "
         "deletions.",
         spill->notes_lost},
        {"spill_recovered", "spill_recovered_chunks", "gauge",
         "Values found at start.", spill->recovered},
    };

    memcpy(figures, rows, sizeof(rows));
    return sizeof(rows) / sizeof(rows[0]);
}

static unsigned
list_spill(const struct store_usage *usage, struct figure figures[FIGURES_MAX])
{
    unsigned count = list_spill_state(usage, figures);

    count += list_spill_traffic(&usage->spill, figures + count);
    assert(count <= FIGURES_MAX);
    return count;
}

static void
write_info(const struct figure *figures, unsigned count, FILE *file)
{
    for (unsigned i = 0; i < count; i++)
        fprintf(file, "%s:%llu\r\n", figures[i].name, (number)figures[i].value);
}

void
tiers_write_nvme_info(const struct store_usage *usage, FILE *file)
{
    struct figure figures[FIGURES_MAX];

    if (!usage->has_nvme)
        return;
    fprintf(file, "nvme_engine:%s\r\nnvme_recovery_ms:%llu\r\n",
            usage->nvme.engine, (number)usage->nvme.recovery_ns / 1000000);
    write_info(figures, list_nvme(usage, figures), file);
}

void
tiers_write_spill_info(const struct store_usage *usage, FILE *file)
{
    struct figure figures[FIGURES_MAX];

    if (!usage->has_spill)
        return;
    fprintf(file, "spill_state:%s\r\nspill_recovery_ms:%llu\r\n",
            usage->spill.state, (number)usage->spill.recovery_ns / 1000000);
    write_info(figures, list_spill(usage, figures), file);
}

static void
write_metrics(const struct figure *figures, unsigned count, FILE *file)
{
    for (unsigned i = 0; i < count; i++) {
        const struct figure *at = &figures[i];

        fprintf(file,
                "# HELP prefixcache_%s %s\n# TYPE prefixcache_%s "
                "%s\nprefixcache_%s %llu\n",
                at->metric, at->help, at->metric, at->type, at->metric,
                (number)at->value);
    }
}

static void
write_nvme_metrics(const struct store_usage *usage, FILE *file)
{
    struct figure figures[FIGURES_MAX];

    write_metrics(figures, list_nvme(usage, figures), file);
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

static void
write_spill_metrics(const struct store_usage *usage, FILE *file)
{
    struct figure figures[FIGURES_MAX];

    write_metrics(figures, list_spill(usage, figures), file);
    fprintf(file,
            "# HELP prefixcache_spill_recovery_seconds How long finding what "
            "the spill holds took at start.\n"
            "# TYPE prefixcache_spill_recovery_seconds gauge\n"
            "prefixcache_spill_recovery_seconds %.3f\n",
            (double)usage->spill.recovery_ns / 1e9);
}

void
tiers_write_metrics(const struct store_usage *usage, FILE *file)
{
    if (usage->has_nvme)
        write_nvme_metrics(usage, file);
    if (usage->has_spill)
        write_spill_metrics(usage, file);
}
