/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All connections of all workers, for CLIENT LIST and the connection limit.
 * One lock, taken when a connection opens, closes, is named or listed.
 */
#ifndef NET_ROSTER_H
#define NET_ROSTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROSTER_NAME_MAX 64u

struct roster_row {
    struct roster_row *previous, *next;
    uint64_t id; /* from 1, never used again */
    uint64_t opened_ns;
    int fd;
    unsigned worker;
    char peer[64];
    char name[ROSTER_NAME_MAX]; /* under the lock */
    _Atomic unsigned space, dialect;
};

struct roster {
    pthread_mutex_t lock;
    struct roster_row *first;
    uint64_t last_id;
    _Atomic unsigned count;
};

void roster_open(struct roster *);
void roster_close(struct roster *);
void roster_add(struct roster *, struct roster_row *); /* sets id */
void roster_remove(struct roster *, struct roster_row *);
void roster_rename(struct roster *, struct roster_row *, const void *name,
                   size_t size);
unsigned roster_count(struct roster *);
typedef void roster_seen_fn(void *arg, const struct roster_row *);
void roster_walk(struct roster *, roster_seen_fn *seen, void *arg);

#endif
