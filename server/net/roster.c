/* SPDX-License-Identifier: Apache-2.0 */
/* The list of connections. */
#include "server/net/roster.h"

#include <string.h>

void
roster_open(struct roster *roster)
{
    pthread_mutex_init(&roster->lock, NULL);
    roster->first = NULL;
    roster->last_id = 0;
    atomic_init(&roster->count, 0);
}

void
roster_close(struct roster *roster)
{
    pthread_mutex_destroy(&roster->lock);
}

void
roster_add(struct roster *roster, struct roster_row *row)
{
    pthread_mutex_lock(&roster->lock);
    row->id = ++roster->last_id;
    row->previous = NULL;
    row->next = roster->first;
    if (row->next != NULL)
        row->next->previous = row;
    roster->first = row;
    pthread_mutex_unlock(&roster->lock);
}

void
roster_remove(struct roster *roster, struct roster_row *row)
{
    pthread_mutex_lock(&roster->lock);
    if (row->previous != NULL)
        row->previous->next = row->next;
    else
        roster->first = row->next;
    if (row->next != NULL)
        row->next->previous = row->previous;
    pthread_mutex_unlock(&roster->lock);
}

void
roster_rename(struct roster *roster, struct roster_row *row, const void *name,
              size_t size)
{
    if (size >= sizeof(row->name))
        size = sizeof(row->name) - 1;
    pthread_mutex_lock(&roster->lock);
    memcpy(row->name, name, size);
    row->name[size] = '\0';
    pthread_mutex_unlock(&roster->lock);
}

unsigned
roster_count(struct roster *roster)
{
    return atomic_load_explicit(&roster->count, memory_order_relaxed);
}

void
roster_walk(struct roster *roster, roster_seen_fn *seen, void *arg)
{
    pthread_mutex_lock(&roster->lock);
    for (struct roster_row *row = roster->first; row != NULL; row = row->next)
        seen(arg, row);
    pthread_mutex_unlock(&roster->lock);
}
