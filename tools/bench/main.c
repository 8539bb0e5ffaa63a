/* SPDX-License-Identifier: Apache-2.0 */
/* prefixcache-bench: which command is meant.  Each has a file of its own. */
#include "tools/bench/command.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    char *call; /* what its usage calls it */
    const char *help;
} commands[] = {
    {"load", command_load, (char[]){"prefixcache-bench load"},
     "measure a server: throughput, latencies, processor time"},
    {"ceiling", command_ceiling, (char[]){"prefixcache-bench ceiling"},
     "measure the most any TCP server could do on this machine"},
    {"disk", command_disk, (char[]){"prefixcache-bench disk"},
     "measure the most any program could read from or write to a disk"},
    {"lookup", command_lookup, (char[]){"prefixcache-bench lookup"},
     "measure prefix lookups of a server, or the index alone"},
    {"replay", command_replay, (char[]){"prefixcache-bench replay"},
     "drive a server with the requests of a trace"},
    {"simulate", command_simulate, (char[]){"prefixcache-bench simulate"},
     "say what a trace would hit in caches of any size, by any policy"},
    {"generate", command_generate, (char[]){"prefixcache-bench generate"},
     "write a synthetic trace"},
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void
print_usage(FILE *file)
{
    fputs("Usage: prefixcache-bench COMMAND [OPTION...]\n\n", file);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(file, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\n`prefixcache-bench COMMAND --help` lists a command's options.\n",
          file);
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0) {
        print_usage(stdout);
        return 0;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        argv[1] = commands[i].call;
        return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "prefixcache-bench: '%s' is no command\n", argv[1]);
    print_usage(stderr);
    return COMMAND_USAGE;
}
