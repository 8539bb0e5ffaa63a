/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file is written anew and renamed, so that it is always whole.  What it
 * says may be late by a moment: then some values are put twice.
 */
#include "tools/cli/dump_position.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAVE_NS (NS_PER_SECOND / 4)
#define SUFFIX  ".position"

/* The offset behind the head, or 0 where the file is of something else. */
static uint64_t
read_offset(const struct dump_position *position)
{
    FILE *file = fopen(position->path, "re");
    size_t size = strlen(position->head);
    char *text = malloc(size + 1);
    uint64_t offset = 0;

    if (file != NULL && text != NULL && fread(text, 1, size, file) == size &&
        memcmp(text, position->head, size) == 0 &&
        fscanf(file, "%" SCNu64, &offset) != 1)
        offset = 0;
    free(text);
    if (file != NULL)
        fclose(file);
    return offset;
}

bool
dump_position_open(struct dump_position *position, const char *dump_path,
                   const char *about, uint64_t *offset_out)
{
    *position = (struct dump_position){.saved_ns = clock_now_ns()};
    if (asprintf(&position->path, "%s" SUFFIX, dump_path) < 0) {
        position->path = NULL;
        return false;
    }
    if (asprintf(&position->head, "prefixcache-cli restore 1\n%s\n", about) <
        0) {
        position->head = NULL;
        return false;
    }
    *offset_out = read_offset(position);
    position->is_written = *offset_out > 0;
    return true;
}

static bool
write_offset(const struct dump_position *position, uint64_t offset)
{
    char *new_path = NULL;
    FILE *file = NULL;
    bool done = false;

    if (asprintf(&new_path, "%s.new", position->path) < 0)
        return false;
    file = fopen(new_path, "we");
    if (file != NULL) {
        done = fprintf(file, "%s%" PRIu64 "\n", position->head, offset) > 0;
        done = fclose(file) == 0 && done;
    }
    done = done && rename(new_path, position->path) == 0;
    free(new_path);
    return done;
}

bool
dump_position_note(struct dump_position *position, uint64_t offset)
{
    uint64_t now = clock_now_ns();

    if (position->path == NULL || now - position->saved_ns < SAVE_NS)
        return true;
    position->saved_ns = now;
    position->is_written = write_offset(position, offset);
    if (position->is_written)
        return true;
    free(position->path);
    position->path = NULL;
    return false;
}

void
dump_position_remove(struct dump_position *position)
{
    if (position->path != NULL && position->is_written)
        unlink(position->path);
}

void
dump_position_close(struct dump_position *position)
{
    free(position->path);
    free(position->head);
    *position = (struct dump_position){.path = NULL};
}
