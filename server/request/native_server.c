/* SPDX-License-Identifier: Apache-2.0 */
/* HELLO, STATS and WALK of the native wire: about the server itself, and what
 * it holds. */
#include "base/clock.h"
#include "server/observe/info.h"
#include "server/request/answer.h"
#include "server/request/native_request.h"
#include "server/server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define LEAST_DEFAULT 256u
#define LEAST_MOST    8192u
/* A list of entries ends where it is so long, or took so long: before others
 * wait for it. */
#define BYTES_ENOUGH (256u << 10)
#define WALK_NS      NS_PER_MS

/* Another number for each start: what the node's name is made of. */
static uint64_t
instance_of(const struct server *server)
{
    uint64_t instance = 0;

    for (unsigned i = 0; i < 16; i++) {
        char digit = server->node_id[i];

        instance = instance << 4 |
                   (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    return instance;
}

enum run
native_hello(struct connection *connection)
{
    struct server *server = connection->server;
    uint64_t head =
        atomic_load_explicit(&server->limits.head, memory_order_relaxed) -
        NATIVE_FRAME_MAX;
    struct native_reply reply = {
        .id = connection->request.native.request.id,
        .server = "prefixcached " SERVER_VERSION,
        .version = NATIVE_VERSION,
        .value_max = store_value_max(server->store),
        .key_max = (uint32_t)atomic_load_explicit(&server->limits.key,
                                                  memory_order_relaxed),
        .keys_max = NATIVE_KEYS_MAX,
        .list_max = head < NATIVE_LIST_MAX ? (uint32_t)head : NATIVE_LIST_MAX,
        .instance = instance_of(server)};

    return native_answer(connection, &reply);
}

/* Answers with a text that was written into memory, and frees it. */
static enum run
answer_text(struct connection *connection, struct native_reply *reply,
            FILE *file, char **text, const size_t *size)
{
    enum run run;

    if (!answer_text_end(file, text))
        return RUN_CLOSE;
    reply->id = connection->request.native.request.id;
    reply->list = (struct bytes){(const uint8_t *)*text, *size};
    run = native_answer(connection, reply);
    free(*text);
    return run;
}

enum run
native_stats(struct connection *connection)
{
    struct native_reply reply = {.code = NATIVE_OK};
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    if (file == NULL)
        return RUN_CLOSE;
    info_write(connection->server, INFO_ALL, file);
    return answer_text(connection, &reply, file, &text, &size);
}

struct walk {
    FILE *file;
    unsigned seen; /* entries */
    unsigned found;
    size_t bytes;
};

static void
on_seen(void *arg, const struct store_seen *seen)
{
    uint8_t bytes[KEY_SIZE_MAX + 16];
    struct cursor out = {bytes, bytes + sizeof(bytes), 0};
    struct native_entry entry = {.key = {seen->key.bytes, seen->key.size},
                                 .space = (uint8_t)seen->key.space,
                                 .kind = (uint8_t)native_kind_of(&seen->key),
                                 .form = seen->form,
                                 .tiers = seen->tiers,
                                 .body_size = seen->body_size};
    struct walk *walk = arg;

    walk->seen++;
    if (!seen->has_body || !native_put_entry(&out, &entry))
        return;
    walk->found++;
    walk->bytes += (size_t)(out.at - bytes);
    fwrite(bytes, 1, (size_t)(out.at - bytes), walk->file);
}

enum run
native_walk(struct connection *connection)
{
    const struct native_request *request = &connection->request.native.request;
    unsigned least = request->least == 0 ? LEAST_DEFAULT : request->least;
    uint64_t until_ns = clock_now_ns() + WALK_NS;
    struct native_reply reply = {.cursor = request->cursor};
    struct walk walk = {0};
    char *text = NULL;
    size_t size = 0;
    unsigned before;

    if (least > LEAST_MOST)
        least = LEAST_MOST;
    walk.file = open_memstream(&text, &size);
    if (walk.file == NULL)
        return RUN_CLOSE;
    /* Where nothing was seen it took its time over empty buckets. */
    do {
        before = walk.seen;
        store_walk(connection->port, &reply.cursor, 1, on_seen, &walk);
    } while (reply.cursor != 0 && walk.seen != before && walk.found < least &&
             walk.seen < LEAST_MOST && walk.bytes < BYTES_ENOUGH &&
             clock_now_ns() < until_ns);
    reply.matched = walk.found;
    return answer_text(connection, &reply, walk.file, &text, &size);
}
