/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed. */
#include "tests/crash/run.h"

#include <stdatomic.h>
#include <stdlib.h>

#define MIB       (1024.0 * 1024.0)
#define SHARE_BAR 0.99

typedef unsigned long long number;

static double
share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 1 : (double)part / (double)whole;
}

bool
report_is_enough(const struct run *run)
{
    return share(run->tally.found, run->tally.expected) >= SHARE_BAR;
}

static int
compare(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

/* Of the starts, in ms; sorts a copy. */
static double
start_ms(const struct run *run, double quantile)
{
    const struct starts *starts = &run->starts;
    uint64_t *sorted = malloc((starts->count + 1) * sizeof(*sorted));
    double ms = 0;

    if (sorted == NULL || starts->count == 0) {
        free(sorted);
        return 0;
    }
    for (unsigned i = 0; i < starts->count; i++)
        sorted[i] = starts->ns[i];
    qsort(sorted, starts->count, sizeof(*sorted), compare);
    ms = (double)sorted[(unsigned)(quantile * (starts->count - 1))] / 1e6;
    free(sorted);
    return ms;
}

void
report_progress(const struct run *run)
{
    const struct tally *tally = &run->tally;

    fprintf(run->settings.is_json ? stderr : stdout,
            "cycle %u: %llu put, %llu overwritten, %llu deleted, %llu got; "
            "%llu of %llu found (%.3f %%), %llu more; start %.0f ms\n",
            run->cycle + 1, (number)tally->puts, (number)tally->overwrites,
            (number)tally->deletes, (number)tally->gets, (number)tally->found,
            (number)tally->expected, 100 * share(tally->found, tally->expected),
            (number)tally->other_hits, start_ms(run, 0.5));
    fflush(stdout);
}

static void
print_json(const struct run *run)
{
    const struct tally *tally = &run->tally;
    const struct settings *settings = &run->settings;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"seed", settings->seed},
        {"rate", settings->rate},
        {"kills", run->kills},
        {"start_kills", run->start_kills},
        {"puts", tally->puts},
        {"overwrites", tally->overwrites},
        {"deletes", tally->deletes},
        {"gets", tally->gets},
        {"flushes", run->flushes},
        {"put_bytes", tally->put_bytes},
        {"got_bytes", tally->got_bytes},
        {"written_bytes", run->written_bytes},
        {"reclaimed", run->reclaimed},
        {"kept", run->kept},
        {"skipped", run->skipped},
        {"sunk_bytes", run->sunk_bytes},
        {"spill_reclaimed", run->spill_reclaimed},
        {"spill_kept", run->spill_kept},
        {"spill_skipped", run->spill_skipped},
        {"live_misses", tally->live_misses},
        {"checked", tally->checked},
        {"expected", tally->expected},
        {"found", tally->found},
        {"expected_new", tally->expected_new},
        {"found_new", tally->found_new},
        {"other_hits", tally->other_hits},
        {"unsure", tally->unsure},
        {"wrong", tally->wrong},
        {"resurrections", tally->old},
        {"failed_starts", run->failed_starts},
        {"slow_starts", run->slow_starts},
        {"broken_rules", atomic_load(&run->complaints)},
    };

    printf("{\"engine\": \"%s\", \"cycles\": %u, ", settings->engine,
           run->cycle);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        printf("\"%s\": %llu, ", rows[i].name, (number)rows[i].value);
    printf("\"slowest_answer_ms\": %.1f, ", (double)run->slowest_ns / 1e6);
    printf("\"share\": %.5f, \"start_ms_p50\": %.1f, \"start_ms_max\": %.1f, "
           "\"passed\": %s}\n",
           share(tally->found, tally->expected), start_ms(run, 0.5),
           start_ms(run, 1),
           atomic_load(&run->complaints) == 0 ? "true" : "false");
}

static void
print_table(const struct run *run)
{
    const struct tally *tally = &run->tally;
    const struct settings *settings = &run->settings;

    printf("engine %s, seed %llu, %.0f MiB/s offered\n", settings->engine,
           (number)settings->seed, (double)settings->rate / MIB);
    printf("cycles %u: %llu kills under load, %llu of a start, %llu FLUSHALL\n",
           run->cycle, (number)run->kills, (number)run->start_kills,
           (number)run->flushes);
    printf("requests: %llu put, %llu overwritten, %llu deleted, %llu got; "
           "%.0f MiB there, %.0f MiB back\n",
           (number)tally->puts, (number)tally->overwrites,
           (number)tally->deletes, (number)tally->gets,
           (double)tally->put_bytes / MIB, (double)tally->got_bytes / MIB);
    printf("server: %.0f MiB written; %llu values not written; of segments "
           "given back %llu kept, %llu not; %llu misses of what it had\n",
           (double)run->written_bytes / MIB, (number)run->skipped,
           (number)run->kept, (number)run->reclaimed,
           (number)tally->live_misses);
    if (settings->has_spill)
        printf("spill: %.0f MiB sunk; %llu values not; of groups given back "
               "%llu kept, %llu not\n",
               (double)run->sunk_bytes / MIB, (number)run->spill_skipped,
               (number)run->spill_kept, (number)run->spill_reclaimed);
    printf("must be there: %llu, found %llu, %.3f %% (put in the life before: "
           "%llu, found %llu)\n",
           (number)tally->expected, (number)tally->found,
           100 * share(tally->found, tally->expected),
           (number)tally->expected_new, (number)tally->found_new);
    printf("may be there: %llu looked at, found %llu; %llu there and not "
           "given\n",
           (number)(tally->checked - tally->expected),
           (number)tally->other_hits, (number)tally->unsure);
    printf("wrong bytes %llu, resurrections %llu; slowest answer %.1f ms\n",
           (number)tally->wrong, (number)tally->old,
           (double)run->slowest_ns / 1e6);
    printf("starts: %u, p50 %.1f ms, max %.1f ms, failed %llu, slow %llu\n",
           run->starts.count, start_ms(run, 0.5), start_ms(run, 1),
           (number)run->failed_starts, (number)run->slow_starts);
}

void
report_summary(const struct run *run)
{
    if (run->settings.is_json)
        print_json(run);
    else
        print_table(run);
}
