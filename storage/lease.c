/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of slots, each an eighth of a second of lease ends.  What a slot holds
 * is taken off the sum once its time has passed.
 */
#include "storage/lease.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS 64u

struct lease_account {
    pthread_mutex_t lock;
    uint64_t duration_ns, cap, slot_ns;
    uint64_t passed; /* slots with a number below this have been taken off */
    uint64_t sum;
    uint64_t slot[SLOTS];
};

/* So that a whole lease covers at most half of the ring. */
static uint64_t
slot_length(uint64_t duration_ns)
{
    return duration_ns / (SLOTS / 2) + 1;
}

enum status
lease_open(uint64_t duration_ns, uint64_t cap, struct lease_account **out)
{
    struct lease_account *account = calloc(1, sizeof(*account));

    if (account == NULL)
        return STATUS_NO_SPACE;
    pthread_mutex_init(&account->lock, NULL);
    account->duration_ns = duration_ns;
    account->slot_ns = slot_length(duration_ns);
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

enum status
lease_grant(struct lease_account *account, uint64_t now_ns, uint64_t bytes,
            uint64_t *until_ns)
{
    enum status status = STATUS_OK;
    uint64_t until, freed;

    pthread_mutex_lock(&account->lock);
    if (account->duration_ns == 0)
        goto out;
    pass(account, now_ns);
    freed = account->sum;
    take_off(account, bytes, *until_ns);
    freed -= account->sum;
    until = now_ns + account->duration_ns;
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
out:
    pthread_mutex_unlock(&account->lock);
    return status;
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
lease_set_duration(struct lease_account *account, uint64_t duration_ns)
{
    pthread_mutex_lock(&account->lock);
    if (duration_ns != account->duration_ns) {
        account->duration_ns = duration_ns;
        account->slot_ns = slot_length(duration_ns);
        /* Old slots mean other times now: forget them, which errs on the side
         * of granting more once. */
        for (unsigned i = 0; i < SLOTS; i++)
            account->slot[i] = 0;
        account->sum = account->passed = 0;
    }
    pthread_mutex_unlock(&account->lock);
}
