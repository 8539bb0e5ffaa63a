/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of those who use the server: a thread with a connection over lm:// and
 * one over redis://, and keys that nobody else touches.  It asks for one thing
 * at a time, so that it always knows what the last answer to a key was.
 */
#ifndef CRASH_USER_H
#define CRASH_USER_H

#include "tests/crash/run.h"

struct user {
    struct run *run;
    unsigned index;
    pthread_t thread;
    uint64_t random;
    struct wire *lm, *redis;
    uint8_t *out, *in; /* VALUE_MOST bytes each */
    struct key *keys;  /* key i is number i * users + index */
    unsigned key_count, key_room;
    unsigned *present; /* keys that have a value, as far as is known */
    unsigned present_count;
    uint64_t due_ns; /* when the next request may begin */
    uint64_t slowest_ns;
    struct tally tally;
};

/* Aborts without memory. */
void user_open(struct user *, struct run *, unsigned index);
void user_close(struct user *);

/* The key of a number; NULL: nobody asked for it yet. */
struct key *user_key(const struct run *, uint32_t number);

/* Threads' functions; their argument is the user.  Load: until the server is
 * gone.  Verify: looks at all that may be there, judges it by the life before,
 * and begins a new one with it. */
void *user_load(void *user);
void *user_verify(void *user);

/* --- For the user*.c files. --- */

/* Both connections; complains.  False: not. */
bool user_connect(struct user *);
void user_disconnect(struct user *);

uint32_t user_number(const struct user *, unsigned index);
/* A new key; returns its index. */
unsigned user_add_key(struct user *);
/* Keeps `present` as the key's version says. */
void user_note_present(struct user *, unsigned index);

/* OK or MISS, and *found_out says what (a miss as sure); else the connection is lost, which
 * was complained about if it had no reason.  What is wrong with the value is
 * complained about and counted, and is then a miss.  any_wire: also over the
 * one it was not put. */
enum status user_get(struct user *, unsigned index, bool any_wire,
                     struct finding *found_out) MUST_USE;
/* Asked and answered, and the key's events say so. */
enum status user_put(struct user *, unsigned index) MUST_USE;
enum status user_drop(struct user *, unsigned index) MUST_USE;
enum status user_exists(struct user *, unsigned index) MUST_USE;

/* Complains about an old or unknown version: with all that is known of it. */
void user_complain(struct user *, unsigned index, const struct life *,
                   const char *what, uint32_t seen);

/* The same, into losses.log. */
void user_note(struct user *, unsigned index, const struct life *,
               const char *what);

#endif
