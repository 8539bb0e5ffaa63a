/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over the store, and one over the journal. */
#include "server/events/event_replay.h"

#include <string.h>

#define SEQUENCE_SIZE 8u
/* Entries that are looked at under one call. */
#define WALK_LEAST 128u

enum status
event_request_read(const struct bytes *frames, unsigned count,
                   struct event_request *out)
{
    const struct bytes *last = frames + 1;
    uint64_t start = 0;

    if (count == 3 && last->size == 0)
        last++;
    else if (count != 2)
        return STATUS_BAD_REQUEST;
    if (frames->size > EVENT_PEER_MAX || last->size != SEQUENCE_SIZE)
        return STATUS_BAD_REQUEST;
    for (unsigned i = 0; i < SEQUENCE_SIZE; i++)
        start = start << 8 | last->at[i];
    out->start = start;
    out->peer.size = (uint8_t)frames->size;
    if (frames->size != 0)
        memcpy(out->peer.bytes, frames->at, frames->size);
    return STATUS_OK;
}

enum status
event_replay_open(struct event_replay *replay,
                  const struct event_request *request,
                  const struct event_source *source)
{
    const struct store_event cleared = {.kind = STORE_CLEARED,
                                        .key.space = STORE_ALL_SPACES};
    const struct event_journal *journal = source->journal;
    bool is_kept =
        request->start >= journal->oldest && request->start <= journal->next;

    *replay = (struct event_replay){.peer = request->peer,
                                    .is_listing = !is_kept,
                                    .number = is_kept ? request->start
                                                      : journal->next - 1,
                                    .moved_ns = source->now_ns};
    if (event_message_open(&replay->message, source->style) != STATUS_OK)
        return STATUS_NO_SPACE;
    return event_message_add(&replay->message, &cleared) == EVENT_ADDED
               ? STATUS_OK
               : STATUS_NO_SPACE;
}

void
event_replay_close(struct event_replay *replay)
{
    event_message_close(&replay->message);
    event_list_close(&replay->found);
}

struct walk {
    struct event_list *found;
    bool is_short; /* of memory */
};

/* Under a lock of the index. */
static void
on_seen(void *arg, const struct store_seen *seen)
{
    const struct store_event event = {.kind = STORE_STORED, .key = seen->key};
    struct walk *walk = arg;

    if (!seen->has_body)
        return;
    if (event_list_grow(walk->found) != STATUS_OK ||
        !event_list_add(walk->found, &event))
        walk->is_short = true;
}

/* NO_SPACE: a key may have been passed by. */
static enum status
walk_on(struct event_replay *replay, struct store *store)
{
    struct walk walk = {.found = &replay->found};

    replay->found.size = replay->found_at = 0;
    store_list(store, &replay->cursor, WALK_LEAST, on_seen, &walk);
    replay->is_walked = replay->cursor == 0;
    return walk.is_short ? STATUS_NO_SPACE : STATUS_OK;
}

/* Takes what was found into the message, as far as it has room. */
static bool
is_full(struct event_replay *replay)
{
    struct store_event event;
    size_t at = replay->found_at;

    while (event_list_next(&replay->found, &at, &event)) {
        if (event_message_add(&replay->message, &event) == EVENT_FULL)
            return true;
        replay->found_at = at;
    }
    return false;
}

static enum status
step_listing(struct event_replay *replay, const struct event_source *source,
             event_send_fn *send, void *arg)
{
    struct event_reply reply = {.peer = &replay->peer,
                                .sequence = replay->number};
    enum status status;

    if (!replay->is_ready) {
        if (!is_full(replay) && !replay->is_walked)
            return walk_on(replay, source->store);
        replay->frames = event_message_end(&replay->message, source->unix_ms);
        replay->is_ready = true;
    }
    reply.frames = replay->frames;
    status = send(arg, &reply);
    if (status != STATUS_OK)
        return status;
    replay->is_ready = false;
    event_message_begin(&replay->message);
    if (replay->is_walked && replay->found_at == replay->found.size) {
        replay->is_listing = false;
        replay->number++;
    }
    return STATUS_OK;
}

/* What is not kept any more ends it as the newest does: the reader will see how
 * far it came. */
static enum status
step_kept(struct event_replay *replay, const struct event_source *source,
          event_send_fn *send, void *arg)
{
    struct event_reply reply = {.peer = &replay->peer, .sequence = EVENT_END};
    bool is_there =
        event_journal_find(source->journal, replay->number, &reply.frames);
    enum status status;

    if (is_there)
        reply.sequence = replay->number;
    status = send(arg, &reply);
    if (status != STATUS_OK)
        return status;
    replay->number++;
    return is_there ? STATUS_OK : STATUS_MISS;
}

enum status
event_replay_step(struct event_replay *replay,
                  const struct event_source *source, event_send_fn *send,
                  void *arg)
{
    enum status status = replay->is_listing
                             ? step_listing(replay, source, send, arg)
                             : step_kept(replay, source, send, arg);

    if (status == STATUS_OK)
        replay->moved_ns = source->now_ns;
    return status;
}
