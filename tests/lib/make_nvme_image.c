/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_nvme_image PATH [KIND] writes a small device as the NVMe tier leaves it,
 * and prints where what lies: NAME OFFSET, a line each.  KIND: "whole", or what
 * no flip of bytes could make:
 *
 *   newer     superblocks of a later version
 *   blank     formatted, and never used
 *   unlisted  a record that the table of its segment has not
 *   listed    a value and a note in a table that no record has
 *   changed   a table that says another size of a value than its record
 *
 * Of a whole one: 4 segments of 1 MiB, two sealed, one open with a torn tail, one
 * blank; not in the order they were written.  13 whole records with 10 values, 2
 * tombstones and a change; 3 values live, 5 superseded, 1 flushed, 1 expired; a
 * gap where a write had failed.
 */
#include "tests/lib/nvme_image.h"
#include "tests/lib/nvme_parts.h"

#include <fcntl.h>

static void
print_place(const struct image *image, const char *name, uint32_t block)
{
    printf("%s %llu\n", name,
           (unsigned long long)image_offset(image, image->segment, block));
}

static void
print_end(const struct image *image, const char *name)
{
    print_place(image, name,
                (uint32_t)(image->super.segment_size / NVME_BLOCK) - 1);
}

static void
write_first(struct image *image)
{
    image_begin(image, 0, 1);
    print_place(image, "header", 0);
    image_value(image, 1, 1, 5000); /* flushed */
    image_value(image, 2, 2, 70000);
    image_value(image, 3, 3, 100);
    image_value(image, 4, 4, 0);
    print_place(image, "note", image_note(image, NVME_TOMBSTONE, 4, 5));
    print_place(image, "value", image_value(image, 5, 6, 200000));
}

/* As if the write of it had failed, and the tier had noted that. */
static void
write_gap(struct image *image)
{
    uint8_t *listed = image->table_end;
    uint32_t place = image_value(image, 9, 99, 5000);

    image->table_end = listed;
    image_flip(image, image_offset(image, image->segment, place) + 200);
}

static void
write_second(struct image *image)
{
    image_begin(image, 2, 2);
    image_value(image, 2, 7, 60000);
    write_gap(image);
    image_value(image, 6, 8, 4096);
    image_note(image, NVME_CHANGE, 3, 3);
    print_place(image, "table", image_seal(image));
}

static void
write_open(struct image *image)
{
    image_begin(image, 1, 3);
    print_place(image, "open_value", image_value(image, 7, 9, 12345));
    image_value(image, 2, 7, 60000);
    image_value(image, 2, 2, 70000);
    image_note(image, NVME_TOMBSTONE, 6, 12);
    uint32_t torn = image_value(image, 8, 10, 50000);
    image_flip(image, image_offset(image, 1, torn + 1));
    print_place(image, "torn", torn);
}

/* Seals the first segment, in the way of this kind. */
static void
seal_as(struct image *image, const char *kind)
{
    struct nvme_item item = {.kind = NVME_VALUE,
                             .key = image_key(image, 10),
                             .sequence = 11,
                             .size = 5,
                             .block = 2};

    if (strcmp(kind, "unlisted") == 0) {
        uint8_t *listed = image->table_end;
        image_value(image, 10, 11, 5);
        image->table_end = listed;
    } else if (strcmp(kind, "listed") == 0) {
        image_list(image, &item);
        item.kind = NVME_TOMBSTONE;
        image_list(image, &item);
    } else if (strcmp(kind, "changed") == 0) {
        image->table[40]++; /* the first item's size */
    }
    print_place(image, "first_table", image_seal(image));
    print_end(image, "trailer");
}

static void
make_newer(struct image *image)
{
    uint8_t block[NVME_BLOCK];

    nvme_write_super(&image->super, block);
    block[32] = NVME_VERSION + 1;
    part_reseal(block, sizeof(block));
    image_write(image, 0, block, sizeof(block));
    image_write(image, sizeof(block), block, sizeof(block));
}

int
main(int argc, char **argv)
{
    const char *kind = argc > 2 ? argv[2] : "whole";
    struct image image;

    if (argc < 2 || argc > 3) {
        fputs("usage: make_nvme_image PATH [KIND]\n", stderr);
        return 2;
    }
    int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
    if (fd < 0) {
        perror(argv[1]);
        return 2;
    }
    image_open(&image, fd, 1u << 20, 4);
    image.super.flushed[1] = 1;
    image_write_super(&image, 1, 3);
    if (strcmp(kind, "blank") != 0) {
        write_first(&image);
        seal_as(&image, kind);
        write_second(&image);
        write_open(&image);
    }
    if (strcmp(kind, "newer") == 0)
        make_newer(&image);
    image_close(&image);
    return 0;
}
