/* SPDX-License-Identifier: Apache-2.0 */
/* Pages, and objects that stand in them without a gap. */
#include "server/index/arena.h"

#include "storage/poison.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

/* Sizes grow by an eighth at most, so that little is lost to rounding up. */
static const uint16_t class_size[ARENA_CLASSES] = {
    8,   16,  24,  32,  40,  48,  56,   64,   72,   80,   88,
    96,  104, 112, 120, 128, 144, 160,  176,  192,  208,  224,
    240, 256, 288, 320, 352, 384, 416,  448,  480,  512,  576,
    640, 704, 768, 832, 896, 960, 1024, 1360, 2048, 4096,
};

static unsigned
class_of(size_t size)
{
    unsigned class;

    assert(size != 0 && size <= ARENA_OBJECT_MAX);
    if (size <= 128)
        return (unsigned)(size - 1) / 8;
    if (size <= 256)
        return 16 + (unsigned)(size - 129) / 16;
    if (size <= 512)
        return 24 + (unsigned)(size - 257) / 32;
    if (size <= 1024)
        return 32 + (unsigned)(size - 513) / 64;
    for (class = 40; class_size[class] < size;)
        class ++;
    return class;
}

static uint32_t
per_page(unsigned class)
{
    return ARENA_PAGE / class_size[class];
}

enum status
arena_open(struct arena *arena, size_t size, size_t front_each,
           void **front_out)
{
    size_t pages = size / ARENA_PAGE;
    size_t front = pages * (front_each + sizeof(*arena->link));
    uint32_t first = (uint32_t)((front + ARENA_PAGE - 1) / ARENA_PAGE);
    void *base;

    memset(arena, 0, sizeof(*arena));
    size = pages * ARENA_PAGE;
    if (pages <= first || pages > UINT32_MAX / (ARENA_PAGE / ARENA_UNIT))
        return STATUS_NO_SPACE;
    base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return STATUS_NO_SPACE;
    arena->base = base;
    arena->pages = (uint32_t)pages;
    arena->fresh = first;
    arena->free_pages = arena->pages - first;
    arena->link = base;
    *front_out = arena->link + pages;
    POISON_HOLD(arena->base + (size_t)first * ARENA_PAGE,
                size - (size_t)first * ARENA_PAGE);
    return STATUS_OK;
}

void
arena_close(struct arena *arena)
{
    size_t size = (size_t)arena->pages * ARENA_PAGE;

    if (arena->base == NULL)
        return;
    POISON_RELEASE(arena->base, size);
    munmap(arena->base, size);
    arena->base = NULL;
}

static uint32_t
take_page(struct arena *arena)
{
    uint32_t page = arena->given_back;

    assert(arena->free_pages != 0);
    arena->free_pages--;
    if (page == 0)
        return arena->fresh++;
    arena->given_back = arena->link[page];
    return page;
}

uint32_t
arena_page_take(struct arena *arena)
{
    uint32_t page = take_page(arena);

    POISON_RELEASE(arena_page_at(arena, page), ARENA_PAGE);
    return page;
}

void
arena_page_give(struct arena *arena, uint32_t page)
{
    assert(page != 0 && page < arena->fresh);
    POISON_HOLD(arena_page_at(arena, page), ARENA_PAGE);
    arena->link[page] = arena->given_back;
    arena->given_back = page;
    arena->free_pages++;
}

size_t
arena_object_size(size_t size)
{
    return class_size[class_of(size)];
}

static uint32_t
handle_of(uint32_t page, uint32_t number, unsigned class)
{
    return page * (ARENA_PAGE / ARENA_UNIT) +
           number * (class_size[class] / ARENA_UNIT);
}

uint32_t
arena_object_new(struct arena *arena, enum arena_kind kind, size_t size)
{
    unsigned class = class_of(size);
    struct arena_class *at = &arena->classes[kind][class];
    uint32_t handle;

    if (at->page == 0 || at->used == per_page(class)) {
        uint32_t page = take_page(arena);

        arena->link[page] = at->page;
        at->page = page;
        at->used = 0;
    }
    handle = handle_of(at->page, at->used++, class);
    POISON_RELEASE(arena_at(arena, handle), class_size[class]);
    return handle;
}

uint32_t
arena_object_free(struct arena *arena, enum arena_kind kind, size_t size,
                  uint32_t handle)
{
    unsigned class = class_of(size);
    struct arena_class *at = &arena->classes[kind][class];
    uint32_t last;

    assert(at->used != 0);
    last = handle_of(at->page, --at->used, class);
    if (last != handle)
        memcpy(arena_at(arena, handle), arena_at(arena, last),
               class_size[class]);
    POISON_HOLD(arena_at(arena, last), class_size[class]);
    if (at->used == 0) {
        uint32_t page = at->page;

        at->page = arena->link[page];
        at->used = at->page == 0 ? 0 : per_page(class);
        arena_page_give(arena, page);
    }
    return last != handle ? last : 0;
}
