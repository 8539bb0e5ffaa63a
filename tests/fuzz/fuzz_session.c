/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole session with the real server, on one thread: the bytes go over a
 * socket to a worker whose loop is turned here.  They go in one piece, in
 * pieces whose lengths come from the bytes, and one by one, each to a fresh
 * server, and the replies must be the same.  What the bytes mean is left to
 * fuzz_resp, fuzz_lm and fuzz_native.
 */
#include "base/log.h"
#include "proto/native.h"
#include "server/daemon.h"
#include "server/server.h"
#include "server/worker/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE_MAX_TRIED 2048u
#define TURNS_MAX      100000u
#define PIECE_MAX      64u
#define LIFETIME_TAG   (11u << 3) /* of proto/native.proto */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct replies {
    uint8_t *bytes;
    size_t size, room;
};

/* Length of the piece that begins with these bytes; left: how many are there.
 */
typedef size_t piece_fn(const uint8_t *at, size_t left);

static void
require(bool is_so)
{
    if (!is_so)
        abort();
}

static size_t
all(const uint8_t *at, size_t left)
{
    (void)at;
    return left;
}

static size_t
single(const uint8_t *at, size_t left)
{
    (void)at;
    (void)left;
    return 1;
}

static size_t
some(const uint8_t *at, size_t left)
{
    size_t size = 1 + (at[0] * 31u + left) % PIECE_MAX;

    return size < left ? size : left;
}

/* Small, and with no limit in time that could pass meanwhile. */
static struct daemon *
open_daemon(void)
{
    static const char *const settings[] = {
        "listen.data=127.0.0.1:0",  "listen.http=127.0.0.1:0",
        "dram.size=4MiB",           "limits.index_memory=256KiB",
        "limits.workers=1",         "limits.put_wait=0",
        "limits.header_timeout=1h", "limits.body_timeout=1h",
        "limits.slow_body=1h",      "limits.output_timeout=1h",
        "limits.pinned_timeout=1h", "limits.connections=8",
        "limits.head_memory=64MiB", "lease.ms=1h",
    };
    static struct options options;
    struct option_problem problem;
    struct daemon *daemon;
    char why[256];

    options_init(&options);
    for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        require(option_set_pair(&options, settings[i], "here", &problem) ==
                STATUS_OK);
    require(options_finish(&options, &problem) == STATUS_OK);
    require(daemon_open(&options, &daemon, why, sizeof(why)) == STATUS_OK);
    return daemon;
}

/* Takes what was answered; false at its end. */
static bool
take(int fd, struct replies *replies)
{
    for (;;) {
        ssize_t n;

        if (replies->room - replies->size < 65536) {
            replies->room = 2 * replies->room + 65536;
            replies->bytes = realloc(replies->bytes, replies->room);
            require(replies->bytes != NULL);
        }
        n = recv(fd, replies->bytes + replies->size,
                 replies->room - replies->size, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        replies->size += (size_t)n;
    }
}

static void
write_pieces(struct worker *worker, int fd, struct bytes input, piece_fn *piece,
             struct replies *replies)
{
    while (input.size != 0) {
        size_t size = piece(input.at, input.size);
        ssize_t n = send(fd, input.at, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN)
            return; /* the session is over */
        if (n > 0) {
            input.at += n;
            input.size -= (size_t)n;
        }
        worker_turn(worker);
        (void)take(fd, replies);
    }
}

static struct replies
converse(const uint8_t *data, size_t size, piece_fn *piece)
{
    struct daemon *daemon = open_daemon();
    struct server *server = daemon->server;
    struct worker *worker = server->workers[0];
    struct replies replies = {0};
    unsigned turns = 0;
    int fd[2];

    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
    worker_give(worker, fd[1], "fuzz");
    worker_turn(worker);
    write_pieces(worker, fd[0], (struct bytes){data, size}, piece, &replies);
    shutdown(fd[0], SHUT_WR);
    while (take(fd[0], &replies)) {
        require(turns++ < TURNS_MAX);
        worker_turn(worker);
    }
    close(fd[0]);
    while (server_connections(server) != 0) {
        require(turns++ < TURNS_MAX);
        worker_turn(worker);
    }
    require(atomic_load(&server->head_memory.used) == 0);
    daemon_close(&daemon);
    return replies;
}

static bool
holds(const uint8_t *data, size_t size, const char *word)
{
    size_t length = strlen(word);

    for (size_t i = 0; i + length <= size; i++)
        if (strncasecmp((const char *)data + i, word, length) == 0)
            return true;
    return false;
}

/* May answers depend on when, or on which server, they are given?  So do
 * listings: each server mixes names into its table in a way of its own. */
static bool
is_its_own(const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "INFO", "TTL",    "CLIENT", "PX",        "PSETEX", "EXPIRE",
        "EXAT", "CONFIG", "SCAN",   "WITHTIERS", "CLUSTER"};
    static const uint8_t lm_list[] = {4, 0, 0, 0};

    if (size > 0 && data[0] < ' ' &&
        memmem(data, size, lm_list, sizeof(lm_list)) != NULL)
        return true;
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (holds(data, size, words[i]))
            return true;
    return false;
}

/* Replies of the native wire tell of times and of the server itself: what may
 * not differ is what they are to, their codes and their bodies.  A lifetime may
 * end meanwhile. */
static void
require_alike(const uint8_t *data, size_t size, const struct replies *first,
              const struct replies *second)
{
    struct cursor one = {first->bytes, first->bytes + first->size, 0};
    struct cursor two = {second->bytes, second->bytes + second->size, 0};
    struct native_reply reply, other;
    const char *why;

    for (size_t i = 0; i < size; i++)
        if ((data[i] & 0x7f) == LIFETIME_TAG)
            return;
    while (cursor_left(&one) != 0) {
        require(native_read_reply(&one, &reply, &why) == PARSE_DONE);
        require(native_read_reply(&two, &other, &why) == PARSE_DONE);
        require(reply.id == other.id && reply.code == other.code &&
                reply.index == other.index && reply.kind == other.kind &&
                reply.matched == other.matched &&
                reply.body_size == other.body_size);
        require(cursor_has(&one, reply.body_size) &&
                cursor_has(&two, reply.body_size));
        require(memcmp(one.at, two.at, reply.body_size) == 0);
        one.at += reply.body_size;
        two.at += reply.body_size;
    }
    require(cursor_left(&two) == 0);
}

static void
require_same(const struct replies *first, const struct replies *second)
{
    require(first->size == second->size);
    require(first->size == 0 ||
            memcmp(first->bytes, second->bytes, first->size) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct replies whole, pieces, bytes;

    if (size > SIZE_MAX_TRIED)
        return 0;
    log_setup(LOG_ERROR, LOG_LOGFMT);
    whole = converse(data, size, all);
    pieces = converse(data, size, some);
    bytes = converse(data, size, single);
    if (size > 0 && data[0] == NATIVE_MAGIC) {
        require_alike(data, size, &whole, &pieces);
        require_alike(data, size, &whole, &bytes);
    } else if (!is_its_own(data, size)) {
        require_same(&whole, &pieces);
        require_same(&whole, &bytes);
    }
    free(whole.bytes);
    free(pieces.bytes);
    free(bytes.bytes);
    return 0;
}
