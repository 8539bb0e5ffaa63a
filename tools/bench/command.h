/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of prefixcache-bench: each takes the arguments that follow its
 * name, with argv[0] as its usage should call it, and returns what the process
 * ends with. */
#ifndef TOOLS_BENCH_COMMAND_H
#define TOOLS_BENCH_COMMAND_H

/* Measured, and found wrong: wrong bytes, a server lost, a file unreadable. */
#define COMMAND_FAILED 1
/* The command line itself; what argp uses. */
#define COMMAND_USAGE 64

int command_load(int argc, char **argv);
int command_ceiling(int argc, char **argv);
int command_disk(int argc, char **argv);
int command_lookup(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_simulate(int argc, char **argv);
int command_generate(int argc, char **argv);

#endif
