/* SPDX-License-Identifier: Apache-2.0 */
/* A mixed load at a given rate, until the server is gone. */
#include "tests/crash/user.h"

#include "base/clock.h"
#include "tools/bench/random.h"

#include <stdatomic.h>
#include <time.h>

#define MEAN_SIZE   (1u << 20)
#define SLICE_NS    (5 * NS_PER_MS)
#define ARREARS_NS  (20 * NS_PER_MS)
#define RECENT_KEYS 32u

/* Of a hundred requests. */
#define PUTS    50u
#define DELETES 9u

/* False: the server is gone. */
static bool
wait_until_due(struct user *user)
{
    while (!atomic_load(&user->run->is_killed)) {
        uint64_t now_ns = clock_now_ns();
        uint64_t left_ns = user->due_ns > now_ns ? user->due_ns - now_ns : 0;
        struct timespec pause = {
            .tv_nsec = (long)(left_ns < SLICE_NS ? left_ns : SLICE_NS)};

        if (left_ns == 0)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* So many bytes were moved, or a request that has none. */
static void
charge(struct user *user, uint64_t bytes)
{
    const struct settings *settings = &user->run->settings;
    uint64_t now_ns = clock_now_ns();
    double rate = (double)settings->rate / settings->users;

    if (user->due_ns + ARREARS_NS < now_ns)
        user->due_ns = now_ns - ARREARS_NS;
    user->due_ns += (uint64_t)((double)(bytes + 4096) * 1e9 / rate);
}

static unsigned
choose_present(struct user *user)
{
    return user->present[random_below(&user->random, user->present_count)];
}

/* A key that has no value: one that had, now and then. */
static unsigned
choose_absent(struct user *user)
{
    if (user->key_count > RECENT_KEYS && random_below(&user->random, 4) == 0) {
        unsigned index = user->key_count - 1 -
                         (unsigned)random_below(&user->random, RECENT_KEYS);

        if (key_version(&user->keys[index]) == MODEL_MISS)
            return index;
    }
    return user_add_key(user);
}

static unsigned
present_most(const struct user *user)
{
    const struct settings *settings = &user->run->settings;
    uint64_t most = settings->live / MEAN_SIZE / settings->users;

    return most < 2 ? 2 : (unsigned)most;
}

static enum status
put(struct user *user)
{
    uint64_t before = user->tally.put_bytes;
    bool is_new =
        user->present_count == 0 || (user->present_count < present_most(user) &&
                                     random_below(&user->random, 2) == 0);
    enum status status =
        user_put(user, is_new ? choose_absent(user) : choose_present(user));

    charge(user, user->tally.put_bytes - before);
    return status;
}

static enum status
get(struct user *user)
{
    bool is_any =
        user->present_count == 0 || random_below(&user->random, 10) == 0;
    unsigned index =
        is_any ? (unsigned)random_below(&user->random, user->key_count)
               : choose_present(user);
    uint64_t before = user->tally.got_bytes, asked_ns = clock_now_ns();
    const struct key *key = &user->keys[index];
    const struct life *life = &user->run->life;
    struct finding found;
    enum status status = user_get(user, index, true, &found);

    charge(user, user->tally.got_bytes - before);
    if (status != STATUS_OK && status != STATUS_MISS)
        return status;
    if (key_judge_live(key, life, found.version, asked_ns) != MODEL_FINE)
        user_complain(user, index, life, "while the server lives",
                      found.version);
    if (status == STATUS_MISS && key_is_whole(key) &&
        atomic_load(&life->flush_begun_ns) == 0) {
        user->tally.live_misses++;
        user_note(user, index, life, "missed while the server lives");
    }
    return STATUS_OK;
}

static enum status
drop(struct user *user)
{
    charge(user, 0);
    return user_drop(user, choose_present(user));
}

static enum status
step(struct user *user)
{
    uint64_t chance = random_below(&user->random, 100);

    if (user->key_count == 0)
        return put(user);
    if (atomic_load(&user->run->is_calm) && random_below(&user->random, 8) != 0)
        return get(user);
    if (chance < PUTS)
        return put(user);
    if (chance < PUTS + DELETES && user->present_count > present_most(user) / 2)
        return drop(user);
    return get(user);
}

static enum status
step_timed(struct user *user)
{
    uint64_t start_ns = clock_now_ns();
    enum status status = step(user);
    uint64_t ns = clock_now_ns() - start_ns;

    if (status == STATUS_OK && ns > user->slowest_ns)
        user->slowest_ns = ns;
    return status;
}

void *
user_load(void *arg)
{
    struct user *user = arg;
    enum status status = STATUS_OK;

    if (user_connect(user)) {
        user->due_ns = clock_now_ns();
        while (status == STATUS_OK && wait_until_due(user))
            status = step_timed(user);
    }
    user_disconnect(user);
    return NULL;
}
