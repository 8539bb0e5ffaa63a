/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace of requests in the Mooncake form: one JSON object a line with
 * `timestamp` (ms), `input_length` and `output_length` (tokens) and
 * `hash_ids`, one number for each block of the prompt, in order; equal numbers
 * are equal prefixes up to there.
 *
 * Immutable once read; any number of threads may walk one.
 */
#ifndef TOOLS_BENCH_TRACE_H
#define TOOLS_BENCH_TRACE_H

#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct trace_request {
    uint64_t timestamp_ms;
    uint32_t input_length, output_length;
    uint32_t block_count;
    const uint64_t *ids; /* lent by the trace */
};

struct trace {
    struct trace_request *requests;
    size_t count;
    uint64_t *ids; /* of all requests, one after the other */
    size_t id_count;
};

/* BAD_REQUEST with "FILE:LINE: what is wrong" in why[room] for a line that is
 * no request, IO for a file that can not be read.  "-" is standard input. */
enum status trace_read(const char *path, struct trace **trace_out, char *why,
                       size_t room) MUST_USE;
/* The same of an open file; `name` is for the message. */
enum status trace_read_file(FILE *, const char *name, struct trace **trace_out,
                            char *why, size_t room) MUST_USE;
void trace_drop(struct trace **);

/* Forgets all requests but the first `count`. */
void trace_shorten(struct trace *, size_t count);

/* One line that trace_read() reads as the same request. */
void trace_write(FILE *, const struct trace_request *);

#endif
