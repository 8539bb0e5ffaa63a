/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What options mean together: the values that follow from others ("auto"), and
 * the combinations that can not work.  Each option alone was checked when it
 * was set.
 */
#include "base/memory_limit.h"
#include "base/option_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CPUS_MAX        65536u
#define SOCKET_PATH_MAX 107u /* unix(7): 108 bytes with its end */

/* The kernel refuses a set smaller than its own, so that it must grow. */
static uint64_t
usable_cores(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    for (unsigned cpus = CPU_SETSIZE; cpus <= CPUS_MAX; cpus *= 2) {
        size_t size = CPU_ALLOC_SIZE(cpus);
        cpu_set_t *set = CPU_ALLOC(cpus);
        int failed, count;

        if (set == NULL)
            break;
        failed = sched_getaffinity(0, size, set) == 0 ? 0 : errno;
        count = failed == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return (uint64_t)count;
        if (failed != EINVAL)
            break;
    }
    return online > 0 ? (uint64_t)online : 1;
}

static uint64_t
least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
most_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void
derive(struct options *options, enum option_id id, uint64_t value)
{
    if (option_number_of(options, id) != 0)
        return;
    *option_number(options, id) = value;
    snprintf(options->source[id], sizeof(options->source[id]), "derived");
}

static void
derive_all(struct options *options)
{
    uint64_t dram = options->dram_size;
    uint64_t inflight = most_of(dram / 8, options->limits_value);
    uint64_t nvme = options->nvme_path[0] == '\0' ? 0 : options->nvme_size;
    uint64_t spill = options->spill_path[0] == '\0' ? 0 : options->spill_size;
    uint64_t sinking = least_of(dram / 8, 128ull << 20);

    sinking = least_of(most_of(sinking, options->limits_value), dram / 4);
    inflight = most_of(least_of(inflight, dram / 2), 64ull << 10);
    derive(options, OPTION_ID_limits_workers, least_of(usable_cores(), 1024));
    derive(options, OPTION_ID_limits_index_memory,
           dram / 25 + (24ull << 20) + (nvme + spill) / 256);
    derive(options, OPTION_ID_spill_inflight, most_of(sinking, 1ull << 20));
    derive(options, OPTION_ID_limits_inflight, inflight);
    derive(options, OPTION_ID_nvme_queue,
           least_of(most_of(dram / 4, options->limits_value), dram / 2));
}

static bool
is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* address: the one of the option's text. */
static enum status
check_bind(const struct options *options, enum option_id id,
           const char *address, struct option_problem *problem)
{
    char host[OPTION_TEXT_MAX];

    option_host(address, host, sizeof(host));
    if (options->security_insecure || is_loopback(host))
        return STATUS_OK;
    return option_complain(
        problem, options->source[id],
        "%s.%s: \"%.200s\" is open to others and there is no authentication; "
        "expected a loopback address such as 127.0.0.1, ::1 or localhost, or "
        "security.insecure: true to accept that",
        option_rows[id].section, option_rows[id].key, address);
}

static enum status
check_binds(const struct options *options, struct option_problem *problem)
{
    static const enum option_id ids[] = {
        OPTION_ID_listen_data, OPTION_ID_listen_http, OPTION_ID_events_listen,
        OPTION_ID_events_replay};
    enum status status = STATUS_OK;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]) && status == STATUS_OK;
         i++) {
        const char *text = option_text_of(options, ids[i]);

        if (option_rows[ids[i]].type == OPTION_ADDRESS)
            status = check_bind(options, ids[i], text, problem);
        else if (strncmp(text, "tcp://", 6) == 0)
            status = check_bind(options, ids[i], text + 6, problem);
    }
    return status;
}

/* One size that has to fit into another, named by `whole`. */
struct fit {
    enum option_id part;
    const char *whole;
    uint64_t room;
};

static enum status
check_fit(const struct options *options, const struct fit *fit,
          struct option_problem *problem)
{
    uint64_t bytes = option_number_of(options, fit->part);
    char size[32], room[32];

    if (bytes <= fit->room)
        return STATUS_OK;
    option_format_size(bytes, size, sizeof(size));
    option_format_size(fit->room, room, sizeof(room));
    return option_complain(problem, options->source[fit->part],
                           "%s.%s: %s is more than %s, which is %s; expected "
                           "at most that",
                           option_rows[fit->part].section,
                           option_rows[fit->part].key, size, fit->whole, room);
}

static enum status
check_sizes(const struct options *options, struct option_problem *problem)
{
    const char *memory = "the memory this process may use";
    uint64_t limit = memory_limit();
    const struct fit fits[] = {
        {OPTION_ID_dram_size, memory, limit},
        {OPTION_ID_limits_index_memory, memory, limit},
        {OPTION_ID_limits_inflight, "dram.size", options->dram_size},
        {OPTION_ID_nvme_queue, "dram.size", options->dram_size},
        {OPTION_ID_spill_memory, memory, limit},
        {OPTION_ID_spill_inflight, "dram.size", options->dram_size},
        {OPTION_ID_limits_head, "limits.head_memory",
         options->limits_head_memory},
    };

    for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
        enum status status = check_fit(options, &fits[i], problem);

        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status
check_socket_path(const struct options *options, struct option_problem *problem)
{
    size_t size = strlen(options->listen_unix);

    if (size <= SOCKET_PATH_MAX)
        return STATUS_OK;
    return option_complain(problem, options->source[OPTION_ID_listen_unix],
                           "listen.unix: a path of %zu bytes is too long for a "
                           "socket; expected at most %u bytes",
                           size, SOCKET_PATH_MAX);
}

static enum status
check_events(const struct options *options, struct option_problem *problem)
{
    if (options->events_replay[0] == '\0' || options->events_listen[0] != '\0')
        return STATUS_OK;
    return option_complain(problem, options->source[OPTION_ID_events_replay],
                           "events.replay: there is nothing to repeat; "
                           "expected events.listen to be set too");
}

enum status
options_finish(struct options *options, struct option_problem *problem)
{
    enum status status;

    derive_all(options);
    status = check_sizes(options, problem);
    if (status == STATUS_OK)
        status = check_socket_path(options, problem);
    if (status == STATUS_OK)
        status = check_events(options, problem);
    if (status == STATUS_OK)
        status = check_binds(options, problem);
    return status;
}
