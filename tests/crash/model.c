/* SPDX-License-Identifier: Apache-2.0 */
/* A key's events, and which of them a stop may have left. */
#include "tests/crash/model.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LONG_AGO 1u /* any time before the first life */

static struct event *
add_event(struct key *key)
{
    if (key->count == key->room) {
        unsigned room = key->room == 0 ? 2 : 2 * key->room;
        struct event *events = realloc(key->events, room * sizeof(*events));

        if (events == NULL)
            abort();
        key->events = events;
        key->room = room;
    }
    return &key->events[key->count++];
}

void
key_open(struct key *key)
{
    memset(key, 0, sizeof(*key));
    *add_event(key) = (struct event){.is_base = true,
                                     .is_whole = true,
                                     .version = MODEL_MISS,
                                     .begun_ns = LONG_AGO,
                                     .done_ns = LONG_AGO};
}

void
key_close(struct key *key)
{
    free(key->events);
    key->events = NULL;
}

void
key_begin(struct key *key, uint32_t version, uint64_t now_ns, uint64_t position)
{
    if (version > key->newest)
        key->newest = version;
    *add_event(key) = (struct event){.version = version,
                                     .is_whole = true,
                                     .begun_ns = now_ns,
                                     .position = position};
}

void
key_done(struct key *key, uint64_t now_ns)
{
    key->events[key->count - 1].done_ns = now_ns;
}

uint32_t
key_version(const struct key *key)
{
    return key->events[key->count - 1].version;
}

bool
key_is_whole(const struct key *key)
{
    return key_version(key) != MODEL_MISS &&
           key->events[key->count - 1].is_whole;
}

/* Answered before a FLUSHALL began that was answered, too. */
static bool
is_flushed(const struct event *event, const struct life *life)
{
    if (atomic_load(&life->flush_done_ns) == 0)
        return false;
    return event->is_base ||
           (event->done_ns != 0 &&
            event->done_ns <= atomic_load(&life->flush_begun_ns));
}

/* May a FLUSHALL have taken it? */
static bool
may_be_flushed(const struct event *event, const struct life *life)
{
    uint64_t done_ns = atomic_load(&life->flush_done_ns);

    return atomic_load(&life->flush_begun_ns) != 0 &&
           (done_ns == 0 || event->begun_ns <= done_ns);
}

static bool
is_sealed(const struct event *event, const struct life *life)
{
    return event->done_ns != 0 &&
           event->done_ns + MODEL_SEAL_NS <= life->killed_ns;
}

/* The oldest event whose version may be seen: the last one that was sealed. */
static unsigned
find_first(const struct key *key, const struct life *life)
{
    unsigned first = key->count - 1;

    while (first > 0 && !is_sealed(&key->events[first], life))
        first--;
    while (first < key->count && is_flushed(&key->events[first], life))
        first++;
    return first;
}

static bool
must_be_there(const struct key *key, const struct life *life, unsigned first)
{
    const struct event *event = &key->events[first];

    if (first == key->count || event->version == MODEL_MISS ||
        !is_sealed(event, life) || may_be_flushed(event, life) ||
        life->end_position - event->position >= life->window)
        return false;
    for (unsigned i = first + 1; i < key->count; i++)
        if (key->events[i].version == MODEL_MISS)
            return false;
    return true;
}

static enum verdict
judge_hit(const struct key *key, unsigned first, uint32_t seen)
{
    if (seen > key->newest)
        return MODEL_UNKNOWN;
    for (unsigned i = first; i < key->count; i++)
        if (key->events[i].version == seen)
            return MODEL_FINE;
    return MODEL_OLD;
}

/* Of a pair that was not asked for later both halves must be there. */
static bool
is_enough(const struct key *key, unsigned first, const struct finding *found)
{
    if (found->version == MODEL_MISS)
        return false;
    return found->is_whole || first + 1 != key->count ||
           !key->events[first].is_whole;
}

struct judgement
key_judge(const struct key *key, const struct life *life,
          const struct finding *found)
{
    unsigned first = find_first(key, life);
    struct judgement judgement = {
        .verdict = MODEL_FINE,
        .is_expected = must_be_there(key, life, first),
    };

    if (judgement.is_expected)
        judgement.is_base = key->events[first].is_base;
    if (found->version != MODEL_MISS)
        judgement.verdict = judge_hit(key, first, found->version);
    if (judgement.verdict == MODEL_FINE && judgement.is_expected &&
        !is_enough(key, first, found))
        judgement.verdict = MODEL_LOST;
    return judgement;
}

enum verdict
key_judge_live(const struct key *key, const struct life *life, uint32_t seen,
               uint64_t asked_ns)
{
    uint64_t flushed_ns = atomic_load(&life->flush_done_ns);
    unsigned last = key->count - 1;

    if (seen == MODEL_MISS)
        return MODEL_FINE;
    if (flushed_ns != 0 && flushed_ns < asked_ns &&
        is_flushed(&key->events[last], life))
        return MODEL_OLD;
    while (last > 0 && key->events[last].done_ns == 0)
        last--;
    return judge_hit(key, last, seen);
}

static uint64_t
find_position(const struct key *key, uint32_t version)
{
    for (unsigned i = key->count; i-- > 0;)
        if (key->events[i].version == version)
            return key->events[i].position;
    return 0;
}

/* Any of those that were possible is, from now on for ever. */
static void
keep_possible(struct key *key, unsigned first)
{
    key->count -= first;
    memmove(key->events, key->events + first,
            key->count * sizeof(*key->events));
    for (unsigned i = 0; i < key->count; i++) {
        key->events[i].is_base = true;
        key->events[i].done_ns = 0;
    }
}

void
key_settle(struct key *key, const struct life *life,
           const struct finding *found)
{
    unsigned first = find_first(key, life);
    uint64_t position = find_position(key, found->version);

    key->is_listed = false;
    if (!found->is_sure && found->version == MODEL_MISS && first < key->count) {
        keep_possible(key, first);
        return;
    }
    key->events[0] = (struct event){.is_base = true,
                                    .is_whole = found->is_whole,
                                    .version = found->version,
                                    .begun_ns = LONG_AGO,
                                    .done_ns = LONG_AGO,
                                    .position = position};
    key->count = 1;
}
