/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message in the making: events become the topic and the payload that
 * readers of a form expect.
 *
 * object, as Mooncake's master publishes: an empty topic, and
 *   [unix ms, [{event_type, object_key, tenant_id, group_id, medium, kind}...],
 *    0]
 * vllm, as vLLM's engines do: the topic kv@pod@model, and
 *   [unix seconds, [event...], nil], where an event is
 *   ["BlockStored", [hash], nil, [], block_size, nil, medium, nil],
 *   ["BlockRemoved", [hash], medium] or ["AllBlocksCleared"],
 *   and a hash takes nine bytes however small it is.
 * prefixcache-events(7) says what each field holds.
 */
#ifndef EVENTS_EVENT_MESSAGE_H
#define EVENTS_EVENT_MESSAGE_H

#include "proto/message.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stdint.h>

/* A message has no more events than that, and no more bytes than that and an
 * event. */
#define EVENT_MESSAGE_EVENTS 256u
#define EVENT_MESSAGE_BYTES  (32u << 10)

enum event_form { EVENT_OBJECT, EVENT_VLLM };

/* What all messages of a server have in common. */
#define EVENT_TEXT_MAX 256u /* of a text, its end included */
struct event_style {
    enum event_form form;
    const char *pod, *model, *medium; /* lent; model empty: as keys say */
    uint64_t block_tokens;
};

struct event_message {
    const struct event_style *style;
    unsigned count; /* of its events */
    char *topic;
    size_t topic_size;
    bool has_topic; /* by its events */
    uint8_t *bytes;
    size_t size; /* of the events, behind room for what goes before them */
};

/* style: lent for as long as the message lives. */
enum status event_message_open(struct event_message *,
                               const struct event_style *) MUST_USE;
void event_message_close(struct event_message *);
/* Empty again. */
void event_message_begin(struct event_message *);

enum event_added {
    EVENT_ADDED,
    EVENT_FULL,   /* end this message, begin another, ask again */
    EVENT_UNNAMED /* the form has no name for such a key: it is left out */
};
enum event_added event_message_add(struct event_message *,
                                   const struct store_event *) MUST_USE;

/* Its frames, lent until the next begin. */
struct event_frames {
    struct bytes topic, payload;
};
struct event_frames event_message_end(struct event_message *, uint64_t unix_ms);

#endif
