/* SPDX-License-Identifier: Apache-2.0 */
/* Parts, buckets and entries.  Which entry goes next is index_order.c's. */
#include "storage/index.h"

#include "storage/index_parts.h"
#include "storage/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/* A short key with its entry: no index holds more than memory over this. */
#define ENTRY_LEAST 192u
/* Buckets looked through under one lock. */
#define STRIDE 4096u
/* The share of the memory that entries leave to others. */
#define SHORT_SHARE 32u
#define SHORT_LEAST (4u * POOL_BLOCK)
/* And what the policy may take of it. */
#define POLICY_SHARE 4u

static uint64_t
power_of_two(uint64_t at_least)
{
    uint64_t power = 1;

    while (power < at_least)
        power *= 2;
    return power;
}

static void
choose_secret(struct index *index)
{
    uint64_t random;

    /* Without a source of chance there is still where memory was given. */
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
        random = (uintptr_t)index * 0x9e3779b97f4a7c15u;
    index->secret = random | 1;
    index->shift = 64 - (unsigned)__builtin_ctzll(index->bucket_count);
}

static enum status
open_parts(struct index *index, unsigned count)
{
    index->part_count = count;
    index->parts = aligned_alloc(64, count * sizeof(struct part));
    if (index->parts == NULL)
        return STATUS_NO_SPACE;
    memset(index->parts, 0, count * sizeof(struct part));
    for (unsigned i = 0; i < count; i++) {
        struct part *part = &index->parts[i];

        part->index = index;
        part->number = i;
        pthread_mutex_init(&part->lock, NULL);
    }
    return STATUS_OK;
}

static enum status
open_buckets(struct index *index, uint64_t memory)
{
    uint64_t table;

    index->bucket_count = power_of_two(memory / ENTRY_LEAST / 2 + 2);
    if (index->bucket_count < index->part_count)
        index->bucket_count = index->part_count;
    index->part_buckets = index->bucket_count / index->part_count;
    choose_secret(index);
    table = index->bucket_count * sizeof(*index->buckets);
    index->buckets = mmap(NULL, table, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (index->buckets == MAP_FAILED)
        index->buckets = NULL;
    if (index->buckets == NULL)
        return STATUS_NO_SPACE;
    return pool_open(memory - table, false, &index->pool);
}

/* What of the policy's memory comes out of the index's. */
static uint64_t
policy_share(const struct index *index)
{
    uint64_t most = index->memory / POLICY_SHARE;

    return index->shared_size < most ? index->shared_size : most;
}

enum status
index_open(const struct index_plan *plan, struct index **out)
{
    struct index *index = calloc(1, sizeof(*index));

    assert(plan->parts != 0 && (plan->parts & (plan->parts - 1)) == 0);
    if (index == NULL)
        return STATUS_NO_SPACE;
    index->policies[INDEX_WARM] = plan->policy;
    index->policies[INDEX_COLD] = &policy_lru;
    index->memory = plan->memory;
    if (open_parts(index, plan->parts) != STATUS_OK ||
        index_order_open(index, plan) != STATUS_OK ||
        open_buckets(index, plan->memory - policy_share(index)) != STATUS_OK) {
        index_close(&index);
        return STATUS_NO_SPACE;
    }
    *out = index;
    return STATUS_OK;
}

void
index_close(struct index **index_in)
{
    struct index *index = *index_in;

    if (index == NULL)
        return;
    *index_in = NULL;
    pool_close(&index->pool);
    if (index->buckets != NULL)
        munmap(index->buckets, index->bucket_count * sizeof(*index->buckets));
    free(index->parts);
    index_order_close(index);
    free(index);
}

static size_t
entry_size(uint16_t key_size, uint8_t meta_room)
{
    return sizeof(struct entry) + meta_room + key_size;
}

size_t
entry_footprint(const struct entry *entry)
{
    return entry_size(entry->key_size, entry->meta_room);
}

struct entry *
entry_new(struct index *index, const struct key *key, uint8_t meta_room)
{
    size_t size = entry_size(key->size, meta_room);
    struct entry *entry = pool_object_new(index->pool, size);

    if (entry == NULL)
        return NULL;
    memset(entry, 0, sizeof(*entry));
    entry->hash = key->hash;
    entry->key_size = key->size;
    entry->space = key->space;
    entry->kind = (uint8_t)key->kind;
    entry->meta_room = meta_room;
    memcpy(entry->tail + meta_room, key->bytes, key->size);
    return entry;
}

void
entry_free(struct index *index, struct entry *entry)
{
    assert(!entry->is_linked);
    pool_object_free(index->pool, entry, entry_footprint(entry));
}

void *
index_object_new(struct index *index, size_t size)
{
    return pool_object_new(index->pool, size);
}

void
index_object_free(struct index *index, void *object, size_t size)
{
    pool_object_free(index->pool, object, size);
}

struct key
entry_key(const struct entry *entry)
{
    struct key key = {.bytes = entry->tail + entry->meta_room,
                      .size = entry->key_size,
                      .space = entry->space,
                      .kind = (enum key_kind)entry->kind,
                      .hash = entry->hash};
    return key;
}

const uint8_t *
entry_meta(const struct entry *entry)
{
    return entry->tail;
}

struct chunk_meta
entry_meta_copy(const struct entry *entry)
{
    struct chunk_meta meta = {.size = entry->meta_size};

    memcpy(meta.bytes, entry_meta(entry), entry->meta_size);
    return meta;
}

void
entry_set_meta(struct entry *entry, const void *bytes, uint8_t size)
{
    assert(size <= entry->meta_room);
    if (size != 0)
        memcpy(entry->tail, bytes, size);
    entry->meta_size = size;
}

/* The bucket of a hash, counted over all parts.  Anybody can find keys whose
 * hashes agree in any few bits; by what they are multiplied with here they can
 * not know which of them meet in a bucket. */
static uint64_t
place_of(const struct index *index, uint64_t hash)
{
    return hash * index->secret >> index->shift;
}

static struct part *
part_of(struct index *index, uint64_t hash)
{
    return &index->parts[place_of(index, hash) / index->part_buckets];
}

static struct entry **
bucket_of(struct part *part, uint64_t hash)
{
    return &part->index->buckets[place_of(part->index, hash)];
}

struct part *
index_lock(struct index *index, uint64_t hash)
{
    struct part *part = part_of(index, hash);

    pthread_mutex_lock(&part->lock);
    return part;
}

void
index_unlock(struct part *part)
{
    pthread_mutex_unlock(&part->lock);
}

struct entry *
part_find(struct part *part, const struct key *key)
{
    struct entry *entry = *bucket_of(part, key->hash);

    for (; entry != NULL; entry = entry->chain) {
        if (entry->hash == key->hash) {
            struct key its = entry_key(entry);

            if (key_is_equal(&its, key))
                return entry;
        }
    }
    return NULL;
}

void
part_link(struct part *part, struct entry *entry, struct index_access *access)
{
    struct entry **bucket = bucket_of(part, entry->hash);
    struct policy_access told = part_access(part, entry, access);

    assert(!entry->is_linked);
    entry->chain = *bucket;
    *bucket = entry;
    entry->is_linked = true;
    part_order_in(part, entry, &told);
    atomic_fetch_add_explicit(&part->index->entries, 1, memory_order_relaxed);
}

void
part_unlink(struct part *part, struct entry *entry)
{
    struct entry **at = bucket_of(part, entry->hash);

    assert(entry->is_linked);
    while (*at != entry)
        at = &(*at)->chain;
    *at = entry->chain;
    entry->chain = NULL;
    entry->is_linked = false;
    part_order_out(part, entry);
    atomic_fetch_sub_explicit(&part->index->entries, 1, memory_order_relaxed);
}

struct entry *
part_guess(struct part *part, uint64_t hash)
{
    struct entry *entry = *bucket_of(part, hash);

    while (entry != NULL && entry->hash != hash)
        entry = entry->chain;
    return entry;
}

bool
index_follow(struct index *index, uint64_t previous, uint64_t hash)
{
    struct part *part = index_lock(index, previous);
    struct entry *entry = part_guess(part, previous);
    bool was_so = entry != NULL && entry->next == hash;

    if (entry != NULL)
        entry->next = hash;
    index_unlock(part);
    return was_so;
}

void
index_end_run(struct index *index, uint64_t tail)
{
    struct part *part = index_lock(index, tail);
    struct entry *entry = part_guess(part, tail);

    if (entry != NULL)
        part_demote(part, entry);
    index_unlock(part);
}

uint64_t
index_buckets(const struct index *index)
{
    return index->bucket_count;
}

uint64_t
index_skip_empty(struct index *index, uint64_t from, uint64_t end)
{
    while (from < end) {
        uint64_t number = from / index->part_buckets;
        uint64_t stop = (number + 1) * index->part_buckets;
        struct part *part = &index->parts[number];

        if (stop > end)
            stop = end;
        if (stop - from > STRIDE)
            stop = from + STRIDE;
        pthread_mutex_lock(&part->lock);
        while (from < stop && index->buckets[from] == NULL)
            from++;
        pthread_mutex_unlock(&part->lock);
        if (from < stop)
            return from;
    }
    return end;
}

void
index_walk_bucket(struct index *index, uint64_t bucket, index_found_fn *found,
                  void *arg)
{
    struct part *part = &index->parts[bucket / index->part_buckets];
    struct entry *entry, *next;

    pthread_mutex_lock(&part->lock);
    for (entry = index->buckets[bucket]; entry != NULL; entry = next) {
        next = entry->chain;
        found(arg, part, entry);
    }
    pthread_mutex_unlock(&part->lock);
}

uint64_t
index_entries(const struct index *index)
{
    return atomic_load_explicit(&index->entries, memory_order_relaxed);
}

uint64_t
index_memory_used(const struct index *index)
{
    return pool_size(index->pool) - pool_free_bytes(index->pool) +
           index->bucket_count * sizeof(*index->buckets) + policy_share(index);
}

uint64_t
index_memory_size(const struct index *index)
{
    return index->memory;
}

bool
index_is_short(const struct index *index)
{
    size_t least = pool_size(index->pool) / SHORT_SHARE;

    if (least < SHORT_LEAST)
        least = SHORT_LEAST;
    return pool_free_bytes(index->pool) < least;
}
