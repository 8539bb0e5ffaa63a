/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HKEYS: how the llm-d router asks who has a block.  It asks for all blocks of a
 * prompt in one pipeline, thousands of them, so that what a command costs beside
 * its look-up counts.  What has arrived behind a HKEYS and is one too is
 * therefore answered with it, some at a time, without a step of the turn for
 * each.
 */
#include "server/request/answer.h"
#include "server/request/resp_catalog.h"
#include "server/request/resp_request.h"
#include "server/server.h"

/* When there is so much text it is sent first. */
#define TEXT_ENOUGH 12288u

/* Of the commands behind one, so many are answered with it. */
#define BATCH 64u

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

static bool
has_enough(const struct connection *connection)
{
    const struct outbox *outbox = &connection->outbox;

    return outbox->end - outbox->begin >= TEXT_ENOUGH;
}

enum run
resp_hkeys(struct connection *connection, struct resp_call *call)
{
    struct resp_catalog_list list = {CATALOG_HASH, write_keys, connection};
    struct cursor cursor = input_cursor(&connection->input);
    struct catalog_key key;
    struct bytes name;
    enum run run;

    if (!argument_next(&call->arguments, &name))
        return answer_syntax(connection);
    if (!resp_catalog_key(connection, &name, &key))
        return resp_catalog_answer(connection, NULL, &list);
    run = resp_catalog_answer(connection, &key, &list);
    for (unsigned i = 0;
         i < BATCH && run == RUN_DONE && !has_enough(connection) &&
         read_next(connection, &cursor, &key);
         i++) {
        input_consume(&connection->input, &cursor);
        count(connection->counters, COUNTER_resp_index, 1);
        run = resp_catalog_answer(connection, &key, &list);
    }
    return run;
}
