/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of the crash loop. */
#ifndef CRASH_SETTINGS_H
#define CRASH_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* What is done to it so that a test of the test can see it found. */
enum sabotage {
    SABOTAGE_NONE,
    SABOTAGE_ROLLBACK, /* an older state of what is judged is put back */
    SABOTAGE_WIPE,     /* ... it is emptied */
    SABOTAGE_BYTES     /* a bit of a value is turned after it was received */
};

struct settings {
    const char *program;   /* prefixcached */
    const char *directory; /* made, and removed when all was well */
    const char *engine;    /* of nvme.engine, or "mixed" */
    unsigned cycles, users;
    unsigned say_every, calm_every, flush_every, start_kill_every;
    uint64_t seed, rate, size, spill_size, dram, live;
    bool has_spill; /* a small device hands what it gives up to a spill */
    bool is_json, is_slow, keeps_image, keeps_directory;
    enum sabotage sabotage;
};

/* Ends the program when they are wrong. */
void settings_read(struct settings *, int argc, char **argv);

#endif
