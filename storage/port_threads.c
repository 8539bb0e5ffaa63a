/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the kernel refuses io_uring: threads that read and write for all ports
 * of a device.  They take reads before writes, because somebody waits for a
 * read.
 */
#include "storage/port_engine.h"

#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

struct port_threads {
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t has_more;
    struct port_queue reads, writes; /* by lock, as is ... */
    bool is_stopping;                /* ... this */
    unsigned count;                  /* of those that run */
    pthread_t threads[];
};

/* Waits for the next; NULL: stop. */
static struct io *
await(struct port_threads *threads)
{
    struct io *io;

    pthread_mutex_lock(&threads->lock);
    for (;;) {
        io = port_queue_take(&threads->reads);
        if (io == NULL)
            io = port_queue_take(&threads->writes);
        if (io != NULL || threads->is_stopping)
            break;
        pthread_cond_wait(&threads->has_more, &threads->lock);
    }
    pthread_mutex_unlock(&threads->lock);
    return io;
}

static void
move(int fd, struct io *io)
{
    ssize_t moved;

    do {
        off_t at = (off_t)port_io_offset(io);
        int count = (int)io->count;

        moved = io->is_write ? pwritev(fd, io->vectors, count, at)
                             : preadv(fd, io->vectors, count, at);
        if (moved < 0)
            moved = -errno;
    } while (!port_io_step(io, (int)moved));
}

static void *
serve(void *arg)
{
    struct port_threads *threads = arg;
    struct io *io;

    while ((io = await(threads)) != NULL) {
        move(threads->fd, io);
        port_take_back(io);
    }
    return NULL;
}

static bool
start(struct port_threads *threads, unsigned number)
{
    char name[24];

    snprintf(name, sizeof(name), "disk-%u", number);
    return thread_start(&threads->threads[number], name, serve, threads) ==
           STATUS_OK;
}

enum status
port_threads_open(int fd, unsigned count, struct port_threads **threads_out)
{
    struct port_threads *threads =
        calloc(1, sizeof(*threads) + count * sizeof(threads->threads[0]));

    assert(count > 0);
    if (threads == NULL)
        return STATUS_NO_SPACE;
    threads->fd = fd;
    pthread_mutex_init(&threads->lock, NULL);
    pthread_cond_init(&threads->has_more, NULL);
    while (threads->count < count && start(threads, threads->count))
        threads->count++;
    if (threads->count < count) {
        port_threads_close(&threads);
        return STATUS_NO_SPACE;
    }
    *threads_out = threads;
    return STATUS_OK;
}

void
port_threads_close(struct port_threads **threads_in)
{
    struct port_threads *threads = *threads_in;

    if (threads == NULL)
        return;
    *threads_in = NULL;
    pthread_mutex_lock(&threads->lock);
    assert(threads->reads.first == NULL && threads->writes.first == NULL);
    threads->is_stopping = true;
    pthread_cond_broadcast(&threads->has_more);
    pthread_mutex_unlock(&threads->lock);
    for (unsigned i = 0; i < threads->count; i++)
        pthread_join(threads->threads[i], NULL);
    pthread_cond_destroy(&threads->has_more);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
}

void
port_threads_submit(struct port_threads *threads, struct port_queue *queue)
{
    bool is_one = queue->first != NULL && queue->first->next == NULL;
    struct io *io;

    if (queue->first == NULL)
        return;
    pthread_mutex_lock(&threads->lock);
    while ((io = port_queue_take(queue)) != NULL)
        port_queue_add(io->is_write ? &threads->writes : &threads->reads, io);
    pthread_mutex_unlock(&threads->lock);
    if (is_one)
        pthread_cond_signal(&threads->has_more);
    else
        pthread_cond_broadcast(&threads->has_more);
}
