/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of one part of the catalog, mapped once and never grown.  It hands
 * out two things:
 *
 *   pages     of 4 KiB: tables, and what is too long for an object
 *   objects   of up to ARENA_OBJECT_MAX bytes, in pages of one size each
 *
 * Objects of a size always fill their pages one after the other: where one is
 * freed, the last one takes its place.  So nothing is lost to holes, whatever
 * sizes come and go; the price is that objects move, and that whoever frees one
 * has to say so to who knew the other.  An object is known by its handle.
 *
 * One thread at a time.  Under AddressSanitizer free memory is poisoned.
 */
#ifndef INDEX_ARENA_H
#define INDEX_ARENA_H

#include "proto/status.h"

#include <stddef.h>
#include <stdint.h>

#define ARENA_PAGE       4096u
#define ARENA_OBJECT_MAX 4096u
#define ARENA_UNIT       8u /* bytes; objects are aligned to it */
#define ARENA_CLASSES    43u

/* Objects of different kinds never share a page, nor take each other's place. */
enum arena_kind { ARENA_CARDS, ARENA_WORDS, ARENA_KINDS };

struct arena_class {
    uint32_t page; /* the last one; 0: none */
    uint32_t used; /* objects in it */
};

struct arena {
    uint8_t *base;
    uint32_t pages;      /* numbers from 1 on; those below `fresh` were used */
    uint32_t fresh;      /* pages from here on were never touched */
    uint32_t given_back; /* list of pages that were; 0: none */
    uint32_t free_pages; /* all that can be taken */
    uint32_t *link;      /* of each page: the next given back, or the class's
                            page before it */
    struct arena_class classes[ARENA_KINDS][ARENA_CLASSES];
};

/* Maps `size` bytes, of which so many for each page are the caller's own:
 * *front_out, zeroed, not moved.  All the arena needs is in `size`, but for the
 * struct itself.  NO_SPACE when it can not be mapped or has no page. */
enum status arena_open(struct arena *, size_t size, size_t front_each,
                       void **front_out) MUST_USE;
void arena_close(struct arena *);

/* There must be one free.  Its contents are undefined. */
uint32_t arena_page_take(struct arena *);
void arena_page_give(struct arena *, uint32_t page);

/* Rounded up: what an object of that size takes. */
size_t arena_object_size(size_t size);
/* size: 1..ARENA_OBJECT_MAX.  There must be a free page.  Contents undefined. */
uint32_t arena_object_new(struct arena *, enum arena_kind, size_t size);
/* Returns the former handle of the object that has taken its place and is known
 * by `handle` now; 0 where none had to. */
uint32_t arena_object_free(struct arena *, enum arena_kind, size_t size,
                           uint32_t handle);

static inline void *
arena_at(const struct arena *arena, uint32_t handle)
{
    return arena->base + (size_t)handle * ARENA_UNIT;
}

static inline void *
arena_page_at(const struct arena *arena, uint32_t page)
{
    return arena->base + (size_t)page * ARENA_PAGE;
}

#endif
