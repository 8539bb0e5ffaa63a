/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of the native wire and its codes: what has to be fast for thousands
 * of keys, and so is no message.
 */
#include "proto/native.h"

#include "proto/number.h"

#include <assert.h>

#define KEY_HEAD_SIZE 2u /* its size */

/* Of an entry: space, kind, form, tiers, body's size (4), key's size (2). */
#define ENTRY_HEAD_SIZE 10u
#define ENTRY_BODY_AT   4u
#define ENTRY_KEY_AT    8u

bool
native_next_key(struct bytes *list, struct bytes *key_out)
{
    if (list->size < KEY_HEAD_SIZE)
        return false;
    size_t size = (size_t)number_read(list->at, KEY_HEAD_SIZE);
    if (size == 0 || size > KEY_SIZE_MAX || size > list->size - KEY_HEAD_SIZE)
        return false;
    *key_out = (struct bytes){list->at + KEY_HEAD_SIZE, size};
    list->at += KEY_HEAD_SIZE + size;
    list->size -= KEY_HEAD_SIZE + size;
    return true;
}

bool
native_list_is_whole(struct bytes list, uint32_t count)
{
    struct bytes key;
    uint32_t found = 0;
    while (found < count && native_next_key(&list, &key))
        found++;
    return found == count && list.size == 0;
}

bool
native_put_key(struct cursor *out, const void *key, uint16_t size)
{
    assert(size > 0 && size <= KEY_SIZE_MAX);
    if (!cursor_has(out, KEY_HEAD_SIZE + (size_t)size))
        return false;
    number_write(out->at, size, KEY_HEAD_SIZE);
    memcpy(out->at + KEY_HEAD_SIZE, key, size);
    out->at += KEY_HEAD_SIZE + size;
    return true;
}

bool
native_next_entry(struct bytes *list, struct native_entry *out)
{
    if (list->size < ENTRY_HEAD_SIZE)
        return false;
    const uint8_t *at = list->at;
    struct bytes rest = {at + ENTRY_KEY_AT, list->size - ENTRY_KEY_AT};
    struct bytes key;
    if (!native_next_key(&rest, &key))
        return false;
    *out = (struct native_entry){
        .key = key,
        .space = at[0],
        .kind = at[1],
        .form = at[2],
        .tiers = at[3],
        .body_size = (uint32_t)number_read(at + ENTRY_BODY_AT, 4)};
    *list = rest;
    return true;
}

bool
native_put_entry(struct cursor *out, const struct native_entry *entry)
{
    assert(entry->key.size <= KEY_SIZE_MAX);
    uint8_t head[ENTRY_KEY_AT] = {entry->space, entry->kind, entry->form,
                                  entry->tiers};
    if (!cursor_has(out, ENTRY_HEAD_SIZE + entry->key.size))
        return false;
    number_write(head + ENTRY_BODY_AT, entry->body_size, 4);
    return cursor_put(out, head, sizeof(head)) &&
           native_put_key(out, entry->key.at, (uint16_t)entry->key.size);
}

enum native_code
native_code_of(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return NATIVE_OK;
    case STATUS_UNMET:
        return NATIVE_UNMET;
    case STATUS_BUSY:
        return NATIVE_BUSY;
    case STATUS_TOO_BIG:
        return NATIVE_TOO_BIG;
    case STATUS_NO_SPACE:
        return NATIVE_NO_SPACE;
    case STATUS_BAD_REQUEST:
        return NATIVE_BAD_REQUEST;
    case STATUS_CORRUPT:
        return NATIVE_CORRUPT;
    case STATUS_LATE:
        return NATIVE_LATE;
    case STATUS_MISS:
    case STATUS_BROKEN:
    case STATUS_GONE:
    case STATUS_IO:
        return NATIVE_MISS;
    }
    return NATIVE_MISS;
}

enum status
native_status_of(enum native_code code)
{
    switch (code) {
    case NATIVE_OK:
        return STATUS_OK;
    case NATIVE_MISS:
        return STATUS_MISS;
    case NATIVE_UNMET:
        return STATUS_UNMET;
    case NATIVE_BUSY:
        return STATUS_BUSY;
    case NATIVE_TOO_BIG:
        return STATUS_TOO_BIG;
    case NATIVE_NO_SPACE:
        return STATUS_NO_SPACE;
    case NATIVE_CORRUPT:
        return STATUS_CORRUPT;
    case NATIVE_LATE:
        return STATUS_LATE;
    case NATIVE_BAD_REQUEST:
    case NATIVE_UNSUPPORTED:
        return STATUS_BAD_REQUEST;
    }
    return STATUS_MISS;
}
