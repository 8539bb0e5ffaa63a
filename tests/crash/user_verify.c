/* SPDX-License-Identifier: Apache-2.0 */
/* After a start: what is there, and may it be? */
#include "tests/crash/user.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define TRIES_MOST 20u
#define PAUSE_NS   (50 * (long)NS_PER_MS)
#define STORY_ROOM 1024u

/* Seconds before the end of the life; after it, of one that goes on. */
static double
seconds_before(const struct life *life, uint64_t ns)
{
    uint64_t end_ns = life->killed_ns != 0 ? life->killed_ns : clock_now_ns();

    return ((double)end_ns - (double)ns) / 1e9;
}

static int
tell_event(const struct event *event, const struct life *life, char *into,
           size_t room)
{
    char what[32];

    if (event->version == MODEL_MISS)
        snprintf(what, sizeof(what), event->is_base ? "nothing" : "DEL");
    else
        snprintf(what, sizeof(what), "version %u", event->version);
    if (event->is_base)
        return snprintf(into, room, "%s found before%s", what,
                        event->done_ns == 0 ? " perhaps" : "");
    if (event->done_ns == 0)
        return snprintf(into, room, "; %s asked %.3f s before, not answered",
                        what, seconds_before(life, event->begun_ns));
    return snprintf(into, room, "; %s asked %.3f s and answered %.3f s before",
                    what, seconds_before(life, event->begun_ns),
                    seconds_before(life, event->done_ns));
}

struct story {
    char text[STORY_ROOM];
};

static struct story
tell(const struct key *key, const struct life *life)
{
    uint64_t flush_ns = atomic_load(&life->flush_begun_ns);
    struct story story = {""};
    size_t at = 0;

    for (unsigned i = 0; i < key->count && at < STORY_ROOM; i++) {
        int size =
            tell_event(&key->events[i], life, story.text + at, STORY_ROOM - at);

        at += (size_t)(size < 0 ? 0 : size);
    }
    if (flush_ns != 0 && at < STORY_ROOM)
        snprintf(
            story.text + at, STORY_ROOM - at,
            "; FLUSHALL asked %.3f s before%s", seconds_before(life, flush_ns),
            atomic_load(&life->flush_done_ns) == 0 ? ", not answered" : "");
    return story;
}

void
user_complain(struct user *user, unsigned index, const struct life *life,
              const char *what, uint32_t seen)
{
    const struct key *key = &user->keys[index];
    struct story story = tell(key, life);

    user->tally.old++;
    run_complain(user->run,
                 "RESURRECTION %s: key %08x shows version %u of %u (%s)", what,
                 user_number(user, index), seen, key->newest, story.text);
}

void
user_note(struct user *user, unsigned index, const struct life *life,
          const char *what)
{
    const struct key *key = &user->keys[index];
    uint32_t number = user_number(user, index);
    struct story story = tell(key, life);

    run_note(user->run, "key %08x of %u bytes %s (%s)", number,
             value_size(&user->run->values, number, key->newest), what,
             story.text);
}

static enum status
look(struct user *user, unsigned index, struct finding *found)
{
    for (unsigned i = 0; i < TRIES_MOST; i++) {
        const struct timespec pause = {.tv_nsec = PAUSE_NS};
        enum status status = user_get(user, index, false, found);

        if (status != STATUS_MISS)
            return status;
        status = user_exists(user, index);
        if (status == STATUS_MISS)
            return STATUS_OK;
        if (status != STATUS_OK)
            return status;
        found->is_sure = false;
        nanosleep(&pause, NULL);
    }
    user->tally.unsure++;
    return STATUS_OK;
}

static void
count(struct tally *tally, const struct judgement *judgement, bool is_hit)
{
    bool is_found = judgement->verdict != MODEL_LOST;

    tally->checked++;
    if (!judgement->is_expected) {
        tally->other_hits += is_hit;
        return;
    }
    tally->expected++;
    tally->found += is_found;
    if (judgement->is_base)
        return;
    tally->expected_new++;
    tally->found_new += is_found;
}

static const char *
loss_of(const struct finding *found)
{
    if (found->version != MODEL_MISS)
        return "lost its metadata";
    return found->is_sure ? "lost" : "lost, though the server has it";
}

static bool
verify(struct user *user, unsigned index)
{
    struct key *key = &user->keys[index];
    const struct life *life = &user->run->life;
    struct judgement judgement;
    struct finding found;

    if (look(user, index, &found) != STATUS_OK)
        return false;
    judgement = key_judge(key, life, &found);
    count(&user->tally, &judgement, found.version != MODEL_MISS);
    if (judgement.verdict == MODEL_OLD || judgement.verdict == MODEL_UNKNOWN)
        user_complain(user, index, life, "after a start", found.version);
    if (judgement.verdict == MODEL_LOST)
        user_note(user, index, life, loss_of(&found));
    key_settle(key, life, &found);
    user_note_present(user, index);
    return true;
}

/* What was a miss, was not put since, and the server does not say to have. */
static bool
is_gone(const struct key *key)
{
    return key->count == 1 && key->events[0].version == MODEL_MISS &&
           key->events[0].done_ns != 0 && !key->is_listed;
}

void *
user_verify(void *arg)
{
    struct user *user = arg;

    if (user_connect(user))
        for (unsigned i = 0; i < user->key_count; i++)
            if (!is_gone(&user->keys[i]) && !verify(user, i))
                break;
    user_disconnect(user);
    return NULL;
}
