/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a turn but for bodies: heads, what stands behind a body, and
 * what is sent in between. */
#include "server/worker/turn.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/net/group.h"
#include "server/net/watch.h"
#include "server/request/request.h"
#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

/* Replies are gathered up to here before they are sent. */
#define TEXT_ENOUGH 12288u

/* A head of up to this size is parsed again at each of its segments; a longer
 * one when it may be whole. */
#define SHORT_HEAD 4096u

static enum step
end(struct connection *connection, enum counter_id why)
{
    connection_close(connection, why);
    return STEP_GONE;
}

enum step
turn_received(struct connection *connection, ssize_t n, size_t asked)
{
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        connection->may_read = errno == EINTR;
        return connection->may_read ? STEP_ON : STEP_STARVED;
    }
    if (n == 0 && connection->phase == PHASE_HEAD &&
        (connection->orders.count != 0 ||
         !outbox_is_empty(&connection->outbox))) {
        /* It has said all that it had to say, and waits. */
        connection->phase = PHASE_CLOSING;
        return STEP_ON;
    }
    if (n <= 0)
        return end(connection, COUNTER_connections_closed);
    /* Less than there was room for: nothing more to get, for now. */
    if ((size_t)n < asked)
        connection->may_read = false;
    return STEP_ON;
}

/*
 * How much of a head to ask for.  A client that sends large values sends the
 * next one's head and body together: asking for little more than the head
 * leaves the body to be received into its pages.
 */
static size_t
read_ahead(const struct connection *connection, size_t room)
{
    size_t expected = connection->head_expected;

    return expected != 0 && expected < room ? expected : room;
}

static bool
is_over(struct connection *connection)
{
    connection->is_long =
        connection->is_long || clock_now_ns() >= connection->turn_until_ns;
    return connection->is_long;
}

/* There is more to do without any event that says so. */
static enum step
go_on_later(struct connection *connection)
{
    connection->must_go_on = true;
    return STEP_HELD;
}

/* A first buffer is had at the cost of whoever has kept one longest: those who
 * answer nothing must not close those who do. */
static enum status
make_room(struct connection *connection)
{
    struct input *input = &connection->input;
    struct group *group = connection->group;
    uint64_t most = atomic_load_explicit(&connection->server->limits.head,
                                         memory_order_relaxed);
    bool is_first = input->buffer == NULL;
    enum status status;

    do
        status = input_make_room(input, &group->buffers, (uint32_t)most);
    while (status == STATUS_NO_SPACE && is_first &&
           connection_shed(group, connection));
    return status;
}

enum step
turn_receive(struct connection *connection)
{
    struct input *input = &connection->input;
    size_t room;
    ssize_t n;

    if (!connection->may_read)
        return STEP_STARVED;
    if (is_over(connection))
        return STEP_HELD;
    switch (make_room(connection)) {
    case STATUS_OK:
        break;
    case STATUS_TOO_BIG:
        request_refuse(connection, "ERR Protocol error: command longer than "
                                   "limits.head");
        return STEP_ON;
    default:
        return end(connection, COUNTER_closed_limit);
    }
    room = read_ahead(connection, input->capacity - input->end);
    n = recv(connection->fd, input->buffer + input->end, room, MSG_DONTWAIT);
    if (n > 0)
        input_added(input, (uint32_t)n);
    return turn_received(connection, n, room);
}

/* The first byte tells the wire. */
static enum step
choose_wire(struct connection *connection)
{
    static struct log_limiter foreign;
    struct cursor cursor = input_cursor(&connection->input);

    connection->wire = request_wire_of(cursor.at, cursor_left(&cursor));
    if (connection->wire != NULL) {
        connection->dialect = connection->wire->dialect;
        return STEP_ON;
    }
    log_limited(
        &foreign, LOG_WARN, "foreign bytes on the data port",
        "peer=%s first_byte=0x%02x; lm://, RESP and the native wire are "
        "served here, HTTP on its own port",
        connection->row.peer, *cursor.at);
    return end(connection, COUNTER_closed_foreign);
}

static enum step
broken(struct connection *connection)
{
    const char *why = connection->request.head.why;
    static struct log_limiter limiter;

    log_limited(&limiter, LOG_WARN, "framing lost", "peer=%s wire=%s: %s",
                connection->row.peer, connection->wire->name, why);
    request_refuse(connection, why);
    return STEP_ON;
}

/* The parser has said how much is missing at least. */
static enum step
receive_more(struct connection *connection, const struct cursor *cursor)
{
    size_t size = input_size(&connection->input);

    connection->head_least = size < SHORT_HEAD ? 0 : size + cursor->short_by;
    return turn_receive(connection);
}

/* The request's head (or all of it) is there. */
static enum step
head_done(struct connection *connection)
{
    connection->head_since_ns = 0;
    connection->head_least = 0;
    if (connection->request.head.has_body)
        return turn_body_start(connection);
    connection->phase = PHASE_RUNNING;
    return STEP_ON;
}

static enum step
step_head(struct connection *connection)
{
    struct cursor cursor;

    if (input_size(&connection->input) == 0)
        return turn_receive(connection);
    if (is_over(connection))
        return go_on_later(connection);
    if (connection->wire == NULL && choose_wire(connection) == STEP_GONE)
        return STEP_GONE;
    if (input_size(&connection->input) < connection->head_least)
        return turn_receive(connection);
    cursor = input_cursor(&connection->input);
    switch (request_read(connection, &cursor)) {
    case PARSE_MORE:
        return receive_more(connection, &cursor);
    case PARSE_BROKEN:
        return broken(connection);
    case PARSE_DONE:
        break;
    }
    input_consume(&connection->input, &cursor);
    if (!connection->request.head.has_body)
        connection->head_expected = 0;
    request_begin(connection);
    return head_done(connection);
}

static enum step
step_more(struct connection *connection)
{
    struct cursor cursor = input_cursor(&connection->input);

    if (input_size(&connection->input) < connection->head_least)
        return turn_receive(connection);
    switch (request_read_more(connection, &cursor)) {
    case PARSE_MORE:
        return receive_more(connection, &cursor);
    case PARSE_BROKEN:
        return broken(connection);
    case PARSE_DONE:
        break;
    }
    input_consume(&connection->input, &cursor);
    return head_done(connection);
}

static enum step
step_run(struct connection *connection)
{
    if (connection->request.is_waiting)
        return STEP_HELD;
    switch (request_run(connection)) {
    case RUN_DONE:
        if (connection->phase == PHASE_RUNNING)
            connection->phase = PHASE_HEAD;
        return STEP_ON;
    case RUN_AGAIN:
        return is_over(connection) ? go_on_later(connection) : STEP_ON;
    case RUN_WAIT:
        return STEP_HELD;
    case RUN_CLOSE:
        connection->phase = PHASE_CLOSING;
        return STEP_ON;
    }
    return STEP_HELD;
}

static enum step
step(struct connection *connection)
{
    switch (connection->phase) {
    case PHASE_HEAD:
        return step_head(connection);
    case PHASE_BODY:
    case PHASE_DRAIN:
        return turn_body(connection);
    case PHASE_MORE:
        return step_more(connection);
    case PHASE_RUNNING:
        return step_run(connection);
    case PHASE_WAITING:
    case PHASE_CLOSING:
        return STEP_HELD;
    }
    return STEP_HELD;
}

/* Sends what there is; HELD when some of it is left. */
static enum step
send_out(struct connection *connection)
{
    switch (outbox_send(&connection->outbox, connection->fd,
                        &connection->turn_left)) {
    case SENT_ALL:
        return STEP_ON;
    case SENT_SLICE:
    case SENT_BLOCKED:
        return STEP_HELD;
    case SENT_GONE:
        break;
    }
    return end(connection, COUNTER_connections_closed);
}

static bool
must_send(const struct connection *connection)
{
    const struct outbox *outbox = &connection->outbox;

    return outbox->body != NULL || outbox->end - outbox->begin >= TEXT_ENOUGH;
}

/* Takes steps until one does not go on. */
static enum step
take_steps(struct connection *connection)
{
    enum step taken = STEP_ON;

    while (taken == STEP_ON) {
        if (must_send(connection)) {
            taken = send_out(connection);
            if (taken != STEP_ON)
                return taken;
        }
        /* What is done goes before what is asked for. */
        taken = request_deliver(connection) ? STEP_ON : step(connection);
    }
    if (taken != STEP_GONE && !outbox_is_empty(&connection->outbox)) {
        enum step sent = send_out(connection);

        return sent == STEP_ON ? taken : sent;
    }
    return taken;
}

/* Between turns: what to wait for, and which clocks run. */
static void
settle(struct connection *connection)
{
    struct buffers *buffers = &connection->group->buffers;
    bool is_sending = !outbox_is_empty(&connection->outbox);
    bool is_waiting = connection->request.is_waiting;
    bool is_running = connection->phase == PHASE_RUNNING;
    bool is_partial =
        (connection->phase == PHASE_HEAD || connection->phase == PHASE_MORE) &&
        !is_sending && input_size(&connection->input) != 0;

    /* Many requests may wait for storage at one time: one whose head is short
     * gives the buffer back meanwhile. */
    if (is_waiting)
        request_settle(connection);
    else if (!is_running)
        input_settle(&connection->input, buffers);
    outbox_settle(&connection->outbox, buffers);
    if (!is_partial && connection->phase != PHASE_MORE)
        connection->head_since_ns = 0;
    else if (connection->head_since_ns == 0)
        connection->head_since_ns = clock_now_ns();
    /* Who has used up a whole turn with short requests is no short one. */
    watch_set_bulk(connection->watch, connection->phase == PHASE_BODY ||
                                          connection->phase == PHASE_DRAIN ||
                                          connection->is_long);
    /* While a reply is being sent or waited for nothing is read, but few clients
     * send then: reading is given up only where there is something to read. */
    watch_want(
        connection->watch,
        (!is_running || is_waiting) && connection->phase != PHASE_WAITING &&
            connection->phase != PHASE_CLOSING &&
            !((is_sending || is_waiting) && connection->may_read),
        is_sending || connection->must_go_on || (is_running && !is_waiting));
}

/* Is it to be closed?  In a drain, once it is idle and its socket was found
 * empty: a turn may have ended before it looked. */
static bool
is_at_end(struct connection *connection, enum step taken)
{
    if (!outbox_is_empty(&connection->outbox))
        return false;
    if (connection->phase == PHASE_CLOSING)
        return connection->orders.count == 0;
    if (!atomic_load(&connection->server->is_draining) ||
        !connection_is_idle(connection))
        return false;
    if (taken == STEP_HELD)
        connection->must_go_on = true;
    return taken != STEP_HELD;
}

void
turn_run(struct connection *connection)
{
    enum step taken;

    assert(!connection->is_in_turn);
    connection->is_in_turn = true;
    connection->turn_left = TURN_BYTES;
    connection->turn_until_ns = clock_now_ns() + TURN_NS;
    connection->must_go_on = connection->is_long = false;
    taken = take_steps(connection);
    if (taken == STEP_GONE)
        return;
    connection->is_in_turn = false;
    if (is_at_end(connection, taken)) {
        connection_close(connection, connection->end_reason);
        return;
    }
    settle(connection);
}

void
turn_resume(struct connection *connection)
{
    if (!connection->is_in_turn)
        turn_run(connection);
}

void
turn_ready(void *arg, bool may_read, bool may_write)
{
    struct connection *connection = arg;

    (void)may_write;
    assert(connection->magic == CONNECTION_MAGIC);
    if (may_read && connection->phase == PHASE_WAITING)
        return;
    if (may_read)
        connection->may_read = true;
    turn_run(connection);
}

void
turn_finish(struct connection *connection)
{
    connection->is_finishing = true;
    /* What had arrived before is read and answered; a turn that leaves an idle
     * connection behind closes it. */
    connection->may_read = true;
    turn_run(connection);
}
