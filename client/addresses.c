/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lookup's thread is detached and holds a reference, so that neither it nor
 * the resolver below it is waited for when a cache is closed.
 */
#include "client/addresses.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

struct addresses {
    _Atomic unsigned references;
    pthread_mutex_t lock;
    char host[256], port[16];
    bool is_name; /* and no address in numbers */
    bool is_looking;
    unsigned count;
    struct addresses_one found[ADDRESSES_MAX];
};

static enum status
set_path(struct addresses *addresses, const char *path)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    struct addresses_one *address = &addresses->found[0];
    size_t size = strlen(path);

    if (size >= sizeof where.sun_path)
        return STATUS_BAD_REQUEST;
    memcpy(where.sun_path, path, size);
    address->family = AF_UNIX;
    address->size = sizeof where;
    memcpy(&address->where, &where, sizeof where);
    addresses->count = 1;
    return STATUS_OK;
}

/* Stays with what was known where nothing is found.  May take long. */
static bool
look_up(struct addresses *addresses, int flags)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = flags | AI_NUMERICSERV};
    struct addresses_one found[ADDRESSES_MAX];
    struct addrinfo *all, *one;
    unsigned count = 0;

    if (getaddrinfo(addresses->host, addresses->port, &hints, &all) != 0)
        return false;
    for (one = all; one != NULL && count < ADDRESSES_MAX; one = one->ai_next) {
        if (one->ai_addrlen > sizeof found[count].where)
            continue;
        found[count].family = one->ai_family;
        found[count].size = one->ai_addrlen;
        memcpy(&found[count].where, one->ai_addr, one->ai_addrlen);
        count++;
    }
    freeaddrinfo(all);
    if (count > 0) {
        pthread_mutex_lock(&addresses->lock);
        memcpy(addresses->found, found, count * sizeof found[0]);
        addresses->count = count;
        pthread_mutex_unlock(&addresses->lock);
    }
    return count > 0;
}

enum status
addresses_new(const struct cache_url_shard *shard, struct addresses **out)
{
    struct addresses *addresses = calloc(1, sizeof *addresses);
    enum status status = STATUS_OK;

    if (addresses == NULL)
        return STATUS_NO_SPACE;
    atomic_init(&addresses->references, 1);
    pthread_mutex_init(&addresses->lock, NULL);
    memcpy(addresses->host, shard->host, sizeof addresses->host);
    memcpy(addresses->port, shard->port, sizeof addresses->port);
    if (shard->is_unix) {
        status = set_path(addresses, shard->host);
    } else if (!look_up(addresses, AI_NUMERICHOST)) {
        addresses->is_name = true;
        addresses_refresh(addresses);
    }
    if (status != STATUS_OK)
        addresses_drop(&addresses);
    *out = addresses;
    return status;
}

void
addresses_drop(struct addresses **owner)
{
    struct addresses *addresses = *owner;

    *owner = NULL;
    if (addresses == NULL || atomic_fetch_sub(&addresses->references, 1) != 1)
        return;
    pthread_mutex_destroy(&addresses->lock);
    free(addresses);
}

bool
addresses_get(struct addresses *addresses, unsigned number,
              struct addresses_one *out)
{
    bool is_known;

    pthread_mutex_lock(&addresses->lock);
    is_known = addresses->count > 0;
    if (is_known)
        *out = addresses->found[number % addresses->count];
    pthread_mutex_unlock(&addresses->lock);
    return is_known;
}

unsigned
addresses_count(struct addresses *addresses)
{
    unsigned count;

    pthread_mutex_lock(&addresses->lock);
    count = addresses->count;
    pthread_mutex_unlock(&addresses->lock);
    return count;
}

bool
addresses_is_looking(struct addresses *addresses)
{
    bool is_looking;

    pthread_mutex_lock(&addresses->lock);
    is_looking = addresses->is_looking;
    pthread_mutex_unlock(&addresses->lock);
    return is_looking;
}

static void
end_lookup(struct addresses *addresses)
{
    pthread_mutex_lock(&addresses->lock);
    addresses->is_looking = false;
    pthread_mutex_unlock(&addresses->lock);
    addresses_drop(&addresses);
}

static void *
run(void *argument)
{
    struct addresses *addresses = argument;

    look_up(addresses, 0);
    end_lookup(addresses);
    return NULL;
}

void
addresses_refresh(struct addresses *addresses)
{
    sigset_t all, before;
    pthread_t thread;
    bool is_mine;
    int error;

    pthread_mutex_lock(&addresses->lock);
    is_mine = addresses->is_name && !addresses->is_looking;
    if (is_mine)
        addresses->is_looking = true;
    pthread_mutex_unlock(&addresses->lock);
    if (!is_mine)
        return;
    atomic_fetch_add(&addresses->references, 1);
    /* The program's signals are for its own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, run, addresses);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        end_lookup(addresses);
    else
        pthread_detach(thread);
}
