/* SPDX-License-Identifier: Apache-2.0 */
/* A short list of GETs under way, most often empty. */
#include "server/net/fetch.h"

#include "storage/poison.h"

#include <assert.h>
#include <stdlib.h>

#define KEPT_MAX 64u

struct fetch {
    struct store_get get;
    struct fetch_list *list;
    struct fetch *next;
    uint32_t number;
    uint32_t size; /* bytes, if it was begun ahead */
    bool is_done;
    bool is_asked_for; /* somebody was told PENDING */
};

static struct fetch *
fetch_new(struct fetch_stock *stock)
{
    struct fetch *fetch = stock->kept;

    if (fetch == NULL)
        return malloc(sizeof(*fetch));
    POISON_RELEASE(&fetch->get, sizeof(fetch->get));
    stock->kept = fetch->next;
    stock->kept_count--;
    return fetch;
}

static void
fetch_free(struct fetch_stock *stock, struct fetch *fetch)
{
    if (stock->kept_count == KEPT_MAX) {
        free(fetch);
        return;
    }
    /* The store has nothing to do with it any more. */
    POISON_HOLD(&fetch->get, sizeof(fetch->get));
    fetch->next = stock->kept;
    stock->kept = fetch;
    stock->kept_count++;
}

void
fetch_stock_close(struct fetch_stock *stock)
{
    while (stock->kept != NULL) {
        struct fetch *fetch = stock->kept;

        stock->kept = fetch->next;
        POISON_RELEASE(&fetch->get, sizeof(fetch->get));
        free(fetch);
    }
    stock->kept_count = 0;
}

static void
on_get(struct store_get *get)
{
    struct fetch *fetch = (struct fetch *)get;

    assert(!fetch->is_done);
    fetch->is_done = true;
    if (fetch->is_asked_for)
        fetch->list->wake(fetch->list);
}

/* Where the one of this number is, or would be. */
static struct fetch **
find(struct fetch_list *list, uint32_t number)
{
    struct fetch **at = &list->first;

    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static enum progress
start(struct fetch_list *list, struct fetch *fetch, uint32_t number,
      const struct store_name *name)
{
    fetch->list = list;
    fetch->number = number;
    fetch->size = 0;
    fetch->is_done = fetch->is_asked_for = false;
    fetch->get.done = on_get;
    fetch->get.run = list->run;
    return store_get_start(list->stock->port, &fetch->get, name);
}

static void
add(struct fetch_list *list, struct fetch *fetch)
{
    fetch->next = list->first;
    list->first = fetch;
}

static enum progress
ask(struct fetch_list *list, uint32_t number, const struct store_name *name,
    struct store_get *out)
{
    struct fetch *fetch = fetch_new(list->stock);

    if (fetch == NULL) {
        out->status = STATUS_MISS;
        out->chunk = NULL;
        out->is_promised = false;
        return FINISHED;
    }
    if (start(list, fetch, number, name) == PENDING) {
        fetch->is_asked_for = true;
        add(list, fetch);
        return PENDING;
    }
    *out = fetch->get;
    fetch_free(list->stock, fetch);
    return FINISHED;
}

enum progress
fetch_get(struct fetch_list *list, uint32_t number,
          const struct store_name *name, struct store_get *out)
{
    struct fetch **at = find(list, number);
    struct fetch *fetch = *at;

    if (fetch == NULL)
        return ask(list, number, name, out);
    if (!fetch->is_done) {
        fetch->is_asked_for = true;
        return PENDING;
    }
    *out = fetch->get;
    /* What was not there stays: whoever asks for several names in a row asks
     * for all of them again. */
    if (out->status == STATUS_OK) {
        *at = fetch->next;
        fetch_free(list->stock, fetch);
    }
    return FINISHED;
}

void
fetch_ahead(struct fetch_list *list, uint32_t number,
            const struct store_name *name, uint32_t size)
{
    struct fetch *fetch;

    if (*find(list, number) != NULL)
        return;
    fetch = fetch_new(list->stock);
    if (fetch == NULL)
        return;
    if (start(list, fetch, number, name) == FINISHED)
        fetch->is_done = true;
    fetch->size = size;
    add(list, fetch);
}

void
fetch_forget(struct fetch_list *list, uint32_t below)
{
    struct fetch **at = &list->first;

    while (*at != NULL) {
        struct fetch *fetch = *at;

        if (fetch->number >= below) {
            at = &fetch->next;
            continue;
        }
        *at = fetch->next;
        if (!fetch->is_done)
            store_get_cancel(list->stock->port, &fetch->get);
        else if (fetch->get.status == STATUS_OK)
            chunk_drop(&fetch->get.chunk);
        fetch_free(list->stock, fetch);
    }
}

unsigned
fetch_count(const struct fetch_list *list)
{
    unsigned count = 0;

    for (const struct fetch *at = list->first; at != NULL; at = at->next)
        count++;
    return count;
}

uint64_t
fetch_bytes(const struct fetch_list *list)
{
    uint64_t bytes = 0;

    for (const struct fetch *at = list->first; at != NULL; at = at->next)
        bytes += at->size;
    return bytes;
}
