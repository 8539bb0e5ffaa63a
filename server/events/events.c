/* SPDX-License-Identifier: Apache-2.0 */
/* From the queue to the sockets and the journal, and from the journal and the
 * store to who asks. */
#include "server/events/events.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "server/events/event_queue.h"
#include "server/events/event_replay.h"
#include "server/events/event_socket.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long an event may wait for others to go with it. */
#define FLUSH_MS 5u
/* After so many messages at once ZeroMQ's thread has a chance to send them: it
 * drops those that find no room. */
#define BURST    64u
#define BURST_MS 1u
/* How soon a reader who had no room for an answer is tried again. */
#define RETRY_MS 1u
/* A message at least so often, so that who has missed the last one finds out. */
#define IDLE_NS (1 * NS_PER_SECOND)
/* Readers who are answered at one time; others wait for their turn. */
#define REPLAYS_MAX 4u
/* Replies to one of them before the next one has its go. */
#define REPLIES_MAX 8u
/* A reader that takes nothing for so long is given up. */
#define STUCK_NS (10 * NS_PER_SECOND)
/* Numbers a millisecond: more messages than that can not be made. */
#define NUMBERS_MS 1024u

struct events {
    struct event_style style;
    char pod[EVENT_TEXT_MAX];
    struct store *store;
    struct counters *counters;
    struct event_queue queue;
    struct event_socket *socket;

    /* The thread's. */
    struct event_message message;
    struct event_journal journal;
    struct event_replay *replays[REPLAYS_MAX];
    uint64_t published_ns;
    unsigned burst; /* messages since the last wait */

    pthread_t thread;
    bool is_started;
    _Atomic bool is_stopping;
    _Atomic uint64_t next, oldest, kept_bytes; /* of the journal, for others */
};

enum status
events_open(const struct events_plan *plan, struct events **out, char *why,
            size_t room)
{
    uint64_t next = clock_unix_ms() * NUMBERS_MS;
    struct events *events = calloc(1, sizeof(*events));
    enum status status;

    if (events == NULL)
        return STATUS_NO_SPACE;
    events->style =
        (struct event_style){.form = plan->is_vllm ? EVENT_VLLM : EVENT_OBJECT,
                             .pod = events->pod,
                             .model = plan->model,
                             .medium = plan->medium,
                             .block_tokens = plan->block_tokens};
    events->counters = plan->counters;
    atomic_store(&events->next, next);
    atomic_store(&events->oldest, next);
    status = event_queue_open(&events->queue, plan->queue);
    if (status == STATUS_OK)
        status = event_journal_open(&events->journal, plan->keep, next);
    if (status == STATUS_OK)
        status = event_message_open(&events->message, &events->style);
    if (status == STATUS_OK)
        status = event_socket_open(plan->listen, plan->replay, &events->socket,
                                   why, room);
    if (status != STATUS_OK)
        events_close(&events);
    *out = events;
    return status;
}

static void
end_replay(struct event_replay **replay)
{
    event_replay_close(*replay);
    free(*replay);
    *replay = NULL;
}

void
events_close(struct events **events_in)
{
    struct events *events = *events_in;

    if (events == NULL)
        return;
    *events_in = NULL;
    events_stop(events);
    for (unsigned i = 0; i < REPLAYS_MAX; i++)
        if (events->replays[i] != NULL)
            end_replay(&events->replays[i]);
    event_socket_close(&events->socket);
    event_message_close(&events->message);
    event_journal_close(&events->journal);
    event_queue_close(&events->queue);
    free(events);
}

void
events_tell(void *arg, const struct store_event *event)
{
    struct events *events = arg;

    event_queue_put(&events->queue, event);
}

/* The message, and a new one begins. */
static void
publish(struct events *events, uint64_t now_ns)
{
    struct event_journal *journal = &events->journal;
    struct event_frames frames =
        event_message_end(&events->message, clock_unix_ms());

    /* First: whoever has read it finds it counted. */
    count(events->counters, COUNTER_event_messages, 1);
    count(events->counters, COUNTER_events_published, events->message.count);
    event_socket_publish(events->socket, journal->next, &frames);
    event_journal_add(journal, &frames);
    event_message_begin(&events->message);
    events->published_ns = now_ns;
    atomic_store(&events->next, journal->next);
    atomic_store(&events->oldest, journal->oldest);
    atomic_store(&events->kept_bytes, event_journal_used(journal));
    if (++events->burst % BURST == 0)
        event_socket_wait(events->socket, false, BURST_MS);
}

static void
add(struct events *events, const struct store_event *event, uint64_t now_ns)
{
    enum event_added added = event_message_add(&events->message, event);

    if (added == EVENT_FULL) {
        publish(events, now_ns);
        added = event_message_add(&events->message, event);
    }
    if (added == EVENT_UNNAMED)
        count(events->counters, COUNTER_events_unnamed, 1);
}

static void
publish_waiting(struct events *events, uint64_t now_ns)
{
    static struct log_limiter limiter;
    struct store_event event;
    uint64_t lost;
    const struct event_list *waiting = event_queue_take(&events->queue, &lost);
    size_t at = 0;

    while (event_list_next(waiting, &at, &event))
        add(events, &event, now_ns);
    if (events->message.count != 0)
        publish(events, now_ns);
    if (lost != 0) {
        log_limited(&limiter, LOG_WARN, "events lost",
                    "%llu events had no room in events.queue; readers start "
                    "over",
                    (unsigned long long)lost);
        count(events->counters, COUNTER_events_lost, lost);
        event_journal_skip(&events->journal);
    }
    if (lost != 0 || now_ns - events->published_ns >= IDLE_NS)
        publish(events, now_ns);
}

static bool
is_same_peer(const struct event_peer *one, const struct event_peer *other)
{
    return one->size == other->size &&
           memcmp(one->bytes, other->bytes, one->size) == 0;
}

/* A place for a reader's request: that of its last one, if it has not waited for
 * all of the answer, or a free one, of which there is one. */
static struct event_replay **
find_place(struct events *events, const struct event_peer *peer)
{
    struct event_replay **place = NULL;

    for (unsigned i = 0; i < REPLAYS_MAX; i++) {
        struct event_replay **at = &events->replays[i];

        if (*at == NULL) {
            place = at;
        } else if (is_same_peer(&(*at)->peer, peer)) {
            count(events->counters, COUNTER_event_replays_cut, 1);
            end_replay(at);
            return at;
        }
    }
    assert(place != NULL);
    return place;
}

static unsigned
replay_count(const struct events *events)
{
    unsigned replays = 0;

    for (unsigned i = 0; i < REPLAYS_MAX; i++)
        replays += events->replays[i] != NULL;
    return replays;
}

static void
begin_replay(struct events *events, const struct event_request *request,
             const struct event_source *source)
{
    struct event_replay **place = find_place(events, &request->peer);

    *place = calloc(1, sizeof(**place));
    if (*place == NULL)
        return;
    if (event_replay_open(*place, request, source) != STATUS_OK) {
        end_replay(place);
        return;
    }
    count(events->counters,
          (*place)->is_listing ? COUNTER_event_replays_listed
                               : COUNTER_event_replays_kept,
          1);
}

static void
take_requests(struct events *events, const struct event_source *source)
{
    struct event_request request;
    enum status status = STATUS_OK;

    while (status != STATUS_MISS && replay_count(events) < REPLAYS_MAX) {
        status = event_socket_receive(events->socket, &request);
        if (status == STATUS_OK)
            begin_replay(events, &request, source);
        else if (status == STATUS_BAD_REQUEST)
            count(events->counters, COUNTER_event_replays_refused, 1);
    }
}

/* False: it waits for its reader, or has ended. */
static bool
answer(struct events *events, struct event_replay **replay,
       const struct event_source *source)
{
    enum status status = STATUS_OK;

    for (unsigned i = 0; i < REPLIES_MAX && status == STATUS_OK; i++)
        status = event_replay_step(*replay, source, event_socket_send,
                                   events->socket);
    if (status == STATUS_OK)
        return true;
    if (status == STATUS_BUSY &&
        source->now_ns - (*replay)->moved_ns < STUCK_NS)
        return false;
    if (status != STATUS_MISS)
        count(events->counters, COUNTER_event_replays_cut, 1);
    end_replay(replay);
    return false;
}

/* True: there is more to say at once. */
static bool
answer_all(struct events *events)
{
    const struct event_source source = {.store = events->store,
                                        .journal = &events->journal,
                                        .style = &events->style,
                                        .now_ns = clock_now_ns(),
                                        .unix_ms = clock_unix_ms()};
    bool has_more = false;

    take_requests(events, &source);
    for (unsigned i = 0; i < REPLAYS_MAX; i++)
        if (events->replays[i] != NULL &&
            answer(events, &events->replays[i], &source))
            has_more = true;
    return has_more;
}

/* Until there may be something to do. */
static void
rest(struct events *events)
{
    unsigned replays = replay_count(events);

    event_socket_wait(events->socket, replays < REPLAYS_MAX,
                      replays != 0 ? RETRY_MS : FLUSH_MS);
    events->burst = 0;
}

static void *
run(void *arg)
{
    struct events *events = arg;
    uint64_t flushed_ns = 0;

    while (!atomic_load(&events->is_stopping)) {
        bool has_more = answer_all(events);
        uint64_t now_ns = clock_now_ns();

        if (now_ns - flushed_ns >= FLUSH_MS * NS_PER_MS) {
            publish_waiting(events, now_ns);
            flushed_ns = now_ns;
        }
        if (!has_more)
            rest(events);
    }
    publish_waiting(events, clock_now_ns());
    return NULL;
}

enum status
events_start(struct events *events, struct store *store, const char *pod)
{
    enum status status;

    events->store = store;
    snprintf(events->pod, sizeof(events->pod), "%s", pod);
    events->published_ns = clock_now_ns();
    event_message_begin(&events->message);
    event_queue_begin(&events->queue);
    status = thread_start(&events->thread, "events", run, events);
    events->is_started = status == STATUS_OK;
    return status;
}

void
events_stop(struct events *events)
{
    if (events == NULL || !events->is_started)
        return;
    atomic_store(&events->is_stopping, true);
    pthread_join(events->thread, NULL);
    events->is_started = false;
}

void
events_view(struct events *events, struct events_view *out)
{
    *out = (struct events_view){
        .listen = event_socket_address(events->socket),
        .replay = event_socket_replay_address(events->socket),
        .next = atomic_load(&events->next),
        .oldest = atomic_load(&events->oldest),
        .kept_bytes = atomic_load(&events->kept_bytes),
        .waiting_bytes = event_queue_waiting(&events->queue)};
}
