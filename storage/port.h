/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread's side of storage: what wakes it, what other threads have asked it
 * to do, and the disk reads and writes it has under way.  A port and all that
 * was started on it belong to one thread; only port_post() is for others.
 *
 * Disk I/O goes through one engine per device: io_uring, a ring a port, or,
 * where the kernel refuses that (container runtimes do by default), threads
 * that call preadv() and pwritev() for all ports.  Which of the two is at work
 * can be seen by nothing but io_engine_name().
 *
 *   port_start(io)  queued   port_submit()  -> the kernel or the threads
 *   port_run()      done(io) of each that has finished
 */
#ifndef STORAGE_PORT_H
#define STORAGE_PORT_H

#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct io_engine;
struct iovec;
struct port;

enum io_engine_kind { IO_AUTO, IO_URING, IO_THREADS };

/* Pieces of a transfer: no read or write is larger. */
#define IO_SIZE_MAX    ((1u << 20) + (64u << 10))
#define IO_VECTORS_MAX 256u

/* One read or write; lives in the caller's object until done(). */
struct io {
    bool is_write;
    uint64_t offset;       /* in the file */
    struct iovec *vectors; /* lent until done(), which may find them changed */
    unsigned count;
    uint32_t size;  /* sum of the vectors */
    int32_t result; /* out: size, or -errno; the end of the file is -EIO */
    void (*done)(struct io *);
    struct io *next;   /* the port's own till done() */
    struct port *port; /* likewise */
};

/* Main thread.  fd: lent, open for as long as the engine; `threads`: how many
 * of them, if it comes to threads.  AUTO takes io_uring unless the kernel
 * refuses (EPERM, EACCES, ENOSYS, ENOMEM, EINVAL of an old one), and logs once
 * which it took.  BAD_REQUEST: URING was asked for and refused; NO_SPACE: no
 * memory, descriptors or threads; *why_out is the errno's text. */
enum status io_engine_open(enum io_engine_kind, int fd, unsigned threads,
                           struct io_engine **engine_out,
                           const char **why_out) MUST_USE;
void io_engine_close(struct io_engine **);            /* after the last port */
const char *io_engine_name(const struct io_engine *); /* "uring", "threads" */

/* engine: NULL for a thread that moves nothing to disk.  owner: the caller's,
 * for port_owner().  If a ring can not be had for this port, it uses threads
 * for itself. */
enum status port_open(struct io_engine *, void *owner,
                      struct port **port_out) MUST_USE;
void port_close(struct port **); /* nothing may be under way on it */
void *port_owner(const struct port *);
/* Readable when port_run() has something to do. */
int port_fd(const struct port *);

/* Never fails, never waits: what the ring has no room for is kept in order and
 * follows.  port_submit() passes on all that was started since, in one system
 * call; call it once per turn of the loop. */
void port_start(struct port *, struct io *);
void port_submit(struct port *);
/* Calls done() of all that has finished and run() of all that was posted, then
 * port_submit().  They may start more. */
void port_run(struct port *);
/* Reads and writes started and not done. */
unsigned port_pending(const struct port *);

/* Any thread: has the port's thread call run(post), soon.  The post belongs to
 * the port until then.  Posts of one thread run in their order. */
struct post {
    void (*run)(struct post *);
    struct post *next;
};
void port_post(struct port *, struct post *);
/* For a thread that has no event loop: waits until fd is readable, for
 * timeout_ms at most. */
void port_wait(const struct port *, int timeout_ms);
/* Any thread: makes fd readable. */
void port_wake(struct port *);

#endif
