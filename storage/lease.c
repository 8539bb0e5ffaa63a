/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of slots, each a short time of lease ends.  What a slot holds is taken
 * off the sum once its time has passed.
 */
#include "storage/lease.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS 256u

struct lease_account {
    pthread_mutex_t lock;
    uint64_t duration_ns, most_ns, cap, slot_ns;
    uint64_t passed; /* slots with a number below this have been taken off */
    uint64_t sum;
    uint64_t slot[SLOTS];
};

/* So that the longest lease covers at most half of the ring. */
static void
cut(struct lease_account *account, uint64_t duration_ns, uint64_t most_ns)
{
    if (most_ns < duration_ns)
        most_ns = duration_ns;
    account->duration_ns = duration_ns;
    account->most_ns = most_ns;
    account->slot_ns = most_ns / (SLOTS / 2) + 1;
}

enum status
lease_open(uint64_t duration_ns, uint64_t cap, struct lease_account **out)
{
    struct lease_account *account = calloc(1, sizeof(*account));

    if (account == NULL)
        return STATUS_NO_SPACE;
    pthread_mutex_init(&account->lock, NULL);
    cut(account, duration_ns, duration_ns);
    account->cap = cap;
    *out = account;
    return STATUS_OK;
}

void
lease_close(struct lease_account **account)
{
    if (*account == NULL)
        return;
    pthread_mutex_destroy(&(*account)->lock);
    free(*account);
    *account = NULL;
}

static void
pass(struct lease_account *account, uint64_t now_ns)
{
    uint64_t present = now_ns / account->slot_ns;

    for (unsigned i = 0; i < SLOTS && account->passed < present; i++) {
        uint64_t *slot = &account->slot[account->passed % SLOTS];

        account->sum -= *slot;
        *slot = 0;
        account->passed++;
    }
    if (account->passed < present)
        account->passed = present;
}

/* Takes bytes off the slot their lease ends in, if that is yet to pass. */
static void
take_off(struct lease_account *account, uint64_t bytes, uint64_t until_ns)
{
    uint64_t number = until_ns / account->slot_ns;
    uint64_t *slot = &account->slot[number % SLOTS];

    if (until_ns == 0 || number < account->passed)
        return;
    if (bytes > *slot)
        bytes = *slot; /* the slots were cut anew in between */
    *slot -= bytes;
    account->sum -= bytes;
}

/* A lease that runs on is not made shorter, but for one of a time when leases
 * were longer: the ring has no slot for its end. */
static uint64_t
end_of(const struct lease_account *account, uint64_t now_ns,
       uint64_t duration_ns, uint64_t until_ns)
{
    uint64_t last_ns = now_ns + account->most_ns;
    uint64_t end_ns =
        duration_ns < account->most_ns ? now_ns + duration_ns : last_ns;

    if (until_ns <= end_ns)
        return end_ns;
    return until_ns < last_ns ? until_ns : last_ns;
}

/* With the lock held. */
static enum status
grant(struct lease_account *account, uint64_t now_ns, uint64_t duration_ns,
      uint64_t bytes, uint64_t *until_ns)
{
    enum status status = STATUS_OK;
    uint64_t until, freed;

    if (account->duration_ns == 0)
        return STATUS_OK;
    pass(account, now_ns);
    freed = account->sum;
    take_off(account, bytes, *until_ns);
    freed -= account->sum;
    until = end_of(account, now_ns, duration_ns, *until_ns);
    if (account->sum + bytes > account->cap) {
        status = STATUS_BUSY;
        bytes = freed;
        until = *until_ns;
    }
    if (bytes != 0) {
        account->slot[until / account->slot_ns % SLOTS] += bytes;
        account->sum += bytes;
    }
    *until_ns = until;
    return status;
}

enum status
lease_grant(struct lease_account *account, uint64_t now_ns, uint64_t bytes,
            uint64_t *until_ns)
{
    enum status status;

    pthread_mutex_lock(&account->lock);
    status = grant(account, now_ns, account->duration_ns, bytes, until_ns);
    pthread_mutex_unlock(&account->lock);
    return status;
}

enum status
lease_grant_for(struct lease_account *account, uint64_t now_ns,
                uint64_t duration_ns, uint64_t bytes, uint64_t *until_ns)
{
    enum status status;

    pthread_mutex_lock(&account->lock);
    status = grant(account, now_ns, duration_ns, bytes, until_ns);
    pthread_mutex_unlock(&account->lock);
    return status;
}

uint64_t
lease_length(struct lease_account *account, uint64_t duration_ns)
{
    uint64_t length_ns = duration_ns;

    pthread_mutex_lock(&account->lock);
    if (account->duration_ns == 0)
        length_ns = 0;
    else if (duration_ns > account->most_ns)
        length_ns = account->most_ns;
    pthread_mutex_unlock(&account->lock);
    return length_ns;
}

void
lease_end(struct lease_account *account, uint64_t now_ns, uint64_t bytes,
          uint64_t until_ns)
{
    if (until_ns <= now_ns)
        return;
    pthread_mutex_lock(&account->lock);
    pass(account, now_ns);
    take_off(account, bytes, until_ns);
    pthread_mutex_unlock(&account->lock);
}

uint64_t
lease_bytes(struct lease_account *account, uint64_t now_ns)
{
    uint64_t sum;

    pthread_mutex_lock(&account->lock);
    pass(account, now_ns);
    sum = account->sum;
    pthread_mutex_unlock(&account->lock);
    return sum;
}

void
lease_set_duration(struct lease_account *account, uint64_t duration_ns,
                   uint64_t most_ns)
{
    uint64_t slot_ns;

    pthread_mutex_lock(&account->lock);
    slot_ns = account->slot_ns;
    cut(account, duration_ns, most_ns);
    if (slot_ns != account->slot_ns) {
        /* Old slots mean other times now: forget them, which errs on the side
         * of granting more once. */
        for (unsigned i = 0; i < SLOTS; i++)
            account->slot[i] = 0;
        account->sum = account->passed = 0;
    }
    pthread_mutex_unlock(&account->lock);
}
