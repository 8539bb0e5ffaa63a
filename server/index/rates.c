/* SPDX-License-Identifier: Apache-2.0 */
/* For each worker a row of numbers for each label, and two rings of what their
 * sums were. */
#include "server/index/rates.h"

#include "base/clock.h"
#include "server/index/labels.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FINE_NS     (10 * NS_PER_SECOND)
#define FINE_SIZE   31u /* of five minutes, both ends */
#define COARSE_NS   (60 * NS_PER_SECOND)
#define COARSE_SIZE 61u

_Static_assert(RATES_MOMENTS == FINE_SIZE + COARSE_SIZE, "all of both rings");

/* A row is what a label has counted on one worker, in the order of
 * rates_count. */
#define NUMBERS (sizeof(struct rates_count) / sizeof(uint64_t))
struct row {
    _Alignas(64) _Atomic uint64_t number[NUMBERS];
};

enum number {
    QUERIES,
    QUERY_BYTES,
    HITS,
    HIT_BYTES = HITS + TIER_COUNT,
    PUTS = HIT_BYTES + TIER_COUNT,
    PUT_BYTES
};

_Static_assert(PUT_BYTES + 1 == NUMBERS, "each number has its place");
_Static_assert(offsetof(struct rates_count, hit_bytes) ==
                   HIT_BYTES * sizeof(uint64_t),
               "in the order of rates_count");

struct rates_table {
    struct rates *rates;
    struct row *rows;
};

/* What the labels had counted at some times; a label's moments stand side by
 * side. */
struct ring {
    uint64_t each_ns, due_ns;
    unsigned size, next, count;
    uint64_t *at_ns;
    struct rates_count *counts;
};

struct rates {
    uint64_t started_ns;
    unsigned workers;
    struct rates_table *tables;
    struct row *rows;
    struct labels *labels;
    _Atomic uint64_t *value_sizes; /* of each label's values, lately */
    pthread_mutex_t rings_lock;
    struct ring fine, coarse;
};

const struct rates_span rates_spans[RATES_SPANS] = {
    {"1m", 60 * NS_PER_SECOND},
    {"5m", 300 * NS_PER_SECOND},
    {"1h", RATES_LONGEST},
    {"start", RATES_START},
};

uint64_t
rates_count_hits(const struct rates_count *count)
{
    uint64_t hits = 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        hits += count->hits[tier];
    return hits;
}

uint64_t
rates_count_hit_bytes(const struct rates_count *count)
{
    uint64_t bytes = 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        bytes += count->hit_bytes[tier];
    return bytes;
}

double
rates_count_ratio(const struct rates_count *count)
{
    return count->queries == 0
               ? -1
               : (double)rates_count_hits(count) / (double)count->queries;
}

/* Its first moment is the start, when nothing had been counted. */
static enum status
ring_open(struct ring *ring, unsigned size, uint64_t each_ns,
          const struct rates *rates)
{
    unsigned labels = rates_labels(rates);

    ring->size = size;
    ring->each_ns = each_ns;
    ring->due_ns = rates->started_ns + each_ns;
    ring->at_ns = calloc(size, sizeof(*ring->at_ns));
    /* Pages of labels that nobody uses are never touched. */
    ring->counts = calloc((size_t)size * labels, sizeof(*ring->counts));
    if (ring->at_ns == NULL || ring->counts == NULL)
        return STATUS_NO_SPACE;
    ring->at_ns[0] = rates->started_ns;
    ring->next = ring->count = 1;
    return STATUS_OK;
}

static enum status
tables_open(struct rates *rates)
{
    unsigned rows = labels_most(rates->labels);
    size_t size = (size_t)rates->workers * rows * sizeof(struct row);

    rates->tables = calloc(rates->workers, sizeof(*rates->tables));
    rates->rows = aligned_alloc(64, size);
    rates->value_sizes = calloc(rows, sizeof(*rates->value_sizes));
    if (rates->tables == NULL || rates->rows == NULL ||
        rates->value_sizes == NULL)
        return STATUS_NO_SPACE;
    memset(rates->rows, 0, size);
    for (unsigned i = 0; i < rates->workers; i++) {
        rates->tables[i].rates = rates;
        rates->tables[i].rows = rates->rows + (size_t)i * rows;
    }
    return STATUS_OK;
}

enum status
rates_open(unsigned workers, unsigned models, uint64_t now_ns,
           struct rates **out)
{
    struct rates *rates = calloc(1, sizeof(*rates));
    enum status status;

    if (rates == NULL)
        return STATUS_NO_SPACE;
    rates->workers = workers;
    rates->started_ns = now_ns;
    pthread_mutex_init(&rates->rings_lock, NULL);
    status = labels_open(models, &rates->labels);
    if (status == STATUS_OK)
        status = tables_open(rates);
    if (status == STATUS_OK)
        status = ring_open(&rates->fine, FINE_SIZE, FINE_NS, rates);
    if (status == STATUS_OK)
        status = ring_open(&rates->coarse, COARSE_SIZE, COARSE_NS, rates);
    if (status == STATUS_OK)
        *out = rates;
    else
        rates_close(&rates);
    return status;
}

void
rates_close(struct rates **rates_in)
{
    struct rates *rates = *rates_in;

    if (rates == NULL)
        return;
    *rates_in = NULL;
    free(rates->fine.at_ns);
    free(rates->fine.counts);
    free(rates->coarse.at_ns);
    free(rates->coarse.counts);
    free(rates->tables);
    free(rates->rows);
    free(rates->value_sizes);
    labels_close(&rates->labels);
    pthread_mutex_destroy(&rates->rings_lock);
    free(rates);
}

struct rates_table *
rates_worker(struct rates *rates, unsigned number)
{
    assert(number < rates->workers);
    return &rates->tables[number];
}

unsigned
rates_label(struct rates_table *table, uint16_t space, const struct bytes *key,
            unsigned guess)
{
    return labels_find(table->rates->labels, space, key, guess);
}

/* In order, so that who sees a hit sees its query. */
static void
advance(struct rates_table *table, unsigned label, unsigned number, uint64_t n)
{
    _Atomic uint64_t *at = &table->rows[label].number[number];

    atomic_store_explicit(at,
                          atomic_load_explicit(at, memory_order_relaxed) + n,
                          memory_order_release);
}

static uint64_t
value_size(const struct rates_table *table, unsigned label)
{
    return atomic_load_explicit(&table->rates->value_sizes[label],
                                memory_order_relaxed);
}

/* A model's values have one size, most often: then nobody writes what others
 * read. */
static void
note_size(struct rates_table *table, unsigned label, uint64_t bytes)
{
    if (value_size(table, label) != bytes)
        atomic_store_explicit(&table->rates->value_sizes[label], bytes,
                              memory_order_relaxed);
}

void
rates_hit(struct rates_table *table, unsigned label, enum tier_kind tier,
          uint64_t bytes)
{
    advance(table, label, QUERIES, 1);
    advance(table, label, QUERY_BYTES, bytes);
    advance(table, label, HITS + tier, 1);
    advance(table, label, HIT_BYTES + tier, bytes);
    note_size(table, label, bytes);
}

void
rates_miss(struct rates_table *table, unsigned label)
{
    advance(table, label, QUERIES, 1);
    advance(table, label, QUERY_BYTES, value_size(table, label));
}

void
rates_put(struct rates_table *table, unsigned label, uint64_t bytes)
{
    advance(table, label, PUTS, 1);
    advance(table, label, PUT_BYTES, bytes);
    note_size(table, label, bytes);
}

unsigned
rates_labels(const struct rates *rates)
{
    return labels_most(rates->labels) + 1;
}

static bool
is_sum(const struct rates *rates, unsigned label)
{
    return label == labels_most(rates->labels);
}

static void
add_numbers(struct rates_count *into, const struct rates_count *more)
{
    uint64_t to[NUMBERS], from[NUMBERS];

    memcpy(to, into, sizeof(to));
    memcpy(from, more, sizeof(from));
    for (unsigned i = 0; i < NUMBERS; i++)
        to[i] += from[i];
    memcpy(into, to, sizeof(to));
}

static void
take_numbers(struct rates_count *from, const struct rates_count *less)
{
    uint64_t of[NUMBERS], off[NUMBERS];

    memcpy(of, from, sizeof(of));
    memcpy(off, less, sizeof(off));
    for (unsigned i = 0; i < NUMBERS; i++)
        of[i] -= off[i];
    memcpy(from, of, sizeof(of));
}

/* Since the start, of one label over all workers. */
static void
sum_label(const struct rates *rates, unsigned label, struct rates_count *out)
{
    uint64_t sums[NUMBERS] = {0};

    for (unsigned worker = 0; worker < rates->workers; worker++) {
        const struct row *row = &rates->tables[worker].rows[label];

        /* Backwards, from the hits to their queries. */
        for (unsigned i = NUMBERS; i-- > 0;)
            sums[i] +=
                atomic_load_explicit(&row->number[i], memory_order_acquire);
    }
    memcpy(out, sums, sizeof(*out));
}

static void
sum(const struct rates *rates, unsigned label, struct rates_count *out)
{
    struct rates_count count;

    if (!is_sum(rates, label)) {
        sum_label(rates, label, out);
        return;
    }
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < labels_count(rates->labels); i++) {
        sum_label(rates, i, &count);
        add_numbers(out, &count);
    }
}

static bool
is_used(const struct rates_count *count)
{
    return count->queries != 0 || count->puts != 0;
}

bool
rates_name(const struct rates *rates, unsigned label, uint16_t *space_out,
           const char **model_out)
{
    struct rates_count count;

    if (label >= labels_count(rates->labels))
        return false;
    sum(rates, label, &count);
    if (!is_used(&count))
        return false;
    *space_out = labels_space(rates->labels, label);
    *model_out = labels_model(rates->labels, label);
    return true;
}

/* With the lock. */
static void
ring_sample(struct rates *rates, struct ring *ring, uint64_t now_ns)
{
    struct rates_count all = {0}, count;

    for (unsigned label = 0; label < labels_count(rates->labels); label++) {
        sum_label(rates, label, &count);
        if (!is_used(&count))
            continue;
        ring->counts[(size_t)label * ring->size + ring->next] = count;
        add_numbers(&all, &count);
    }
    ring->counts[(size_t)(rates_labels(rates) - 1) * ring->size + ring->next] =
        all;
    ring->at_ns[ring->next] = now_ns;
    ring->due_ns = now_ns + ring->each_ns;
    ring->next = (ring->next + 1) % ring->size;
    if (ring->count < ring->size)
        ring->count++;
}

void
rates_sample(struct rates *rates, uint64_t now_ns)
{
    if (now_ns < rates->fine.due_ns)
        return;
    pthread_mutex_lock(&rates->rings_lock);
    ring_sample(rates, &rates->fine, now_ns);
    if (now_ns >= rates->coarse.due_ns)
        ring_sample(rates, &rates->coarse, now_ns);
    pthread_mutex_unlock(&rates->rings_lock);
}

/* The slot so many moments back: 1 is the last one. */
static unsigned
slot_of(const struct ring *ring, unsigned back)
{
    return (ring->next + ring->size - back) % ring->size;
}

/* What had been counted so long ago, or at first, and when that was.  With the
 * lock. */
static void
look_back(const struct ring *ring, unsigned label, uint64_t now_ns,
          struct rates_window *age)
{
    unsigned back = 1;

    while (back <= ring->count &&
           now_ns - ring->at_ns[slot_of(ring, back)] < age->ns)
        back++;
    if (back > ring->count)
        back = ring->count;
    age->count = ring->counts[(size_t)label * ring->size + slot_of(ring, back)];
    age->ns = now_ns - ring->at_ns[slot_of(ring, back)];
}

void
rates_read(struct rates *rates, unsigned label, uint64_t age_ns,
           uint64_t now_ns, struct rates_window *out)
{
    struct rates_window then = {.ns = age_ns};
    const struct ring *ring =
        age_ns <= (FINE_SIZE - 1) * FINE_NS ? &rates->fine : &rates->coarse;

    if (age_ns == RATES_START) {
        then.ns = now_ns - rates->started_ns;
    } else {
        pthread_mutex_lock(&rates->rings_lock);
        look_back(ring, label, now_ns, &then);
        pthread_mutex_unlock(&rates->rings_lock);
    }
    sum(rates, label, &out->count);
    take_numbers(&out->count, &then.count);
    out->ns = then.ns;
}

/* Those before `until_ns`, the oldest first.  With the lock. */
static unsigned
list(const struct rates *rates, const struct ring *ring, uint64_t until_ns,
     struct rates_moment *out)
{
    const struct rates_count *counts =
        ring->counts + (size_t)(rates_labels(rates) - 1) * ring->size;
    unsigned count = 0;

    for (unsigned back = ring->count; back > 0; back--) {
        unsigned slot = slot_of(ring, back);

        if (ring->at_ns[slot] >= until_ns)
            break;
        out[count].at_ns = ring->at_ns[slot];
        out[count].queries = counts[slot].queries;
        out[count].hits = rates_count_hits(&counts[slot]);
        count++;
    }
    return count;
}

unsigned
rates_moments(struct rates *rates, struct rates_moment out[RATES_MOMENTS])
{
    const struct ring *fine = &rates->fine;
    uint64_t fine_ns = UINT64_MAX;
    unsigned count;

    pthread_mutex_lock(&rates->rings_lock);
    if (fine->count != 0)
        fine_ns = fine->at_ns[slot_of(fine, fine->count)];
    count = list(rates, &rates->coarse, fine_ns, out);
    count += list(rates, fine, UINT64_MAX, out + count);
    pthread_mutex_unlock(&rates->rings_lock);
    return count;
}
