/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window over a device, by pread() into memory that O_DIRECT takes.  A file
 * may be shorter than its superblock says: then the rest is zeroes, which is
 * what a blank block is.
 */
#include "storage/nvme_window.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct nvme_window {
    int fd;
    void (*read)(void *arg, uint64_t bytes);
    void *arg;
    uint8_t *buffer;
    uint64_t offset; /* what of the device is in the buffer ... */
    uint32_t size;   /* ... bytes of it */
};

enum status
nvme_window_open(int fd, void (*read)(void *arg, uint64_t bytes), void *arg,
                 struct nvme_window **out)
{
    struct nvme_window *window = malloc(sizeof(*window));
    uint8_t *buffer = aligned_alloc(NVME_BLOCK, NVME_WINDOW);

    if (window == NULL || buffer == NULL) {
        free(window);
        free(buffer);
        return STATUS_NO_SPACE;
    }
    *window = (struct nvme_window){
        .fd = fd, .read = read, .arg = arg, .buffer = buffer};
    *out = window;
    return STATUS_OK;
}

void
nvme_window_close(struct nvme_window **window)
{
    if (*window == NULL)
        return;
    free((*window)->buffer);
    free(*window);
    *window = NULL;
}

/* Whole blocks are kept of a short read, because O_DIRECT reads from nowhere
 * else; less than a block is the file's end. */
static bool
fill(struct nvme_window *window, uint64_t offset, uint32_t size)
{
    uint32_t done = 0;

    window->size = 0;
    while (done < size) {
        ssize_t n = pread(window->fd, window->buffer + done, size - done,
                          (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n < (ssize_t)NVME_BLOCK) {
            memset(window->buffer + done + n, 0, size - done - (size_t)n);
            break;
        }
        done += (uint32_t)n / NVME_BLOCK * NVME_BLOCK;
    }
    window->offset = offset;
    window->size = size;
    if (window->read != NULL)
        window->read(window->arg, size);
    return true;
}

const uint8_t *
nvme_window_at(struct nvme_window *window, uint64_t offset, uint32_t size,
               uint64_t left)
{
    assert(offset % NVME_BLOCK == 0 && size % NVME_BLOCK == 0);
    assert(size <= NVME_WINDOW && size <= left);
    if (offset >= window->offset &&
        offset + size <= window->offset + window->size)
        return window->buffer + (offset - window->offset);
    uint32_t ahead = left < NVME_WINDOW ? (uint32_t)left : NVME_WINDOW;
    /* One block that can not be read must not hide those around it. */
    if (!fill(window, offset, ahead) && !fill(window, offset, size))
        return NULL;
    return window->buffer;
}
