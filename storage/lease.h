/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account of leased bytes: how much of a tier EXISTS has promised, so that
 * promises stay under their cap (DESIGN 5).  A lease is a time in an entry;
 * this file only adds up, in a ring of time slots, so that a lease that runs
 * out needs no timer.  Any thread; one short lock.
 */
#ifndef STORAGE_LEASE_H
#define STORAGE_LEASE_H

#include "proto/status.h"

#include <stdint.h>

struct lease_account;

/* Leases of duration_ns (0: none are ever granted a time, and all succeed), at
 * most cap bytes at one time.  NO_SPACE without memory. */
enum status lease_open(uint64_t duration_ns, uint64_t cap,
                       struct lease_account **out) MUST_USE;
void lease_close(struct lease_account **);

/* Leases `bytes` whose lease so far ended (or ends) at *until_ns, and sets it
 * anew, never to an earlier time; BUSY, and *until_ns as it was, when that would
 * pass the cap. */
enum status lease_grant(struct lease_account *, uint64_t now_ns, uint64_t bytes,
                        uint64_t *until_ns) MUST_USE;
/* The same for a time of its own, if that is no longer than the longest. */
enum status lease_grant_for(struct lease_account *, uint64_t now_ns,
                            uint64_t duration_ns, uint64_t bytes,
                            uint64_t *until_ns) MUST_USE;
/* How long that one would be: 0 where there are none. */
uint64_t lease_length(struct lease_account *, uint64_t duration_ns);
/* The entry is gone: its lease counts no longer.  until_ns 0 is fine. */
void lease_end(struct lease_account *, uint64_t now_ns, uint64_t bytes,
               uint64_t until_ns);
uint64_t lease_bytes(struct lease_account *, uint64_t now_ns);
/* A new duration for leases to come, and the longest that lease_grant_for()
 * gives: most_ns, or the duration if that is longer (SIGHUP). */
void lease_set_duration(struct lease_account *, uint64_t duration_ns,
                        uint64_t most_ns);

#endif
