/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people write them on a command line.  Sizes are spelled as in the
 * server's configuration: 65536, 64KiB, 4Gi, 10G (K, M, G, T alone are powers
 * of 1000).
 */
#ifndef TOOLS_BENCH_QUANTITY_H
#define TOOLS_BENCH_QUANTITY_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False where the text is no such number; *out is then untouched. */
bool quantity_read_size(const char *text, uint64_t *out);
bool quantity_read_count(const char *text, uint64_t *out);
bool quantity_read_decimal(const char *text, double *out); /* 0 or more */

/* "64 KiB", "1.5 GiB". */
void quantity_write_size(uint64_t bytes, char *into, size_t room);

/* For argp parsers: end the program with a usage error that names the option
 * unless least <= value <= most. */
uint64_t quantity_size_option(const struct argp_state *, const char *option,
                              const char *text, uint64_t least, uint64_t most);
uint64_t quantity_count_option(const struct argp_state *, const char *option,
                               const char *text, uint64_t least, uint64_t most);
double quantity_decimal_option(const struct argp_state *, const char *option,
                               const char *text, double least, double most);

#endif
