/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HKEYS: how the llm-d router asks who has a block.  It asks for all blocks of a
 * prompt in one pipeline, thousands of them, whose keys stand anywhere in memory.
 * What has arrived behind a HKEYS and is one too is therefore answered with it,
 * some at a time: all their keys are on their way from memory while the first is
 * looked at, and none takes a step of the turn of its own.
 */
#include "server/request/answer.h"
#include "server/request/resp_catalog.h"
#include "server/request/resp_request.h"
#include "server/server.h"

/* When there is so much text it is sent first. */
#define TEXT_ENOUGH 12288u

/* Of the commands behind one, so many are answered with it. */
#define BATCH 32u

struct batch {
    struct catalog_key keys[BATCH];
    uint8_t *ends[BATCH]; /* of the commands, in the input */
    unsigned count;
};

/* False where the next command is another one, or not all there, or asks for a
 * name that can not be: it goes its usual way. */
static bool
read_next(struct connection *connection, struct cursor *cursor,
          struct catalog_key *out)
{
    uint8_t dialect = connection->dialect;
    struct request_head head;
    struct bytes name;

    return cursor_left(cursor) != 0 &&
           protocol_resp.read_request(cursor, &dialect, &head) == PARSE_DONE &&
           head.argument_count == 2 && !head.has_body &&
           head.command->id == RESP_COMMAND_HKEYS &&
           argument_next(&head.arguments, &name) &&
           argument_next(&head.arguments, &name) &&
           resp_catalog_key(connection, &name, out);
}

static size_t
text_size(const struct connection *connection)
{
    return connection->outbox.end - connection->outbox.begin;
}

/* Only as many as there will be room for, if their replies are as long as the one
 * before them: who is left over has to be read again. */
static void
read_batch(struct connection *connection, struct batch *batch,
           size_t reply_size)
{
    struct cursor cursor = input_cursor(&connection->input);
    size_t size = text_size(connection);

    batch->count = 0;
    while (batch->count < BATCH && size < TEXT_ENOUGH &&
           read_next(connection, &cursor, &batch->keys[batch->count])) {
        batch->ends[batch->count++] = cursor.at;
        size += reply_size;
    }
    if (batch->count > 1)
        catalog_expect(connection->server->catalog, batch->keys, batch->count);
}

static void
write_keys(void *arg, struct cursor *out, const struct catalog_look *look)
{
    struct connection *connection = arg;
    struct catalog_item item;

    resp_catalog_count_lookup(connection, look);
    (void)resp_array(out, look == NULL ? 0 : look->count);
    for (uint32_t i = 0; look != NULL && i < look->count; i++) {
        catalog_look_item(look, i, &item);
        (void)resp_bulk(out, item.name.at, item.name.size);
    }
}

enum run
resp_hkeys(struct connection *connection, struct resp_call *call)
{
    struct resp_catalog_list list = {CATALOG_HASH, write_keys, connection};
    struct cursor cursor = input_cursor(&connection->input);
    size_t before = text_size(connection);
    struct catalog_key key;
    struct batch batch;
    struct bytes name;
    bool may_be;
    enum run run;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    may_be = resp_catalog_key(connection, &name, &key);
    run = resp_catalog_answer(connection, may_be ? &key : NULL, &list);
    if (run != RUN_DONE)
        return run;
    read_batch(connection, &batch, text_size(connection) - before);
    for (unsigned i = 0; i < batch.count && run == RUN_DONE &&
                         text_size(connection) < TEXT_ENOUGH;
         i++) {
        cursor.at = batch.ends[i];
        input_consume(&connection->input, &cursor);
        count(connection->counters, COUNTER_resp_index, 1);
        run = resp_catalog_answer(connection, &batch.keys[i], &list);
    }
    return run;
}
