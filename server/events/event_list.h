/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events (storage/store.h), one behind the other, with their keys.  One thread
 * at a time.
 */
#ifndef EVENTS_EVENT_LIST_H
#define EVENTS_EVENT_LIST_H

#include "proto/status.h"
#include "storage/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_list {
    uint8_t *bytes;
    size_t size, room;
};

enum status event_list_open(struct event_list *, size_t room) MUST_USE;
void event_list_close(struct event_list *);
/* A list that was zeroed needs no open before this: room for one more event in
 * any case.  NO_SPACE: there is no memory, and the list is as it was. */
enum status event_list_grow(struct event_list *) MUST_USE;
/* Copies the event and its key.  False: no room, nothing was changed. */
bool event_list_add(struct event_list *, const struct store_event *) MUST_USE;
/* The event at *at (0 at first), which is moved behind it; its key is lent from
 * the list, without a hash.  False at the end. */
bool event_list_next(const struct event_list *, size_t *at,
                     struct store_event *out) MUST_USE;

#endif
