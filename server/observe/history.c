/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of points in time. */
#include "server/observe/history.h"

#include "base/clock.h"
#include "server/server.h"
#include "storage/tier_counters.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define EACH_NS (10 * NS_PER_SECOND)
#define POINTS  361u /* of an hour, both ends */

struct history {
    pthread_mutex_t lock;
    _Atomic uint64_t due_ns;
    unsigned next, count;
    struct history_point points[POINTS];
};

enum status
history_open(struct history **out)
{
    struct history *history = calloc(1, sizeof(*history));

    if (history == NULL)
        return STATUS_NO_SPACE;
    pthread_mutex_init(&history->lock, NULL);
    *out = history;
    return STATUS_OK;
}

void
history_close(struct history **history_in)
{
    struct history *history = *history_in;

    if (history == NULL)
        return;
    *history_in = NULL;
    pthread_mutex_destroy(&history->lock);
    free(history);
}

void
history_now(struct server *server, struct history_point *out)
{
    memset(out, 0, sizeof(*out));
    out->at_ns = clock_now_ns();
    out->hits = server_count(server, COUNTER_get_hits);
    out->misses = server_count(server, COUNTER_get_misses);
    for (unsigned i = 0; i < TIER_COUNT; i++)
        out->tier_hits[i] = server_count(server, tier_counters[i].hits);
    out->puts = server_count(server, COUNTER_puts_stored) +
                server_count(server, COUNTER_puts_same);
    out->get_bytes = server_count(server, COUNTER_get_bytes);
    out->put_bytes = server_count(server, COUNTER_put_bytes);
    out->has_curve = store_curve(server->store, out->hits + out->puts,
                                 out->hits, &out->curve);
}

void
history_sample(struct server *server)
{
    struct history *history = server->history;
    uint64_t now_ns = clock_now_ns(), due_ns = atomic_load(&history->due_ns);
    struct history_point point;

    if (now_ns < due_ns || !atomic_compare_exchange_strong(
                               &history->due_ns, &due_ns, now_ns + EACH_NS))
        return;
    history_now(server, &point);
    pthread_mutex_lock(&history->lock);
    history->points[history->next] = point;
    history->next = (history->next + 1) % POINTS;
    if (history->count < POINTS)
        history->count++;
    pthread_mutex_unlock(&history->lock);
}

void
history_before(struct server *server, uint64_t age_ns,
               struct history_point *out)
{
    struct history *history = server->history;
    uint64_t now_ns = clock_now_ns();

    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&history->lock);
    for (unsigned back = 1; back <= history->count; back++) {
        *out = history->points[(history->next + POINTS - back) % POINTS];
        if (now_ns - out->at_ns >= age_ns)
            break;
    }
    pthread_mutex_unlock(&history->lock);
}
