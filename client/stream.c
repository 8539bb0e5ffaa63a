/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blocking socket with a read buffer.  Timeouts are the kernel's own
 * (SO_RCVTIMEO, SO_SNDTIMEO), so that waiting costs no system call beside the
 * transfer itself.  What the bytes mean is left to the wire_* files.
 */
#include "client/stream.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum status
stream_fail(struct stream *s, enum status status, const char *format, ...)
{
    va_list words;

    va_start(words, format);
    vsnprintf(s->why, sizeof s->why, format, words);
    va_end(words);
    if (status == STATUS_LATE || status_scope(status) == SCOPE_CONNECTION)
        s->is_lost = true;
    return status;
}

static uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
set_timeout(int fd, unsigned timeout_ms)
{
    struct timeval timeout = {
        .tv_sec = timeout_ms / 1000,
        .tv_usec = (timeout_ms % 1000) * 1000,
    };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
}

/* 0, or an errno. */
static int
connect_to(struct stream *s, int family, const struct sockaddr *address,
           socklen_t size, unsigned timeout_ms)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0)
        return errno;
    set_timeout(fd, timeout_ms);
    if (connect(fd, address, size) == 0) {
        s->fd = fd;
        return 0;
    }
    /* EINPROGRESS is how a blocking connect reports SO_SNDTIMEO; a Unix
     * socket whose backlog stays full says EAGAIN. */
    error = errno;
    if (error == EINPROGRESS || error == EAGAIN)
        error = ETIMEDOUT;
    close(fd);
    return error;
}

static enum status
connect_unix(struct stream *s, const struct wire_url *url)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int error = ENAMETOOLONG;

    snprintf(s->peer, sizeof s->peer, "%s", url->host);
    if (strlen(url->host) < sizeof address.sun_path) {
        memcpy(address.sun_path, url->host, strlen(url->host) + 1);
        error = connect_to(s, AF_UNIX, (const struct sockaddr *)&address,
                           sizeof address, s->timeout_ms);
    }
    if (error != 0)
        return stream_fail(s, STATUS_GONE, "cannot connect to %s: %s", s->peer,
                           strerror(error));
    return STATUS_OK;
}

/* A name may have several addresses (localhost has two): all of them share one
 * deadline, and the failure reported is the last one's. */
static int
connect_any(struct stream *s, const struct addrinfo *found)
{
    uint64_t deadline_ms = now_ms() + s->timeout_ms;
    int error = EADDRNOTAVAIL;

    for (; found != NULL; found = found->ai_next) {
        uint64_t at_ms = now_ms();
        unsigned left_ms = 0;

        if (s->timeout_ms != 0 && at_ms >= deadline_ms)
            return ETIMEDOUT;
        if (s->timeout_ms != 0)
            left_ms = (unsigned)(deadline_ms - at_ms);
        error = connect_to(s, found->ai_family, found->ai_addr,
                           found->ai_addrlen, left_ms);
        if (error == 0)
            return 0;
    }
    return error;
}

static enum status
connect_tcp(struct stream *s, const struct wire_url *url)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error, one = 1;

    snprintf(s->peer, sizeof s->peer, "%s:%s", url->host, url->port);
    error = getaddrinfo(url->host, url->port, &hints, &found);
    if (error != 0)
        return stream_fail(s, STATUS_GONE, "cannot find the host of %s: %s",
                           s->peer, gai_strerror(error));
    error = connect_any(s, found);
    freeaddrinfo(found);
    if (error == ETIMEDOUT)
        return stream_fail(s, STATUS_GONE,
                           "cannot connect to %s: no answer within %u ms",
                           s->peer, s->timeout_ms);
    if (error != 0)
        return stream_fail(s, STATUS_GONE, "cannot connect to %s: %s", s->peer,
                           strerror(error));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return STATUS_OK;
}

enum status
stream_open(struct stream *s, const struct wire_url *url, unsigned timeout_ms)
{
    enum status status;

    s->fd = -1;
    s->timeout_ms = timeout_ms;
    s->is_lost = false;
    s->begin = s->end = 0;
    s->why[0] = '\0';
    status = url->is_unix ? connect_unix(s, url) : connect_tcp(s, url);
    if (status == STATUS_OK)
        set_timeout(s->fd, timeout_ms);
    return status;
}

void
stream_close(struct stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->is_lost = true;
}

/* Names what errno, or an end of file (0), means to a person. */
static enum status
fail_transfer(struct stream *s, int error, const char *doing)
{
    if (error == EAGAIN)
        return stream_fail(s, STATUS_LATE,
                           "%s made no progress for %u ms while %s", s->peer,
                           s->timeout_ms, doing);
    if (error == 0)
        return stream_fail(s, STATUS_GONE, "%s closed the connection while %s",
                           s->peer, doing);
    return stream_fail(s, STATUS_GONE, "lost the connection to %s while %s: %s",
                       s->peer, doing, strerror(error));
}

/* Drops `size` sent bytes from the front of the pieces. */
static void
advance(struct iovec **pieces, int *count, size_t size)
{
    while (*count > 0 && size >= (*pieces)->iov_len) {
        size -= (*pieces)->iov_len;
        (*pieces)++;
        (*count)--;
    }
    if (size > 0) {
        (*pieces)->iov_base = (uint8_t *)(*pieces)->iov_base + size;
        (*pieces)->iov_len -= size;
    }
}

enum status
stream_send(struct stream *s, struct iovec *pieces, int count)
{
    if (s->is_lost)
        return STATUS_GONE;
    advance(&pieces, &count, 0);
    while (count > 0) {
        struct msghdr message = {.msg_iov = pieces,
                                 .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return fail_transfer(s, errno, "a request was being sent");
        advance(&pieces, &count, (size_t)sent);
    }
    return STATUS_OK;
}

struct cursor
stream_cursor(struct stream *s)
{
    return (struct cursor){.at = s->buffer + s->begin,
                           .end = s->buffer + s->end};
}

void
stream_take(struct stream *s, const struct cursor *cursor)
{
    s->begin = (size_t)(cursor->at - s->buffer);
    if (s->begin == s->end)
        s->begin = s->end = 0;
}

static enum status
receive(struct stream *s, struct iovec *pieces, int count, size_t *size_out)
{
    ssize_t got;

    do
        got = readv(s->fd, pieces, count);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return fail_transfer(s, got < 0 ? errno : 0,
                             "a reply was being awaited");
    *size_out = (size_t)got;
    return STATUS_OK;
}

enum status
stream_more(struct stream *s)
{
    struct iovec room;
    enum status status;
    size_t got = 0;

    if (s->is_lost)
        return STATUS_GONE;
    if (s->begin > 0) {
        memmove(s->buffer, s->buffer + s->begin, s->end - s->begin);
        s->end -= s->begin;
        s->begin = 0;
    }
    if (s->end == sizeof s->buffer)
        return stream_fail(s, STATUS_BROKEN,
                           "%s sent a reply head longer than %zu bytes",
                           s->peer, sizeof s->buffer);
    room.iov_base = s->buffer + s->end;
    room.iov_len = sizeof s->buffer - s->end;
    status = receive(s, &room, 1, &got);
    s->end += got;
    return status;
}

enum status
stream_read(struct stream *s, void *into, size_t size)
{
    uint8_t *at = into;
    size_t here = s->end - s->begin < size ? s->end - s->begin : size;

    if (s->is_lost)
        return STATUS_GONE;
    if (here > 0)
        memcpy(at, s->buffer + s->begin, here);
    at += here;
    size -= here;
    s->begin += here;
    if (s->begin == s->end)
        s->begin = s->end = 0;
    while (size > 0) {
        /* What follows the body (RESP's CRLF) arrives with its last bytes and
         * costs no read of its own. */
        struct iovec pieces[2] = {{at, size}, {s->buffer, sizeof s->buffer}};
        enum status status;
        size_t got = 0;

        status = receive(s, pieces, 2, &got);
        if (status != STATUS_OK)
            return status;
        if (got > size)
            s->end = got - size;
        here = got < size ? got : size;
        at += here;
        size -= here;
    }
    return STATUS_OK;
}

enum status
stream_skip(struct stream *s, uint64_t size)
{
    for (;;) {
        size_t here = s->end - s->begin;
        enum status status;

        if (here > size)
            here = (size_t)size;
        s->begin += here;
        size -= here;
        if (s->begin == s->end)
            s->begin = s->end = 0;
        if (size == 0)
            return s->is_lost ? STATUS_GONE : STATUS_OK;
        status = stream_more(s);
        if (status != STATUS_OK)
            return status;
    }
}

enum status
stream_line(struct stream *s, struct bytes *line_out)
{
    size_t seen = 0;

    for (;;) {
        uint8_t *start = s->buffer + s->begin;
        uint8_t *end =
            s->end - s->begin > seen
                ? memchr(start + seen, '\n', s->end - s->begin - seen)
                : NULL;
        enum status status;

        if (end != NULL) {
            line_out->at = start;
            line_out->size = (size_t)(end - start);
            if (line_out->size > 0 && end[-1] == '\r')
                line_out->size--;
            s->begin += (size_t)(end - start) + 1;
            return STATUS_OK;
        }
        seen = s->end - s->begin;
        status = stream_more(s);
        if (status != STATUS_OK)
            return status;
    }
}
