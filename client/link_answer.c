/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reply says, told to the ask that it is for.  The peer may be anybody:
 * an answer that does not fit what was asked ends the connection.
 */
#include "client/link.h"

#include "client/cache.h"
#include "client/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text of STATS, or whatever else comes as a body and is no value. */
#define TEXT_MAX (64u << 20)

static void
skip_body(struct link *link)
{
    link->receiver = NULL;
    link->body_at = NULL;
}

/* An item has its answer; the last one ends the ask. */
static void
settle(struct link *link, struct ask *ask, uint32_t index, enum status status)
{
    ask_settle(ask, index, status);
    if (ask->left == 0)
        link_finish(link, ask, STATUS_OK);
}

static void
describe(struct prefixcache_item *item, const struct native_reply *reply)
{
    item->got = reply->body_size;
    item->kind = (int)reply->kind;
    item->form = reply->form;
    item->lifetime_ms = reply->lifetime_ms;
    item->meta_size = reply->meta.size;
    memcpy(item->meta, reply->meta.bytes, reply->meta.size);
    snprintf(item->tier, sizeof item->tier, "%s", reply->tier);
}

static bool
answer_get(struct link *link, struct ask *ask, const struct native_reply *reply)
{
    struct prefixcache_item *item = ask_item(ask, reply->index);
    struct call_checksum *checksum = NULL;
    enum status status = native_status_of(reply->code);

    if (status == STATUS_BAD_REQUEST) {
        link_finish(link, ask, status); /* the whole of it */
        return true;
    }
    if (item == NULL)
        return false;
    item->got = 0;
    if (status == STATUS_LATE)
        atomic_fetch_add_explicit(&link->counts.misses_late, 1,
                                  memory_order_relaxed);
    if (status == STATUS_OK && ask->call->checksums != NULL) {
        checksum = &ask->call->checksums[ask->items[reply->index]];
        checksum->value = reply->checksum;
        checksum->shard = link->shard;
        if (!reply->has_checksum) {
            atomic_fetch_add(&link->shard->misses_corrupt, 1);
            status = STATUS_CORRUPT;
        }
    }
    if (status == STATUS_OK && reply->body_size > item->body_size) {
        item->got = reply->body_size;
        status = STATUS_TOO_BIG;
    }
    if (status != STATUS_OK || reply->body_size == 0) {
        if (status == STATUS_OK)
            describe(item, reply);
        settle(link, ask, reply->index, status);
        return true;
    }
    describe(item, reply);
    link->receiver = ask;
    link->receiver_index = reply->index;
    link->body_at = item->body;
    return true;
}

/* A PUT's body is the caller's until all of it was sent, even where the shard
 * has answered already that it does not want it. */
static void
answer_put(struct link *link, struct ask *ask, const struct native_reply *reply)
{
    ask->verdict = native_status_of(reply->code);
    ask->has_verdict = true;
    if (ask->state == ASK_SENT)
        link_finish(link, ask, ask->verdict);
}

static bool
answer_each(struct link *link, struct ask *ask,
            const struct native_reply *reply)
{
    if (reply->code != NATIVE_OK) {
        link_finish(link, ask, native_status_of(reply->code));
        return true;
    }
    if (reply->list.size != ask->count)
        return false;
    for (uint32_t i = 0; i < ask->count; i++)
        ask_settle(ask, i,
                   reply->list.at[i] <= NATIVE_UNSUPPORTED
                       ? native_status_of((enum native_code)reply->list.at[i])
                       : STATUS_MISS);
    link_finish(link, ask, STATUS_OK);
    return true;
}

/* Keeps the reply for whoever waits for it. */
static bool
answer_whole(struct link *link, struct ask *ask,
             const struct native_reply *reply)
{
    struct call_answer *answer = ask->answer;
    enum status status = native_status_of(reply->code);

    if (status != STATUS_OK || reply->body_size > TEXT_MAX) {
        link_finish(link, ask, status != STATUS_OK ? status : STATUS_TOO_BIG);
        return true;
    }
    if (answer->bytes != NULL)
        return false; /* once */
    answer->bytes = malloc(reply->list.size + reply->body_size + 1);
    if (answer->bytes == NULL) {
        link_finish(link, ask, STATUS_NO_SPACE);
        return true;
    }
    answer->reply = *reply;
    answer->reply.list.at = answer->bytes;
    if (reply->list.size > 0)
        memcpy(answer->bytes, reply->list.at, reply->list.size);
    if (reply->body_size == 0) {
        link_finish(link, ask, STATUS_OK);
        return true;
    }
    link->receiver = ask;
    link->body_at = answer->bytes + reply->list.size;
    return true;
}

static bool
answer_hello(struct link *link, struct ask *ask,
             const struct native_reply *reply)
{
    bool is_welcome = reply->code == NATIVE_OK && link->state == LINK_GREETING;

    link_finish(link, ask, STATUS_OK);
    if (is_welcome)
        link_greeted(link, reply);
    return is_welcome;
}

bool
link_answer(struct link *link, const struct native_reply *reply)
{
    uint32_t slot = (uint32_t)reply->id, use = (uint32_t)(reply->id >> 32);
    struct ask *ask;

    skip_body(link);
    if (slot >= LINK_WINDOW || use > link->uses[slot])
        return false;
    ask = link->slots[slot];
    if (use < link->uses[slot]) {
        link->has_answered = true; /* though that was over */
        return true;
    }
    if (ask == NULL)
        return false;
    link->has_answered = ask->head.verb != NATIVE_HELLO;
    switch (ask->head.verb) {
    case NATIVE_HELLO:
        return answer_hello(link, ask, reply);
    case NATIVE_GET:
        return answer_get(link, ask, reply);
    case NATIVE_PUT:
        answer_put(link, ask, reply);
        return true;
    case NATIVE_EXISTS:
    case NATIVE_DROP:
        return answer_each(link, ask, reply);
    case NATIVE_PREFIX:
    case NATIVE_STATS:
    case NATIVE_WALK:
        return answer_whole(link, ask, reply);
    case NATIVE_NONE:
        break;
    }
    return false;
}

void
link_body_done(struct link *link)
{
    struct ask *ask = link->receiver;

    skip_body(link);
    if (ask == NULL)
        return;
    if (ask->head.verb == NATIVE_GET)
        settle(link, ask, link->receiver_index, STATUS_OK);
    else
        link_finish(link, ask, STATUS_OK);
}
