/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked, as a frame, and what became of it, as statuses of items.  When
 * it is sent and by whom it is answered is left to link*.c.
 */
#include "client/ask.h"

#include "client/cache.h"
#include "client/call.h"
#include "client/clock.h"
#include "proto/checksum.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum status
ask_new(struct call *call, uint32_t count, size_t list_room, struct ask **out)
{
    struct ask *ask =
        malloc(sizeof *ask + count * sizeof *ask->items + list_room);

    if (ask == NULL)
        return STATUS_NO_SPACE;
    memset(ask, 0, sizeof *ask);
    ask->items = (uint32_t *)(ask + 1);
    ask->list = (uint8_t *)(ask->items + count);
    ask->list_room = list_room;
    if (call != NULL) {
        ask->call = call;
        ask->head = call->head;
        ask->deadline_ns = call->deadline_ns;
        atomic_fetch_add(&call->references, 1);
        atomic_fetch_add(&call->left, 1);
    }
    *out = ask;
    return STATUS_OK;
}

void
ask_free(struct ask **ask)
{
    if (*ask == NULL)
        return;
    if ((*ask)->copied != NULL)
        cache_queue_give_back((*ask)->shard->cache, (*ask)->queued);
    free((*ask)->copied);
    free(*ask);
    *ask = NULL;
}

void
ask_add(struct ask *ask, uint32_t item, const void *key, size_t key_size)
{
    struct cursor list = {.at = ask->list + ask->list_size,
                          .end = ask->list + ask->list_room};
    bool has_room = native_put_key(&list, key, (uint16_t)key_size);

    assert(has_room);
    ask->items[ask->count++] = item;
    ask->left = ask->count;
    ask->list_size = (size_t)(list.at - ask->list);
    ask->head.count = ask->count;
}

void
ask_fill_put(struct ask *ask, const struct prefixcache_item *item,
             bool wants_checksum)
{
    struct native_request *head = &ask->head;

    ask->body = item->body;
    head->kind = (enum native_kind)item->kind;
    head->body_size = item->body_size;
    head->form = item->form;
    head->lifetime_ms = item->lifetime_ms;
    head->meta.size = (uint8_t)item->meta_size;
    memcpy(head->meta.bytes, item->meta, item->meta_size);
    if (wants_checksum) {
        head->has_checksum = true;
        head->checksum = checksum_of(item->body, item->body_size);
    }
}

void
ask_write(struct ask *ask, uint64_t id, uint64_t now_ns)
{
    struct cursor out = {.at = ask->frame,
                         .end = ask->frame + sizeof ask->frame};
    bool has_room;

    ask->head.id = id;
    ask->head.list.at = NULL;
    ask->head.list.size = ask->list_size;
    if (ask->head.verb == NATIVE_GET) {
        uint64_t left_ns =
            ask->deadline_ns > now_ns ? ask->deadline_ns - now_ns : 0;

        ask->head.deadline_ms = (uint32_t)(left_ns / CLOCK_NS_PER_MS) + 1;
    }
    has_room = native_write_request(&out, &ask->head);
    assert(has_room);
    ask->frame_size = (uint16_t)(out.at - ask->frame);
}

uint64_t
ask_size(const struct ask *ask)
{
    return ask->frame_size + ask->list_size + ask->head.body_size;
}

struct prefixcache_item *
ask_item(struct ask *ask, uint32_t index)
{
    if (index >= ask->count || ask->items[index] == ASK_ANSWERED)
        return NULL;
    return &ask->call->items[ask->items[index]];
}

int
ask_public_status(enum native_verb verb, enum status status)
{
    switch (status) {
    case STATUS_OK:
        return PREFIXCACHE_OK;
    case STATUS_MISS:
        return PREFIXCACHE_MISS;
    case STATUS_UNMET:
        return PREFIXCACHE_UNMET;
    case STATUS_BUSY:
        return PREFIXCACHE_BUSY;
    case STATUS_TOO_BIG:
        return PREFIXCACHE_TOO_BIG;
    case STATUS_NO_SPACE:
        return PREFIXCACHE_NO_SPACE;
    case STATUS_BAD_REQUEST:
        return PREFIXCACHE_BAD_REQUEST;
    case STATUS_CORRUPT:
        return verb == NATIVE_GET ? PREFIXCACHE_MISS : PREFIXCACHE_CORRUPT;
    case STATUS_LATE:
        return verb == NATIVE_GET ? PREFIXCACHE_MISS : PREFIXCACHE_LATE;
    case STATUS_BROKEN:
    case STATUS_GONE:
    case STATUS_IO:
        return verb == NATIVE_GET ? PREFIXCACHE_MISS : PREFIXCACHE_GONE;
    }
    return PREFIXCACHE_GONE;
}

void
ask_settle(struct ask *ask, uint32_t index, enum status status)
{
    struct prefixcache_item *item = ask_item(ask, index);

    assert(item != NULL);
    item->status = ask_public_status(ask->head.verb, status);
    if (ask->head.verb == NATIVE_GET && status != STATUS_OK) {
        if (status != STATUS_TOO_BIG)
            item->got = 0;
        item->meta_size = 0;
        item->tier[0] = '\0';
    }
    ask->items[index] = ASK_ANSWERED;
    ask->left--;
}

void
ask_finish(struct ask *ask, enum status status)
{
    struct call *call = ask->call;

    if (ask->answer != NULL)
        ask->answer->status = status;
    else if (call != NULL)
        for (uint32_t i = 0; i < ask->count && ask->left > 0; i++)
            if (ask_item(ask, i) != NULL)
                ask_settle(ask, i, status);
    /* Without a link it was not taken at all. */
    if (ask->copied != NULL && ask->link != NULL && status != STATUS_OK)
        atomic_fetch_add(&ask->shard->puts_lost, 1);
    ask->is_over = true;
    ask->call = NULL;
    ask->answer = NULL;
    if (ask->copied != NULL || call != NULL)
        cache_ask_ends(ask->shard->cache);
    if (call != NULL)
        call_done(call);
}
