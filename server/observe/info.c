/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of INFO. */
#include "server/observe/info.h"

#include "base/clock.h"
#include "proto/resp.h"
#include "server/events/events.h"
#include "server/observe/curve.h"
#include "server/observe/rates_text.h"
#include "server/observe/router_index.h"
#include "server/observe/tiers.h"
#include "server/server.h"
#include "storage/store_look.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

typedef unsigned long long number;

static void
write_server(struct server *server, FILE *file)
{
    fprintf(file, "redis_version:7.0.15\r\nredis_mode:standalone\r\n");
    fprintf(file, "prefixcache_version:%s\r\nprocess_id:%d\r\n", SERVER_VERSION,
            (int)getpid());
    fprintf(file, "data_address:%s\r\nhttp_address:%s\r\n",
            server->data_address, server->http_address);
    fprintf(file, "workers:%u\r\nuptime_in_seconds:%llu\r\nstate:%s\r\n",
            server->worker_count,
            (number)((clock_now_ns() - server->started_ns) / NS_PER_SECOND),
            atomic_load(&server->is_draining) ? "draining" : "serving");
}

static void
write_clients(struct server *server, FILE *file)
{
    fprintf(file, "connected_clients:%u\r\nmaxclients:%llu\r\n",
            server_connections(server),
            (number)atomic_load(&server->limits.connections));
}

/* Bytes of this process that are in memory; 0 where nobody says. */
static number
resident(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    number size = 0, pages = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &pages) != 2)
        pages = 0;
    fclose(file);
    return pages * (number)sysconf(_SC_PAGESIZE);
}

static void
write_memory(struct server *server, FILE *file)
{
    struct store_usage usage;

    store_usage(server->store, &usage);
    fprintf(file, "used_memory:%llu\r\nused_memory_rss:%llu\r\n",
            (number)(usage.dram_used + usage.index_used), resident());
    fprintf(file, "maxmemory:%llu\r\nmaxmemory_policy:allkeys-lru\r\n",
            (number)usage.dram_size);
    fprintf(file, "dram_size:%llu\r\ndram_used:%llu\r\n",
            (number)usage.dram_size, (number)usage.dram_used);
    fprintf(file, "dram_value_bytes:%llu\r\ndram_chunks:%llu\r\n",
            (number)usage.tiers[TIER_DRAM].bytes_used,
            (number)usage.tiers[TIER_DRAM].chunks);
    fprintf(file, "index_size:%llu\r\nindex_used:%llu\r\nentries:%llu\r\n",
            (number)usage.index_size, (number)usage.index_used,
            (number)usage.entries);
    fprintf(file, "inflight_size:%llu\r\ninflight_used:%llu\r\n",
            (number)usage.inflight_size, (number)usage.inflight_used);
    fprintf(file, "leased_bytes:%llu\r\nhead_memory_used:%llu\r\n",
            (number)usage.leased_bytes,
            (number)atomic_load(&server->head_memory.used));
}

static void
write_nvme(struct server *server, FILE *file)
{
    struct store_usage usage;

    store_usage(server->store, &usage);
    tiers_write_nvme_info(&usage, file);
}

static void
write_spill(struct server *server, FILE *file)
{
    struct store_usage usage;

    store_usage(server->store, &usage);
    tiers_write_spill_info(&usage, file);
}

/* How long GETs take by tier, as /v1/stats has it; nothing of a tier that none
 * was measured of. */
static void
write_speeds(struct server *server, FILE *file)
{
    unsigned there = store_tiers(server->store);

    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        struct speed_line line = speed_line(
            server->speeds, server->worker_count, (enum tier_kind)tier);

        if ((there & 1u << tier) == 0 || !line.is_known)
            continue;
        fprintf(file, "%s_get_us:%.1f\r\n", tier_kinds[tier]->name,
                line.get_ns / 1000);
        if (line.byte_ns > 0)
            fprintf(file, "%s_get_bytes_per_second:%.0f\r\n",
                    tier_kinds[tier]->name, 1e9 / line.byte_ns);
    }
}

/* Redis's words for a few, then every counter by its own name. */
static void
write_stats(struct server *server, FILE *file)
{
    fprintf(file, "total_connections_received:%llu\r\n",
            (number)server_count(server, COUNTER_connections_accepted));
    fprintf(file, "keyspace_hits:%llu\r\nkeyspace_misses:%llu\r\n",
            (number)server_count(server, COUNTER_get_hits),
            (number)server_count(server, COUNTER_get_misses));
    fprintf(file, "evicted_keys:%llu\r\nexpired_keys:%llu\r\n",
            (number)(server_count(server, COUNTER_evictions) +
                     server_count(server, COUNTER_evictions_index)),
            (number)server_count(server, COUNTER_expirations));
}

static void
write_counters(struct server *server, FILE *file)
{
    fprintf(file, "value_max:%llu\r\n", (number)store_value_max(server->store));
    write_speeds(server, file);
    rates_text_info(server, file);
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        fprintf(file, "%s:%llu\r\n", counter_rows[i].name,
                (number)server_count(server, (enum counter_id)i));
}

static void
write_replication(struct server *server, FILE *file)
{
    (void)server;
    fprintf(file, "role:master\r\nconnected_slaves:0\r\n");
}

static double
seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void
write_cpu(struct server *server, FILE *file)
{
    struct rusage usage;

    (void)server;
    getrusage(RUSAGE_SELF, &usage);
    fprintf(file, "used_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\n",
            seconds(&usage.ru_stime), seconds(&usage.ru_utime));
}

static void
write_cluster(struct server *server, FILE *file)
{
    fprintf(file, "cluster_enabled:%d\r\n", server->options.cluster_enabled);
}

static void
write_keyspace(struct server *server, FILE *file)
{
    for (unsigned i = 0; i < STORE_SPACES; i++) {
        uint64_t names =
            store_names(server->store, i) + catalog_keys(server->catalog, i);

        if (names != 0)
            fprintf(file, "db%u:keys=%llu,expires=0,avg_ttl=0\r\n", i,
                    (number)names);
    }
}

/* Where events are published, and how far they have come. */
static void
write_events(struct server *server, FILE *file)
{
    struct events_view view;

    fprintf(file, "events_enabled:%d\r\n", server->events != NULL);
    if (server->events == NULL)
        return;
    events_view(server->events, &view);
    fprintf(file, "events_listen:%s\r\nevents_replay:%s\r\n", view.listen,
            view.replay);
    fprintf(file, "events_form:%s\r\nevents_next:%llu\r\n",
            server->options.events_form == 0 ? "object" : "vllm",
            (number)view.next);
    fprintf(file, "events_oldest:%llu\r\nevents_kept_bytes:%llu\r\n",
            (number)view.oldest, (number)view.kept_bytes);
    fprintf(file, "events_waiting_bytes:%llu\r\n", (number)view.waiting_bytes);
}

static const struct {
    const char *name, *title;
    void (*write)(struct server *, FILE *);
} sections[] = {
    {"server", "Server", write_server},
    {"clients", "Clients", write_clients},
    {"memory", "Memory", write_memory},
    {"nvme", "NVMe", write_nvme},
    {"spill", "Spill", write_spill},
    {"curve", "Curve", curve_write_info},
    {"index", "Index", router_index_write_info},
    {"stats", "Stats", write_stats},
    {"prefixcache", "Prefixcache", write_counters},
    {"events", "Events", write_events},
    {"replication", "Replication", write_replication},
    {"cpu", "CPU", write_cpu},
    {"cluster", "Cluster", write_cluster},
    {"keyspace", "Keyspace", write_keyspace},
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

uint32_t
info_section(const struct bytes *name)
{
    if (argument_is(name, "all") || argument_is(name, "everything") ||
        argument_is(name, "default"))
        return INFO_ALL;
    for (unsigned i = 0; i < SECTIONS; i++)
        if (argument_is(name, sections[i].name))
            return 1u << i;
    return 0;
}

void
info_write(struct server *server, uint32_t wanted, FILE *file)
{
    bool is_first = true;

    for (unsigned i = 0; i < SECTIONS; i++) {
        if ((wanted & 1u << i) == 0)
            continue;
        fprintf(file, "%s# %s\r\n", is_first ? "" : "\r\n", sections[i].title);
        sections[i].write(server, file);
        is_first = false;
    }
}
