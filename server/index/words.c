/* SPDX-License-Identifier: Apache-2.0 */
/* Words are objects of the arena, which move; their numbers do not. */
#include "server/index/words.h"

#include "proto/checksum.h"

#include <assert.h>
#include <string.h>

struct word {
    uint32_t uses;
    uint32_t next; /* the next word of its bucket */
    uint32_t number;
    uint16_t size;
    uint8_t bytes[];
};

#define HEAD_SIZE offsetof(struct word, bytes)

static_assert(HEAD_SIZE + WORDS_SIZE_MAX <= ARENA_OBJECT_MAX,
              "the longest word is one object");

/* Where a word is; of a number nobody has, the next such number. */
static uint32_t *
place_of(const struct words *words, uint32_t number)
{
    uint32_t page = words->page[number / TABLE_PAGE_BUCKETS];

    return (uint32_t *)arena_page_at(words->arena, page) +
           number % TABLE_PAGE_BUCKETS;
}

static struct word *
word_of(const struct words *words, uint32_t number)
{
    return arena_at(words->arena, *place_of(words, number));
}

static uint32_t
hash_text(const void *bytes, size_t size)
{
    return (uint32_t)checksum_of(bytes, size);
}

static uint32_t
hash(void *owner, uint32_t number)
{
    const struct word *word = word_of(owner, number);

    return hash_text(word->bytes, word->size);
}

static uint32_t *
next(void *owner, uint32_t number)
{
    return &word_of(owner, number)->next;
}

static struct table_items
items_of(struct words *words)
{
    struct table_items items = {hash, next, words};

    return items;
}

void
words_open(struct words *words, struct arena *arena, uint32_t *pages,
           uint32_t pages_max)
{
    memset(words, 0, sizeof(*words));
    words->arena = arena;
    table_open(&words->by_text, arena, pages, pages_max);
    words->page = pages + pages_max;
    words->numbers = 1;
}

static uint32_t
find(struct words *words, const struct bytes *text, uint32_t at_hash)
{
    uint32_t bucket = table_bucket(&words->by_text, at_hash);
    uint32_t number = *table_head(&words->by_text, bucket);

    while (number != 0) {
        const struct word *word = word_of(words, number);

        if (word->size == text->size &&
            memcmp(word->bytes, text->at, text->size) == 0)
            break;
        number = word->next;
    }
    return number;
}

uint32_t
words_find(struct words *words, const struct bytes *text)
{
    if (text->size > WORDS_SIZE_MAX)
        return 0;
    return find(words, text, hash_text(text->at, text->size));
}

static uint32_t
new_number(struct words *words)
{
    uint32_t number = words->free_numbers;

    if (number != 0) {
        words->free_numbers = *place_of(words, number);
        return number;
    }
    number = words->numbers++;
    if (number / TABLE_PAGE_BUCKETS == words->page_count)
        words->page[words->page_count++] = arena_page_take(words->arena);
    return number;
}

static uint32_t
add(struct words *words, const struct bytes *text)
{
    struct table_items items = items_of(words);
    uint32_t number = new_number(words);
    struct word *word;

    *place_of(words, number) =
        arena_object_new(words->arena, ARENA_WORDS, HEAD_SIZE + text->size);
    word = word_of(words, number);
    word->uses = 0;
    word->number = number;
    word->size = (uint16_t)text->size;
    if (text->size != 0)
        memcpy(word->bytes, text->at, text->size);
    table_add(&words->by_text, &items, number);
    words->count++;
    return number;
}

uint32_t
words_take(struct words *words, const struct bytes *text)
{
    uint32_t number;

    assert(text->size <= WORDS_SIZE_MAX);
    number = find(words, text, hash_text(text->at, text->size));
    if (number == 0)
        number = add(words, text);
    word_of(words, number)->uses++;
    return number;
}

void
words_hold(struct words *words, uint32_t number)
{
    word_of(words, number)->uses++;
}

void
words_drop(struct words *words, uint32_t number)
{
    struct table_items items = items_of(words);
    struct word *word = word_of(words, number);
    uint32_t *place = place_of(words, number);

    assert(word->uses != 0);
    if (--word->uses != 0)
        return;
    table_remove(&words->by_text, &items, number);
    if (arena_object_free(words->arena, ARENA_WORDS, HEAD_SIZE + word->size,
                          *place) != 0)
        *place_of(words, word->number) = *place;
    *place = words->free_numbers;
    words->free_numbers = number;
    words->count--;
}

struct bytes
words_text(const struct words *words, uint32_t number)
{
    const struct word *word = word_of(words, number);
    struct bytes text = {word->bytes, word->size};

    return text;
}

size_t
words_memory(const struct words *words, uint32_t number)
{
    return arena_object_size(HEAD_SIZE + word_of(words, number)->size);
}
