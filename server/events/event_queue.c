/* SPDX-License-Identifier: Apache-2.0 */
/* Two lists: one is filled while the other is read.  The lock is held for a copy
 * of one event. */
#include "server/events/event_queue.h"

enum status
event_queue_open(struct event_queue *queue, size_t room)
{
    *queue = (struct event_queue){0};
    pthread_mutex_init(&queue->lock, NULL);
    for (unsigned i = 0; i < 2; i++)
        if (event_list_open(&queue->lists[i], room / 2) != STATUS_OK) {
            event_queue_close(queue);
            return STATUS_NO_SPACE;
        }
    return STATUS_OK;
}

void
event_queue_close(struct event_queue *queue)
{
    event_list_close(&queue->lists[0]);
    event_list_close(&queue->lists[1]);
    pthread_mutex_destroy(&queue->lock);
}

void
event_queue_begin(struct event_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_open = true;
    pthread_mutex_unlock(&queue->lock);
}

void
event_queue_put(struct event_queue *queue, const struct store_event *event)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->is_open &&
        (queue->lost != 0 ||
         !event_list_add(&queue->lists[queue->filled], event)))
        queue->lost++;
    pthread_mutex_unlock(&queue->lock);
}

const struct event_list *
event_queue_take(struct event_queue *queue, uint64_t *lost_out)
{
    const struct event_list *taken;

    pthread_mutex_lock(&queue->lock);
    taken = &queue->lists[queue->filled];
    *lost_out = queue->lost;
    queue->lost = 0;
    queue->filled ^= 1;
    queue->lists[queue->filled].size = 0;
    pthread_mutex_unlock(&queue->lock);
    return taken;
}

size_t
event_queue_waiting(struct event_queue *queue)
{
    size_t size;

    pthread_mutex_lock(&queue->lock);
    size = queue->lists[queue->filled].size;
    pthread_mutex_unlock(&queue->lock);
    return size;
}
