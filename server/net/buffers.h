/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers for heads and for replies that are not bodies.  Each worker keeps a
 * few of the common size at hand; all together they stay under
 * limits.head_memory.  What one worker's connections use up is no reason to
 * turn another's away, which can not close those who did: BUFFERS_OWN bytes
 * are each worker's beyond it.
 */
#ifndef NET_BUFFERS_H
#define NET_BUFFERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFER_SIZE  16384u
#define BUFFERS_KEPT 32u
#define BUFFERS_OWN  (4u * BUFFER_SIZE)

/* What all workers' buffers take. */
struct buffer_account {
    _Atomic uint64_t used, most;
};

struct buffers {
    struct buffer_account *account;
    uint64_t used; /* of the account, by this worker */
    unsigned kept_count;
    uint8_t *kept[BUFFERS_KEPT];
};

/* size: BUFFER_SIZE or more.  NULL when over the account's most, or without
 * memory. */
uint8_t *buffer_new(struct buffers *, size_t size);
void buffer_free(struct buffers *, uint8_t *, size_t size);
void buffers_close(struct buffers *);

#endif
