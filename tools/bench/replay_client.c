/* SPDX-License-Identifier: Apache-2.0 */
/* What one client asks and compares.  Dealing requests out is replay.c's. */
#include "tools/bench/replay_client.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_TIMEOUT_MS 10000u
#define SUFFIX_BYTES    "kv_bytes"
#define SUFFIX_META     "metadata"

static bool
may_continue(enum status status)
{
    return status_scope(status) <= SCOPE_REQUEST && status != STATUS_LATE;
}

static void
fail(struct replay_client *client, enum status status, const char *verb)
{
    client->status = status;
    snprintf(client->why, sizeof client->why, "%s: %s", verb,
             wire_why(client->wire));
}

enum status
replay_client_open(struct replay_client *client, const struct wire_url *url,
                   const struct replay_block *block, size_t block_bytes)
{
    void *memory = NULL;
    client->block = block;
    client->kind = url->kind;
    client->block_bytes = block_bytes;
    if (posix_memalign(&memory, 4096, block_bytes + 8) != 0) {
        snprintf(client->why, sizeof client->why, "no memory for a block");
        return STATUS_NO_SPACE;
    }
    memset(memory, 0, block_bytes + 8);
    client->buffer = memory;
    return wire_open(url, OPEN_TIMEOUT_MS, &client->wire, client->why,
                     sizeof client->why);
}

void
replay_client_close(struct replay_client *client)
{
    if (client->wire != NULL)
        wire_close(&client->wire);
    free(client->buffer);
    client->buffer = NULL;
}

/* Over redis:// the metadata is a value of its own, and comes first. */
static enum status
get_metadata(struct replay_client *client, uint64_t id)
{
    char name[REPLAY_NAME_MAX];
    uint8_t meta[CHUNK_META_MAX];
    size_t size = 0;
    const struct chunk_meta *expected = replay_block_meta(client->block);
    enum status status = wire_get(
        client->wire, replay_block_name(client->block, id, SUFFIX_META, name),
        (struct iovec){meta, sizeof meta}, &size, NULL);
    bool is_ours = size == expected->size &&
                   memcmp(meta, expected->bytes, expected->size) == 0;
    if ((status == STATUS_OK && !is_ours) || status == STATUS_TOO_BIG)
        client->result.wrong_bytes += expected->size;
    return status == STATUS_TOO_BIG ? STATUS_OK : status;
}

static enum status
get_body(struct replay_client *client, uint64_t id, size_t *size_out)
{
    char name[REPLAY_NAME_MAX];
    const char *suffix = client->kind == WIRE_RESP ? SUFFIX_BYTES : "";
    const struct chunk_meta *expected = replay_block_meta(client->block);
    struct chunk_meta meta = *expected;
    enum status status = wire_get(
        client->wire, replay_block_name(client->block, id, suffix, name),
        (struct iovec){client->buffer, client->block_bytes}, size_out,
        client->kind == WIRE_LM ? &meta : NULL);
    if (status == STATUS_OK &&
        (meta.size != expected->size ||
         memcmp(meta.bytes, expected->bytes, meta.size) != 0))
        client->result.wrong_bytes += expected->size;
    /* Too big for the block: none of its bytes are what was asked for. */
    return status == STATUS_TOO_BIG ? STATUS_OK : status;
}

/* True if the block was there (whether or not its bytes were right); adds the
 * time it took to get, but not to check, to *spent_ns. */
static bool
get_block(struct replay_client *client, uint64_t id, uint64_t *spent_ns)
{
    size_t size = 0;
    uint64_t start_ns = clock_now_ns();
    enum status status = STATUS_OK;
    if (client->kind == WIRE_RESP)
        status = get_metadata(client, id);
    if (status == STATUS_OK)
        status = get_body(client, id, &size);
    *spent_ns += clock_now_ns() - start_ns;
    if (status == STATUS_MISS)
        return false;
    if (!may_continue(status)) {
        fail(client, status, "get");
        return false;
    }
    if (status != STATUS_OK) {
        client->result.refused++;
        return false;
    }
    client->result.got_bytes += size;
    client->result.wrong_bytes +=
        replay_block_wrong(client->block, id, client->buffer, size);
    return true;
}

static bool
put_named(struct replay_client *client, uint64_t id, const char *suffix,
          struct bytes body)
{
    char name[REPLAY_NAME_MAX];
    const struct chunk_meta *meta =
        client->kind == WIRE_LM ? replay_block_meta(client->block) : NULL;
    enum status status = wire_put(
        client->wire, replay_block_name(client->block, id, suffix, name), body,
        meta);
    if (!may_continue(status))
        fail(client, status, "put");
    else if (status != STATUS_OK)
        client->result.refused++;
    return status == STATUS_OK;
}

static void
put_block(struct replay_client *client, uint64_t id)
{
    const struct chunk_meta *meta = replay_block_meta(client->block);
    struct bytes body = {(const uint8_t *)client->buffer, client->block_bytes};
    replay_block_fill(client->block, id, client->buffer);
    const char *suffix = client->kind == WIRE_RESP ? SUFFIX_BYTES : "";
    if (!put_named(client, id, suffix, body))
        return;
    client->result.put_bytes += body.size;
    if (client->kind == WIRE_RESP)
        put_named(client, id, SUFFIX_META,
                  (struct bytes){meta->bytes, meta->size});
}

uint32_t
replay_client_play(struct replay_client *client,
                   const struct trace_request *request)
{
    uint32_t hits = 0;
    uint64_t spent_ns = 0;
    while (hits < request->block_count &&
           get_block(client, request->ids[hits], &spent_ns))
        hits++;
    if (request->block_count > 0)
        histogram_add(&client->result.lookup, spent_ns);
    for (uint32_t i = hits;
         i < request->block_count && client->status == STATUS_OK; i++)
        put_block(client, request->ids[i]);
    atomic_store_explicit(&client->bytes_moved,
                          client->result.got_bytes + client->result.put_bytes,
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&client->requests_done, 1, memory_order_relaxed);
    return hits;
}

void
replay_client_settle(struct replay_client *client)
{
    char name[REPLAY_NAME_MAX];
    if (client->status != STATUS_OK || client->kind != WIRE_LM)
        return;
    enum status status = wire_exists(
        client->wire, replay_block_name(client->block, 0, "", name));
    if (!may_continue(status))
        fail(client, status, "wait for the last put");
}
