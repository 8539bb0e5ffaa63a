/* SPDX-License-Identifier: Apache-2.0 */
/* put and get: one value between a file and the server. */
#include "proto/lm.h"
#include "tools/cli/command.h"
#include "tools/cli/output.h"
#include "tools/cli/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* limits.value's default.  Memory that is not written to is not taken, so that
 * room for the usual largest value costs nothing and saves asking twice. */
#define FIRST_ROOM (64u << 20)
#define TRIES_MAX  4

static const char *
file_of(const struct command *command)
{
    return command->argc > 1 ? command->argv[1] : "-";
}

static bool
has_file(const struct command *command)
{
    return strcmp(file_of(command), "-") != 0;
}

/* Prints the key and the rest of an answer about it, which it drops. */
static enum exit_code
say(const struct command *command, struct bytes key, json_t *rest,
    enum exit_code code)
{
    json_t *object = json_object();

    if (object != NULL && output_set_bytes(object, "key", key) &&
        json_object_update(object, rest) == 0) {
        json_decref(rest);
        return output_json(object) ? code : command_fail_memory(command);
    }
    json_decref(rest);
    json_decref(object);
    return command_fail_memory(command);
}

/* lm:// never answers a put; asking for the key does, and waits for it. */
static enum exit_code
confirm(const struct command *command, struct bytes key)
{
    enum status status = wire_exists(command->wire, key);

    if (status == STATUS_OK)
        return EXIT_DONE;
    if (status != STATUS_MISS)
        return command_fail(command, status);
    command_complain(command,
                     "%s did not keep the value: it is larger than the "
                     "server's limits.value, or there was no room for it",
                     command->url_text);
    return EXIT_REFUSED;
}

static enum exit_code
say_stored(const struct command *command, struct bytes key, size_t size)
{
    if (!command->is_json) {
        output_name(key);
        printf(": stored %zu bytes\n", size);
        return EXIT_DONE;
    }
    return say(command, key,
               json_pack("{s:b, s:I}", "stored", 1, "size", (json_int_t)size),
               EXIT_DONE);
}

enum exit_code
verb_put(struct command *command)
{
    struct bytes key = wire_text(command->argv[0]);
    struct value value = {NULL, 0};
    char why[512];
    enum exit_code code = EXIT_DONE;
    enum status status = value_read(file_of(command), &value, why, sizeof why);

    if (status != STATUS_OK) {
        command_complain(command, "%s", why);
        return EXIT_USAGE;
    }
    status = wire_put(command->wire, key,
                      (struct bytes){value.bytes, value.size}, NULL);
    if (status != STATUS_OK)
        code = command_fail(command, status);
    else if (command->url.kind == WIRE_LM)
        code = confirm(command, key);
    if (code == EXIT_DONE)
        code = say_stored(command, key, value.size);
    value_drop(&value);
    return code;
}

/* Asks again with more room where the first did not do; a value may grow in
 * between. */
static enum status
fetch(const struct command *command, struct value *out, struct chunk_meta *meta)
{
    struct bytes key = wire_text(command->argv[0]);
    enum status status = STATUS_TOO_BIG;
    size_t size = FIRST_ROOM;

    for (int i = 0; i < TRIES_MAX && status == STATUS_TOO_BIG; i++) {
        struct iovec into = {.iov_len = size};

        free(out->bytes);
        out->bytes = malloc(size);
        if (out->bytes == NULL)
            return STATUS_NO_SPACE;
        into.iov_base = out->bytes;
        status = wire_get(command->wire, key, into, &size, meta);
    }
    out->size = size;
    return status;
}

/* What an lm:// object carries beside its bytes: format, dtype, shape. */
static bool
set_meta(json_t *object, const struct chunk_meta *meta)
{
    int32_t words[CHUNK_META_LM / 4];

    if (meta->size != CHUNK_META_LM)
        return true;
    for (size_t i = 0; i < CHUNK_META_LM / 4; i++) {
        const uint8_t *at = meta->bytes + 4 * i;

        words[i] = (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 |
                             (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
    }
    return json_object_set_new(object, "format", json_integer(words[1])) == 0 &&
           json_object_set_new(object, "dtype", json_integer(words[2])) == 0 &&
           json_object_set_new(object, "shape",
                               json_pack("[i,i,i,i]", words[3], words[4],
                                         words[5], words[6])) == 0;
}

/* In JSON the value itself is a field, unless it went to a file. */
static enum exit_code
say_got(const struct command *command, struct bytes body,
        const struct chunk_meta *meta)
{
    json_t *rest =
        json_pack("{s:b, s:I}", "found", 1, "size", (json_int_t)body.size);

    if (rest != NULL && set_meta(rest, meta) &&
        (has_file(command) || output_set_value(rest, body)))
        return say(command, wire_text(command->argv[0]), rest, EXIT_DONE);
    json_decref(rest);
    return command_fail_memory(command);
}

static enum exit_code
say_missing(const struct command *command)
{
    if (command->is_json)
        return say(command, wire_text(command->argv[0]),
                   json_pack("{s:b}", "found", 0), EXIT_MISSING);
    command_complain(command, "%s has no value under \"%s\"", command->url_text,
                     command->argv[0]);
    return EXIT_MISSING;
}

static enum exit_code
deliver(const struct command *command, const struct value *value,
        const struct chunk_meta *meta)
{
    struct bytes body = {value->bytes, value->size};
    char why[512];

    if ((!command->is_json || has_file(command)) &&
        value_write(file_of(command), body, why, sizeof why) != STATUS_OK) {
        command_complain(command, "%s", why);
        return EXIT_USAGE;
    }
    return command->is_json ? say_got(command, body, meta) : EXIT_DONE;
}

enum exit_code
verb_get(struct command *command)
{
    struct value value = {NULL, 0};
    struct chunk_meta meta = {0};
    enum status status = fetch(command, &value, &meta);
    enum exit_code code;

    if (status == STATUS_OK)
        code = deliver(command, &value, &meta);
    else if (status == STATUS_MISS)
        code = say_missing(command);
    else
        code = command_fail(command, status);
    value_drop(&value);
    return code;
}
