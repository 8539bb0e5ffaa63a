/* SPDX-License-Identifier: Apache-2.0 */
/* GET, MGET, GETRANGE, STRLEN. */
#include "server/request/answer.h"
#include "server/request/resp_name.h"
#include "server/request/resp_request.h"
#include "server/server.h"

/* An MGET of values that are on a device reads so many at one time; those it
 * reads ahead have so many bytes in all, and at most this share of the pool. */
#define READS_AT_ONCE 4u
#define AHEAD_BYTES   (8u << 20)
#define AHEAD_SHARE   64u

/* key: which of the command's keys it is. */
static enum run
answer_value(struct connection *connection, uint32_t key,
             const struct bytes *argument)
{
    struct store_get get;
    enum store_part part;

    if (resp_find(connection, key, argument, &get, &part) == PENDING)
        return RUN_WAIT;
    if (get.status != STATUS_OK) {
        request_count_miss(connection, argument, &get);
        return answer_null(connection);
    }
    if (part == PART_BODY) {
        request_time(connection, &get);
        request_count_hit(connection, argument, &get);
        return answer_body(connection, get.chunk, 0, get.chunk->size);
    }
    connection->request.asked_ns = 0;
    /* The metadata half of an object: its bytes will be the hit. */
    chunk_drop(&get.chunk);
    return answer_bulk(connection, get.meta.bytes, get.meta.size);
}

enum run
resp_get(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;

    if (!argument_next(&call->arguments, &argument))
        return answer_syntax(connection);
    return answer_value(connection, 0, &argument);
}

/* How much more may be read ahead; where replies that nobody reads pin much of
 * the pool already, nothing. */
static uint64_t
ahead_left(struct connection *connection)
{
    const struct server *server = connection->server;
    const struct fetch_list *fetches = &connection->request.fetches;
    uint64_t most = server->options.dram_size / AHEAD_SHARE;
    uint64_t begun = fetch_bytes(fetches);

    if (most > AHEAD_BYTES)
        most = AHEAD_BYTES;
    if (fetch_count(fetches) >= READS_AT_ONCE || begun >= most ||
        server_pinned_bytes(server) > server->options.dram_size / 8)
        return 0;
    return most - begun;
}

/* From the first key on that had to be waited for, those behind the present one
 * are read meanwhile. */
static void
read_ahead(struct connection *connection, const struct argument_walk *behind)
{
    struct request *request = &connection->request;

    if (request->ahead_step <= request->step) {
        request->ahead = *behind;
        request->ahead_step = request->step + 1;
    }
    for (unsigned i = 0; i < KEYS_AT_ONCE; i++) {
        struct argument_walk walk = request->ahead;
        uint64_t most = ahead_left(connection);
        struct bytes argument;

        if (most == 0 || !argument_next(&walk, &argument) ||
            !resp_find_ahead(connection, request->ahead_step, &argument, most))
            return;
        request->ahead = walk;
        request->ahead_step++;
    }
}

/* One value after the other: the next is not looked up before the last is on
 * its way, so that a long list pins one body at a time, and what is read
 * ahead. */
enum run
resp_mget(struct connection *connection, struct resp_call *call)
{
    struct request *request = &connection->request;
    struct bytes argument;
    struct cursor out;

    if (request->step == 0) {
        if (request_text(connection, 32, &out) != STATUS_OK)
            return RUN_CLOSE;
        (void)resp_array(&out, call->count);
        request_text_done(connection, &out);
        request->walk = call->arguments;
        request->step = 1;
    }
    for (unsigned i = 0; i < KEYS_AT_ONCE; i++) {
        struct argument_walk walk = request->walk;
        enum run run;

        if (!argument_next(&walk, &argument))
            return RUN_DONE;
        run = answer_value(connection, request->step, &argument);
        if (run == RUN_CLOSE)
            return RUN_CLOSE;
        if (run == RUN_WAIT || request->ahead_step != 0)
            read_ahead(connection, &walk);
        if (run == RUN_WAIT)
            return RUN_WAIT;
        request->walk = walk;
        request->step++;
        fetch_forget(&request->fetches, request->step * RESP_NAMES_MAX);
        if (connection->outbox.body != NULL)
            break;
    }
    return RUN_AGAIN;
}

/* Redis's ends: negative ones count from behind, both are inclusive. */
static uint32_t
clip(int64_t *first, int64_t last, int64_t size)
{
    if (*first < 0 && last < 0 && *first > last)
        return 0;
    if (*first < 0)
        *first = *first + size > 0 ? *first + size : 0;
    if (last < 0)
        last = last + size > 0 ? last + size : 0;
    if (last >= size)
        last = size - 1;
    return *first > last || size == 0 ? 0 : (uint32_t)(last - *first + 1);
}

enum run
resp_getrange(struct connection *connection, struct resp_call *call)
{
    struct bytes argument, first_text, last_text;
    struct store_get get;
    enum store_part part;
    int64_t first, last;
    uint32_t size;

    if (!argument_next(&call->arguments, &argument) ||
        !argument_next(&call->arguments, &first_text) ||
        !argument_next(&call->arguments, &last_text))
        return answer_syntax(connection);
    if (!argument_integer(&first_text, &first) ||
        !argument_integer(&last_text, &last))
        return answer_not_integer(connection);
    if (resp_find(connection, 0, &argument, &get, &part) == PENDING)
        return RUN_WAIT;
    if (get.status != STATUS_OK) {
        request_count_miss(connection, &argument, &get);
        return answer_bulk(connection, "", 0);
    }
    if (part == PART_BODY) {
        request_count_hit(connection, &argument, &get);
        size = clip(&first, last, get.chunk->size);
        if (size == 0)
            first = 0;
        return answer_body(connection, get.chunk, (uint32_t)first, size);
    }
    count(connection->counters, COUNTER_get_hits, 1);
    chunk_drop(&get.chunk);
    size = clip(&first, last, get.meta.size);
    return answer_bulk(connection, get.meta.bytes + (size == 0 ? 0 : first),
                       size);
}

enum run
resp_strlen(struct connection *connection, struct resp_call *call)
{
    struct bytes argument;
    struct store_name name;
    struct store_view view;

    if (!argument_next(&call->arguments, &argument))
        return answer_syntax(connection);
    if (resp_view(connection, &argument, &view, &name) != STATUS_OK)
        return answer_integer(connection, 0);
    return answer_integer(connection, name.part == PART_BODY ? view.body_size
                                                             : view.meta.size);
}
