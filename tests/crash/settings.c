/* SPDX-License-Identifier: Apache-2.0 */
/* Names, limits and defaults of the options. */
#include "tests/crash/settings.h"

#include "tools/bench/quantity.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MIB        (UINT64_C(1) << 20)
#define SIZE_LEAST (64 * MIB)  /* of a device that is not judged itself */
#define SIZE       (512 * MIB) /* of one that is */
#define SPILL_SIZE (256 * MIB)

enum {
    OPTION_PROGRAM = 0x100,
    OPTION_DIRECTORY,
    OPTION_ENGINE,
    OPTION_TIER,
    OPTION_CYCLES,
    OPTION_USERS,
    OPTION_SAY,
    OPTION_CALM,
    OPTION_FLUSH,
    OPTION_START_KILL,
    OPTION_SEED,
    OPTION_RATE,
    OPTION_SIZE,
    OPTION_SPILL,
    OPTION_DRAM,
    OPTION_LIVE,
    OPTION_SLOW,
    OPTION_KEEP,
    OPTION_IMAGE,
    OPTION_SABOTAGE
};

static const struct argp_option options[] = {
    {"cycles", OPTION_CYCLES, "N", 0, "Kills under load (20)", 0},
    {"engine", OPTION_ENGINE, "uring|threads|mixed", 0,
     "nvme.engine; mixed: another one now and then (uring)", 0},
    {"tier", OPTION_TIER, "nvme|spill", 0,
     "Which is judged; spill: with a small NVMe tier above it (nvme)", 0},
    {"seed", OPTION_SEED, "N", 0, "Of all that is chosen at random", 0},
    {"directory", OPTION_DIRECTORY, "DIR", 0,
     "Scratch directory on the disk, which is made (./crash.PID)", 0},
    {"keep", OPTION_KEEP, NULL, 0, "Leave the directory behind in any case", 0},
    {"keep-image", OPTION_IMAGE, NULL, 0,
     "Copy what is judged before each start, so that the last one can be "
     "looked "
     "at",
     0},
    {"rate", OPTION_RATE, "SIZE", 0,
     "Bytes a second offered, both ways (half of what the disk writes, at most "
     "200 MiB; over the spill half of that)",
     0},
    {"size", OPTION_SIZE, "SIZE", 0, "nvme.size (512MiB; over a spill 64MiB)",
     0},
    {"spill-size", OPTION_SPILL, "SIZE", 0, "spill.size (256MiB)", 0},
    {"dram", OPTION_DRAM, "SIZE", 0, "dram.size (64MiB)", 0},
    {"live", OPTION_LIVE, "SIZE", 0,
     "Bytes of values that are there at one time, about (a fifth of --size, "
     "half of --spill-size)",
     0},
    {"users", OPTION_USERS, "N", 0, "Threads with a connection each way (4)",
     0},
    {"calm-every", OPTION_CALM, "N", 0,
     "Each so many cycles end in 2.2 s without much load (20)", 0},
    {"flush-every", OPTION_FLUSH, "N", 0, "Each so many cycles FLUSHALL (25)",
     0},
    {"start-kill-every", OPTION_START_KILL, "N", 0,
     "Each so many cycles a start is killed, too (8)", 0},
    {"say-every", OPTION_SAY, "N", 0, "Cycles to a line (25)", 0},
    {"slow", OPTION_SLOW, NULL, 0,
     "The server was built with a sanitizer: no limit of its starting time", 0},
    {"sabotage", OPTION_SABOTAGE, "rollback|wipe|bytes", 0,
     "Break it, to see that it is found", 0},
    {"program", OPTION_PROGRAM, "FILE", 0, "The server ($PREFIXCACHED)", 0},
    {"output", 'o', "table|json", 0, "Form of the summary (table)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static int
find_word(const struct argp_state *state, const char *option, const char *text,
          const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0)
            return i;
    argp_error(state, "--%s: '%s' is none of its words", option, text);
    return 0;
}

static unsigned
count_option(const struct argp_state *state, const char *option,
             const char *text, uint64_t most)
{
    return (unsigned)quantity_count_option(state, option, text, 1, most);
}

static void
set_defaults(struct settings *settings)
{
    *settings = (struct settings){
        .program = getenv("PREFIXCACHED"),
        .engine = "uring",
        .cycles = 20,
        .users = 4,
        .say_every = 25,
        .calm_every = 20,
        .flush_every = 25,
        .start_kill_every = 8,
        .spill_size = SPILL_SIZE,
        .dram = 64 * MIB,
    };
}

static void
complete(const struct argp_state *state, struct settings *settings)
{
    if (settings->program == NULL)
        argp_error(state, "which server? --program, or PREFIXCACHED");
    if (settings->size == 0)
        settings->size = settings->has_spill ? SIZE_LEAST : SIZE;
    if (settings->live == 0)
        settings->live =
            settings->has_spill ? settings->spill_size / 2 : settings->size / 5;
    while (settings->seed == 0)
        if (getrandom(&settings->seed, sizeof(settings->seed), 0) < 0)
            settings->seed = 1;
}

static error_t
parse_words(int key, char *text, const struct argp_state *state,
            struct settings *settings)
{
    static const char *const engines[] = {"uring", "threads", "mixed", NULL};
    static const char *const tiers[] = {"nvme", "spill", NULL};
    static const char *const forms[] = {"table", "json", NULL};
    static const char *const ways[] = {"none", "rollback", "wipe", "bytes",
                                       NULL};

    switch (key) {
    case OPTION_PROGRAM:
        settings->program = text;
        return 0;
    case OPTION_DIRECTORY:
        settings->directory = text;
        return 0;
    case OPTION_ENGINE:
        settings->engine = engines[find_word(state, "engine", text, engines)];
        return 0;
    case OPTION_TIER:
        settings->has_spill = find_word(state, "tier", text, tiers) == 1;
        return 0;
    case OPTION_SABOTAGE:
        settings->sabotage =
            (enum sabotage)find_word(state, "sabotage", text, ways);
        return 0;
    case OPTION_SLOW:
        settings->is_slow = true;
        return 0;
    case OPTION_KEEP:
        settings->keeps_directory = true;
        return 0;
    case OPTION_IMAGE:
        settings->keeps_image = true;
        return 0;
    case 'o':
        settings->is_json = find_word(state, "output", text, forms) == 1;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t
parse_counts(int key, char *text, const struct argp_state *state,
             struct settings *settings)
{
    switch (key) {
    case OPTION_CYCLES:
        settings->cycles = count_option(state, "cycles", text, 1000000);
        return 0;
    case OPTION_USERS:
        settings->users = count_option(state, "users", text, 64);
        return 0;
    case OPTION_SAY:
        settings->say_every = count_option(state, "say-every", text, 1000000);
        return 0;
    case OPTION_CALM:
        settings->calm_every = count_option(state, "calm-every", text, 1000000);
        return 0;
    case OPTION_FLUSH:
        settings->flush_every =
            count_option(state, "flush-every", text, 1000000);
        return 0;
    case OPTION_START_KILL:
        settings->start_kill_every =
            count_option(state, "start-kill-every", text, 1000000);
        return 0;
    case OPTION_SEED:
        settings->seed =
            quantity_count_option(state, "seed", text, 1, UINT64_MAX);
        return 0;
    default:
        return parse_words(key, text, state, settings);
    }
}

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct settings *settings = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        set_defaults(settings);
        return 0;
    case OPTION_RATE:
        settings->rate =
            quantity_size_option(state, "rate", text, MIB, UINT64_MAX / 2);
        return 0;
    case OPTION_SIZE:
        settings->size = quantity_size_option(state, "size", text, SIZE_LEAST,
                                              UINT64_C(1) << 40);
        return 0;
    case OPTION_SPILL:
        settings->spill_size = quantity_size_option(
            state, "spill-size", text, SPILL_SIZE, UINT64_C(1) << 40);
        return 0;
    case OPTION_DRAM:
        settings->dram = quantity_size_option(state, "dram", text, 32 * MIB,
                                              UINT64_C(1) << 40);
        return 0;
    case OPTION_LIVE:
        settings->live = quantity_size_option(state, "live", text, 16 * MIB,
                                              UINT64_C(1) << 40);
        return 0;
    case ARGP_KEY_SUCCESS:
        complete(state, settings);
        return 0;
    default:
        return parse_counts(key, text, state, settings);
    }
}

void
settings_read(struct settings *settings, int argc, char **argv)
{
    static const char about[] =
        "Kills a prefixcached under load again and again, and looks at what is "
        "left.\vExit status: 0 all well, 1 a rule was broken, 77 the kernel "
        "refuses io_uring.";
    const struct argp parser = {options, parse, NULL, about, NULL, NULL, NULL};

    argp_err_exit_status = 2;
    argp_parse(&parser, argc, argv, 0, NULL, settings);
}
