/* SPDX-License-Identifier: Apache-2.0 */
/* The account of leased bytes, with times of our own. */
#include "storage/lease.h"
#include "tests/lib/store_values.h"

#include <criterion/criterion.h>

#define DURATION 10000000000ull
#define SLOT     (DURATION / 32 + 1)
#define CAP      1000u
#define START    123456789012345ull

static struct lease_account *account;
static uint64_t now_ns = START;

static void
start(uint64_t duration_ns)
{
    cr_assert_eq(lease_open(duration_ns, CAP, &account), STATUS_OK);
    cr_assert_eq(lease_bytes(account, now_ns), 0);
}

static enum status
grant(uint64_t bytes, uint64_t *until_ns)
{
    return lease_grant(account, now_ns, bytes, until_ns);
}

Test(lease, is_granted_up_to_the_cap)
{
    uint64_t a = 0, b = 0, c = 0;

    start(DURATION);
    cr_assert_eq(grant(600, &a), STATUS_OK);
    cr_assert_eq(a, START + DURATION);
    cr_assert_eq(grant(401, &b), STATUS_BUSY);
    cr_assert_eq(b, 0);
    cr_assert_eq(grant(400, &b), STATUS_OK);
    cr_assert_eq(grant(1, &c), STATUS_BUSY);
    cr_assert_eq(grant(0, &c), STATUS_OK);
    cr_assert_eq(lease_bytes(account, now_ns), CAP);
    lease_close(&account);
    cr_assert_null(account);
}

Test(lease, counts_no_longer_once_it_has_run_out)
{
    uint64_t a = 0, b = 0;

    start(DURATION);
    cr_assert_eq(grant(CAP, &a), STATUS_OK);
    now_ns += DURATION;
    cr_assert_eq(grant(1, &b), STATUS_BUSY);
    now_ns += SLOT;
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    cr_assert_eq(grant(CAP, &b), STATUS_OK);
    now_ns += 1000 * DURATION;
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    lease_close(&account);
}

Test(lease, counts_once_however_often_it_is_renewed)
{
    uint64_t a = 0;

    start(DURATION);
    for (unsigned i = 0; i < 1000; i++) {
        cr_assert_eq(grant(CAP, &a), STATUS_OK);
        cr_assert_eq(a, now_ns + DURATION);
        cr_assert_eq(lease_bytes(account, now_ns), CAP);
        now_ns += DURATION / 7;
    }
    lease_end(account, now_ns, CAP, a);
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    lease_close(&account);
}

Test(lease, ends_with_its_entry)
{
    uint64_t a = 0;

    start(DURATION);
    cr_assert_eq(grant(700, &a), STATUS_OK);
    lease_end(account, now_ns, 50, 0);
    cr_assert_eq(lease_bytes(account, now_ns), 700);
    lease_end(account, now_ns, 700, a);
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    lease_close(&account);
}

Test(lease, of_no_duration_always_succeeds_and_promises_nothing)
{
    uint64_t a = 0;

    start(0);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(grant(CAP, &a), STATUS_OK);
    cr_assert_eq(a, 0);
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    lease_close(&account);
}

Test(lease, of_a_new_duration_is_counted_anew)
{
    uint64_t a = 0, b = 0;

    start(DURATION);
    cr_assert_eq(grant(CAP, &a), STATUS_OK);
    lease_set_duration(account, DURATION / 100, 0);
    cr_assert_eq(grant(400, &b), STATUS_OK);
    cr_assert_eq(b, now_ns + DURATION / 100);
    lease_end(account, now_ns, CAP, a);
    lease_end(account, now_ns, 400, b);
    now_ns += 4 * DURATION;
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    cr_assert_eq(grant(CAP, &a), STATUS_OK);
    cr_assert_eq(lease_bytes(account, now_ns), CAP);
    lease_close(&account);
}

Test(lease, of_a_time_of_its_own_is_no_longer_than_the_longest)
{
    uint64_t a = 0, b = 0, c = 0;

    start(DURATION);
    lease_set_duration(account, DURATION, 6 * DURATION);
    cr_assert_eq(lease_grant_for(account, now_ns, 5, 100, &a), STATUS_OK);
    cr_assert_eq(a, now_ns + 5);
    cr_assert_eq(lease_grant_for(account, now_ns, 6 * DURATION, 100, &b),
                 STATUS_OK);
    cr_assert_eq(b, now_ns + 6 * DURATION);
    cr_assert_eq(lease_grant_for(account, now_ns, UINT64_MAX, 100, &c),
                 STATUS_OK);
    cr_assert_eq(c, now_ns + 6 * DURATION);
    cr_assert_eq(lease_length(account, UINT64_MAX), 6 * DURATION);
    cr_assert_eq(lease_length(account, 5), 5);
    cr_assert_eq(lease_bytes(account, now_ns), 300);
    now_ns += DURATION;
    cr_assert_eq(lease_bytes(account, now_ns), 200);
    now_ns += 6 * DURATION;
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    lease_close(&account);
}

Test(lease, is_never_made_shorter)
{
    uint64_t a = 0, end;

    start(DURATION);
    lease_set_duration(account, DURATION, 6 * DURATION);
    cr_assert_eq(lease_grant_for(account, now_ns, 4 * DURATION, CAP, &a),
                 STATUS_OK);
    end = now_ns + 4 * DURATION;
    cr_assert_eq(grant(CAP, &a), STATUS_OK);
    cr_assert_eq(a, end);
    cr_assert_eq(lease_grant_for(account, now_ns, 1, CAP, &a), STATUS_OK);
    cr_assert_eq(a, end);
    cr_assert_eq(lease_bytes(account, now_ns), CAP);
    now_ns += 4 * DURATION - 1;
    cr_assert_eq(grant(CAP, &a), STATUS_OK);
    cr_assert_eq(a, now_ns + DURATION);
    lease_end(account, now_ns, CAP, a);
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    lease_close(&account);
}

Test(lease, of_no_duration_is_none_whatever_was_asked_for)
{
    uint64_t a = 0;

    start(0);
    lease_set_duration(account, 0, DURATION);
    cr_assert_eq(lease_grant_for(account, now_ns, DURATION, CAP, &a),
                 STATUS_OK);
    cr_assert_eq(a, 0);
    cr_assert_eq(lease_length(account, DURATION), 0);
    lease_close(&account);
}

/*
 * Against a list of all leases: the account never counts less than is leased,
 * and nothing for longer than one slot after its lease.
 */
#define LEASES 40u

static struct {
    uint64_t bytes, until_ns;
} leases[LEASES];
static uint64_t lapsed_bytes, lapsed_until_ns; /* ended late, still counted */

static uint64_t
leased(uint64_t slack_ns)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < LEASES; i++)
        if (leases[i].until_ns != 0 && leases[i].until_ns + slack_ns > now_ns)
            sum += leases[i].bytes;
    if (lapsed_until_ns + slack_ns > now_ns && slack_ns != 0)
        sum += lapsed_bytes;
    else if (lapsed_until_ns + SLOT <= now_ns)
        lapsed_bytes = 0;
    return sum;
}

static void
end_one(unsigned which)
{
    lease_end(account, now_ns, leases[which].bytes, leases[which].until_ns);
    if (leases[which].until_ns != 0 && leases[which].until_ns <= now_ns) {
        lapsed_bytes += leases[which].bytes;
        if (leases[which].until_ns > lapsed_until_ns)
            lapsed_until_ns = leases[which].until_ns;
    }
    leases[which].until_ns = 0;
}

static void
renew_one(unsigned which, uint64_t *random)
{
    uint64_t before = leases[which].until_ns;
    uint64_t counted = lease_bytes(account, now_ns);

    if (before == 0)
        leases[which].bytes = random_below(random, 120);
    if (grant(leases[which].bytes, &leases[which].until_ns) == STATUS_OK) {
        cr_assert_eq(leases[which].until_ns, now_ns + DURATION);
        cr_assert_leq(lease_bytes(account, now_ns), CAP);
        return;
    }
    cr_assert_eq(leases[which].until_ns, before);
    cr_assert_eq(lease_bytes(account, now_ns), counted);
    cr_assert_gt(counted + leases[which].bytes, CAP);
}

Test(lease, never_leaks_and_never_forgets)
{
    uint64_t random = 5;

    start(DURATION);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned which = random_below(&random, LEASES);
        uint64_t counted;

        if (random_below(&random, 4) == 0)
            end_one(which);
        else
            renew_one(which, &random);
        now_ns += random_next(&random) %
                  (step % 1000 == 0 ? 40 * DURATION : DURATION / 16);
        counted = lease_bytes(account, now_ns);
        cr_assert_geq(counted, leased(0), "step %u", step);
        cr_assert_leq(counted, leased(SLOT), "step %u", step);
    }
    now_ns += 2 * DURATION;
    cr_assert_eq(lease_bytes(account, now_ns), 0);
    lease_close(&account);
}
