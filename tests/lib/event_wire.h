/* SPDX-License-Identifier: Apache-2.0 */
/* Reads messages of the object form, as a reader of events does. */
#ifndef LIB_EVENT_WIRE_H
#define LIB_EVENT_WIRE_H

#include "proto/message.h"

#include <msgpack.h>
#include <stdbool.h>
#include <string.h>

enum event_wire_type { WIRE_STORED, WIRE_REMOVED, WIRE_CLEARED };
struct event_wire {
    enum event_wire_type type;
    struct bytes key; /* lent */
    bool is_object;
};
typedef void event_wire_fn(void *arg, const struct event_wire *);

static inline struct bytes
wire_text(const msgpack_object *object)
{
    if (object == NULL || object->type != MSGPACK_OBJECT_STR)
        return (struct bytes){(const uint8_t *)"", 0};
    return (struct bytes){(const uint8_t *)object->via.str.ptr,
                          object->via.str.size};
}

static inline bool
wire_is(const struct bytes *bytes, const char *text)
{
    return bytes->size == strlen(text) &&
           memcmp(bytes->at, text, bytes->size) == 0;
}

static inline const msgpack_object *
wire_field(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        struct bytes key = wire_text(&map->via.map.ptr[i].key);

        if (wire_is(&key, name))
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static inline bool
wire_event(const msgpack_object *map, struct event_wire *out)
{
    static const char *const types[] = {"stored", "removed", "cleared"};
    struct bytes type, kind;
    unsigned i = 0;

    if (map->type != MSGPACK_OBJECT_MAP)
        return false;
    type = wire_text(wire_field(map, "event_type"));
    kind = wire_text(wire_field(map, "kind"));
    while (i < 3 && !wire_is(&type, types[i]))
        i++;
    out->type = (enum event_wire_type)i;
    out->key = wire_text(wire_field(map, "object_key"));
    out->is_object = wire_is(&kind, "object");
    return i < 3;
}

/* Calls found() for each event; false where a payload is not what it should be.
 */
static inline bool
event_wire_read(const struct bytes *payload, event_wire_fn *found, void *arg)
{
    msgpack_unpacked unpacked;
    const msgpack_object *events = NULL;
    struct event_wire event;
    bool is_right;
    size_t at = 0;

    msgpack_unpacked_init(&unpacked);
    is_right =
        msgpack_unpack_next(&unpacked, (const char *)payload->at, payload->size,
                            &at) == MSGPACK_UNPACK_SUCCESS &&
        at == payload->size && unpacked.data.type == MSGPACK_OBJECT_ARRAY &&
        unpacked.data.via.array.size == 3;
    if (is_right)
        events = &unpacked.data.via.array.ptr[1];
    is_right = is_right && events->type == MSGPACK_OBJECT_ARRAY;
    for (uint32_t i = 0; is_right && i < events->via.array.size; i++) {
        is_right = wire_event(&events->via.array.ptr[i], &event);
        if (is_right)
            found(arg, &event);
    }
    msgpack_unpacked_destroy(&unpacked);
    return is_right;
}

#endif
