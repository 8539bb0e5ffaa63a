/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's turn on its worker: read, answer, send, until something is
 * missing or the turn's share of bytes has been moved.
 */
#ifndef WORKER_TURN_H
#define WORKER_TURN_H

#include "base/clock.h"
#include "server/net/connection.h"

#include <sys/types.h>

/* The most body bytes a connection moves in one turn, so that nobody waits
 * behind a large body for longer than that takes (DESIGN 3). */
#define TURN_BYTES (1u << 20)
/* And how long it goes on with one small request after the other, of which a
 * client can have more at any time. */
#define TURN_NS (NS_PER_MS / 2)

enum step {
    STEP_ON,      /* something was done: take the next step */
    STEP_STARVED, /* more bytes must arrive first */
    STEP_HELD,    /* output, the budget or the next turn must come first */
    STEP_GONE     /* the connection was closed and freed */
};

/* Runs until held, starved or gone. */
void turn_run(struct connection *);
/* A watch_ready_fn: the connection's descriptor is ready. */
void turn_ready(void *connection, bool may_read, bool may_write);
/* The server drains: close once what has arrived has been answered. */
void turn_finish(struct connection *);
/* Runs unless a turn is on the stack already, which then goes on by itself. */
void turn_resume(struct connection *);

/* The step of phases BODY and DRAIN, in turn_body.c. */
enum step turn_body(struct connection *);
/* A body follows the head: starts its PUT or has it drained. */
enum step turn_body_start(struct connection *);
/* It made too little progress: its memory is given back. */
void turn_body_abandon(struct connection *, enum status why,
                       enum counter_id counter);
/* Receives into the input buffer. */
enum step turn_receive(struct connection *);
/* A receive gave n bytes (or errno) of `asked`; may close. */
enum step turn_received(struct connection *, ssize_t n, size_t asked);

#endif
