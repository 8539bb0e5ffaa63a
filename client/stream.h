/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blocking socket with a read buffer: connect, send all of it, receive
 * whole bodies into the caller's memory.  It knows no protocol; the wire_*
 * files do.  Not thread-safe: one thread a stream.
 *
 * After GONE, BROKEN or LATE a stream is lost: each later call returns GONE at
 * once and `why` keeps its first text.
 */
#ifndef CLIENT_STREAM_H
#define CLIENT_STREAM_H

#include "client/wire.h"
#include "proto/cursor.h"

#include <sys/uio.h>

#define STREAM_BUFFER_SIZE 16384u
#define STREAM_WHY_SIZE    512u

struct stream {
    int fd;
    unsigned timeout_ms; /* 0: wait for ever */
    bool is_lost;
    size_t begin, end; /* of what was received and not yet taken */
    char peer[300];    /* for sentences: 127.0.0.1:7654 */
    char why[STREAM_WHY_SIZE];
    uint8_t buffer[STREAM_BUFFER_SIZE];
};

/* GONE and `why` when nobody can be reached within timeout_ms, which from then
 * on is how long a call waits for the next byte to move in its direction. */
enum status stream_open(struct stream *, const struct wire_url *,
                        unsigned timeout_ms) MUST_USE;
void stream_close(struct stream *);

/* Sets why; a status of a lost connection, or LATE, loses the stream.  Returns
 * the status, for `return stream_fail(...)`. */
enum status stream_fail(struct stream *, enum status, const char *format, ...)
    __attribute__((format(printf, 3, 4))) MUST_USE;

/* All bytes of all pieces, without a copy.  Changes the pieces. */
enum status stream_send(struct stream *, struct iovec *pieces,
                        int count) MUST_USE;

/* What was received and not taken; then stream_take() with what a codec has
 * left of it. */
struct cursor stream_cursor(struct stream *);
void stream_take(struct stream *, const struct cursor *);

/* At least one more byte behind those in the buffer; BROKEN when it is full,
 * for no head is that long.  What a cursor points to moves. */
enum status stream_more(struct stream *) MUST_USE;

/* Exactly `size` bytes, straight into the caller's memory but for those that
 * were in the buffer already. */
enum status stream_read(struct stream *, void *into, size_t size) MUST_USE;
enum status stream_skip(struct stream *, uint64_t size) MUST_USE;

/* A line without its CRLF, valid until the next call. */
enum status stream_line(struct stream *, struct bytes *line_out) MUST_USE;

#endif
