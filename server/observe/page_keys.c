/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/keys: which entries there are, some at a time. */
#include "base/clock.h"
#include "server/observe/page.h"
#include "server/observe/question.h"
#include "server/server.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_OK       200
#define CODE_BAD      400
#define COUNT_DEFAULT 100u
#define COUNT_MAX     1000u
/* A walk that finds little ends early: this thread has others to answer. */
#define LONGEST_NS (20 * NS_PER_MS)

/* What was found of one entry; its key is behind it. */
struct found {
    struct found *next;
    uint32_t body_size;
    uint16_t key_size;
    uint8_t kind, tiers;
    uint8_t key[];
};

struct walk {
    struct bytes prefix;
    uint64_t space, cursor, count_most;
    unsigned seen, count;
    bool is_short; /* of memory */
    struct found *first, **last;
};

/* Under a lock: copies. */
static void
on_seen(void *arg, const struct store_seen *seen)
{
    struct walk *walk = arg;
    struct found *found;

    walk->seen++;
    if (!seen->has_body || seen->key.space != walk->space ||
        seen->key.size < walk->prefix.size ||
        memcmp(seen->key.bytes, walk->prefix.at, walk->prefix.size) != 0)
        return;
    found = malloc(sizeof(*found) + seen->key.size);
    walk->is_short = walk->is_short || found == NULL;
    if (found == NULL)
        return;
    found->next = NULL;
    found->body_size = seen->body_size;
    found->key_size = seen->key.size;
    found->kind = (uint8_t)seen->key.kind;
    found->tiers = seen->tiers;
    memcpy(found->key, seen->key.bytes, seen->key.size);
    *walk->last = found;
    walk->last = &found->next;
    walk->count++;
}

/* Exactly, where it is no text. */
static void
add_hex(json_t *json, const struct bytes *key)
{
    char *text = malloc(2 * key->size + 1);

    for (size_t i = 0; text != NULL && i < key->size; i++)
        snprintf(text + 2 * i, 3, "%02x", key->at[i]);
    if (text != NULL)
        json_object_set_new(json, "hex", json_stringn(text, 2 * key->size));
    free(text);
}

static json_t *
entry_of(const struct found *found)
{
    struct bytes key = {found->key, found->key_size};
    json_t *tiers = json_array(), *name = page_string(&key), *json;
    bool is_text = name != NULL && json_string_length(name) == key.size &&
                   memcmp(json_string_value(name), key.at, key.size) == 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if ((found->tiers & 1u << tier) != 0)
            json_array_append_new(tiers, json_string(tier_kinds[tier]->name));
    json = json_pack("{s:o, s:s, s:I, s:o}", "key", name, "kind",
                     found->kind == KEY_PLAIN ? "value" : "object", "bytes",
                     (json_int_t)found->body_size, "tiers", tiers);
    if (!is_text && json != NULL)
        add_hex(json, &key);
    return json;
}

static json_t *
list_of(struct walk *walk)
{
    json_t *list = json_array();
    struct found *next;

    for (struct found *at = walk->first; at != NULL; at = next) {
        next = at->next;
        json_array_append_new(list, entry_of(at));
        free(at);
    }
    return list;
}

static enum status
read_walk(const struct page_ask *ask, uint8_t room[KEY_SIZE_MAX],
          struct walk *walk)
{
    enum status status =
        question_find(&ask->query, "prefix", room, KEY_SIZE_MAX, &walk->prefix);

    if (status != STATUS_BAD_REQUEST)
        status = question_find_number(&ask->query, "cursor", UINT64_MAX,
                                      &walk->cursor);
    if (status != STATUS_BAD_REQUEST)
        status = question_find_number(&ask->query, "count", COUNT_MAX,
                                      &walk->count_most);
    if (status != STATUS_BAD_REQUEST)
        status = question_find_number(&ask->query, "namespace",
                                      STORE_SPACES - 1, &walk->space);
    return status == STATUS_BAD_REQUEST ? status : STATUS_OK;
}

void
page_keys(const struct page_ask *ask, struct page *out)
{
    uint64_t until_ns = clock_now_ns() + LONGEST_NS;
    uint8_t room[KEY_SIZE_MAX];
    struct walk walk = {.prefix = {room, 0}, .count_most = COUNT_DEFAULT};
    char cursor[24];
    json_t *keys;

    walk.last = &walk.first;
    if (read_walk(ask, room, &walk) != STATUS_OK) {
        page_error(out, CODE_BAD, "bad_request",
                   "expected ?prefix=...&cursor=...&count=...&namespace=...: a "
                   "cursor that was given here, a count of at most %u, a "
                   "namespace from 0 to 255",
                   COUNT_MAX);
        return;
    }
    do
        store_list(ask->server->store, &walk.cursor, 1, on_seen, &walk);
    while (walk.cursor != 0 && walk.count < walk.count_most &&
           clock_now_ns() < until_ns);
    keys = list_of(&walk);
    if (walk.is_short) {
        json_decref(keys);
        return;
    }
    /* A string: JSON's numbers have fewer bits for some. */
    snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)walk.cursor);
    page_json(out, CODE_OK,
              json_pack("{s:s, s:o}", "cursor", cursor, "keys", keys));
}
