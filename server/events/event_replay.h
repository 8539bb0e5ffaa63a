/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One reader's request for what it has missed, answered a message at a time.
 *
 * From number `start` on, if all of that is kept: those messages.  Otherwise a
 * listing: first that everything is cleared, then what is stored now, in
 * messages that all have the number before the one that follows on them; then
 * what has been published since.  Last an empty payload, under number -1.
 *
 * A listing is taken while keys come and go.  What happened to a key after it
 * was listed, or after it was passed by, is in the messages that follow on the
 * listing; that some of what they tell is older than it does no harm, since the
 * last that is told of a key is how it is.
 *
 * The publisher's thread.
 */
#ifndef EVENTS_EVENT_REPLAY_H
#define EVENTS_EVENT_REPLAY_H

#include "server/events/event_journal.h"
#include "server/events/event_list.h"
#include "server/events/event_message.h"

#define EVENT_PEER_MAX 255u /* ZMTP: an identity's size is a byte */
#define EVENT_END      UINT64_MAX

/* Who asked: what ZeroMQ knows a connection by. */
struct event_peer {
    uint8_t bytes[EVENT_PEER_MAX];
    uint8_t size;
};

struct event_request {
    struct event_peer peer;
    uint64_t start;
};

/* From the frames of a request: who, an empty one (which may be left out), and
 * eight bytes of a number.  BAD_REQUEST for others. */
enum status event_request_read(const struct bytes *frames, unsigned count,
                               struct event_request *out) MUST_USE; /* fuzzed */

struct event_reply {
    const struct event_peer *peer;
    uint64_t sequence;
    struct event_frames frames;
};
/* OK; BUSY: no room on its way now; GONE: the reader has left. */
typedef enum status event_send_fn(void *arg, const struct event_reply *);

struct event_replay {
    struct event_peer peer;
    bool is_listing;
    uint64_t number; /* listing: of its messages; then: of the next one */
    uint64_t cursor; /* of the walk */
    bool is_walked;
    struct event_list found; /* walked by, and told up to found_at */
    size_t found_at;
    struct event_message message;
    struct event_frames frames; /* of the message, if it waits to be sent */
    bool is_ready;
    uint64_t moved_ns; /* when it last made progress */
};

/* What it takes from. */
struct event_source {
    struct store *store;
    const struct event_journal *journal;
    const struct event_style *style;
    uint64_t now_ns, unix_ms;
};

enum status event_replay_open(struct event_replay *,
                              const struct event_request *,
                              const struct event_source *) MUST_USE;
void event_replay_close(struct event_replay *);

/* A share of the walk, or one reply.  OK: there is more to do; BUSY: there was no
 * room, call again later; MISS: it has come to its end; GONE, NO_SPACE: it can
 * not. */
enum status event_replay_step(struct event_replay *,
                              const struct event_source *, event_send_fn *send,
                              void *arg) MUST_USE;

#endif
