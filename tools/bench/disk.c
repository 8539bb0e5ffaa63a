/* SPDX-License-Identifier: Apache-2.0 */
/* The ring, and what is under way on it.  Which file may be written, and how it
 * comes by its bytes, is disk_file.c's. */
#include "tools/bench/disk.h"

#include "base/clock.h"
#include "tools/bench/random.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define HUGE_PAGE   (2u << 20)
#define BUFFER_SEED 0x6469736b62656e63u
#define ORDER_SEED  0x6f72646572u

struct transfer {
    uint64_t offset, started_ns;
    size_t left; /* bytes that have not arrived */
};

/* What is asked for at a time; after a short answer, the rest of it. */
struct piece {
    struct transfer *transfer;
    uint8_t *bytes;
    uint64_t offset;
    uint32_t size;
};

struct disk {
    const struct disk_plan *plan;
    struct disk_result *result;
    struct io_uring ring;
    uint8_t *buffer;
    size_t buffer_size;
    struct transfer *transfers;
    struct piece *pieces;
    unsigned pieces_each, moving;
    uint64_t slots, next_slot, random, start_ns, stop_ns;
    int error; /* the first one, an errno, and where */
    uint64_t error_offset;
};

static unsigned
pieces_each(const struct disk_plan *plan)
{
    return (unsigned)((plan->size + DISK_PIECE - 1) / DISK_PIECE);
}

uint64_t
disk_pieces(const struct disk_plan *plan)
{
    return (uint64_t)plan->depth * pieces_each(plan);
}

static void
queue_piece(struct disk *disk, struct piece *piece)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&disk->ring);

    assert(sqe != NULL); /* the ring has room for every piece there is */
    if (disk->plan->mode == DISK_READ)
        io_uring_prep_read(sqe, 0, piece->bytes, piece->size, piece->offset);
    else
        io_uring_prep_write(sqe, 0, piece->bytes, piece->size, piece->offset);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, piece);
}

/* False when there is to be no other transfer. */
static bool
choose_slot(struct disk *disk, uint64_t now_ns, uint64_t *slot_out)
{
    const struct disk_plan *plan = disk->plan;

    if (disk->error != 0)
        return false;
    if (plan->seconds > 0 && now_ns >= disk->stop_ns)
        return false;
    if (plan->seconds > 0 && !plan->is_sequential) {
        *slot_out = random_below(&disk->random, disk->slots);
        return true;
    }
    if (disk->next_slot == disk->slots) {
        if (plan->seconds <= 0)
            return false;
        disk->next_slot = 0;
    }
    *slot_out = disk->next_slot++;
    return true;
}

static void
start_transfer(struct disk *disk, struct transfer *transfer, uint64_t now_ns)
{
    size_t size = disk->plan->size;
    unsigned index = (unsigned)(transfer - disk->transfers);
    uint8_t *bytes = disk->buffer + index * size;
    struct piece *piece = &disk->pieces[index * disk->pieces_each];
    uint64_t slot;

    if (!choose_slot(disk, now_ns, &slot))
        return;
    *transfer = (struct transfer){.offset = disk->plan->start + slot * size,
                                  .started_ns = now_ns,
                                  .left = size};
    for (size_t at = 0; at < size; at += DISK_PIECE, piece++) {
        size_t left = size - at;
        *piece = (struct piece){.transfer = transfer,
                                .bytes = bytes + at,
                                .offset = transfer->offset + at,
                                .size = left < DISK_PIECE ? (uint32_t)left
                                                          : DISK_PIECE};
        queue_piece(disk, piece);
    }
    disk->moving++;
}

static void
finish_transfer(struct disk *disk, struct transfer *transfer)
{
    uint64_t now_ns = clock_now_ns();

    disk->moving--;
    if (disk->error != 0)
        return;
    histogram_add(&disk->result->latency, now_ns - transfer->started_ns);
    disk->result->bytes += disk->plan->size;
    start_transfer(disk, transfer, now_ns);
}

static void
on_piece(struct disk *disk, struct piece *piece, int moved)
{
    struct transfer *transfer = piece->transfer;

    if (moved == -EINTR || moved == -EAGAIN) {
        queue_piece(disk, piece);
        return;
    }
    if (moved <= 0) {
        if (disk->error == 0) {
            disk->error = moved == 0 ? EIO : -moved;
            disk->error_offset = piece->offset;
        }
        moved = (int)piece->size; /* nothing more comes of it */
    }
    transfer->left -= (size_t)moved;
    piece->bytes += moved;
    piece->offset += (unsigned)moved;
    piece->size -= (uint32_t)moved;
    if (piece->size > 0)
        queue_piece(disk, piece);
    else if (transfer->left == 0)
        finish_transfer(disk, transfer);
}

static void
reap(struct disk *disk)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;

    io_uring_for_each_cqe(&disk->ring, head, cqe)
    {
        on_piece(disk, io_uring_cqe_get_data(cqe), cqe->res);
        count++;
    }
    io_uring_cq_advance(&disk->ring, count);
}

static uint64_t
own_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * NS_PER_SECOND + (uint64_t)used.tv_nsec;
}

static enum status
move_all(struct disk *disk, char *why, size_t room)
{
    const struct disk_plan *plan = disk->plan;
    uint64_t cpu_ns = own_cpu_ns();

    disk->start_ns = clock_now_ns();
    disk->stop_ns =
        disk->start_ns + (uint64_t)(plan->seconds * (double)NS_PER_SECOND);
    for (unsigned i = 0; i < plan->depth; i++)
        start_transfer(disk, &disk->transfers[i], disk->start_ns);
    while (disk->moving > 0) {
        int submitted = io_uring_submit_and_wait(&disk->ring, 1);
        if (submitted < 0 && submitted != -EINTR && submitted != -EAGAIN &&
            submitted != -EBUSY) {
            snprintf(why, room, "io_uring_enter: %s", strerror(-submitted));
            return STATUS_IO;
        }
        reap(disk);
    }
    disk->result->elapsed_ns = clock_now_ns() - disk->start_ns;
    disk->result->cpu_ns = own_cpu_ns() - cpu_ns;
    if (disk->error == 0)
        return STATUS_OK;
    snprintf(why, room, "%s at byte %llu: %s",
             plan->mode == DISK_READ ? "read" : "write",
             (unsigned long long)disk->error_offset, strerror(disk->error));
    return STATUS_IO;
}

/* Huge pages, as the server's pool has: fewer pages to hold for each transfer.
 * Random bytes, because some disks are quicker with zeroes. */
static enum status
take_memory(struct disk *disk)
{
    const struct disk_plan *plan = disk->plan;
    void *memory = NULL;

    disk->transfers = calloc(plan->depth, sizeof *disk->transfers);
    disk->pieces = calloc(disk_pieces(plan), sizeof *disk->pieces);
    if (disk->transfers == NULL || disk->pieces == NULL)
        return STATUS_NO_SPACE;
    if (posix_memalign(&memory, HUGE_PAGE, disk->buffer_size) != 0)
        return STATUS_NO_SPACE;
    disk->buffer = memory;
    madvise(memory, disk->buffer_size, MADV_HUGEPAGE);
    random_fill(BUFFER_SEED, memory, disk->buffer_size / 8);
    return STATUS_OK;
}

static enum status
open_ring(struct disk *disk, char *why, size_t room)
{
    unsigned entries = (unsigned)disk_pieces(disk->plan);
    /* Completions wait for the next system call: no interrupts. */
    int error =
        io_uring_queue_init(entries, &disk->ring, IORING_SETUP_COOP_TASKRUN);

    if (error == -EINVAL) /* a kernel that is older than the flag */
        error = io_uring_queue_init(entries, &disk->ring, 0);
    if (error == 0) {
        error = io_uring_register_files(&disk->ring, &disk->plan->fd, 1);
        if (error < 0)
            io_uring_queue_exit(&disk->ring);
    }
    if (error == 0)
        return STATUS_OK;
    snprintf(why, room, "io_uring is refused here: %s", strerror(-error));
    return STATUS_BAD_REQUEST;
}

enum status
disk_run(const struct disk_plan *plan, struct disk_result *result, char *why,
         size_t room)
{
    struct disk disk = {.plan = plan,
                        .result = result,
                        .buffer_size = plan->depth * plan->size,
                        .pieces_each = pieces_each(plan),
                        .slots = (plan->end - plan->start) / plan->size,
                        .random = ORDER_SEED};

    assert(plan->depth >= 1 && disk.slots >= 1);
    assert(disk_pieces(plan) <= DISK_PIECES_MAX);
    memset(result, 0, sizeof *result);
    enum status status = take_memory(&disk);
    if (status != STATUS_OK)
        snprintf(why, room, "no memory for what is under way");
    else
        status = open_ring(&disk, why, room);
    if (status == STATUS_OK) {
        status = move_all(&disk, why, room);
        io_uring_queue_exit(&disk.ring);
    }
    free(disk.buffer);
    free(disk.pieces);
    free(disk.transfers);
    return status;
}
