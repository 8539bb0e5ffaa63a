/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a trace: what is read, and what is said about those that are none. */
#include "tools/bench/trace.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct trace *
read_text(const char *text, char *why, size_t room)
{
    struct trace *trace = NULL;
    FILE *file = tmpfile();

    cr_assert(file != NULL);
    fputs(text, file);
    rewind(file);
    if (trace_read_file(file, "t.jsonl", &trace, why, room) != STATUS_OK)
        trace = NULL;
    fclose(file);
    return trace;
}

static void
is_refused(const char *text, const char *because)
{
    char why[300] = "";
    const struct trace *trace = read_text(text, why, sizeof why);

    cr_assert(trace == NULL, "taken: %s", text);
    cr_assert(strstr(why, because) != NULL, "%s: \"%s\" does not say \"%s\"",
              text, why, because);
}

#define GOOD                                                                   \
    "{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3, "           \
    "\"hash_ids\": [4]}\n"

Test(trace, requests_are_read_in_order)
{
    char why[300];
    struct trace *trace = read_text(
        "{\"timestamp\": 27000, \"input_length\": 6758, \"output_length\": "
        "500, \"hash_ids\": [0, 1, 12345678901234]}\r\n\n"
        "{\"hash_ids\":[],\"output_length\":0,\"input_length\":0,"
        "\"timestamp\":30000.5,\"chat_id\":\"x\"}",
        why, sizeof why);

    cr_assert(trace != NULL, "%s", why);
    cr_assert(trace->count == 2 && trace->id_count == 3);
    cr_assert(trace->requests[0].timestamp_ms == 27000);
    cr_assert(trace->requests[0].input_length == 6758);
    cr_assert(trace->requests[0].output_length == 500);
    cr_assert(trace->requests[0].block_count == 3);
    cr_assert(trace->requests[0].ids[2] == 12345678901234);
    cr_assert(trace->requests[1].block_count == 0);
    cr_assert(trace->requests[1].timestamp_ms == 30000);
    trace_drop(&trace);
    cr_assert(trace == NULL);
}

Test(trace, a_bad_line_is_named_by_file_and_line)
{
    is_refused(GOOD "{\"timestamp\": 1,\n", "t.jsonl:2: ");
    is_refused(GOOD "\n" GOOD "nonsense\n", "t.jsonl:4: ");
    is_refused("", "no request");
    is_refused("\n \n", "no request");
}

Test(trace, fields_that_are_missing_or_of_another_kind_are_refused)
{
    is_refused("[1]\n", "not a JSON object");
    is_refused("{\"input_length\": 2, \"output_length\": 3, \"hash_ids\": []}",
               "timestamp");
    is_refused("{\"timestamp\": -1, \"input_length\": 2, \"output_length\": 3, "
               "\"hash_ids\": []}",
               "timestamp");
    is_refused("{\"timestamp\": 1, \"input_length\": \"2\", "
               "\"output_length\": 3, \"hash_ids\": []}",
               "input_length");
    is_refused("{\"timestamp\": 1, \"input_length\": 5000000000, "
               "\"output_length\": 3, \"hash_ids\": []}",
               "input_length");
    is_refused("{\"timestamp\": 1, \"input_length\": 2, \"hash_ids\": []}",
               "output_length");
    is_refused("{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3}",
               "hash_ids");
    is_refused("{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3, "
               "\"hash_ids\": [1, 2.5]}",
               "hash_ids");
    is_refused("{\"timestamp\": 1, \"input_length\": 2, \"output_length\": 3, "
               "\"hash_ids\": [1], \"hash_ids\": [2]}",
               "duplicate");
}

Test(trace, a_file_that_is_not_there_is_an_error)
{
    struct trace *trace = NULL;
    char why[300];

    cr_assert(trace_read("/nonexistent/t", &trace, why, sizeof why) ==
              STATUS_IO);
    cr_assert(strstr(why, "/nonexistent/t") != NULL);
}

Test(trace, what_is_written_is_read_again)
{
    static const uint64_t ids[] = {7, 0, (uint64_t)-5};
    const struct trace_request request = {.timestamp_ms = 12,
                                          .input_length = 1500,
                                          .output_length = 9,
                                          .block_count = 3,
                                          .ids = ids};
    char text[300] = "", why[300];
    FILE *file = fmemopen(text, sizeof text, "w");
    struct trace *trace;

    trace_write(file, &request);
    fclose(file);
    trace = read_text(text, why, sizeof why);
    cr_assert(trace != NULL, "%s", why);
    cr_assert(trace->count == 1 && trace->requests[0].block_count == 3);
    cr_assert(trace->requests[0].timestamp_ms == 12);
    cr_assert(trace->requests[0].input_length == 1500);
    cr_assert(trace->requests[0].output_length == 9);
    cr_assert(memcmp(trace->requests[0].ids, ids, sizeof ids) == 0);
    trace_drop(&trace);
}

Test(trace, shortening_forgets_the_rest)
{
    char why[300];
    struct trace *trace = read_text(GOOD GOOD GOOD, why, sizeof why);

    cr_assert(trace != NULL, "%s", why);
    trace_shorten(trace, 5);
    cr_assert(trace->count == 3);
    trace_shorten(trace, 2);
    cr_assert(trace->count == 2 && trace->id_count == 2);
    trace_drop(&trace);
}
