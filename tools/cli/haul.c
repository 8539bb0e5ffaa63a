/* SPDX-License-Identifier: Apache-2.0 */
/* Counting, pacing and telling of many values. */
#include "tools/cli/haul.h"

#include "base/clock.h"
#include "tools/bench/quantity.h"
#include "tools/cli/flight.h"
#include "tools/cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

bool
haul_start(struct haul *haul, const struct command *command)
{
    *haul = (struct haul){.command = command,
                          .match = command_option(command, "match"),
                          .jobs = FLIGHT_JOBS,
                          .start_ns = clock_now_ns()};
    if (!command_option_count(command, "jobs", &haul->jobs) ||
        !command_option_size(command, "rate", &haul->rate))
        return false;
    if (haul->jobs <= HAUL_JOBS_MAX)
        return true;
    command_complain(command, "--jobs %u: at most %u", haul->jobs,
                     HAUL_JOBS_MAX);
    return false;
}

void
haul_expect(struct haul *haul, uint64_t total)
{
    haul->start_ns = clock_now_ns();
    progress_start(&haul->progress, total);
    haul->progress.unit = "values";
}

void
haul_show(struct haul *haul)
{
    uint64_t passed = haul->done + haul->skipped + haul->gone + haul->failed;

    /* More may have come since they were counted. */
    if (haul->progress.total < passed)
        haul->progress.total = passed;
    progress_show(&haul->progress, passed, haul->bytes);
}

void
haul_pace(struct haul *haul, uint64_t bytes)
{
    uint64_t now = clock_now_ns(), due;
    struct timespec until;

    if (haul->rate == 0)
        return;
    haul->paced += bytes;
    due = haul->start_ns +
          (uint64_t)((double)haul->paced / (double)haul->rate * NS_PER_SECOND);
    if (due <= now)
        return;
    due -= now;
    until.tv_sec = (time_t)(due / NS_PER_SECOND);
    until.tv_nsec = (long)(due % NS_PER_SECOND);
    nanosleep(&until, NULL);
}

static double
seconds_of(const struct haul *haul)
{
    return (double)(clock_now_ns() - haul->start_ns) / 1e9;
}

static bool
print_object(const struct haul *haul, json_t *more, double seconds)
{
    json_t *numbers = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "values", (json_int_t)haul->done,
        "bytes", (json_int_t)haul->bytes, "skipped", (json_int_t)haul->skipped,
        "gone", (json_int_t)haul->gone, "failed", (json_int_t)haul->failed,
        "seconds", seconds, "bytes_per_second",
        seconds > 0 ? (double)haul->bytes / seconds : 0.0);

    if (numbers == NULL || more == NULL ||
        json_object_update(more, numbers) != 0) {
        json_decref(numbers);
        json_decref(more);
        return false;
    }
    json_decref(numbers);
    return output_json(more);
}

static void
print_sentence(const struct haul *haul, const char *verbed, double seconds,
               FILE *to)
{
    char size[32], rate[32];

    quantity_write_size(haul->bytes, size, sizeof size);
    quantity_write_size(
        (uint64_t)(seconds > 0 ? (double)haul->bytes / seconds : 0), rate,
        sizeof rate);
    fprintf(to, "%s %" PRIu64 " values, %s, in %.1f s (%s/s)", verbed,
            haul->done, size, seconds, rate);
    if (haul->skipped > 0)
        fprintf(to, ", %" PRIu64 " skipped", haul->skipped);
    if (haul->gone > 0)
        fprintf(to, ", %" PRIu64 " gone meanwhile", haul->gone);
    if (haul->failed > 0)
        fprintf(to, ", %" PRIu64 " failed", haul->failed);
    fputc('\n', to);
}

enum exit_code
haul_end(struct haul *haul, const char *verbed, json_t *more)
{
    const struct command *command = haul->command;
    double seconds = seconds_of(haul);

    progress_end(&haul->progress);
    if (command->is_json && !haul->is_piped) {
        if (!print_object(haul, more, seconds))
            return command_fail_memory(command);
    } else {
        json_decref(more);
        print_sentence(haul, verbed, seconds, haul->is_piped ? stderr : stdout);
    }
    return haul->failed > 0 ? EXIT_MISSING : EXIT_DONE;
}
