/* SPDX-License-Identifier: Apache-2.0 */
/* Counters from their table, then the gauges of what is used. */
#include "server/observe/metrics.h"

#include "base/clock.h"
#include "server/observe/curve.h"
#include "server/observe/rates_text.h"
#include "server/observe/router_index.h"
#include "server/observe/tiers.h"
#include "server/server.h"

#include <string.h>

typedef unsigned long long number;

static void
write_counters(struct server *server, FILE *file)
{
    const char *metric = "";

    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        const struct counter_row *row = &counter_rows[i];

        if (strcmp(metric, row->metric) != 0)
            fprintf(file, "# HELP %s %s\n# TYPE %s counter\n", row->metric,
                    row->help, row->metric);
        metric = row->metric;
        fprintf(file, "%s%s%s%s %llu\n", row->metric,
                row->labels[0] != '\0' ? "{" : "", row->labels,
                row->labels[0] != '\0' ? "}" : "",
                (number)server_count(server, (enum counter_id)i));
    }
}

static void
write_gauge(FILE *file, const char *metric, const char *help, uint64_t value)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s gauge\n%s %llu\n", metric, help,
            metric, metric, (number)value);
}

static void
write_usage(struct server *server, FILE *file)
{
    struct store_usage usage;

    store_usage(server->store, &usage);
    write_gauge(file, "prefixcache_dram_size_bytes",
                "Size of the pool, dram.size.", usage.dram_size);
    write_gauge(file, "prefixcache_dram_used_bytes",
                "Bytes of the pool in use, bodies in flight included.",
                usage.dram_used);
    write_gauge(file, "prefixcache_dram_value_bytes",
                "Bytes of values in the DRAM tier.",
                usage.tiers[TIER_DRAM].bytes_used);
    write_gauge(file, "prefixcache_dram_chunks", "Values in the DRAM tier.",
                usage.tiers[TIER_DRAM].chunks);
    write_gauge(file, "prefixcache_entries", "Entries in the index.",
                usage.entries);
    write_gauge(file, "prefixcache_index_size_bytes",
                "Memory the index may use, limits.index_memory.",
                usage.index_size);
    write_gauge(file, "prefixcache_index_used_bytes", "Memory the index uses.",
                usage.index_used);
    write_gauge(file, "prefixcache_inflight_size_bytes",
                "Bytes of bodies that may be received at one time.",
                usage.inflight_size);
    write_gauge(file, "prefixcache_inflight_used_bytes",
                "Bytes promised by bodies that are being received.",
                usage.inflight_used);
    write_gauge(file, "prefixcache_leased_bytes",
                "Bytes of values that are leased.", usage.leased_bytes);
    tiers_write_metrics(&usage, file);
}

void
metrics_write(struct server *server, FILE *file)
{
    write_counters(server, file);
    write_usage(server, file);
    rates_text_metrics(server, file);
    curve_write_metrics(server, file);
    router_index_write_metrics(server, file);
    write_gauge(file, "prefixcache_connections", "Connections open.",
                server_connections(server));
    write_gauge(file, "prefixcache_pinned_bytes",
                "Bytes of values that replies not yet read keep in memory.",
                server_pinned_bytes(server));
    write_gauge(file, "prefixcache_head_memory_bytes",
                "Memory of unfinished heads and unsent replies.",
                atomic_load(&server->head_memory.used));
    write_gauge(file, "prefixcache_workers", "Worker threads.",
                server->worker_count);
    write_gauge(file, "prefixcache_start_time_seconds",
                "Unix time the server started.",
                server->started_unix_ms / 1000);
    write_gauge(file, "prefixcache_ready", "1 while serving, 0 while draining.",
                !atomic_load(&server->is_draining));
    fprintf(file,
            "# HELP prefixcache_build_info The build, as labels; always 1.\n"
            "# TYPE prefixcache_build_info gauge\n"
            "prefixcache_build_info{version=\"%s\"} 1\n",
            SERVER_VERSION);
}
