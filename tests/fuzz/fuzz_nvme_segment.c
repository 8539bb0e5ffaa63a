/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small device with a sealed and an open segment, of which the input flips
 * bytes (3 bytes each: where, with what) and then cuts the rest (if a byte is
 * left over).  Whatever becomes of it, a scan comes to an end and tells only
 * what was written.
 */
#include "storage/nvme_scan.h"
#include "tests/lib/nvme_image.h"

#include <sys/mman.h>

#define FLIP_SIZE  3u
#define FLIPS_MAX  64u
#define UNIT       (2 * (uint64_t)NVME_SEGMENT_MIN / 65536)
#define VALUES_MAX 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct image image;
static uint8_t whole[2 * NVME_SEGMENT_MIN];
static uint64_t checksums[VALUES_MAX]; /* by sequence */

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

static void
write_value(uint64_t sequence, uint32_t size)
{
    image_value(&image, (uint32_t)sequence, sequence, size);
    uint8_t *bytes = image_value_bytes((uint32_t)sequence, sequence, size);
    checksums[sequence] = checksum_of(bytes, size);
    free(bytes);
}

static void
make(void)
{
    int fd = memfd_create("image", 0);

    require(fd >= 0);
    image_open(&image, fd, NVME_SEGMENT_MIN, 2);
    image_begin(&image, 0, 1);
    write_value(1, 100);
    image_note(&image, NVME_TOMBSTONE, 1, 2);
    write_value(3, 9000);
    write_value(4, 0);
    image_seal(&image);
    image_begin(&image, 1, 2);
    write_value(5, 5000);
    image_note(&image, NVME_CHANGE, 3, 6);
    write_value(7, 4096);
    require(pread(fd, whole, sizeof(whole), NVME_DATA_START) ==
            (ssize_t)sizeof(whole));
}

static void
on_item(void *arg, const struct nvme_segment_seen *seen,
        const struct nvme_item *item)
{
    (void)arg;
    require(item->sequence >= 1 && item->sequence <= 7);
    require(seen->number == (item->sequence >= 5));
    bool is_note = item->sequence == 2 || item->sequence == 6;
    require((item->kind == NVME_VALUE) != is_note);
    require(item->checksum == checksums[item->sequence]);
}

static void
on_broken(void *arg, const struct nvme_segment_seen *seen, uint32_t block,
          const char *why)
{
    (void)arg;
    require(seen->number < 2 && block < NVME_SEGMENT_MIN / NVME_BLOCK);
    require(why != NULL);
}

static void
damage(const uint8_t *data, size_t size)
{
    image_write(&image, NVME_DATA_START, whole, sizeof(whole));
    for (; size >= FLIP_SIZE; data += FLIP_SIZE, size -= FLIP_SIZE) {
        uint64_t at =
            ((uint64_t)data[0] << 8 | data[1]) * UNIT + data[2] % UNIT;
        uint8_t byte = whole[at] ^ data[2];
        image_write(&image, NVME_DATA_START + at, &byte, 1);
    }
    if (size > 0)
        require(ftruncate(image.fd, NVME_DATA_START + data[0] * 512) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nvme_scan_events events = {.item = on_item, .broken = on_broken};
    struct nvme_segment_seen seen;
    struct nvme_scan *scan;
    uint32_t end;

    if (image.table == NULL)
        make();
    damage(data, size < FLIPS_MAX * FLIP_SIZE ? size : FLIPS_MAX * FLIP_SIZE);
    require(nvme_scan_open(image.fd, &image.super, &events, &scan) ==
            STATUS_OK);
    for (uint32_t i = 0; i < 2; i++) {
        require(nvme_scan_look(scan, i, &seen) == STATUS_OK);
        if (seen.state == NVME_SEGMENT_BLANK)
            continue;
        if (seen.state == NVME_SEGMENT_SEALED)
            (void)!nvme_scan_table(scan, &seen);
        require(nvme_scan_walk(scan, &seen, &end) == STATUS_OK);
        require(end >= 1 && end < NVME_SEGMENT_MIN / NVME_BLOCK);
    }
    nvme_scan_close(&scan);
    return 0;
}
