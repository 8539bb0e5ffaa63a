/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of ports share: a file that is gone with its last descriptor,
 * reads and writes with their own memory, and a turn of a port's loop.
 */
#ifndef LIB_PORT_FILE_H
#define LIB_PORT_FILE_H

#include "storage/port.h"
#include "tests/lib/store_values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PORT_WAIT_MS  20000
#define PORT_SECTOR   4096u
#define PORT_PATH_MAX 256u

/* O_DIRECT where the filesystem has it.  -1: errno says. */
static inline int
port_file_open(char path[PORT_PATH_MAX])
{
    const char *folder = getenv("PREFIXCACHE_TMP");
    int fd, direct_fd;

    snprintf(path, PORT_PATH_MAX, "%s/port.XXXXXX",
             folder != NULL ? folder : "/tmp");
    fd = mkstemp(path);
    if (fd < 0)
        return -1;
    direct_fd = open(path, O_RDWR | O_CLOEXEC | O_DIRECT);
    if (direct_fd < 0)
        return fd;
    close(fd);
    return direct_fd;
}

/* One read or write, cut into vectors anywhere between sectors. */
struct port_piece {
    struct io io;
    uint8_t *data;
    struct iovec vectors[IO_VECTORS_MAX];
    bool is_done;
    void *owner; /* the test's */
};

static inline void
port_piece_done(struct io *io)
{
    ((struct port_piece *)io)->is_done = true;
}

/* false: no memory. */
static inline bool
port_piece_open(struct port_piece *piece)
{
    memset(piece, 0, sizeof(*piece));
    piece->data = aligned_alloc(PORT_SECTOR, IO_SIZE_MAX);
    return piece->data != NULL;
}

static inline void
port_piece_close(struct port_piece *piece)
{
    free(piece->data);
    piece->data = NULL;
}

/* size: whole sectors; count: at most as many. */
static inline void
port_piece_set(struct port_piece *piece, bool is_write, uint64_t offset,
               uint32_t size, unsigned count)
{
    uint32_t at = 0, sectors = size / PORT_SECTOR;

    for (unsigned i = 0; i < count; i++) {
        uint32_t end = (uint32_t)((uint64_t)sectors * (i + 1) / count);

        piece->vectors[i].iov_base = piece->data + at;
        piece->vectors[i].iov_len = end * PORT_SECTOR - at;
        at = end * PORT_SECTOR;
    }
    piece->is_done = false;
    piece->io = (struct io){.is_write = is_write,
                            .offset = offset,
                            .vectors = piece->vectors,
                            .count = count,
                            .size = size,
                            .done = port_piece_done};
}

/* Waits till the port has something to do, and runs it.  false: it did not in
 * time. */
static inline bool
port_turn(struct port *port)
{
    struct pollfd ready = {port_fd(port), POLLIN, 0};
    int found;

    do
        found = poll(&ready, 1, PORT_WAIT_MS);
    while (found < 0 && errno == EINTR);
    if (found != 1)
        return false;
    port_run(port);
    return true;
}

/* Until nothing is under way. */
static inline bool
port_drain(struct port *port)
{
    while (port_pending(port) != 0)
        if (!port_turn(port))
            return false;
    return true;
}

#endif
