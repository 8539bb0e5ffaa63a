/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte strings that are kept once, however often they are used: the same few
 * fields stand under millions of keys.  A word has a number, from 1 on, for as
 * long as it has a use; later another word may have it.
 *
 * One thread at a time.
 */
#ifndef INDEX_WORDS_H
#define INDEX_WORDS_H

#include "proto/message.h"
#include "server/index/table.h"

#define WORDS_SIZE_MAX 4000u

/* Pages that words_take() may need at most. */
#define WORDS_PAGES 3u

struct words {
    struct arena *arena;
    struct table by_text;
    uint32_t *page; /* of the pages that say where each word is */
    uint32_t page_count;
    uint32_t numbers;      /* below this one were given out */
    uint32_t free_numbers; /* list of those that came back; 0: none */
    uint32_t count;
};

/* Takes a page.  pages[2 * pages_max] lives as long. */
void words_open(struct words *, struct arena *, uint32_t *pages,
                uint32_t pages_max);

/* 0 where there is no such word. */
uint32_t words_find(struct words *, const struct bytes *text);
/* The word's number and one use of it.  text->size: at most WORDS_SIZE_MAX;
 * WORDS_PAGES must be free. */
uint32_t words_take(struct words *, const struct bytes *text);
/* Another use of one that has a use. */
void words_hold(struct words *, uint32_t number);
void words_drop(struct words *, uint32_t number);

/* Good until a word is taken or dropped. */
struct bytes words_text(const struct words *, uint32_t number);
/* Bytes of memory the word takes. */
size_t words_memory(const struct words *, uint32_t number);

#endif
