/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between port.c and port_threads.c: the threads that stand in for io_uring,
 * and what both engines do alike.
 */
#ifndef STORAGE_PORT_ENGINE_H
#define STORAGE_PORT_ENGINE_H

#include "storage/port.h"

#include <stddef.h>

/* First in, first out, linked by io->next. */
struct port_queue {
    struct io *first, *last;
};

static inline void
port_queue_add(struct port_queue *queue, struct io *io)
{
    io->next = NULL;
    if (queue->first == NULL)
        queue->first = io;
    else
        queue->last->next = io;
    queue->last = io;
}

/* NULL: it is empty. */
static inline struct io *
port_queue_take(struct port_queue *queue)
{
    struct io *io = queue->first;

    if (io != NULL)
        queue->first = io->next;
    return io;
}

/* What the kernel said of one try: bytes moved, or -errno.  true: io->result
 * stands.  false: try again what is left, from port_io_offset(). */
bool port_io_step(struct io *, int moved);

static inline uint64_t
port_io_offset(const struct io *io)
{
    return io->offset + (uint32_t)io->result; /* bytes moved, until the end */
}

/* Threads that read and write `fd` for all ports, reads first.  NO_SPACE: no
 * memory, or no thread. */
struct port_threads;
enum status port_threads_open(int fd, unsigned count,
                              struct port_threads **threads_out) MUST_USE;
/* Nothing may be under way. */
void port_threads_close(struct port_threads **);
/* Any thread: takes all of the queue; each comes back by port_take_back(). */
void port_threads_submit(struct port_threads *, struct port_queue *);

/* Threads of port_threads.c: the result stands.  io->port may be closed, and
 * the io gone, when this returns. */
void port_take_back(struct io *);

#endif
