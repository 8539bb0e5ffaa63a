/* SPDX-License-Identifier: Apache-2.0 */
/* A line through the times of recent GETs, by least squares. */
#include "server/index/speed.h"

/* What a GET weighs after the next one. */
#define DECAY (63.0 / 64)
/* A client that stops reading for a while tells nothing of a tier: no GET counts
 * for more than so many times what was expected of it. */
#define SLOWEST 8.0
/* Of so many GETs something is expected. */
#define ENOUGH 8.0
/* The sizes differ if their variance is more than this share of their mean's
 * square. */
#define SPREAD 0.01
/* Bytes from which on the bytes are what takes the time. */
#define LARGE 65536.0

struct sums {
    double weight, size, time, size_size, size_time;
};

static double
load(const _Atomic double *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void
store(_Atomic double *into, double value)
{
    atomic_store_explicit(into, value, memory_order_relaxed);
}

static struct sums
read_sums(const struct speed_sums *from)
{
    struct sums sums = {load(&from->weight), load(&from->size),
                        load(&from->time), load(&from->size_size),
                        load(&from->size_time)};

    return sums;
}

/* Neither part is negative: what would be is put to the other. */
static struct speed_line
line_of(const struct sums *sums)
{
    struct speed_line line = {.is_known = sums->weight > 0};
    double spread, slope, start;

    if (!line.is_known)
        return line;
    spread = sums->weight * sums->size_size - sums->size * sums->size;
    if (spread > SPREAD * sums->size * sums->size) {
        slope =
            (sums->weight * sums->size_time - sums->size * sums->time) / spread;
        start = (sums->time - slope * sums->size) / sums->weight;
        if (slope >= 0 && start >= 0) {
            line.get_ns = start;
            line.byte_ns = slope;
            return line;
        }
        if (slope < 0) {
            line.get_ns = sums->time / sums->weight;
            return line;
        }
    }
    if (sums->size >= LARGE * sums->weight)
        line.byte_ns = sums->time / sums->size;
    else
        line.get_ns = sums->time / sums->weight;
    return line;
}

static double
expected_most(const struct sums *sums, double size)
{
    struct speed_line line = line_of(sums);

    return SLOWEST * (line.get_ns + size * line.byte_ns);
}

void
speed_note(struct speed *speed, enum tier_kind tier, uint64_t bytes,
           uint64_t ns)
{
    struct speed_sums *into = &speed->tiers[tier];
    struct sums sums = read_sums(into);
    double size = (double)bytes, time = (double)ns;

    if (sums.weight > ENOUGH && time > expected_most(&sums, size))
        time = expected_most(&sums, size);
    store(&into->weight, sums.weight * DECAY + 1);
    store(&into->size, sums.size * DECAY + size);
    store(&into->time, sums.time * DECAY + time);
    store(&into->size_size, sums.size_size * DECAY + size * size);
    store(&into->size_time, sums.size_time * DECAY + size * time);
}

struct speed_line
speed_line(const struct speed *speeds, unsigned count, enum tier_kind tier)
{
    struct sums all = {0};

    for (unsigned i = 0; i < count; i++) {
        struct sums sums = read_sums(&speeds[i].tiers[tier]);

        all.weight += sums.weight;
        all.size += sums.size;
        all.time += sums.time;
        all.size_size += sums.size_size;
        all.size_time += sums.size_time;
    }
    return line_of(&all);
}
