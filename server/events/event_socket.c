/* SPDX-License-Identifier: Apache-2.0 */
/* libzmq, and nothing of it anywhere else. */
#include "server/events/event_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Messages that may wait for one reader, beyond what the kernel has.  Those that
 * wait for several are one copy. */
#define PUBLISH_MOST 256
#define REPLY_MOST   64
#define REQUEST_MOST 16
/* Nothing longer is read from anybody. */
#define INPUT_MAX  4096
#define FRAMES_MAX 4u
#define LINGER_MS  500
/* A reader that is gone without a word is found by its TCP. */
#define IDLE_S        60
#define UNREAD_MS     60000
#define SEQUENCE_SIZE 8u

struct event_socket {
    void *context, *publish, *replay;
    char address[EVENT_ADDRESS_MAX], replay_address[EVENT_ADDRESS_MAX];
};

static bool
set(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

static bool
set_all(void *socket, int send_most)
{
    int64_t input_max = INPUT_MAX;

    return set(socket, ZMQ_SNDHWM, send_most) &&
           set(socket, ZMQ_RCVHWM, REQUEST_MOST) &&
           set(socket, ZMQ_LINGER, LINGER_MS) &&
           set(socket, ZMQ_TCP_KEEPALIVE, 1) &&
           set(socket, ZMQ_TCP_KEEPALIVE_IDLE, IDLE_S) &&
           set(socket, ZMQ_TCP_MAXRT, UNREAD_MS) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &input_max,
                          sizeof(input_max)) == 0;
}

/* libzmq binds to numbers and to names of interfaces, and spells a port that the
 * kernel is to choose as *. */
static void
spell(const char *endpoint, char into[EVENT_ADDRESS_MAX])
{
    const char *rest = endpoint, *local = "tcp://localhost:";
    size_t size;

    into[0] = '\0';
    if (strncmp(endpoint, local, strlen(local)) == 0) {
        snprintf(into, EVENT_ADDRESS_MAX, "tcp://127.0.0.1:");
        rest += strlen(local);
    }
    size = strlen(into);
    snprintf(into + size, EVENT_ADDRESS_MAX - size, "%s", rest);
    size = strlen(into);
    if (strncmp(into, "tcp://", 6) == 0 && size > 2 &&
        strcmp(into + size - 2, ":0") == 0)
        into[size - 1] = '*';
}

static enum status
bind_to(void *socket, const char *endpoint, char address[EVENT_ADDRESS_MAX],
        char *why, size_t room)
{
    size_t size = EVENT_ADDRESS_MAX;

    spell(endpoint, address);
    /* With it IPv4 would be spelled as IPv6, which many a reader can not dial. */
    if (set(socket, ZMQ_IPV6, strchr(address, '[') != NULL) &&
        zmq_bind(socket, address) == 0 &&
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &size) == 0)
        return STATUS_OK;
    snprintf(why, room,
             "can not publish events on %s: %s; expected an address of this "
             "host that is free, as numbers",
             endpoint, zmq_strerror(zmq_errno()));
    return STATUS_IO;
}

static enum status
open_sockets(struct event_socket *socket, bool has_replay)
{
    socket->context = zmq_ctx_new();
    if (socket->context == NULL)
        return STATUS_NO_SPACE;
    socket->publish = zmq_socket(socket->context, ZMQ_PUB);
    if (socket->publish == NULL || !set_all(socket->publish, PUBLISH_MOST))
        return STATUS_NO_SPACE;
    if (!has_replay)
        return STATUS_OK;
    socket->replay = zmq_socket(socket->context, ZMQ_ROUTER);
    /* To be told of readers that are gone, and of those that are full. */
    if (socket->replay == NULL || !set_all(socket->replay, REPLY_MOST) ||
        !set(socket->replay, ZMQ_ROUTER_MANDATORY, 1))
        return STATUS_NO_SPACE;
    return STATUS_OK;
}

enum status
event_socket_open(const char *listen, const char *replay,
                  struct event_socket **out, char *why, size_t room)
{
    struct event_socket *socket = calloc(1, sizeof(*socket));
    bool has_replay = replay[0] != '\0';
    enum status status;

    if (socket == NULL)
        return STATUS_NO_SPACE;
    status = open_sockets(socket, has_replay);
    if (status == STATUS_OK)
        status = bind_to(socket->publish, listen, socket->address, why, room);
    if (status == STATUS_OK && has_replay)
        status =
            bind_to(socket->replay, replay, socket->replay_address, why, room);
    if (status != STATUS_OK)
        event_socket_close(&socket);
    *out = socket;
    return status;
}

void
event_socket_close(struct event_socket **socket_in)
{
    struct event_socket *socket = *socket_in;

    if (socket == NULL)
        return;
    *socket_in = NULL;
    if (socket->publish != NULL)
        zmq_close(socket->publish);
    if (socket->replay != NULL)
        zmq_close(socket->replay);
    if (socket->context != NULL)
        while (zmq_ctx_term(socket->context) != 0 && zmq_errno() == EINTR)
            continue;
    free(socket);
}

const char *
event_socket_address(const struct event_socket *socket)
{
    return socket->address;
}

const char *
event_socket_replay_address(const struct event_socket *socket)
{
    return socket->replay_address;
}

/* What is to be sent; all memory for it is taken before the first frame goes, so
 * that none is sent without the others. */
struct parcel {
    zmq_msg_t frames[FRAMES_MAX];
    unsigned count;
};

static bool
pack(struct parcel *parcel, const void *bytes, size_t size)
{
    zmq_msg_t *frame = &parcel->frames[parcel->count];

    if (zmq_msg_init_size(frame, size) != 0)
        return false;
    if (size != 0)
        memcpy(zmq_msg_data(frame), bytes, size);
    parcel->count++;
    return true;
}

/* [topic, sequence, payload] */
static bool
pack_message(struct parcel *parcel, uint64_t sequence,
             const struct event_frames *frames)
{
    uint8_t number[SEQUENCE_SIZE];

    for (unsigned i = 0; i < SEQUENCE_SIZE; i++)
        number[i] = (uint8_t)(sequence >> (56 - 8 * i));
    return pack(parcel, frames->topic.at, frames->topic.size) &&
           pack(parcel, number, sizeof(number)) &&
           pack(parcel, frames->payload.at, frames->payload.size);
}

/* The first frame is refused, or none. */
static bool
send_parcel(void *socket, struct parcel *parcel)
{
    unsigned sent = 0;

    while (sent < parcel->count &&
           zmq_msg_send(&parcel->frames[sent], socket,
                        ZMQ_DONTWAIT |
                            (sent + 1 < parcel->count ? ZMQ_SNDMORE : 0)) >= 0)
        sent++;
    return sent == parcel->count;
}

static void
drop(struct parcel *parcel)
{
    while (parcel->count > 0)
        zmq_msg_close(&parcel->frames[--parcel->count]);
}

void
event_socket_publish(struct event_socket *socket, uint64_t sequence,
                     const struct event_frames *frames)
{
    struct parcel parcel = {.count = 0};

    /* A PUB socket takes all, and drops it where it can not go.  For what there
     * is no memory for, a reader will ask. */
    if (pack_message(&parcel, sequence, frames))
        (void)send_parcel(socket->publish, &parcel);
    drop(&parcel);
}

void
event_socket_wait(struct event_socket *socket, bool may_ask, unsigned ms)
{
    zmq_pollitem_t item = {.socket = socket->replay, .events = ZMQ_POLLIN};

    (void)zmq_poll(&item, may_ask && socket->replay != NULL, (long)ms);
}

/* Takes a whole message off the socket.  What it has beyond FRAMES_MAX is only
 * counted. */
static unsigned
receive_frames(void *socket, struct parcel *into)
{
    unsigned count = 0;
    bool has_more = true;

    while (has_more) {
        zmq_msg_t frame;

        zmq_msg_init(&frame);
        has_more = false;
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0) {
            has_more = zmq_msg_more(&frame) != 0;
            count++;
            if (into->count < FRAMES_MAX) {
                zmq_msg_init(&into->frames[into->count]);
                zmq_msg_move(&into->frames[into->count++], &frame);
            }
        }
        zmq_msg_close(&frame);
    }
    return count;
}

enum status
event_socket_receive(struct event_socket *socket, struct event_request *out)
{
    struct bytes bytes[FRAMES_MAX];
    struct parcel parcel = {.count = 0};
    enum status status;
    unsigned count;

    if (socket->replay == NULL)
        return STATUS_MISS;
    count = receive_frames(socket->replay, &parcel);
    for (unsigned i = 0; i < parcel.count; i++)
        bytes[i] = (struct bytes){zmq_msg_data(&parcel.frames[i]),
                                  zmq_msg_size(&parcel.frames[i])};
    status = count == 0 ? STATUS_MISS : event_request_read(bytes, count, out);
    drop(&parcel);
    return status;
}

enum status
event_socket_send(void *arg, const struct event_reply *reply)
{
    struct event_socket *socket = arg;
    struct parcel parcel = {.count = 0};
    enum status status = STATUS_BUSY;

    if (pack(&parcel, reply->peer->bytes, reply->peer->size) &&
        pack_message(&parcel, reply->sequence, &reply->frames)) {
        status = STATUS_OK;
        if (!send_parcel(socket->replay, &parcel))
            status = zmq_errno() == EAGAIN ? STATUS_BUSY : STATUS_GONE;
    }
    drop(&parcel);
    return status;
}
