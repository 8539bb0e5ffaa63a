/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads put, drop, flush and evict the same few keys, while one
 * publishes what it is told of them as the server does, and answers a reader
 * that misses every so many messages.  The reader starts over as it should, and
 * in the end knows exactly what there is; once with room for all events, once
 * with so little that some are lost.  For ThreadSanitizer.
 */
#include "server/events/event_queue.h"
#include "server/events/event_replay.h"
#include "tests/lib/event_wire.h"
#include "tests/lib/store_values.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS     3u
#define KEYS        400u /* of each kind */
#define KINDS       2u
#define SIZE_MOST   (64u << 10)
#define REPLIES_MAX 8u
#define NS_IN_ALL   (1500 * NS_PER_MS)
#define NS_MORE     (20 * NS_PER_SECOND)
#define ENOUGH      500u /* events, at least */

struct user {
    pthread_t thread;
    struct store_port *port;
    struct counters counters;
    uint64_t random;
};

/* The publisher's, as in server/events/events.c, without sockets. */
static struct event_queue queue;
static struct event_message message;
static struct event_journal journal;
static struct event_style style = {.pod = "", .model = "", .medium = "cpu"};
static uint64_t published, lost_in_all;

static struct {
    bool is_there[KEYS * KINDS];
    uint64_t last; /* number it has come to */
    bool is_asking, is_wrong;
    struct event_replay replay;
    uint64_t listings, repeats, missed;
    uint64_t random;
} reader;

/* What is told while nothing is lost: a key comes only when it is not there, and
 * goes only when it is. */
static bool is_told[KEYS * KINDS];

static struct store *store;
static _Atomic uint64_t end_ns;

static unsigned
number_of(const struct bytes *key, bool is_object)
{
    char text[32] = "";
    unsigned number = 0;

    if (key->size < sizeof(text))
        memcpy(text, key->at, key->size);
    if (sscanf(text, "key-%u", &number) != 1 || number >= KEYS)
        abort();
    return number * KINDS + is_object;
}

static void
on_wire(void *arg, const struct event_wire *event)
{
    (void)arg;
    if (event->type == WIRE_CLEARED)
        memset(reader.is_there, 0, sizeof(reader.is_there));
    else
        reader.is_there[number_of(&event->key, event->is_object)] =
            event->type == WIRE_STORED;
}

static void
read_message(uint64_t sequence, const struct event_frames *frames)
{
    reader.is_wrong =
        !event_wire_read(&frames->payload, on_wire, NULL) || reader.is_wrong;
    reader.last = sequence;
}

static struct event_source
source(void)
{
    return (struct event_source){.store = store,
                                 .journal = &journal,
                                 .style = &style,
                                 .now_ns = clock_now_ns(),
                                 .unix_ms = 1};
}

static void
ask(void)
{
    const struct event_request request = {.peer.size = 0,
                                          .start = reader.last + 1};
    const struct event_source from = source();

    if (event_replay_open(&reader.replay, &request, &from) != STATUS_OK)
        abort();
    reader.is_asking = true;
    reader.listings += reader.replay.is_listing;
    reader.repeats += !reader.replay.is_listing;
}

static enum status
on_reply(void *arg, const struct event_reply *reply)
{
    (void)arg;
    if (random_below(&reader.random, 4) == 0)
        return STATUS_BUSY;
    if (reply->sequence != EVENT_END)
        read_message(reply->sequence, &reply->frames);
    return STATUS_OK;
}

static void
answer(void)
{
    const struct event_source from = source();

    if (event_replay_step(&reader.replay, &from, on_reply, NULL) != STATUS_MISS)
        return;
    event_replay_close(&reader.replay);
    reader.is_asking = false;
}

/* What comes by itself: not all of it, and not while there is an answer to
 * read. */
static void
hear(uint64_t sequence, const struct event_frames *frames)
{
    if (reader.is_asking)
        return;
    if (random_below(&reader.random, 16) == 0) {
        reader.missed++;
        return;
    }
    if (sequence == reader.last + 1)
        read_message(sequence, frames);
    else if (sequence > reader.last)
        ask();
}

static void
publish(void)
{
    struct event_frames frames = event_message_end(&message, 1);

    hear(journal.next, &frames);
    event_journal_add(&journal, &frames);
    event_message_begin(&message);
}

static void
check_told(const struct store_event *event)
{
    const struct bytes key = {event->key.bytes, event->key.size};
    bool *is_there;

    if (event->kind == STORE_CLEARED)
        return;
    is_there = &is_told[number_of(&key, event->key.kind == KEY_OBJECT)];
    if (lost_in_all == 0 && *is_there == (event->kind == STORE_STORED))
        reader.is_wrong = true;
    *is_there = event->kind == STORE_STORED;
}

static void
publish_waiting(void)
{
    struct store_event event;
    uint64_t lost;
    const struct event_list *waiting = event_queue_take(&queue, &lost);
    size_t at = 0;

    while (event_list_next(waiting, &at, &event)) {
        check_told(&event);
        published++;
        if (event_message_add(&message, &event) != EVENT_FULL)
            continue;
        publish();
        (void)!event_message_add(&message, &event);
    }
    publish();
    lost_in_all += lost;
    if (lost != 0) {
        event_journal_skip(&journal);
        publish();
    }
}

static void
put(struct user *user, const struct key *key)
{
    struct store_terms terms = {.form = FORM_LM};

    if (random_below(&user->random, 8) == 0)
        terms.expires_ns =
            clock_now_ns() + random_below(&user->random, 20) * NS_PER_MS;
    (void)!value_store(user->port, key, random_below(&user->random, SIZE_MOST),
                       user->random, &terms);
}

static void *
run(void *arg)
{
    struct user *user = arg;

    while (clock_now_ns() < atomic_load(&end_ns)) {
        struct key_text text;
        struct key key = key_numbered(
            &text, (enum key_kind)random_below(&user->random, KINDS),
            random_below(&user->random, KEYS));
        struct store_name name = name_body(&key);
        uint32_t what = random_below(&user->random, 2000);

        if (what == 0)
            flush_now(user->port, STORE_ALL_SPACES);
        else if (what < 600)
            (void)!store_drop(user->port, &name);
        else if (what < 700)
            store_sweep(user->port);
        else
            put(user, &key);
        store_port_run(user->port);
    }
    return NULL;
}

static void
on_event(void *arg, const struct store_event *event)
{
    event_queue_put(arg, event);
}

struct match {
    bool is_there[KEYS * KINDS];
};

static void
on_seen(void *arg, const struct store_seen *seen)
{
    const struct bytes key = {seen->key.bytes, seen->key.size};
    struct match *match = arg;

    if (seen->has_body)
        match->is_there[number_of(&key, seen->key.kind == KEY_OBJECT)] = true;
}

/* Until the reader has all that there is. */
static bool
is_in_time(void)
{
    static struct match match;
    uint64_t cursor = 0;

    do {
        if (clock_now_ns() > atomic_load(&end_ns) + NS_MORE)
            return false;
        publish_waiting();
        while (reader.is_asking)
            answer();
    } while (reader.last + 1 != journal.next);
    memset(&match, 0, sizeof(match));
    do
        store_list(store, &cursor, 64, on_seen, &match);
    while (cursor != 0);
    return memcmp(match.is_there, reader.is_there, sizeof(match.is_there)) == 0;
}

/* Nothing expires between the last event and the look at what there is. */
static void
sweep_all(struct store_port *port)
{
    uint64_t until_ns = clock_now_ns() + 25 * NS_PER_MS;

    while (clock_now_ns() < until_ns)
        store_sweep(port);
    for (unsigned i = 0; i < 200; i++)
        store_sweep(port);
}

static bool
open_all(size_t queue_room)
{
    struct store_limits limits = store_small_limits();

    memset(&reader, 0, sizeof(reader));
    memset(is_told, 0, sizeof(is_told));
    published = lost_in_all = 0;
    limits.on_event = on_event;
    limits.event_arg = &queue;
    limits.workers = THREADS;
    limits.lease_ns = 0;
    if (event_queue_open(&queue, queue_room) != STATUS_OK ||
        event_journal_open(&journal, 512u << 10, 1000) != STATUS_OK ||
        event_message_open(&message, &style) != STATUS_OK ||
        store_open(&limits, &store) != STATUS_OK)
        return false;
    event_queue_begin(&queue);
    return true;
}

static void
close_all(void)
{
    store_close(&store);
    event_queue_close(&queue);
    event_message_close(&message);
    event_journal_close(&journal);
}

static bool
start_users(struct user users[THREADS])
{
    memset(users, 0, THREADS * sizeof(*users));
    atomic_store(&end_ns, clock_now_ns() + NS_IN_ALL);
    for (unsigned i = 0; i < THREADS; i++) {
        users[i].random = i + 1;
        if (store_port_open(store, &users[i].counters, &users[i].port) !=
            STATUS_OK)
            return false;
    }
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&users[i].thread, NULL, run, &users[i]) != 0)
            return false;
    return true;
}

/* Has it all been tried?  must_lose: that events are lost, or that none is. */
static bool
is_enough(bool must_lose)
{
    if (must_lose)
        return published >= ENOUGH && lost_in_all != 0 && reader.listings > 1;
    return published >= ENOUGH && lost_in_all == 0 && reader.repeats != 0;
}

static bool
play(size_t queue_room, bool must_lose)
{
    static struct user users[THREADS];
    uint64_t latest_ns = clock_now_ns() + NS_MORE;
    bool is_right;

    if (!open_all(queue_room) || !start_users(users))
        return false;
    while (clock_now_ns() < atomic_load(&end_ns)) {
        if (!is_enough(must_lose) && clock_now_ns() < latest_ns)
            atomic_store(&end_ns, clock_now_ns() + NS_IN_ALL);
        publish_waiting();
        for (unsigned i = 0; i < REPLIES_MAX && reader.is_asking; i++)
            answer();
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(users[i].thread, NULL);
    sweep_all(users[0].port);
    is_right = is_in_time() && !reader.is_wrong && is_enough(must_lose);
    printf("%llu events, %llu lost; %llu messages missed, %llu listings, "
           "%llu repeats: %s\n",
           (unsigned long long)published, (unsigned long long)lost_in_all,
           (unsigned long long)reader.missed,
           (unsigned long long)reader.listings,
           (unsigned long long)reader.repeats, is_right ? "right" : "WRONG");
    for (unsigned i = 0; i < THREADS; i++)
        store_port_close(&users[i].port);
    close_all();
    return is_right;
}

int
main(void)
{
    bool is_right = play(16u << 20, false);

    is_right = play(256, true) && is_right;
    return is_right ? 0 : 1;
}
