/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that rot on the device, and a log that ends anywhere: a start is never
 * refused, and what is got is right or not there.  The device is a file in
 * memory, which thousands of starts do not wear out. */
#include "storage/nvme_scan.h"
#include "tests/unit/nvme_checks.h"

#define DEVICE  (21u * MIB)
#define SEGMENT (4u * MIB)
#define BLOCK   NVME_BLOCK

static uint8_t *image;
static off_t image_size;
static int file_fd;

static void
begin(enum io_engine_kind engine)
{
    make(engine, DEVICE);
    file_fd = memfd_create("nvme", MFD_CLOEXEC);
    cr_assert_geq(file_fd, 0);
    snprintf(nvme.path, sizeof(nvme.path), "/proc/self/fd/%d", file_fd);
    nvme.options.path = nvme.path;
    opens();
    cr_assert_eq(nvme_used(&nvme).segment_size, SEGMENT);
}

/* Keeps what is in the file now, to go back to. */
static void
take_image(void)
{
    nvme_tier_close(&nvme);
    image_size = lseek(file_fd, 0, SEEK_END);
    image = malloc((size_t)image_size);
    cr_assert_eq(pread(file_fd, image, (size_t)image_size, 0), image_size);
}

static void
restore(uint64_t from, uint64_t size)
{
    cr_assert_eq(pwrite(file_fd, image + from, size, (off_t)from),
                 (ssize_t)size);
}

static void
restore_all(void)
{
    restore(0, (uint64_t)image_size);
}

static void
end(void)
{
    close(file_fd);
    free(image);
    cr_assert(nvme_tier_remove(&nvme));
}

static void
flip(uint64_t at)
{
    uint8_t byte = image[at] ^ (uint8_t)(1u << (at % 8));

    cr_assert_eq(pwrite(file_fd, &byte, 1, (off_t)at), 1);
}

/* How many are told; each of them must be right. */
static unsigned
all_right(unsigned count)
{
    unsigned there = 0;

    for (unsigned i = 0; i < count; i++) {
        enum status status = nvme_get(&nvme, i);

        cr_assert(status == STATUS_OK || status == STATUS_MISS ||
                      status == STATUS_CORRUPT,
                  "value %u", i);
        there += status == STATUS_OK;
    }
    return there;
}

/* --- One byte. --- */

static void
flip_each_byte_of(unsigned number)
{
    const struct nvme_kept *kept = &nvme.kept[number];
    uint64_t at = offset_of(&kept->place, SEGMENT);
    uint32_t blocks =
        1 + (nvme.key_size > 4000) + (kept->size + BLOCK - 1) / BLOCK;
    uint64_t value_end = at + blocks * BLOCK;
    uint64_t payload_end = value_end - (BLOCK - kept->size % BLOCK) % BLOCK;
    unsigned wrong = 0;

    for (uint64_t i = at; i < value_end; i++) {
        enum status status;

        flip(i);
        status = nvme_get(&nvme, number);
        restore(i, 1);
        /* The zeroes behind a value are not its bytes. */
        if (i >= payload_end) {
            cr_assert(status == STATUS_OK);
            continue;
        }
        cr_assert(status == STATUS_MISS || status == STATUS_CORRUPT,
                  "byte %u: %d", (unsigned)(i - at), (int)status);
        wrong++;
    }
    cr_assert_eq(nvme_used(&nvme).corrupt + nvme_used(&nvme).stale, wrong);
    is_there(number, number + 1);
}

static void
flip_each_byte(enum io_engine_kind engine, uint16_t key_size, uint32_t size)
{
    begin(engine);
    nvme.key_size = key_size;
    puts_value(0, 1, size);
    settles();
    take_image();
    opens();
    flip_each_byte_of(0);
    nvme_tier_close(&nvme);
    end();
}

Test(nvme_damage, each_byte_of_a_record_uring, .timeout = 300)
{
    flip_each_byte(IO_URING, 0, 5000);
}

Test(nvme_damage, each_byte_of_a_record_threads, .timeout = 300)
{
    flip_each_byte(IO_THREADS, 0, 5000);
}

Test(nvme_damage, each_byte_of_a_record_with_the_longest_key, .timeout = 300)
{
    flip_each_byte(IO_AUTO, KEY_SIZE_MAX, 100);
}

/* Two segments, the first sealed, and every kind of part. */
static void
make_every_part(void)
{
    for (unsigned i = 0; i < 8; i++)
        puts_value(i, 1 + i, 500000);
    for (unsigned i = 8; i < 16; i++)
        puts_value(i, 1 + i, 5000);
    nvme_delete(&nvme, 15, 100);
    settles();
    again();
    /* Notes, in the middle of a segment that stays open. */
    puts_value(16, 200, 5000);
    nvme_delete(&nvme, 14, 300);
    for (unsigned i = 0; i < 200 && nvme_used(&nvme).notes == 1; i++)
        nvme_turn(&nvme);
    settles();
    puts_value(17, 301, 5000);
}

/* What a start may have written: headers, and in a segment that was open a
 * table and a trailer. */
static void
restore_after_start(uint64_t open_segment)
{
    restore(0, 2 * BLOCK);
    for (uint64_t at = NVME_DATA_START; at < (uint64_t)image_size;
         at += SEGMENT)
        restore(at, BLOCK);
    restore(open_segment, SEGMENT);
}

/* A start with each of the first bytes of a block flipped, and some of the
 * rest. */
static void
starts_with_flips(uint64_t block, unsigned least)
{
    uint64_t segment = block < NVME_DATA_START
                           ? NVME_DATA_START
                           : block - (block - NVME_DATA_START) % SEGMENT;

    for (uint64_t i = 0; i < BLOCK; i += i < 128 ? 1 : 251) {
        flip(block + i);
        opens();
        cr_assert_geq(all_right(NVME_KEYS), least, "block %u byte %u",
                      (unsigned)(block / BLOCK), (unsigned)i);
        nvme_tier_close(&nvme);
        restore_after_start(segment);
        restore_after_start(NVME_DATA_START + SEGMENT);
    }
}

static uint64_t
table_of(unsigned segment)
{
    uint64_t start = NVME_DATA_START + (uint64_t)segment * SEGMENT;
    struct nvme_super super;
    struct nvme_trailer trailer;

    cr_assert_eq(nvme_read_super(image, &super), NVME_GOOD);
    cr_assert_eq(nvme_read_trailer(super.identity,
                                   image + start + SEGMENT - BLOCK, &trailer),
                 NVME_GOOD);
    return start + trailer.table_block * (uint64_t)BLOCK;
}

Test(nvme_damage, a_start_with_any_part_flipped_finds_the_rest, .timeout = 300)
{
    uint64_t open_segment;
    unsigned all, gone[] = {14, 15};

    begin(IO_AUTO);
    make_every_part();
    open_segment = offset_of(&nvme.kept[16].place, SEGMENT) - BLOCK;
    take_image();
    opens();
    all = all_right(NVME_KEYS);
    cr_assert_eq(all, 16u);
    for (unsigned i = 0; i < 2; i++)
        is_gone(gone[i]);
    nvme_tier_close(&nvme);
    restore_all();
    starts_with_flips(0, all);
    starts_with_flips(BLOCK, all);
    starts_with_flips(table_of(0), all);
    starts_with_flips(table_of(0) + BLOCK, all);
    starts_with_flips(NVME_DATA_START + SEGMENT - BLOCK, all);
    /* A header takes its segment with it, a record itself, the head of one in an
     * open segment also what is behind. */
    starts_with_flips(NVME_DATA_START, 1);
    starts_with_flips(open_segment, all - 2);
    starts_with_flips(open_segment + BLOCK, all - 2);
    starts_with_flips(open_segment + 2 * BLOCK, all - 2);
    starts_with_flips(open_segment + 4 * BLOCK, all - 1);
    end();
}

Test(nvme_damage, random_flips_never_give_wrong_bytes, .timeout = 300)
{
    uint64_t random = 7;

    begin(IO_AUTO);
    make_every_part();
    take_image();
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned k = 0; k < 40; k++)
            flip(BLOCK + random_next(&random) % (uint64_t)(image_size - BLOCK));
        opens();
        (void)all_right(NVME_KEYS);
        /* It goes on, too. */
        puts_value(100, 5000, 5000);
        is_there(100, 5000);
        nvme_forget(&nvme, 100);
        nvme_tier_close(&nvme);
        restore_all();
    }
    end();
}

/* --- The end. --- */

static void
cut_zeroed(uint64_t at, uint64_t end)
{
    static const uint8_t zero[SEGMENT];

    cr_assert_eq(pwrite(file_fd, zero, end - at, (off_t)at),
                 (ssize_t)(end - at));
}

static void
cut_short(uint64_t at, uint64_t end)
{
    (void)end;
    cr_assert_eq(ftruncate(file_fd, (off_t)at), 0);
}

/* Values that lie before the cut are there, those after it are not. */
static void
check_cut(uint64_t cut, const struct nvme_kept *written, unsigned from,
          unsigned count)
{
    for (unsigned i = from; i < count; i++) {
        uint64_t at = offset_of(&written[i].place, SEGMENT);
        uint64_t end = at + BLOCK + written[i].size;

        if (end <= cut)
            is_there(i, written[i].sequence);
        else
            cr_assert(!nvme.kept[i].is_there || nvme_get(&nvme, i) == STATUS_OK,
                      "value %u", i);
    }
}

static void
cut_everywhere(enum io_engine_kind engine, void (*cut)(uint64_t, uint64_t))
{
    static struct nvme_kept written[NVME_KEYS];
    unsigned count = 0, from = 0;
    uint64_t start, end;

    begin(engine);
    /* A sealed segment, and more than a megabyte in the next one. */
    while (count < 100 || offset_of(&nvme.kept[count - 1].place, SEGMENT) <
                              NVME_DATA_START + SEGMENT + 3 * MIB / 2) {
        puts_value(count, 1 + count, 1 + count * 7919 % 120000);
        count++;
    }
    settles();
    memcpy(written, nvme.kept, sizeof(written));
    take_image();
    start = NVME_DATA_START + SEGMENT;
    end = offset_of(&written[count - 1].place, SEGMENT) + BLOCK +
          (written[count - 1].size + BLOCK - 1) / BLOCK * BLOCK;
    while (offset_of(&written[from].place, SEGMENT) < end - MIB - 200000)
        from++;
    for (uint64_t at = end - MIB; at < end; at += 512) {
        cut(at, end);
        opens();
        check_cut(at, written, from, count);
        nvme_tier_close(&nvme);
        cr_assert_eq(ftruncate(file_fd, image_size), 0);
        restore_after_start(start);
    }
}

Test(nvme_damage, a_log_that_ends_in_zeroes_anywhere_starts, .timeout = 300)
{
    cut_everywhere(IO_AUTO, cut_zeroed);
    end();
}

Test(nvme_damage, a_file_that_ends_anywhere_starts, .timeout = 300)
{
    cut_everywhere(IO_THREADS, cut_short);
    end();
}
