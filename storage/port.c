/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wakes a thread, what it was asked to do, and its ring.  One eventfd a
 * port serves all of it: posts, completions of the ring, completions of the
 * threads where there is no ring.  The only file that knows io_uring.
 */
#include "storage/port.h"

#include "base/log.h"
#include "storage/port_engine.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

/* Reads and writes in a ring at one time.  The kernel makes room for twice as
 * many completions, so that these never overflow. */
#define RING_DEPTH  128u
#define PROBE_DEPTH 2u

struct io_engine {
    bool is_uring;
    int fd;
    unsigned thread_count;
    unsigned port_count;          /* by lock, as is ... */
    struct port_threads *threads; /* ... this; NULL until they are needed */
    pthread_mutex_t lock;
};

struct port {
    struct io_engine *engine; /* NULL: moves nothing */
    void *owner;
    int fd;
    bool has_ring;
    struct port_threads *threads; /* the engine's; NULL: has_ring */
    struct io_uring ring;
    unsigned in_ring;          /* prepared and not reaped */
    unsigned pending;          /* started and not done */
    struct port_queue started; /* and not yet passed on */
    pthread_mutex_t lock;      /* of what other threads leave here: */
    struct post *first_post, *last_post;
    struct port_queue finished; /* by the threads */
};

/* Moves the vectors on.  Those that are done with stay as empty ones. */
static void
advance(struct io *io, size_t moved)
{
    for (unsigned i = 0; moved != 0; i++) {
        struct iovec *vector = &io->vectors[i];
        size_t here = moved < vector->iov_len ? moved : vector->iov_len;

        assert(i < io->count);
        vector->iov_base = (uint8_t *)vector->iov_base + here;
        vector->iov_len -= here;
        moved -= here;
    }
}

bool
port_io_step(struct io *io, int moved)
{
    if (moved == -EAGAIN || moved == -EINTR)
        return false;
    if (moved > 0) {
        io->result += moved;
        if ((uint32_t)io->result == io->size)
            return true;
        advance(io, (size_t)moved);
        return false;
    }
    /* Where the file ends within a block, O_DIRECT can not ask what follows. */
    if (moved == 0 || (moved == -EINVAL && io->result > 0))
        moved = -EIO;
    io->result = moved;
    return true;
}

/* 0 or -errno.  No ring is left behind by an error. */
static int
open_ring(struct io_uring *ring, unsigned depth, int fd)
{
    /* Completions wait for the thread's next system call: no interrupt. */
    int error = io_uring_queue_init(depth, ring, IORING_SETUP_COOP_TASKRUN);

    if (error != 0)
        return error;
    error = io_uring_register_files(ring, &fd, 1);
    if (error != 0)
        io_uring_queue_exit(ring);
    return error;
}

static void
close_ring(struct io_uring *ring)
{
    /* The kernel ends a ring at its leisure.  The file, which may carry the
     * owner's lock, is let go here. */
    (void)io_uring_unregister_files(ring);
    io_uring_queue_exit(ring);
}

/* 0 or -errno.  Submits too: a filter may let rings be made and no more. */
static int
probe(int fd)
{
    struct io_uring ring;
    int error = open_ring(&ring, PROBE_DEPTH, fd);
    int submitted;

    if (error != 0)
        return error;
    io_uring_prep_nop(io_uring_get_sqe(&ring));
    submitted = io_uring_submit(&ring);
    close_ring(&ring);
    return submitted < 0 ? submitted : 0;
}

/* EINVAL: a kernel too old for a flag that we want. */
static bool
is_refusal(int error)
{
    return error == -EPERM || error == -EACCES || error == -ENOSYS ||
           error == -ENOMEM || error == -EINVAL;
}

/* Starts the threads if nobody has. */
static enum status
need_threads(struct io_engine *engine, struct port_threads **threads_out)
{
    enum status status = STATUS_OK;

    pthread_mutex_lock(&engine->lock);
    if (engine->threads == NULL)
        status = port_threads_open(engine->fd, engine->thread_count,
                                   &engine->threads);
    if (status == STATUS_OK)
        *threads_out = engine->threads;
    pthread_mutex_unlock(&engine->lock);
    return status;
}

/* Sets is_uring. */
static enum status
choose(struct io_engine *engine, enum io_engine_kind kind, const char **why_out)
{
    int error = kind == IO_THREADS ? 0 : probe(engine->fd);

    engine->is_uring = kind != IO_THREADS && error == 0;
    if (error != 0 && (kind == IO_URING || !is_refusal(error))) {
        *why_out = strerrordesc_np(-error);
        return is_refusal(error) ? STATUS_BAD_REQUEST : STATUS_NO_SPACE;
    }
    if (kind == IO_AUTO && error == 0)
        log_event(LOG_INFO, "disk engine", "io_uring");
    else if (kind == IO_AUTO)
        log_event(LOG_INFO, "disk engine",
                  "%u threads, because the kernel refuses io_uring: %s",
                  engine->thread_count, strerrordesc_np(-error));
    return STATUS_OK;
}

enum status
io_engine_open(enum io_engine_kind kind, int fd, unsigned threads,
               struct io_engine **engine_out, const char **why_out)
{
    struct io_engine *engine = calloc(1, sizeof(*engine));
    struct port_threads *started;
    enum status status;

    if (engine == NULL) {
        *why_out = strerrordesc_np(ENOMEM);
        return STATUS_NO_SPACE;
    }
    engine->fd = fd;
    engine->thread_count = threads;
    pthread_mutex_init(&engine->lock, NULL);
    status = choose(engine, kind, why_out);
    if (status == STATUS_OK && !engine->is_uring) {
        status = need_threads(engine, &started);
        if (status != STATUS_OK)
            *why_out = strerrordesc_np(EAGAIN);
    }
    if (status != STATUS_OK)
        io_engine_close(&engine);
    else
        *engine_out = engine;
    return status;
}

void
io_engine_close(struct io_engine **engine_in)
{
    struct io_engine *engine = *engine_in;

    if (engine == NULL)
        return;
    *engine_in = NULL;
    assert(engine->port_count == 0);
    port_threads_close(&engine->threads);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

const char *
io_engine_name(const struct io_engine *engine)
{
    return engine->is_uring ? "uring" : "threads";
}

static void
count_port(struct io_engine *engine, int more)
{
    pthread_mutex_lock(&engine->lock);
    engine->port_count += (unsigned)more;
    pthread_mutex_unlock(&engine->lock);
}

/* 0 or -errno. */
static int
open_port_ring(struct port *port)
{
    int error = open_ring(&port->ring, RING_DEPTH, port->engine->fd);

    if (error != 0)
        return error;
    error = io_uring_register_eventfd(&port->ring, port->fd);
    if (error != 0)
        close_ring(&port->ring);
    return error;
}

/* Gives the port a ring, or else threads. */
static enum status
equip(struct port *port)
{
    if (port->engine->is_uring) {
        int error = open_port_ring(port);

        port->has_ring = error == 0;
        if (port->has_ring)
            return STATUS_OK;
        log_event(LOG_WARN, "disk engine",
                  "no ring for one more thread, it uses %u threads: %s",
                  port->engine->thread_count, strerrordesc_np(-error));
    }
    return need_threads(port->engine, &port->threads);
}

enum status
port_open(struct io_engine *engine, void *owner, struct port **port_out)
{
    struct port *port = calloc(1, sizeof(*port));

    if (port == NULL)
        return STATUS_NO_SPACE;
    port->owner = owner;
    port->engine = engine;
    port->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (port->fd < 0 || (engine != NULL && equip(port) != STATUS_OK)) {
        if (port->fd >= 0)
            close(port->fd);
        free(port);
        return STATUS_NO_SPACE;
    }
    pthread_mutex_init(&port->lock, NULL);
    if (engine != NULL)
        count_port(engine, 1);
    *port_out = port;
    return STATUS_OK;
}

void
port_close(struct port **port_in)
{
    struct port *port = *port_in;

    if (port == NULL)
        return;
    *port_in = NULL;
    assert(port->pending == 0 && port->first_post == NULL);
    if (port->has_ring)
        close_ring(&port->ring);
    if (port->engine != NULL)
        count_port(port->engine, -1);
    pthread_mutex_destroy(&port->lock);
    close(port->fd);
    free(port);
}

void *
port_owner(const struct port *port)
{
    return port->owner;
}

int
port_fd(const struct port *port)
{
    return port->fd;
}

unsigned
port_pending(const struct port *port)
{
    return port->pending;
}

void
port_wake(struct port *port)
{
    (void)eventfd_write(port->fd, 1);
}

/* Whoever leaves something wakes the port under its lock: once that is let go,
 * the port may be run, and closed. */
void
port_post(struct port *port, struct post *post)
{
    post->next = NULL;
    pthread_mutex_lock(&port->lock);
    if (port->first_post == NULL) {
        port->first_post = post;
        port_wake(port);
    } else {
        port->last_post->next = post;
    }
    port->last_post = post;
    pthread_mutex_unlock(&port->lock);
}

void
port_take_back(struct io *io)
{
    struct port *port = io->port;

    pthread_mutex_lock(&port->lock);
    if (port->finished.first == NULL)
        port_wake(port);
    port_queue_add(&port->finished, io);
    pthread_mutex_unlock(&port->lock);
}

static size_t
vectors_size(const struct io *io)
{
    size_t size = 0;

    for (unsigned i = 0; i < io->count; i++)
        size += io->vectors[i].iov_len;
    return size;
}

void
port_start(struct port *port, struct io *io)
{
    assert(port->engine != NULL && io->done != NULL);
    assert(io->count <= IO_VECTORS_MAX);
    assert(io->size != 0 && io->size <= IO_SIZE_MAX);
    assert(vectors_size(io) == io->size);
    io->result = 0;
    io->port = port;
    port->pending++;
    port_queue_add(&port->started, io);
}

static void
prepare(struct port *port, struct io *io)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&port->ring);
    uint64_t offset = port_io_offset(io);

    assert(sqe != NULL);
    if (io->is_write)
        io_uring_prep_writev(sqe, 0, io->vectors, io->count, offset);
    else
        io_uring_prep_readv(sqe, 0, io->vectors, io->count, offset);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, io);
    port->in_ring++;
}

static void
submit_ring(struct port *port)
{
    while (port->in_ring < RING_DEPTH && port->started.first != NULL)
        prepare(port, port_queue_take(&port->started));
    if (io_uring_sq_ready(&port->ring) == 0)
        return;
    /* What a kernel short of memory has not taken stays in the ring and is
     * tried again by the next port_run().  A completion brings that about, or,
     * where there is none to come, we do. */
    (void)io_uring_submit(&port->ring);
    if (io_uring_sq_ready(&port->ring) == port->in_ring)
        port_wake(port);
}

void
port_submit(struct port *port)
{
    if (port->has_ring)
        submit_ring(port);
    else if (port->threads != NULL)
        port_threads_submit(port->threads, &port->started);
}

static void
finish(struct port *port, struct io *io)
{
    port->pending--;
    io->done(io);
}

/* Not those that come meanwhile, which wake the port again. */
static void
reap_ring(struct port *port)
{
    struct io_uring_cqe *cqe;

    for (unsigned ready = io_uring_cq_ready(&port->ring);
         ready != 0 && io_uring_peek_cqe(&port->ring, &cqe) == 0; ready--) {
        struct io *io = io_uring_cqe_get_data(cqe);
        int moved = cqe->res;

        io_uring_cqe_seen(&port->ring, cqe);
        port->in_ring--;
        if (port_io_step(io, moved))
            finish(port, io);
        else
            prepare(port, io);
    }
}

void
port_run(struct port *port)
{
    struct port_queue finished;
    struct post *post, *next;
    eventfd_t wakes;
    struct io *io;

    (void)eventfd_read(port->fd, &wakes);
    pthread_mutex_lock(&port->lock);
    post = port->first_post;
    port->first_post = NULL;
    finished = port->finished;
    port->finished.first = NULL;
    pthread_mutex_unlock(&port->lock);
    for (; post != NULL; post = next) {
        next = post->next;
        post->run(post);
    }
    while ((io = port_queue_take(&finished)) != NULL)
        finish(port, io);
    if (port->has_ring)
        reap_ring(port);
    port_submit(port);
}

void
port_wait(const struct port *port, int timeout_ms)
{
    struct pollfd ready = {.fd = port->fd, .events = POLLIN};

    (void)poll(&ready, 1, timeout_ms);
}
