/* SPDX-License-Identifier: Apache-2.0 */
/* Options become limits, and counters become sums. */
#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/events/events.h"
#include "server/index/rates.h"
#include "server/index/template.h"
#include "storage/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Descriptors that are not connections: listeners, epoll, eventfds, HTTP. */
#define DESCRIPTORS_SPARED 64u

static struct store_nvme_limits
nvme_limits_of(const struct options *options)
{
    struct store_nvme_limits limits = {
        .device.path =
            options->nvme_path[0] == '\0' ? NULL : options->nvme_path,
        .device.size = options->nvme_size,
        .device.engine = (enum io_engine_kind)options->nvme_engine,
        .device.threads = (unsigned)options->nvme_threads,
        .device.inflight = options->nvme_inflight,
        .device.value_max = options->limits_value,
        .device.probe_ns = options->nvme_probe * NS_PER_MS,
        .write = (enum store_write)options->nvme_write,
        .write_max = options->nvme_write_max,
        .queue = options->nvme_queue,
        .read_wait_ns = options->nvme_read_wait * NS_PER_MS,
        .reinsert = (unsigned)options->nvme_reinsert,
    };

    return limits;
}

/* As dram.policy spells them. */
static const struct policy *const policies[] = {&policy_adaptive,
                                                &policy_s3fifo, &policy_lru};

static struct store_spill_limits
spill_limits_of(const struct options *options)
{
    struct store_spill_limits limits = {
        .device.path =
            options->spill_path[0] == '\0' ? NULL : options->spill_path,
        .device.size = options->spill_size,
        .device.memory = options->spill_memory,
        .device.value_max = options->limits_value,
        .device.inflight = options->spill_inflight,
        .device.probe_ns = options->spill_probe * NS_PER_MS,
        .device.threads = (unsigned)options->spill_threads,
        .device.compression =
            (enum spill_compression)options->spill_compression,
        .write_max = options->spill_write_max,
        .read_wait_ns = options->spill_read_wait * NS_PER_MS,
        .reinsert = (unsigned)options->spill_reinsert,
    };

    return limits;
}

static struct store_limits
store_limits_of(const struct options *options)
{
    struct store_limits limits = {
        .policy = policies[options->dram_policy],
        .dram_size = options->dram_size,
        .index_memory = options->limits_index_memory,
        .inflight = options->limits_inflight,
        .value_max = options->limits_value,
        .put_wait_ns = options->limits_put_wait * NS_PER_MS,
        .lease_ns = options->lease_ms * NS_PER_MS,
        .lease_most_ns = options->lease_max * NS_PER_MS,
        .ttl_ns = options->limits_ttl * NS_PER_MS,
        .workers = (unsigned)options->limits_workers,
        .prefault = options->dram_prefault,
        .nvme = nvme_limits_of(options),
        .spill = spill_limits_of(options),
    };

    return limits;
}

/* As many connections as the process may open descriptors for. */
static uint64_t
possible_connections(const struct options *options)
{
    uint64_t wanted = options->limits_connections;
    uint64_t spared = DESCRIPTORS_SPARED + 4 * options->limits_workers;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    if (limit.rlim_cur < wanted + spared) {
        limit.rlim_cur =
            limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted + spared
                ? wanted + spared
                : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted + spared)
        return wanted;
    wanted = limit.rlim_cur > spared + 1 ? limit.rlim_cur - spared : 1;
    log_event(LOG_WARN, "limits.connections lowered",
              "to %llu: this process may open %llu descriptors",
              (unsigned long long)wanted, (unsigned long long)limit.rlim_cur);
    return wanted;
}

/* Those that wait for the next start are as they were. */
static void
note_options(struct server *server, const struct options *options)
{
    pthread_mutex_lock(&server->present_lock);
    for (unsigned id = 0; id < OPTION_ID_COUNT; id++)
        if (option_may_reload((enum option_id)id))
            option_copy(&server->present, options, (enum option_id)id);
    pthread_mutex_unlock(&server->present_lock);
}

void
server_options(struct server *server, struct options *out)
{
    pthread_mutex_lock(&server->present_lock);
    *out = server->present;
    pthread_mutex_unlock(&server->present_lock);
}

void
server_reload(struct server *server, const struct options *options)
{
    struct store_limits limits = store_limits_of(options);
    struct server_limits *at = &server->limits;

    note_options(server, options);
    store_set_limits(server->store, &limits);
    atomic_store(&at->key, options->limits_key);
    atomic_store(&at->head, options->limits_head);
    atomic_store(&at->connections, possible_connections(options));
    atomic_store(&at->header_timeout_ns,
                 options->limits_header_timeout * NS_PER_MS);
    atomic_store(&at->body_timeout_ns,
                 options->limits_body_timeout * NS_PER_MS);
    atomic_store(&at->slow_body_ns, options->limits_slow_body * NS_PER_MS);
    atomic_store(&at->output_timeout_ns,
                 options->limits_output_timeout * NS_PER_MS);
    atomic_store(&at->pinned_timeout_ns,
                 options->limits_pinned_timeout * NS_PER_MS);
    atomic_store(&at->drain_ns, options->limits_drain * NS_PER_MS);
    atomic_store(&at->lease_ns, limits.lease_ns);
    atomic_store(&server->head_memory.most, options->limits_head_memory);
}

static enum status
open_counters(struct server *server)
{
    size_t size;

    server->worker_count = (unsigned)server->options.limits_workers;
    server->counters_count = server->worker_count + 4;
    size = server->counters_count * sizeof(*server->counters);
    server->counters = aligned_alloc(64, size);
    if (server->counters == NULL)
        return STATUS_NO_SPACE;
    memset(server->counters, 0, size);
    size = server->worker_count * sizeof(*server->speeds);
    server->speeds = aligned_alloc(64, size);
    if (server->speeds == NULL)
        return STATUS_NO_SPACE;
    memset(server->speeds, 0, size);
    return rates_open(server->worker_count,
                      (unsigned)server->options.index_models,
                      server->started_ns, &server->rates);
}

static enum status
open_events(struct server *server, char *why, size_t room)
{
    const struct options *options = &server->options;
    const struct events_plan plan = {
        .listen = options->events_listen,
        .replay = options->events_replay,
        .is_vllm = options->events_form != 0, /* object, vllm */
        .model = options->events_model,
        .medium = options->events_medium,
        .block_tokens = options->index_chunk_tokens,
        .queue = options->events_queue,
        .keep = options->events_keep,
        .counters = server->counters + server->worker_count + 3};

    if (options->events_listen[0] == '\0')
        return STATUS_OK;
    return events_open(&plan, &server->events, why, room);
}

static enum status
open_store(struct server *server, char *why, size_t room)
{
    struct store_limits limits = store_limits_of(&server->options);
    enum status status;

    limits.mover_counters = server->counters + server->worker_count + 2;
    if (server->events != NULL) {
        limits.on_event = events_tell;
        limits.event_arg = server->events;
    }
    status = store_open(&limits, &server->store);
    if (status == STATUS_NO_SPACE)
        snprintf(why, room,
                 "can not map dram.size=%llu and limits.index_memory=%llu "
                 "bytes; expected sizes this machine has",
                 (unsigned long long)limits.dram_size,
                 (unsigned long long)limits.index_memory);
    else if (status != STATUS_OK)
        snprintf(why, room,
                 "can not use nvme.path=%s; the line before this one says why",
                 limits.nvme.device.path);
    return status;
}

/* Nobody has to know it again after a restart: what is asked next is where the
 * slots are. */
static void
choose_node_id(struct server *server)
{
    uint8_t random[20];

    if (getrandom(random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
        for (unsigned i = 0; i < sizeof(random); i++)
            random[i] = (uint8_t)(server->started_ns >> i % 8 * 8);
    for (unsigned i = 0; i < sizeof(random); i++)
        snprintf(server->node_id + 2 * i, 3, "%02x", random[i]);
}

static enum status
check_template(const struct server *server, char *why, size_t room)
{
    const char *wrong = template_check(server->options.index_key_template);

    if (wrong == NULL)
        return STATUS_OK;
    snprintf(why, room, "index.key_template=\"%.200s\": %s",
             server->options.index_key_template, wrong);
    return STATUS_BAD_REQUEST;
}

/* Beside the chunks, unless somebody says where: but not on a bare device. */
static const char *
catalog_path(const struct options *options)
{
    struct stat about;

    if (options->index_path[0] != '\0')
        return options->index_path;
    if (options->nvme_path[0] != '\0' &&
        stat(options->nvme_path, &about) == 0 && S_ISDIR(about.st_mode))
        return options->nvme_path;
    return NULL;
}

static enum status
open_catalog(struct server *server, char *why, size_t room)
{
    enum status status =
        catalog_open(server->options.index_size, &server->catalog);

    if (status != STATUS_OK)
        snprintf(why, room,
                 "can not map index.size=%llu bytes; expected a size this "
                 "machine has",
                 (unsigned long long)server->options.index_size);
    if (status == STATUS_OK && catalog_path(&server->options) != NULL)
        status =
            saver_open(server->catalog, catalog_path(&server->options),
                       server->options.index_save * NS_PER_MS, &server->saver);
    return status;
}

enum status
server_open(const struct options *options, struct server **out, char *why,
            size_t room)
{
    struct server *server = calloc(1, sizeof(*server));
    enum status status;

    if (server == NULL)
        return STATUS_NO_SPACE;
    server->options = server->present = *options;
    pthread_mutex_init(&server->present_lock, NULL);
    server->started_ns = clock_now_ns();
    server->started_unix_ms = clock_unix_ms();
    choose_node_id(server);
    roster_open(&server->roster);
    snprintf(why, room, "out of memory or descriptors at start");
    status = check_template(server, why, room);
    if (status == STATUS_OK)
        status = open_counters(server);
    if (status == STATUS_OK)
        status = open_events(server, why, room);
    if (status == STATUS_OK)
        status = open_store(server, why, room);
    if (status == STATUS_OK)
        status = open_catalog(server, why, room);
    if (status == STATUS_OK)
        server_reload(server, options);
    else
        server_close(&server);
    *out = server;
    return status;
}

void
server_close(struct server **server_in)
{
    struct server *server = *server_in;

    if (server == NULL)
        return;
    *server_in = NULL;
    events_stop(server->events);
    saver_close(&server->saver);
    catalog_close(&server->catalog);
    store_close(&server->store);
    events_close(&server->events);
    roster_close(&server->roster);
    pthread_mutex_destroy(&server->present_lock);
    free(server->counters);
    free(server->speeds);
    rates_close(&server->rates);
    free(server);
}

uint64_t
server_count(const struct server *server, enum counter_id id)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < server->counters_count; i++)
        sum += counter_read(&server->counters[i], id);
    return sum;
}

unsigned
server_connections(struct server *server)
{
    return roster_count(&server->roster);
}

uint64_t
server_pinned_bytes(const struct server *server)
{
    return atomic_load_explicit(&server->pinned_bytes, memory_order_relaxed);
}
