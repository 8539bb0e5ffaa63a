/* SPDX-License-Identifier: Apache-2.0 */
/* Walking the bytes of a chunk, run by run. */
#include "storage/chunk.h"

#include <assert.h>
#include <string.h>
#include <sys/uio.h>

struct chunk_cursor
chunk_cursor_at(const struct chunk *chunk, uint32_t offset)
{
    struct chunk_cursor cursor = {&chunk->first, 0, 0};

    assert(offset <= chunk->taken);
    chunk_cursor_advance(&cursor, offset);
    return cursor;
}

void
chunk_cursor_advance(struct chunk_cursor *cursor, uint32_t n)
{
    for (;;) {
        uint32_t left;

        if (cursor->run == cursor->table->count) {
            /* The end of what there is so far may be passed later. */
            if (cursor->table->next == NULL) {
                assert(n == 0);
                return;
            }
            cursor->table = cursor->table->next;
            cursor->run = 0;
            continue;
        }
        left = cursor->table->runs[cursor->run].size - cursor->offset;
        if (n < left) {
            cursor->offset += n;
            return;
        }
        n -= left;
        cursor->run++;
        cursor->offset = 0;
    }
}

unsigned
chunk_cursor_vectors(const struct chunk_cursor *cursor, struct iovec *vectors,
                     unsigned max, uint32_t limit)
{
    struct chunk_cursor at = *cursor;
    unsigned count = 0;

    while (count < max && limit != 0) {
        const struct chunk_run *run;
        uint32_t size;

        chunk_cursor_advance(&at, 0);
        if (at.run == at.table->count)
            break;
        run = &at.table->runs[at.run];
        size = run->size - at.offset;
        if (size > limit)
            size = limit;
        vectors[count].iov_base = run->data + at.offset;
        vectors[count].iov_len = size;
        count++;
        limit -= size;
        chunk_cursor_advance(&at, size);
    }
    return count;
}

void
chunk_copy_out(const struct chunk *chunk, uint32_t offset, void *into,
               uint32_t n)
{
    struct chunk_cursor cursor = chunk_cursor_at(chunk, offset);
    uint8_t *at = into;

    assert(offset + n <= chunk->size);
    while (n != 0) {
        struct iovec piece;
        unsigned count = chunk_cursor_vectors(&cursor, &piece, 1, n);

        assert(count == 1);
        memcpy(at, piece.iov_base, piece.iov_len);
        chunk_cursor_advance(&cursor, (uint32_t)piece.iov_len);
        at += piece.iov_len;
        n -= (uint32_t)piece.iov_len;
    }
}
