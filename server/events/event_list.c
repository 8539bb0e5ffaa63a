/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a head and a key, unaligned. */
#include "server/events/event_list.h"

#include <stdlib.h>
#include <string.h>

struct head {
    uint16_t key_size, space;
    uint8_t kind, key_kind;
};

#define RECORD_MAX (sizeof(struct head) + KEY_SIZE_MAX)

enum status
event_list_open(struct event_list *list, size_t room)
{
    *list = (struct event_list){.bytes = malloc(room), .room = room};
    return list->bytes == NULL ? STATUS_NO_SPACE : STATUS_OK;
}

void
event_list_close(struct event_list *list)
{
    free(list->bytes);
    *list = (struct event_list){0};
}

enum status
event_list_grow(struct event_list *list)
{
    size_t room = 2 * list->room > RECORD_MAX ? 2 * list->room : RECORD_MAX;
    uint8_t *bytes;

    if (list->room - list->size >= RECORD_MAX)
        return STATUS_OK;
    bytes = realloc(list->bytes, list->room + room);
    if (bytes == NULL)
        return STATUS_NO_SPACE;
    list->bytes = bytes;
    list->room += room;
    return STATUS_OK;
}

bool
event_list_add(struct event_list *list, const struct store_event *event)
{
    const struct key *key = &event->key;
    struct head head = {.key_size = key->size,
                        .space = key->space,
                        .kind = (uint8_t)event->kind,
                        .key_kind = (uint8_t)key->kind};

    if (list->room - list->size < sizeof(head) + key->size)
        return false;
    memcpy(list->bytes + list->size, &head, sizeof(head));
    if (key->size != 0)
        memcpy(list->bytes + list->size + sizeof(head), key->bytes, key->size);
    list->size += sizeof(head) + key->size;
    return true;
}

bool
event_list_next(const struct event_list *list, size_t *at,
                struct store_event *out)
{
    struct head head;

    if (*at == list->size)
        return false;
    memcpy(&head, list->bytes + *at, sizeof(head));
    out->kind = (enum store_event_kind)head.kind;
    out->key = (struct key){.bytes = list->bytes + *at + sizeof(head),
                            .size = head.key_size,
                            .space = head.space,
                            .kind = (enum key_kind)head.key_kind};
    *at += sizeof(head) + head.key_size;
    return true;
}
