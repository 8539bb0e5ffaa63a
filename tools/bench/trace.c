/* SPDX-License-Identifier: Apache-2.0 */
/* Lines to requests and back.  What is done with them is replay.c's and
 * simulate.c's, where they come from generator.c's. */
#include "tools/bench/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX (1u << 24) /* of one request */

struct reader {
    struct trace *trace;
    size_t request_room, id_room;
    const char *name;
    size_t line;
    char *why;
    size_t why_room;
};

static enum status
complain(const struct reader *reader, const char *what)
{
    snprintf(reader->why, reader->why_room, "%s:%zu: %s", reader->name,
             reader->line, what);
    return STATUS_BAD_REQUEST;
}

/* Room for `more` elements of `size` bytes behind *count. */
static bool
make_room(void **array, size_t *room, size_t count, size_t more, size_t size)
{
    if (count + more <= *room)
        return true;
    size_t wanted = *room * 2 + more + 1024;
    void *moved = realloc(*array, wanted * size);
    if (moved == NULL)
        return false;
    *array = moved;
    *room = wanted;
    return true;
}

static bool
take_number(const json_t *object, const char *field, uint64_t most,
            uint64_t *out)
{
    const json_t *value = json_object_get(object, field);
    if (json_is_real(value)) {
        double real = json_real_value(value);
        if (!(real >= 0 && real <= (double)most))
            return false;
        *out = (uint64_t)real;
        return true;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > most)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static enum status
take_ids(struct reader *reader, const json_t *list)
{
    struct trace *trace = reader->trace;
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > BLOCKS_MAX)
        return complain(reader, "hash_ids is not a list of blocks");
    void *array = trace->ids;
    if (!make_room(&array, &reader->id_room, trace->id_count, count,
                   sizeof *trace->ids))
        return complain(reader, "no memory for so many blocks");
    trace->ids = array;
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(list, i);
        if (!json_is_integer(id))
            return complain(reader, "hash_ids holds something that is not a "
                                    "whole number");
        trace->ids[trace->id_count++] = (uint64_t)json_integer_value(id);
    }
    return STATUS_OK;
}

static enum status
take_request(struct reader *reader, const json_t *object)
{
    struct trace *trace = reader->trace;
    uint64_t timestamp, input, output;
    if (!take_number(object, "timestamp", 1ull << 53, &timestamp))
        return complain(reader, "no timestamp, or not a number from 0 on");
    if (!take_number(object, "input_length", UINT32_MAX, &input))
        return complain(reader, "no input_length, or not a number of tokens");
    if (!take_number(object, "output_length", UINT32_MAX, &output))
        return complain(reader, "no output_length, or not a number of tokens");
    void *array = trace->requests;
    if (!make_room(&array, &reader->request_room, trace->count, 1,
                   sizeof *trace->requests))
        return complain(reader, "no memory for so many requests");
    trace->requests = array;
    size_t before = trace->id_count;
    enum status status = take_ids(reader, json_object_get(object, "hash_ids"));
    if (status != STATUS_OK)
        return status;
    trace->requests[trace->count++] = (struct trace_request){
        .timestamp_ms = timestamp,
        .input_length = (uint32_t)input,
        .output_length = (uint32_t)output,
        .block_count = (uint32_t)(trace->id_count - before)};
    return STATUS_OK;
}

static enum status
take_line(struct reader *reader, const char *line, size_t size)
{
    if (strspn(line, " \t\r\n") == size)
        return STATUS_OK; /* an empty line */
    json_error_t error;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL)
        return complain(reader, error.text);
    enum status status = json_is_object(object)
                             ? take_request(reader, object)
                             : complain(reader, "not a JSON object");
    json_decref(object);
    return status;
}

/* Only when all ids have their final place can requests point at them. */
static void
point_at_ids(struct trace *trace)
{
    const uint64_t *at = trace->ids;
    for (size_t i = 0; i < trace->count; i++) {
        trace->requests[i].ids = at;
        if (at != NULL)
            at += trace->requests[i].block_count;
    }
}

enum status
trace_read_file(FILE *file, const char *name, struct trace **trace_out,
                char *why, size_t room)
{
    struct reader reader = {.trace = calloc(1, sizeof *reader.trace),
                            .name = name,
                            .why = why,
                            .why_room = room};
    if (reader.trace == NULL)
        return complain(&reader, "no memory");
    char *line = NULL;
    size_t line_room = 0;
    ssize_t size;
    enum status status = STATUS_OK;
    while (status == STATUS_OK &&
           (size = getline(&line, &line_room, file)) >= 0) {
        reader.line++;
        status = take_line(&reader, line, (size_t)size);
    }
    free(line);
    if (status == STATUS_OK && ferror(file)) {
        snprintf(why, room, "%s: can not be read", name);
        status = STATUS_IO;
    }
    if (status == STATUS_OK && reader.trace->count == 0)
        status = complain(&reader, "no request in the whole file");
    if (status != STATUS_OK) {
        trace_drop(&reader.trace);
        return status;
    }
    point_at_ids(reader.trace);
    *trace_out = reader.trace;
    return STATUS_OK;
}

enum status
trace_read(const char *path, struct trace **trace_out, char *why, size_t room)
{
    if (strcmp(path, "-") == 0)
        return trace_read_file(stdin, "standard input", trace_out, why, room);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(why, room, "%s: %s", path, strerror(errno));
        return STATUS_IO;
    }
    enum status status = trace_read_file(file, path, trace_out, why, room);
    fclose(file);
    return status;
}

void
trace_drop(struct trace **trace)
{
    if (*trace == NULL)
        return;
    free((*trace)->requests);
    free((*trace)->ids);
    free(*trace);
    *trace = NULL;
}

void
trace_shorten(struct trace *trace, size_t count)
{
    if (count >= trace->count)
        return;
    trace->count = count;
    trace->id_count = 0;
    for (size_t i = 0; i < count; i++)
        trace->id_count += trace->requests[i].block_count;
}

void
trace_write(FILE *file, const struct trace_request *request)
{
    fprintf(file,
            "{\"timestamp\": %" PRIu64 ", \"input_length\": %" PRIu32
            ", \"output_length\": %" PRIu32 ", \"hash_ids\": [",
            request->timestamp_ms, request->input_length,
            request->output_length);
    for (uint32_t i = 0; i < request->block_count; i++)
        fprintf(file, "%s%" PRId64, i == 0 ? "" : ", ",
                (int64_t)request->ids[i]);
    fputs("]}\n", file);
}
