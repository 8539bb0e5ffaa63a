/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ZeroMQ sockets: PUB, on which messages go to whoever listens, and
 * ROUTER, on which readers ask for those they have missed.  Neither ever waits
 * for a reader: one that does not keep up misses messages, which their numbers
 * tell it.
 *
 * Opened and closed on the main thread, used by the publisher's.
 */
#ifndef EVENTS_EVENT_SOCKET_H
#define EVENTS_EVENT_SOCKET_H

#include "server/events/event_replay.h"

#include <stdbool.h>

#define EVENT_ADDRESS_MAX 320u

struct event_socket;

/* Endpoints as the options spell them; replay empty: no such socket.  IO, and
 * why[room], if one can not be bound. */
enum status event_socket_open(const char *listen, const char *replay,
                              struct event_socket **out, char *why,
                              size_t room) MUST_USE;
/* Messages on their way have half a second to get there. */
void event_socket_close(struct event_socket **);
/* As bound, with the port that the kernel has chosen; replay: empty without. */
const char *event_socket_address(const struct event_socket *);
const char *event_socket_replay_address(const struct event_socket *);

void event_socket_publish(struct event_socket *, uint64_t sequence,
                          const struct event_frames *);
/* For so long, or, if anybody may ask, until somebody does. */
void event_socket_wait(struct event_socket *, bool may_ask, unsigned ms);
/* MISS: nobody asks; BAD_REQUEST: somebody asks for nothing that there is. */
enum status event_socket_receive(struct event_socket *,
                                 struct event_request *out) MUST_USE;
/* An event_send_fn; arg is the socket. */
enum status event_socket_send(void *arg, const struct event_reply *) MUST_USE;

#endif
