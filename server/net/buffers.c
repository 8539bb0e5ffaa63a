/* SPDX-License-Identifier: Apache-2.0 */
/* A few buffers at hand, the rest from the heap, all on one account. */
#include "server/net/buffers.h"

#include <assert.h>
#include <stdlib.h>

uint8_t *
buffer_new(struct buffers *buffers, size_t size)
{
    struct buffer_account *account = buffers->account;
    uint64_t most = atomic_load_explicit(&account->most, memory_order_relaxed);
    uint8_t *buffer;

    assert(size >= BUFFER_SIZE);
    if (atomic_fetch_add(&account->used, size) + size > most &&
        buffers->used + size > BUFFERS_OWN) {
        atomic_fetch_sub(&account->used, size);
        return NULL;
    }
    if (size == BUFFER_SIZE && buffers->kept_count != 0)
        buffer = buffers->kept[--buffers->kept_count];
    else
        buffer = malloc(size);
    if (buffer == NULL)
        atomic_fetch_sub(&account->used, size);
    else
        buffers->used += size;
    return buffer;
}

void
buffer_free(struct buffers *buffers, uint8_t *buffer, size_t size)
{
    atomic_fetch_sub(&buffers->account->used, size);
    buffers->used -= size;
    if (size == BUFFER_SIZE && buffers->kept_count < BUFFERS_KEPT)
        buffers->kept[buffers->kept_count++] = buffer;
    else
        free(buffer);
}

void
buffers_close(struct buffers *buffers)
{
    while (buffers->kept_count != 0)
        free(buffers->kept[--buffers->kept_count]);
}
